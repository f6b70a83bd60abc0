using System.Collections.Immutable;
using System.Net.Security;

namespace Hatchery.Tls;

/// <summary>What was negotiated and proven.</summary>
public sealed class TlsConnection
{
    private readonly Exporter? _exporter;

    internal TlsConnection(Exporter? exporter) => _exporter = exporter;

    public required TlsVersions Version { get; init; }
    public required TlsCipherSuite CipherSuite { get; init; }

    /// <summary>DER, leaf first, as the peer showed it; empty if it showed none. The peer holds the leaf's key.</summary>
    public required ImmutableArray<byte[]> PeerChain { get; init; }

    /// <summary>RFC 5929, 12 bytes; TLS 1.2 only, empty otherwise.</summary>
    public ReadOnlyMemory<byte> TlsUnique { get; init; }

    /// <summary>ALPN; null if none was agreed.</summary>
    public string? ApplicationProtocol { get; init; }

    /// <summary>SNI, as the client sent it; null if it sent none.</summary>
    public string? ServerName { get; init; }

    /// <summary>The identity under which both proved the key; empty without PSK.</summary>
    public ReadOnlyMemory<byte> PskIdentity { get; init; }

    /// <summary>The user whose password the client proved; null without SRP.</summary>
    public string? SrpUser { get; init; }

    public Layer Layer => new(Version == TlsVersions.Tls13 ? "TLS 1.3" : "TLS 1.2", Protection.Full);

    /// <summary>False on TLS 1.2 with a peer that lacks extended_master_secret (RFC 7627, section 5.4).</summary>
    public bool CanExport => _exporter is not null;

    /// <summary>RFC 5705, section 4, and RFC 8446, section 7.5. Throws <see cref="InvalidOperationException"/> where <see cref="CanExport"/> is false or the engine
    /// is disposed.</summary>
    /// <param name="label">ASCII.</param>
    /// <param name="context">Up to 65535 bytes. On TLS 1.2 null and empty are two things.</param>
    /// <param name="length">Bytes wanted: on TLS 1.3 at most 255 times the size of the suite's hash.</param>
    public byte[] Export(string label, ReadOnlyMemory<byte>? context, int length) =>
        _exporter?.Export(label, context, length) ?? throw new InvalidOperationException("Keys cannot be exported from this connection.");

    internal void Forget() => _exporter?.Dispose();
}
