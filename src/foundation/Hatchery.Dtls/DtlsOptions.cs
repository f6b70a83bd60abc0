using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dtls;

/// <summary>Groups of RFC 8422; values as on the wire.</summary>
public enum DtlsGroup : ushort { P256 = 23, P384 = 24, P521 = 25, X25519 = 29 }

/// <summary>SignatureAndHashAlgorithm; values as on the wire.</summary>
public enum DtlsSignatureScheme : ushort { EcdsaSha256 = 0x0403, EcdsaSha384 = 0x0503, EcdsaSha512 = 0x0603 }

/// <summary>Whether an extension is left out, used where the peer knows it, or insisted on.</summary>
public enum DtlsUse { Off, Allow, Require }

public enum DtlsClientCertificates { None, Allow, Require }

/// <summary>What one side shows to prove itself: a certificate chain, or a raw public key (RFC 7250); ECDSA on P-256, P-384 or P-521.</summary>
public sealed class DtlsIdentity
{
    private DtlsIdentity(ImmutableArray<byte[]> chain, byte[] publicKey, ECDsa? key)
    {
        using var parsed = SigningKeys.ImportPublic(publicKey);
        (Chain, PublicKey, Key, Bits) = (chain, publicKey, key, parsed.KeySize);
    }

    /// <param name="chain">DER, leaf first; the anchor may be left out.</param>
    /// <param name="key">Stays the caller's. Null: each signature is asked for as a <see cref="DtlsQuestion.Sign"/>, with the key in hardware.</param>
    /// <exception cref="CryptographicException">The leaf has no EC key of a supported curve.</exception>
    public static DtlsIdentity FromChain(ImmutableArray<byte[]> chain, ECDsa? key)
    {
        if (chain.IsDefaultOrEmpty)
            throw new ArgumentException("An identity shows at least one certificate.", nameof(chain));
        return new(chain, LeafKeys.SubjectPublicKeyInfo(chain[0]), key);
    }

    /// <param name="subjectPublicKeyInfo">DER.</param>
    /// <param name="key"><inheritdoc cref="FromChain"/></param>
    /// <exception cref="CryptographicException">Not an EC key of a supported curve.</exception>
    public static DtlsIdentity FromRawKey(ReadOnlySpan<byte> subjectPublicKeyInfo, ECDsa? key) => new([], subjectPublicKeyInfo.ToArray(), key);

    public static DtlsIdentity FromRawKey(ECDsa key) => new([], key.ExportSubjectPublicKeyInfo(), key);

    public ImmutableArray<byte[]> Chain { get; }
    /// <summary>SubjectPublicKeyInfo, DER.</summary>
    public ReadOnlyMemory<byte> PublicKey { get; }
    internal ECDsa? Key { get; }
    internal int Bits { get; }
    /// <summary>TLS 1.2 lets any hash sign; the one that fits the curve is used.</summary>
    internal DtlsSignatureScheme Scheme => Bits switch { 256 => DtlsSignatureScheme.EcdsaSha256, 384 => DtlsSignatureScheme.EcdsaSha384, _ => DtlsSignatureScheme.EcdsaSha512 };
    internal DtlsGroup Group => Bits switch { 256 => DtlsGroup.P256, 384 => DtlsGroup.P384, _ => DtlsGroup.P521 };
}

/// <summary>A shared secret and its name. Identities are opaque bytes up to 65535; keys 1 to 65535 bytes.</summary>
public sealed record DtlsPsk(ReadOnlyMemory<byte> Identity, SecretBytes Key)
{
    /// <param name="identity">As UTF-8.</param>
    public DtlsPsk(string identity, SecretBytes key) : this(System.Text.Encoding.UTF8.GetBytes(identity), key)
    {
    }
}

/// <summary>Retransmission (RFC 6347, section 4.2.4): <see cref="Initial"/>, doubled up to <see cref="Longest"/>, <see cref="Retransmissions"/> times. RFC 7925
/// asks constrained devices for 9 s, Thread for 8.</summary>
public sealed record DtlsTimers(TimeSpan Initial, TimeSpan Longest, int Retransmissions)
{
    public static readonly DtlsTimers Default = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), 6);
    /// <summary>RFC 7925, section 11.</summary>
    public static readonly DtlsTimers Constrained = new(TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(60), 4);
    /// <summary>The whole handshake, questions included.</summary>
    public TimeSpan Handshake { get; init; } = TimeSpan.FromSeconds(120);
    /// <summary>How long the last flight can be asked for again, if no data has shown by then that it arrived.</summary>
    public TimeSpan LastFlight { get; init; } = TimeSpan.FromMinutes(4);
}

/// <summary>What bounds a session. Bytes, unless it says otherwise.</summary>
public sealed record DtlsLimits
{
    /// <summary>One handshake message; a certificate chain is the largest.</summary>
    public int HandshakeMessage { get; init; } = 16 * 1024;
    /// <summary>All handshake messages that wait for an earlier one or for their rest.</summary>
    public int Reassembly { get; init; } = 32 * 1024;
    /// <summary>Certificates in a peer's chain.</summary>
    public int ChainLength { get; init; } = 10;
    /// <summary>Records that do not authenticate until the session ends; CCM-8's tag of 64 bits asks for a limit.</summary>
    public long BadRecords { get; init; } = 1 << 20;
    /// <summary>Datagrams that wait to be transmitted, for all sessions of an engine.</summary>
    public int SendQueue { get; init; } = 4096;
}

