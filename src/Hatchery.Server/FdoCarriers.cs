using System.Collections.Immutable;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;

namespace Hatchery.Server;

/// <summary>What an FDO party reaches: HTTP, HTTPS, TCP and TLS.</summary>
public static class FdoCarriers
{
    /// <summary>As rendezvous directives name them, best first.</summary>
    public static readonly ImmutableArray<string> Schemes = ["https", "http", "tls", "tcp"];

    public static CarrierBySchemes Make(Func<Destination, IHttpClientBinding> http, HttpCarrierOptions options)
    {
        var (overHttp, overStreams) = (new HttpCarrier(http, options), new StreamCarrier(_ => new FdoStreamClient(), options));
        return new CarrierBySchemes(Schemes.ToImmutableDictionary(s => s, s => s.StartsWith("http", StringComparison.Ordinal) ? (ICarrier)overHttp : overStreams));
    }
}
