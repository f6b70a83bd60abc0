using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Tls;

/// <summary>Versions to offer or accept. Values are those on the wire, in <see cref="TlsConnection.Version"/>; combined here.</summary>
[Flags]
public enum TlsVersions { Tls12 = 1, Tls13 = 2, All = Tls12 | Tls13 }

/// <summary>What a server asks of its clients.</summary>
public enum ClientCertificates { None, Allow, Require }

/// <summary>The certificate chain that one side shows, and the key of its leaf (ECDSA on P-256 or P-384).</summary>
public sealed class TlsIdentity
{
    /// <param name="chain">DER, leaf first; the anchor may be left out.</param>
    /// <param name="key">Stays the caller's: not disposed. What signs is <see cref="Chance.Signer(ECDsa, string)"/> of it.</param>
    public TlsIdentity(ImmutableArray<byte[]> chain, ECDsa key)
    {
        if (chain.IsDefaultOrEmpty)
            throw new ArgumentException("An identity shows at least one certificate.", nameof(chain));
        if (key.KeySize is not (256 or 384))
            throw new ArgumentException("The key is on P-256 or P-384.", nameof(key));
        (Chain, Key) = (chain, key);
    }

    public ImmutableArray<byte[]> Chain { get; }
    internal ECDsa Key { get; }

    /// <param name="pkcs8">DER, unencrypted. Throws <see cref="CryptographicException"/> for what is no EC key.</param>
    public static TlsIdentity FromPkcs8(ImmutableArray<byte[]> chain, ReadOnlySpan<byte> pkcs8) => new(chain, SigningKeys.ImportPrivate(pkcs8));
}

/// <summary>What bounds an engine.</summary>
/// <param name="HandshakeMessage">Bytes of one handshake message (a certificate chain is the largest).</param>
/// <param name="ChainLength">Certificates in a peer's chain.</param>
/// <param name="SendBuffer">Bytes that wait to be transmitted, protection included, before <see cref="Accepted.TryLater"/>; a larger piece of data is
/// <see cref="Accepted.TooLarge"/>.</param>
/// <param name="ReceiveBuffer">Bytes received at once, or left undrained: beyond this the connection fails.</param>
public sealed record TlsLimits(int HandshakeMessage = 32 * 1024, int ChainLength = 10, int SendBuffer = 64 * 1024, int ReceiveBuffer = 256 * 1024);

/// <summary>What both sides have in common.</summary>
public abstract record TlsOptions
{
    public TlsVersions Versions { get; init; } = TlsVersions.All;

    /// <summary>Narrows and orders the suites that fit the credentials; empty: all of them, in the engine's order.</summary>
    public ImmutableArray<TlsCipherSuite> CipherSuites { get; init; } = [];

    /// <summary>ALPN (RFC 7301), most wanted first; empty: the extension is left out, or ignored by a server.</summary>
    public ImmutableArray<string> ApplicationProtocols { get; init; } = [];

    /// <summary>What to show: the server's certificate; a client's where the server asks for one.</summary>
    public TlsIdentity? Identity { get; init; }

    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TlsLimits Limits { get; init; } = new();
}

public sealed record TlsClientOptions : TlsOptions
{
    /// <summary>How the server is to be checked. <see cref="ChannelSecurity.Certificates.Provisional"/> accepts any server that holds its certificate's key:
    /// decide after <see cref="TlsEventKind.Connected"/> and before the first <see cref="TlsEngine.Send"/>. An engine over BouncyCastle cannot wait in the middle of
    /// a handshake, so there is no question to suspend on. <see cref="SrpSecurity"/> is TLS 1.2 only.</summary>
    public required ChannelSecurity Security { get; init; }

    /// <summary>Sent as SNI if it is a DNS name; must be named by a certificate that is judged by anchors. Null: neither.</summary>
    public string? ServerName { get; init; }
}

public sealed record TlsServerOptions : TlsOptions
{
    public ClientCertificates ClientCertificates { get; init; }

    /// <summary>DER. Empty: any client certificate whose key the client holds is taken, and the role judges it.</summary>
    public ImmutableArray<byte[]> ClientAnchors { get; init; } = [];

    /// <summary>The key to an identity; null: unknown. Absent: no PSK suites.</summary>
    public Func<ReadOnlyMemory<byte>, SecretBytes?>? PskOf { get; init; }

    /// <summary>The verifier of a user; null: unknown, which the alert unknown_psk_identity tells the client (RFC 5054, section 2.5.1.3). Absent: no SRP suites.</summary>
    public Func<string, SrpVerifier?>? SrpVerifierOf { get; init; }
}