/// <summary>What both sides have in common.</summary>
public abstract record DtlsOptions
{
    /// <summary>Most wanted first; empty: all that fit the credentials, but <see cref="DtlsCipherSuite.EcdhAnonAes128CbcSha256"/>. A suite that is named but has no credential throws.</summary>
    public ImmutableArray<DtlsCipherSuite> Suites { get; init; } = [];
    public ImmutableArray<DtlsGroup> Groups { get; init; } = [DtlsGroup.P256, DtlsGroup.X25519, DtlsGroup.P384];
    public ImmutableArray<DtlsSignatureScheme> SignatureSchemes { get; init; } = [DtlsSignatureScheme.EcdsaSha256, DtlsSignatureScheme.EcdsaSha384, DtlsSignatureScheme.EcdsaSha512];

    /// <summary>What to show: the server's, or a client's where the server asks for one.</summary>
    public DtlsIdentity? Identity { get; init; }
    /// <summary>Of EC-JPAKE: Thread's PSKd as ASCII, or PSKc.</summary>
    public SecretBytes? Password { get; init; }

    /// <summary>Judges what the peer shows, after it proved to hold the key. Null with <see cref="AskTrust"/> false: nothing is trusted.</summary>
    public DtlsTrust? Trust { get; init; }
    /// <summary>Raises a <see cref="DtlsQuestion.Judge"/> instead.</summary>
    public bool AskTrust { get; init; }

    public DtlsUse ExtendedMasterSecret { get; init; } = DtlsUse.Allow;
    /// <summary>Of the CBC suites (RFC 7366).</summary>
    public DtlsUse EncryptThenMac { get; init; } = DtlsUse.Allow;
    /// <summary>ALPN (RFC 7301), most wanted first; empty: the extension is left out, or ignored by a server.</summary>
    public ImmutableArray<string> ApplicationProtocols { get; init; } = [];
    /// <summary>Bytes of a record that we are willing to take, 64 to 16384 (RFC 8449); null: the extension is left out.</summary>
    public int? RecordSizeLimit { get; init; }
    /// <summary>Bytes of the id by which peers name a session to us (RFC 9146), 0 to 8; 0: we need none but put theirs into our records. Null: no connection ids.</summary>
    public int? ConnectionIdLength { get; init; }

    /// <summary>Bytes of one datagram, at least 128. Handshake messages are fragmented to fit; after two unanswered flights 508 is tried. Data is never fragmented.</summary>
    public int Mtu { get; init; } = 1200;
    public DtlsTimers Timers { get; init; } = DtlsTimers.Default;
    public DtlsLimits Limits { get; init; } = new();
    /// <summary>Without a record of the peer's for so long the session ends.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromHours(24);
    /// <summary>Off only for tests of what is above DTLS.</summary>
    public bool ReplayProtection { get; init; } = true;

    internal abstract bool HasPsk { get; }
    internal abstract bool Allows(KeyExchange exchange);

    /// <exception cref="ArgumentException">The options contradict each other.</exception>
    internal SuiteInfo[] UsableSuites()
    {
        if (Mtu < 128)
            throw new ArgumentException("An MTU has at least 128 bytes.", nameof(Mtu));
        if (ConnectionIdLength is < 0 or > 8)
            throw new ArgumentException("A connection id has 0 to 8 bytes.", nameof(ConnectionIdLength));
        if (RecordSizeLimit is < 64 or > 16384)
            throw new ArgumentException("A record size limit is 64 to 16384.", nameof(RecordSizeLimit));
        if (Groups.IsDefaultOrEmpty || SignatureSchemes.IsDefaultOrEmpty)
            throw new ArgumentException("At least one group and one signature scheme are needed.");
        if (Suites.IsDefaultOrEmpty)
        {
            var fitting = SuiteInfo.All.Where(s => s.KeyExchange != KeyExchange.EcdhAnon && Allows(s.KeyExchange)).ToArray();
            return fitting.Length > 0 ? fitting : throw new ArgumentException("There is no credential: a PSK, a password, an identity or a trust decision.");
        }
        return [.. Suites.Select(id => SuiteInfo.Find((int)id) is { } suite && Allows(suite.KeyExchange) ? suite
            : throw new ArgumentException($"The suite {id} has no credential.", nameof(Suites)))];
    }
}

public sealed record DtlsClientOptions : DtlsOptions
{
    public DtlsPsk? Psk { get; init; }
    /// <summary>Chooses by the server's hint (empty: none); null: the handshake ends. Goes before <see cref="Psk"/>.</summary>
    public Func<ReadOnlyMemory<byte>, DtlsPsk?>? PskFor { get; init; }
    /// <summary>Raises a <see cref="DtlsQuestion.FindPsk"/> with the hint instead.</summary>
    public bool AskPsk { get; init; }

