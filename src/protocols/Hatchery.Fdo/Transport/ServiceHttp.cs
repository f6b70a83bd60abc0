using System.Collections.Immutable;
using System.Text;

namespace Hatchery.Fdo.Transport;

/// <summary>The owner's service over HTTP: POST with the GUID as body and the token as bearer; 204 or 401.</summary>
public sealed class ServiceHttpServer : IHttpServerBinding
{
    private const string Bearer = "Bearer ";

    public ImmutableArray<string> Routes => ["POST " + ServiceUse.Path];
    public int MaxBody => 64;

    public IMessage Parse(PlainHttpRequest request, Caller caller)
    {
        string? header = request.Header("Authorization");
        if (header is null || !header.StartsWith(Bearer, StringComparison.Ordinal))
            throw new FdoException(FdoErrorCode.InvalidJwtToken, "Authorization", "There is no token.");
        return Guid.TryParseExact(Encoding.ASCII.GetString(request.Body.Span), "N", out var guid) ? new ServiceUse(guid, new SecretText(header[Bearer.Length..]))
            : throw new FdoException(FdoErrorCode.InvalidGuid, "Guid", "The body is no GUID.");
    }

    public PlainHttpResponse Encode(Reply reply, PlainHttpRequest request) => new(((ServiceAccept)reply.Message!).Accepted ? 204 : 401, [], default);

    public Reply Refuse(ProtocolException? fault, PlainHttpRequest request, Caller caller) => new(new ServiceAccept(false));
}

/// <inheritdoc cref="ServiceHttpServer"/>
public sealed class ServiceHttpClient : IHttpClientBinding
{
    public PlainHttpRequest Encode(IMessage message)
    {
        var use = (ServiceUse)message;
        return new PlainHttpRequest("POST", ServiceUse.Path, [new("Authorization", "Bearer " + use.Token.Reveal())], use.Body);
    }

    public IMessage? Parse(PlainHttpResponse response, IMessage request) => response.Status switch
    {
        204 => new ServiceAccept(true),
        401 => new ServiceAccept(false),
        _ => throw FdoException.Invalid("status", $"{response.Status} was not expected."),
    };
}
