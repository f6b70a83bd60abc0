using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>How a new root and issuing authority are made.</summary>
public sealed record AuthoritySetup
{
    public string RootSubject { get; init; } = "CN=Hatchery Root CA";
    public string IssuerSubject { get; init; } = "CN=Hatchery Issuing CA";
    public ECCurve RootCurve { get; init; } = ECCurve.NamedCurves.nistP384;
    public ECCurve IssuerCurve { get; init; } = ECCurve.NamedCurves.nistP256;
    public TimeSpan RootLife { get; init; } = TimeSpan.FromDays(365 * 20);
    public TimeSpan IssuerLife { get; init; } = TimeSpan.FromDays(365 * 5);
    /// <summary>False: the root's key is handed out once, for a safe place, and the store never has it.</summary>
    public bool KeepRootKey { get; init; } = true;
}

/// <summary>Where what an authority says about its certificates is found; written into each of them.</summary>
/// <param name="CrlUri">Null: not written.</param>
/// <param name="OcspUri">Null: not written.</param>
public sealed record AuthorityLocations(string? CrlUri = null, string? OcspUri = null)
{
    internal ImmutableArray<CertificateExtension> Extensions { get; } =
    [
        .. CrlUri is null ? (IEnumerable<CertificateExtension>)[] : [CertificateExtension.CrlDistributionPoint(CrlUri)],
        .. OcspUri is null ? (IEnumerable<CertificateExtension>)[] : [CertificateExtension.OcspLocation(OcspUri)],
    ];
}

/// <summary>An authority as it stands in the store at one moment.</summary>
public sealed class AuthorityState
{
    internal long Version { get; init; }
    /// <summary>By hex of the key identifier: all issuers whose keys are here.</summary>
    internal ImmutableDictionary<string, CertificateAuthority> Issuers { get; init; } = ImmutableDictionary<string, CertificateAuthority>.Empty;

    /// <summary>The one that signs.</summary>
    public required CertificateAuthority Issuer { get; init; }
    /// <summary>Null: no rollover is under way.</summary>
    public required CertificateAuthority? Next { get; init; }
    /// <summary>Self-signed, the newest last.</summary>
    public required ImmutableArray<Certificate> Roots { get; init; }
    /// <summary>What /cacerts gives: the newest root, the links between roots, older roots, the authorities between.</summary>
    public required ImmutableArray<Certificate> Published { get; init; }
    /// <summary>Validates what the authority issued.</summary>
    public required TrustStore Trust { get; init; }

    /// <summary>Hex.</summary>
    internal static string IdOf(Certificate issuer) => Convert.ToHexStringLower((issuer.SubjectKeyIdentifier ?? issuer.Key.KeyIdentifier()).Span);
}