    /// <summary>Sent as SNI if it is a DNS name, and given to <see cref="DtlsOptions.Trust"/>.</summary>
    public string? ServerName { get; init; }
    /// <summary>RFC 7250: shows and takes raw public keys, in this order of wishes with certificates.</summary>
    public bool AcceptRawKeys { get; init; }
    public bool AcceptCertificates { get; init; } = true;
    /// <summary>Asks for a ticket (RFC 5077).</summary>
    public bool Tickets { get; init; }
    /// <summary>From <see cref="DtlsConnection.Resumption"/> of an earlier session with this server.</summary>
    public DtlsResumption? Resume { get; init; }
    /// <summary>RFC 6066: 512, 1024, 2048 or 4096; null: not asked for.</summary>
    public int? MaxFragmentLength { get; init; }

    internal override bool HasPsk => Psk is not null || PskFor is not null || AskPsk;
    internal override bool Allows(KeyExchange exchange) => exchange switch
    {
        KeyExchange.Psk or KeyExchange.EcdhePsk => HasPsk,
        KeyExchange.Ecjpake => Password is not null,
        KeyExchange.EcdheEcdsa => Trust is not null || AskTrust,
        _ => true,
    };
}

public sealed record DtlsServerOptions : DtlsOptions
{
    /// <summary>The key to an identity; null: unknown.</summary>
    public Func<ReadOnlyMemory<byte>, SecretBytes?>? PskOf { get; init; }
    /// <summary>Raises a <see cref="DtlsQuestion.FindPsk"/> with the identity instead.</summary>
    public bool AskPsk { get; init; }
    /// <summary>Helps clients to choose; null: none is sent.</summary>
    public ReadOnlyMemory<byte>? PskHint { get; init; }
    /// <summary>Says unknown_psk_identity; otherwise an unknown identity looks like a wrong key.</summary>
    public bool RevealUnknownIdentities { get; init; }

    public DtlsClientCertificates ClientCertificates { get; init; }
    /// <summary>RFC 7250, of clients: whether raw public keys are taken where a client can show one.</summary>
    public bool AcceptRawKeys { get; init; }
    public bool AcceptCertificates { get; init; } = true;

    /// <summary>No session before the client proved that it receives at its address (RFC 6347, section 4.2.1). Off: only where the carrier has proven that already.</summary>
    public bool Cookies { get; init; } = true;
    /// <summary>Sessions that can be resumed by id; 0: none.</summary>
    public int SessionCache { get; init; } = 10_000;
    /// <summary>Gives tickets (RFC 5077) to clients that ask.</summary>
    public bool Tickets { get; init; } = true;
    public TimeSpan ResumptionLifetime { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Beyond these new clients are not answered.</summary>
    public int MaxSessions { get; init; } = 1_000_000;
    public int MaxHandshakes { get; init; } = 10_000;
    /// <summary>The first byte of every connection id, by which a balancer or shard finds this engine; null: random.</summary>
    public byte? Shard { get; init; }

    internal override bool HasPsk => PskOf is not null || AskPsk;
    internal override bool Allows(KeyExchange exchange) => exchange switch
    {
        KeyExchange.Psk or KeyExchange.EcdhePsk => HasPsk,
        KeyExchange.Ecjpake => Password is not null,
        KeyExchange.EcdheEcdsa => Identity is not null,
        _ => true,
    };
}

/// <summary>What an engine cannot know by itself; raised through <see cref="ISuspends{TQuestion, TAnswer}"/>. The handshake waits, its timer runs.</summary>
public abstract record DtlsQuestion(DtlsSession Session)
{
    /// <summary>Answered by <see cref="DtlsAnswer.Psk"/>.</summary>
    /// <param name="Name">On a server the client's identity, on a client the server's hint.</param>
    public sealed record FindPsk(DtlsSession Session, ReadOnlyMemory<byte> Name) : DtlsQuestion(Session);
    /// <summary>Answered by <see cref="DtlsAnswer.Judged"/>.</summary>
    public sealed record Judge(DtlsSession Session, DtlsPeerCredential Peer) : DtlsQuestion(Session);
    /// <summary>Answered by <see cref="DtlsAnswer.Signed"/>.</summary>
    /// <param name="Hash">By the scheme's hash.</param>
    public sealed record Sign(DtlsSession Session, DtlsSignatureScheme Scheme, ReadOnlyMemory<byte> Hash) : DtlsQuestion(Session);
}

public abstract record DtlsAnswer
{
    /// <param name="Found">Null: unknown. A server ignores the identity in it.</param>
    public sealed record Psk(DtlsPsk? Found) : DtlsAnswer;
    /// <param name="Refusal">Null: trusted.</param>
    public sealed record Judged(DtlsRefusal? Refusal) : DtlsAnswer;
    /// <param name="Signature">DER; null: the handshake ends with internal_error.</param>
    public sealed record Signed(byte[]? Signature) : DtlsAnswer;
}
