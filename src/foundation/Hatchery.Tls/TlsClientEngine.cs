using Hatchery.Tls.Bouncy;

namespace Hatchery.Tls;

public sealed class TlsClientEngine : TlsEngine
{
    /// <summary>The ClientHello waits in <see cref="TlsEngine.TryTransmit"/>. Throws <see cref="ArgumentException"/> for options that leave no suite.</summary>
    public TlsClientEngine(TlsClientOptions options, Chance chance, Moment now) : this(options, chance, now, new Progress())
    {
    }

    private TlsClientEngine(TlsClientOptions options, Chance chance, Moment now, Progress progress) : base(options, progress, now)
    {
        var protocol = new ClientProtocol();
        protocol.Connect(new ClientPeer(new ChanceCrypto(chance, "client", progress), options, progress));
        Begin(protocol);
    }
}
