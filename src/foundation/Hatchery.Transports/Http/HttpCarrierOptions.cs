using System.Net.Security;
using System.Security.Authentication;

namespace Hatchery.Transports;

public sealed record HttpCarrierOptions
{
    /// <summary>For name, TCP and TLS together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>From the first byte sent to the last byte received.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>How long what was handed over before a close may still take.</summary>
    public TimeSpan LingerTimeout { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Bytes of a body.</summary>
    public int MaxResponse { get; init; } = 1024 * 1024;
    /// <summary>How often a message is sent again after the connection broke before any byte of the answer. The peer may see it twice.</summary>
    public int Retries { get; init; } = 2;
    /// <summary>The certificate and key that an item of the state stands for (<see cref="ChannelSecurity.Certificates.IdentityItem"/>).</summary>
    public Func<string, SslStreamCertificateContext?>? Identities { get; init; }
    /// <summary>Certificates without anchors and pins mean the platform's web trust. Otherwise such a connection is refused.</summary>
    public bool PlatformTrust { get; init; }
    /// <summary>The platform's choice by default. TLS 1.2 where tls-unique is needed.</summary>
    public SslProtocols Protocols { get; init; } = SslProtocols.None;
    /// <summary>Every TLS connection, not only a provisional one, reports the chain and tls-unique as <see cref="Supply.ServerChain"/>.</summary>
    public bool ReportChannel { get; init; }
    /// <summary>TLS by somebody else than the platform, for what that cannot do (SRP, PSK, exporters); an answer of null leaves it to the platform.</summary>
    public Func<Destination, Stream, CancellationToken, ValueTask<SecuredStream?>>? Secure { get; init; }
    public SystemClock Clock { get; init; } = new();
    public IWitness Witness { get; init; } = Hatchery.Witness.None;
    public CaptureAt CaptureAt { get; init; } = CaptureAt.Medium;
}

/// <summary>A stream under TLS, and what its handshake showed.</summary>
public sealed record SecuredStream(Stream Stream, Supply.ServerChain Channel);
