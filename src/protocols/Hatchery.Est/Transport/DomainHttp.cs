using System.Collections.Immutable;
using System.Text;

namespace Hatchery.Est.Transport;

/// <summary>The domain service over HTTP: GET /hatchery/domain.</summary>
public sealed class DomainHttp : IHttpServerBinding
{
    public const string Path = "/hatchery/domain";

    public ImmutableArray<string> Routes { get; } = ["GET " + Path];
    public int MaxBody => 0;

    public IMessage Parse(PlainHttpRequest request, Caller caller) => new ServiceUse();

    public PlainHttpResponse Encode(Reply reply, PlainHttpRequest request)
    {
        bool accepted = reply.Message is ServiceAccept { Accepted: true };
        return new PlainHttpResponse(accepted ? 200 : 403, [new("Content-Type", MediaTypes.PlainText)],
            Encoding.UTF8.GetBytes(accepted ? "welcome\n" : "this service is for devices with a certificate of the domain\n"));
    }

    public Reply Refuse(ProtocolException? fault, PlainHttpRequest request, Caller caller) => new(new ServiceAccept(false));
}
