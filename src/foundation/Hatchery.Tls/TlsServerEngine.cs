using Hatchery.Tls.Bouncy;

namespace Hatchery.Tls;

public sealed class TlsServerEngine : TlsEngine
{
    /// <summary>Waits for a ClientHello. Throws <see cref="ArgumentException"/> for options without identity, PSK and SRP, or that leave no suite.</summary>
    public TlsServerEngine(TlsServerOptions options, Chance chance, Moment now) : this(options, chance, now, new Progress())
    {
    }

    private TlsServerEngine(TlsServerOptions options, Chance chance, Moment now, Progress progress) : base(options, progress, now)
    {
        var protocol = new ServerProtocol();
        protocol.Accept(new ServerPeer(new ChanceCrypto(chance, "server", progress), options, progress));
        Begin(protocol);
    }
}
