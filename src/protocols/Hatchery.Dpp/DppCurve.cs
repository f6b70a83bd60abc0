using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>A curve of DPP with what hangs on it: hash, lengths, names in JSON, group number (DPP §3.2.2). "BP-256" and "BS256" are DPP's own names.</summary>
public sealed class DppCurve
{
    private readonly byte[] _spkiHead;
    private readonly Lazy<EcGroup> _group;

    public static readonly DppCurve P256 = new("P-256", 19, HashAlgorithmName.SHA256, 32, "ES256", ECCurve.NamedCurves.nistP256, "301306072a8648ce3d020106082a8648ce3d030107");
    public static readonly DppCurve P384 = new("P-384", 20, HashAlgorithmName.SHA384, 48, "ES384", ECCurve.NamedCurves.nistP384, "301006072a8648ce3d020106052b81040022");
    public static readonly DppCurve P521 = new("P-521", 21, HashAlgorithmName.SHA512, 66, "ES512", ECCurve.NamedCurves.nistP521, "301006072a8648ce3d020106052b81040023");
    public static readonly DppCurve BP256 = new("BP-256", 28, HashAlgorithmName.SHA256, 32, "BS256", ECCurve.NamedCurves.brainpoolP256r1, "301406072a8648ce3d020106092b2403030208010107");
    public static readonly DppCurve BP384 = new("BP-384", 29, HashAlgorithmName.SHA384, 48, "BS384", ECCurve.NamedCurves.brainpoolP384r1, "301406072a8648ce3d020106092b240303020801010b");
    public static readonly DppCurve BP512 = new("BP-512", 30, HashAlgorithmName.SHA512, 64, "BS512", ECCurve.NamedCurves.brainpoolP512r1, "301406072a8648ce3d020106092b240303020801010d");
    /// <summary>In the order of the bits of a URI's B token.</summary>
    public static readonly ImmutableArray<DppCurve> All = [P256, P384, P521, BP256, BP384, BP512];

    private DppCurve(string name, int group, HashAlgorithmName hash, int width, string algorithm, ECCurve curve, string algorithmIdentifier)
    {
        (Name, IkeGroup, Hash, Width, Algorithm) = (name, group, hash, width, algorithm);
        HashLength = hash == HashAlgorithmName.SHA256 ? 32 : hash == HashAlgorithmName.SHA384 ? 48 : 64;
        Curve = ECCurve.CreateFromValue(curve.Oid.Value ?? OidOf(name));
        byte[] identifier = Convert.FromHexString(algorithmIdentifier);
        _spkiHead = [0x30, (byte)(identifier.Length + 4 + width), .. identifier, 0x03, (byte)(width + 2), 0];
        _group = new(() => EcGroup.Of(Curve));
    }

    /// <summary>"crv" of a JWK.</summary>
    public string Name { get; }
    public int IkeGroup { get; }
    public HashAlgorithmName Hash { get; }
    /// <summary>Bytes of a hash, of a key of AES-SIV and of an authentication tag.</summary>
    public int HashLength { get; }
    /// <summary>Bytes.</summary>
    public int NonceLength => HashLength / 2;
    /// <summary>Bytes of a coordinate and of a scalar.</summary>
    public int Width { get; }
    /// <summary>"alg" of a Connector that a key on this curve signs.</summary>
    public string Algorithm { get; }
    public ECCurve Curve { get; }
    internal EcGroup Group => _group.Value;

    public static DppCurve? ByName(string? name) => All.FirstOrDefault(c => c.Name == name);
    public static DppCurve? ByGroup(int group) => All.FirstOrDefault(c => c.IkeGroup == group);

    /// <summary>Hash of this curve over the parts.</summary>
    internal byte[] HashOf(params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        using var hash = IncrementalHash.CreateHash(Hash);
        foreach (var part in parts)
            hash.AppendData(part.Span);
        return hash.GetHashAndReset();
    }

    internal byte[] HmacOf(ReadOnlySpan<byte> key, params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        using var hmac = IncrementalHash.CreateHMAC(Hash, key);
        foreach (var part in parts)
            hmac.AppendData(part.Span);
        return hmac.GetHashAndReset();
    }

    /// <summary>HKDF with a salt of zeros, or the salt given, to the length of the hash (DPP §3.2.2).</summary>
    internal byte[] Hkdf(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> info, ReadOnlySpan<byte> ikm)
    {
        byte[] okm = new byte[HashLength];
        Span<byte> zeros = stackalloc byte[HashLength];
        zeros.Clear();
        HKDF.DeriveKey(Hash, ikm, okm, salt.IsEmpty ? zeros : salt, info);
        return okm;
    }

    /// <summary>A point as DPP's attributes carry it (x, y) to the uncompressed form.</summary>
    /// <exception cref="DppException">Another length, or not on the curve.</exception>
    internal byte[] Point(ReadOnlySpan<byte> xy, string field)
    {
        if (xy.Length != 2 * Width)
            throw DppException.Malformed(field, $"has {xy.Length} bytes; a point of {Name} has {2 * Width}.");
        byte[] point = [4, .. xy];
        return Group.IsPoint(point) ? point : throw new DppException("INVALID_KEY", field, $"{field}: not a point of {Name}.");
    }

    /// <summary>DER of a SubjectPublicKeyInfo with the compressed point.</summary>
    internal byte[] CompressedSpki(ReadOnlySpan<byte> point) => [.. _spkiHead, .. EcGroup.Compress(point)];

    /// <summary>Reads both forms of the point.</summary>
    internal static (DppCurve Curve, byte[] Point)? ReadSpki(ReadOnlySpan<byte> der)
    {
        foreach (var curve in All)
        {
            var identifier = curve._spkiHead.AsSpan(2, curve._spkiHead.Length - 5);
            if (der.Length == curve._spkiHead.Length + 1 + curve.Width && der.StartsWith(curve._spkiHead))
                return (curve, curve.Group.Decompress(der[curve._spkiHead.Length..]));
            int at = der.IndexOf(identifier);
            if (at is 2 or 3 && der.Length >= 1 + 2 * curve.Width && der[^(1 + 2 * curve.Width)] == 4)
            {
                byte[] spki = Uncompressed(curve, identifier, der[^(1 + 2 * curve.Width)..]);
                if (der.SequenceEqual(spki) && curve.Group.IsPoint(der[^(1 + 2 * curve.Width)..]))
                    return (curve, der[^(1 + 2 * curve.Width)..].ToArray());
            }
        }
        return null;
    }

    private static byte[] Uncompressed(DppCurve curve, ReadOnlySpan<byte> identifier, ReadOnlySpan<byte> point)
    {
        byte[] bits = [3, .. Length(point.Length + 1), 0, .. point];
        return [0x30, .. Length(identifier.Length + bits.Length), .. identifier, .. bits];

        static byte[] Length(int length) => length < 0x80 ? [(byte)length] : [0x81, (byte)length];
    }

    private static string OidOf(string name) => name switch
    {
        "P-256" => "1.2.840.10045.3.1.7",
        "P-384" => "1.3.132.0.34",
        "P-521" => "1.3.132.0.35",
        "BP-256" => "1.3.36.3.3.2.8.1.1.7",
        "BP-384" => "1.3.36.3.3.2.8.1.1.11",
        _ => "1.3.36.3.3.2.8.1.1.13",
    };

    public override string ToString() => Name;
}
