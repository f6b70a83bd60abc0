using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>The public half of a bootstrapping key as it was received: the hashes are over its DER as it came, which may hold an uncompressed point (DPP §5.2).</summary>
public sealed class BootstrappingKey : IEquatable<BootstrappingKey>
{
    private BootstrappingKey(DppCurve curve, byte[] point, byte[] spki)
    {
        (Curve, Point, Spki) = (curve, point, spki);
        Hash = SHA256.HashData(spki);
        ChirpHash = SHA256.HashData((ReadOnlySpan<byte>)[.. "chirp"u8, .. spki]);
    }

    public DppCurve Curve { get; }
    /// <summary>Uncompressed: 04, x, y.</summary>
    public ReadOnlyMemory<byte> Point { get; }
    /// <summary>DER SubjectPublicKeyInfo.</summary>
    public ReadOnlyMemory<byte> Spki { get; }
    /// <summary>SHA-256 over the DER.</summary>
    public ReadOnlyMemory<byte> Hash { get; }
    /// <summary>SHA-256 over "chirp" and the DER.</summary>
    public ReadOnlyMemory<byte> ChirpHash { get; }

    /// <exception cref="DppException">No key on one of the six curves.</exception>
    public static BootstrappingKey FromSpki(ReadOnlySpan<byte> der)
    {
        try
        {
            return DppCurve.ReadSpki(der) is var (curve, point) ? new BootstrappingKey(curve, point, der.ToArray())
                : throw DppException.Malformed("K", "is no SubjectPublicKeyInfo of one of the six curves.");
        }
        catch (CryptographicException e)
        {
            throw DppException.Malformed("K", "its point is not on the curve.", e);
        }
    }

    /// <param name="point">Uncompressed; must be on the curve. The DER gets the compressed form.</param>
    public static BootstrappingKey FromPoint(DppCurve curve, ReadOnlySpan<byte> point) => new(curve, point.ToArray(), curve.CompressedSpki(point));

    public bool Equals(BootstrappingKey? other) => other is not null && Spki.Span.SequenceEqual(other.Spki.Span);
    public override bool Equals(object? obj) => Equals(obj as BootstrappingKey);
    public override int GetHashCode() => BitConverter.ToInt32(Hash.Span);
    /// <summary>"spki-sha256" of it, lower case.</summary>
    public override string ToString() => Convert.ToHexStringLower(Hash.Span);
}

/// <summary>A bootstrapping key with its private half.</summary>
public sealed class BootstrappingKeyPair : IDisposable
{
    private BootstrappingKeyPair(DppCurve curve, AgreementKey key) => (Key, Public) = (key, BootstrappingKey.FromPoint(curve, key.PublicPoint.Span));

    public AgreementKey Key { get; }
    public BootstrappingKey Public { get; }
    public DppCurve Curve => Public.Curve;

    public static BootstrappingKeyPair Generate(DppCurve curve, Chance chance, string use = "bootstrapping key") => new(curve, chance.NewAgreementKey(curve.Curve, use));

    /// <param name="scalar">Big endian, of the curve's width.</param>
    /// <exception cref="CryptographicException">No private key of the curve.</exception>
    public static BootstrappingKeyPair FromScalar(DppCurve curve, ReadOnlySpan<byte> scalar) => new(curve, EcAgreement.FromPrivate(curve.Curve, scalar));

    public void Dispose() => Key.Dispose();
}
