using System.Collections.Frozen;
using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>Which names a first certificate may carry.</summary>
public enum EstNames
{
    /// <summary>The subject names what the client has proven: serialNumber or CN of its certificate, its user name. DNS names only of <see cref="EstLabel.DnsNames"/>.</summary>
    Proven,
    /// <summary>Whatever the request says. For clients that are trusted with any name.</summary>
    AsRequested,
}

/// <summary>What stands behind one label: a CA, what it issues, and to whom.</summary>
public sealed record EstLabel
{
    public required IEstAuthority Authority { get; init; }
    /// <summary>Name of the profile at the authority, where admission names none of <see cref="Profiles"/>.</summary>
    public CertificateProfile Profile { get; init; } = CertificateProfile.LDevId();
    /// <summary>By the names that the admission policy gives.</summary>
    public FrozenDictionary<string, CertificateProfile> Profiles { get; init; } = FrozenDictionary<string, CertificateProfile>.Empty;
    public TimeSpan Life { get; init; } = TimeSpan.FromDays(365);
    public KeyPolicy Keys { get; init; } = KeyPolicy.Default;
    public EstNames Names { get; init; }
    /// <summary>DNS names that may be asked for; one that begins with "*." stands for all below.</summary>
    public ImmutableArray<string> DnsNames { get; init; } = [];

    /// <summary>Announced in /csrattrs and checked in requests. Its ChallengePassword makes linking of identity and proof of possession a must.</summary>
    public CsrDemands Demands { get; init; } = CsrDemands.None;
    /// <summary>Announces them as a template too (RFC 9908).</summary>
    public bool Template { get; init; }

    /// <summary>Third parties whose certificates authenticate first requests: manufacturers of IDevIDs. The CA's own are always known.</summary>
    public TrustStore Implicit { get; init; } = TrustStore.Empty;
    /// <summary>Certificates of <see cref="Implicit"/> are taken after their end.</summary>
    public bool ExpiredIdentities { get; init; }
    /// <summary>Why a third party's certificate is revoked; null: it is not.</summary>
    public Func<Certificate, string?>? RevokedIdentities { get; init; }
    /// <summary>Clients may authenticate by user name and password.</summary>
    public bool Passwords { get; init; }
    /// <summary>A password is needed beside a certificate.</summary>
    public bool PasswordsToo { get; init; }
    /// <summary>A shared secret proven in the handshake (TLS-SRP, PSK) authenticates.</summary>
    public bool Secrets { get; init; }

    /// <summary>The last part of a certificate's life in which it is renewed; 1: always.</summary>
    public double RenewalWindow { get; init; } = 0.5;
    /// <summary>A re-enrollment may ask for other names with the attribute ChangeSubjectName.</summary>
    public bool NameChanges { get; init; }

    /// <summary>Null: /serverkeygen is not offered.</summary>
    public KeyGenerationOptions? KeyGeneration { get; init; }
    /// <summary>Null: /fullcmc is not offered.</summary>
    public CmcOptions? FullCmc { get; init; }

    internal CsrAttributes Attributes => Demands == CsrDemands.None ? CsrAttributes.None : CsrAttributes.Of(Demands, Template);
}

/// <summary>Keys that the server makes for clients.</summary>
public sealed record KeyGenerationOptions
{
    /// <summary>OID of the curve, where the request's own key is on none that the policy allows.</summary>
    public string Curve { get; init; } = Oids.P256;
    /// <summary>A key in the clear inside TLS is given to clients that name no key to encrypt it with.</summary>
    public bool Clear { get; init; } = true;
    /// <summary>The symmetric key of an identifier, 16, 24 or 32 bytes; null: unknown.</summary>
    public Func<ReadOnlyMemory<byte>, SecretBytes?>? SymmetricKeyOf { get; init; }
    /// <summary>The certificate of an identifier; null: unknown. Absent: the client's own TLS certificate, by its subjectKeyIdentifier.</summary>
    public Func<ReadOnlyMemory<byte>, Certificate?>? CertificateOf { get; init; }
    /// <summary>Signs the key package inside an encrypted answer.</summary>
    public SignatureKey? Signer { get; init; }
    /// <summary>DER, the signer's own first.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> SignerChain { get; init; } = [];
}

/// <summary>Full CMC.</summary>
public sealed record CmcOptions
{
    /// <summary>Signs the answers.</summary>
    public required SignatureKey Signer { get; init; }
    /// <summary>DER, the signer's own first.</summary>
    public required ImmutableArray<ReadOnlyMemory<byte>> SignerChain { get; init; }
    /// <summary>The secret shared with an identity, for identityProof; null: unknown.</summary>
    public Func<string, SecretText?>? SecretOf { get; init; }
}

public sealed record EstServerOptions
{
    /// <summary>By label; "" is the default CA, which must be there (RFC 7030, section 3.2.2).</summary>
    public required FrozenDictionary<string, EstLabel> Labels { get; init; }
    /// <summary>Of HTTP authentication; passwords are kept for it.</summary>
    public string Realm { get; init; } = "estrealm";
    /// <summary>32 bytes that all processes share: marks nonces as ours.</summary>
    public required SecretBytes NonceKey { get; init; }
    /// <summary>Offered, in this order.</summary>
    public ImmutableArray<string> Schemes { get; init; } = ["Digest SHA-256", "Digest MD5", "Basic"];
    public EstTolerance Tolerance { get; init; } = EstTolerance.Strict;
    /// <summary>How long a certificate is given again to the same request.</summary>
    public TimeSpan AnswersKept { get; init; } = TimeSpan.FromHours(24);
    /// <summary>How long a request waits for its decision.</summary>
    public TimeSpan PendingKept { get; init; } = TimeSpan.FromDays(30);
}
