using System.Collections.Immutable;
using System.Globalization;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Transport;

/// <summary>FDO over HTTP (FDO 1.1 §4.3): POST /fdo/101/msg/TYPE, type and token of the answer in headers.</summary>
public static class FdoHttp
{
    public const string Prefix = "/fdo/101/msg/";
    internal const string Cbor = "application/cbor";

    internal static string Path(int type) => Prefix + type.ToString(CultureInfo.InvariantCulture);

    /// <summary>The type that a path names; -1 if it names none.</summary>
    internal static int TypeOf(string path) =>
        path.StartsWith(Prefix, StringComparison.Ordinal) && int.TryParse(path.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int type) && type <= 255 ? type : -1;
}

/// <summary>The server's side of <see cref="FdoHttp"/>.</summary>
/// <param name="types">The message types to take besides 255.</param>
/// <param name="correlationIds">Draws EMErrorCID.</param>
public sealed class FdoHttpServer(ImmutableArray<int> types, Chance correlationIds) : IHttpServerBinding
{
    /// <summary>One path per type, and the prefix for types that nobody answers: those get error 100 instead of a 404.</summary>
    public ImmutableArray<string> Routes { get; } = [.. types.Append(255).Select(t => "POST " + FdoHttp.Path(t)), "POST " + FdoHttp.Prefix];

    public int MaxBody => ushort.MaxValue;

    public IMessage Parse(PlainHttpRequest request, Caller caller)
    {
        caller.Token = request.Header("Authorization");
        int type = FdoHttp.TypeOf(request.Path);
        if (type < 0)
            throw new FdoException(FdoErrorCode.MessageBodyError, "message type", "The path names no message type.");
        return FdoCodec.Parse(type, request.Body);
    }

    public PlainHttpResponse Encode(Reply reply, PlainHttpRequest request)
    {
        if (reply.Message is not FdoMessage message)
            return new PlainHttpResponse(200, [new("Content-Type", FdoHttp.Cbor)], default);
        var type = new KeyValuePair<string, string>("Message-Type", message.Type.ToString(CultureInfo.InvariantCulture));
        var cbor = new KeyValuePair<string, string>("Content-Type", FdoHttp.Cbor);
        KeyValuePair<string, string>[] headers = reply.Token is null ? [cbor, type] : [cbor, type, new("Authorization", reply.Token)];
        return new PlainHttpResponse(message is ErrorMessage ? 500 : 200, headers, message.Raw);
    }

    public Reply Refuse(ProtocolException? fault, PlainHttpRequest request, Caller caller) =>
        new(FdoErrors.Answer(fault as FdoException, FdoHttp.TypeOf(request.Path), caller.Now.Wall, correlationIds));
}

/// <summary>The client's side; one per connection: it echoes the token that it got last, as received.</summary>
public sealed class FdoHttpClient : IHttpClientBinding
{
    private string? _token;

    public PlainHttpRequest Encode(IMessage message)
    {
        var fdo = (FdoMessage)message;
        KeyValuePair<string, string>[] headers = _token is null
            ? [new("Content-Type", FdoHttp.Cbor)] : [new("Content-Type", FdoHttp.Cbor), new("Authorization", _token)];
        return new PlainHttpRequest("POST", FdoHttp.Path(fdo.Type), headers, fdo.Raw);
    }

    /// <summary>Looks at Message-Type before the status: some servers report errors with status 200.</summary>
    public IMessage? Parse(PlainHttpResponse response, IMessage request)
    {
        var asked = (FdoMessage)request;
        if (asked is ErrorMessage)
            return null;
        string? header = response.Header("Message-Type");
        if (header is null && response.Status != 200 && response.Header("Content-Type") == FdoHttp.Cbor)
            header = "255";
        if (!int.TryParse(header, NumberStyles.None, CultureInfo.InvariantCulture, out int type))
            throw new FdoException(FdoErrorCode.MessageBodyError, "Message-Type", $"The answer to {asked.Kind} has status {response.Status} and no Message-Type.");
        var message = FdoCodec.Parse(type, response.Body);
        if (message is ErrorMessage)
            return message;
        if (response.Status != 200 || type != asked.Type + 1)
            throw FdoException.Invalid("Message-Type", $"{type} with status {response.Status} is no answer to {asked.Kind}.");
        // Some servers keep all they know in the token and send another with each answer.
        _token = response.Header("Authorization") ?? _token;
        if (_token is null && StartsConversation(asked.Type))
            throw FdoException.Invalid("Authorization", $"The answer to {asked.Kind} brings no token.");
        return message;
    }

    private static bool StartsConversation(int type) => type is 10 or 20 or 30 or 60;
}
