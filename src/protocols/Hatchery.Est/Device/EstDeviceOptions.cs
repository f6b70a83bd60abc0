using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Device;

/// <summary>What a run of an EST client is for.</summary>
public enum EstGoal
{
    /// <summary>A certificate, where there is none yet or its renewal is due.</summary>
    Enroll,
    /// <summary>Renewal now.</summary>
    Reenroll,
    /// <summary>A certificate for a key that the server makes.</summary>
    ServerKeyGen,
    /// <summary>The CA certificates only.</summary>
    CaCerts,
    /// <summary>What the server wants in requests only.</summary>
    CsrAttrs,
}

/// <summary>Who makes a Full CMC request.</summary>
/// <param name="Secret">Shared with the CA, for identityProof and popLink; null: the certificate of the channel signs, or only the new key.</param>
public sealed record CmcIdentity(string? Name = null, SecretText? Secret = null);

public sealed record EstDeviceOptions
{
    public EstGoal Goal { get; init; }
    /// <summary>DER of a Name; empty: serialNumber, or the user name as CN.</summary>
    public ReadOnlyMemory<byte> Subject { get; init; }
    /// <summary>To be asked for.</summary>
    public ImmutableArray<CertificateExtension> Extensions { get; init; } = [];
    /// <summary>OID of the curve, where the server asks for none.</summary>
    public string Curve { get; init; } = Oids.P256;
    /// <summary>Keys of kinds that the device does not make by itself; null: a demand for them ends the run.</summary>
    public Func<KeyDemand, SignatureKey?>? KeyOf { get; init; }
    /// <summary>Renews with the same key.</summary>
    public bool KeepKey { get; init; }
    /// <summary>Links identity and proof of possession where the channel has a binding.</summary>
    public bool Link { get; init; } = true;
    /// <summary>Where no anchor is known: /cacerts of a server that is not authenticated, to be confirmed.</summary>
    public bool Bootstrap { get; init; }
    /// <summary>SHA-256 of the root's DER that confirms it; empty: a person compares.</summary>
    public ReadOnlyMemory<byte> RootSha256 { get; init; }
    /// <summary>User name and password are asked of a person when they are missing.</summary>
    public bool AskPassword { get; init; }
    /// <summary>User name and password prove themselves in the handshake (TLS-SRP).</summary>
    public bool Srp { get; init; }
    /// <summary>Requests go to /fullcmc, with a proof of this identity and secret where one is given; null: simple requests.</summary>
    public CmcIdentity? FullCmc { get; init; }
    /// <summary>Identity and key of a handshake by pre-shared key; null: none.</summary>
    public ChannelSecurity.Psk? Psk { get; init; }
    /// <summary>Hosts that a redirect may lead to; others end the run (RFC 7030, section 3.2.1).</summary>
    public ImmutableArray<string> RedirectHosts { get; init; } = [];
    /// <summary>Uses the new certificate against the domain service.</summary>
    public bool ProveOperation { get; init; }
    /// <summary>Goes on and renews in time, for ever.</summary>
    public bool Stay { get; init; }
    /// <summary>Attributes of a serverkeygen request: which key the answer is to be encrypted with.</summary>
    public ImmutableArray<RequestAttribute> KeyGenAttributes { get; init; } = [];
    /// <summary>Opens an encrypted key; see <see cref="EncryptedKey"/>.</summary>
    public KeyOpener? OpenKey { get; init; }

    /// <summary>Of connections in a row that fail, before the run does.</summary>
    public int Attempts { get; init; } = 6;
    public TimeSpan FirstBackOff { get; init; } = TimeSpan.FromSeconds(2);
    public TimeSpan LongestBackOff { get; init; } = TimeSpan.FromHours(1);
    /// <summary>A server that says more is asked again after this.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromHours(24);
    /// <summary>Of answers 202 in a row; null: for ever.</summary>
    public int? Waits { get; init; }
    /// <summary>CA certificates are fetched again after this.</summary>
    public TimeSpan AnchorsFor { get; init; } = TimeSpan.FromDays(30);
    /// <summary>When renewal begins, as a part of the certificate's life; give or take a twentieth.</summary>
    public double RenewAt { get; init; } = 2.0 / 3;
    public EstTolerance Tolerance { get; init; } = EstTolerance.Strict;
}
