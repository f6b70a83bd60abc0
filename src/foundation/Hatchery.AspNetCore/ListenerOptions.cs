using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using Hatchery.Transports;

namespace Hatchery.AspNetCore;

/// <summary>What a listener asks of its clients. Any certificate is taken: the role judges it and answers in its protocol's own terms.</summary>
public enum ClientCertificates { None, Allow, Require }

/// <summary>The certificate and key to show, asked at each handshake, so certificates roll without a restart. The same object should be returned
/// until then: it carries what TLS keeps between handshakes.</summary>
/// <param name="serverName">The name that the client asked for; null if none.</param>
public delegate SslStreamCertificateContext ServerCertificateSource(string? serverName);

public sealed record ListenerOptions
{
    public required string Name { get; init; }
    public IPAddress Address { get; init; } = IPAddress.Loopback;
    /// <summary>0: one that is free.</summary>
    public int Port { get; init; }
    /// <summary>Null: no TLS.</summary>
    public ServerCertificateSource? Certificate { get; init; }
    /// <summary>TLS by somebody else than the platform, for what that cannot do (SRP, PSK, exporters); instead of <see cref="Certificate"/>. Throws <see cref="IOException"/>
    /// where the handshake fails.</summary>
    public Func<Stream, CancellationToken, ValueTask<SecuredChannel>>? Secure { get; init; }
    /// <summary>Null: HTTP. Asked once for each connection of a byte stream; an answer of null closes it.</summary>
    public Func<StreamRole?>? Stream { get; init; }
    /// <summary>Scheme of the listener's address: http, https, tcp or tls.</summary>
    public string Scheme => (Stream is null, Certificate is null && Secure is null) switch { (true, true) => "http", (true, _) => "https", (_, true) => "tcp", _ => "tls" };
    public ClientCertificates ClientCertificates { get; init; }
    /// <summary>The platform's choice by default. TLS 1.2 where tls-unique is needed.</summary>
    public SslProtocols Protocols { get; init; } = SslProtocols.None;
    /// <summary>Further ones are closed at once.</summary>
    public int MaxConnections { get; init; } = 4096;
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>Of a request. Kestrel has one such limit for all listeners of a server: the longest is applied.</summary>
    public TimeSpan HeaderTimeout { get; init; } = TimeSpan.FromSeconds(15);
    /// <summary>Of an idle connection. One for all listeners of a server: the longest is applied.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(120);
    /// <summary>Bytes, where a role's own limit is not lower. One for all listeners of a server: the largest is applied.</summary>
    public long MaxBody { get; init; } = 1024 * 1024;
    public IWitness Witness { get; init; } = Hatchery.Witness.None;
    public SystemClock Clock { get; init; } = new();
    public CaptureAt CaptureAt { get; init; } = CaptureAt.Medium;
}

/// <summary>A stream under TLS, and what its handshake proved; see <see cref="Caller"/>.</summary>
public sealed record SecuredChannel(Stream Stream)
{
    /// <summary>DER, leaf first.</summary>
    public System.Collections.Immutable.ImmutableArray<byte[]> ClientChain { get; init; } = [];
    public ReadOnlyMemory<byte> ServerCertificate { get; init; }
    public ReadOnlyMemory<byte> TlsUnique { get; init; }
    public ReadOnlyMemory<byte> TlsExporter { get; init; }
    public string? SecretName { get; init; }
}
