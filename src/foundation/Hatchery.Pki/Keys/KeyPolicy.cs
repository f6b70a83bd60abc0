using System.Collections.Immutable;

namespace Hatchery.Pki;

/// <summary>Which keys and signatures are strong enough.</summary>
public sealed record KeyPolicy
{
    /// <summary>RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519; no SHA-1.</summary>
    public static KeyPolicy Default { get; } = new();

    public int MinRsaBits { get; init; } = 2048;
    public int MaxRsaBits { get; init; } = 8192;
    /// <summary>OIDs of named curves.</summary>
    public ImmutableArray<string> Curves { get; init; } = [Oids.P256, Oids.P384, Oids.P521];
    public bool Ed25519 { get; init; } = true;
    /// <summary>Signatures over SHA-1: broken for certificates, still made by old clients for requests.</summary>
    public bool Sha1 { get; init; }

    /// <exception cref="PkiException">Too weak, too large, or of a kind that is not allowed; the sentence says what is.</exception>
    public void Check(PublicKeyInfo key)
    {
        switch (key.Algorithm)
        {
            case Oids.EcPublicKey when Curves.Contains(key.Curve!):
            case Oids.Ed25519 when Ed25519:
                return;
            case Oids.RsaEncryption or Oids.RsassaPss:
                if (key.Bits < MinRsaBits || key.Bits > MaxRsaBits)
                    throw new PkiException("subjectPublicKeyInfo", $"an RSA key of {key.Bits} bits; {MinRsaBits} to {MaxRsaBits} are allowed.");
                if (RsaWeakness.Of(key) is { } weakness)
                    throw new PkiException("subjectPublicKeyInfo", weakness);
                return;
            default:
                throw new PkiException("subjectPublicKeyInfo", $"a key of the kind {key.Curve ?? key.Algorithm} is not allowed; allowed are {Allowed}.");
        }
    }

    /// <exception cref="PkiException">SHA-1.</exception>
    public void Check(SignatureAlgorithm algorithm)
    {
        if (!Sha1 && algorithm.IsSha1)
            throw new PkiException("signatureAlgorithm", "a signature over SHA-1 is not allowed.");
    }

    private string Allowed => $"RSA of {MinRsaBits} to {MaxRsaBits} bits, the curves {string.Join(", ", Curves)}{(Ed25519 ? ", Ed25519" : "")}";
}
