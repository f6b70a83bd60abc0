using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>A Configurator's C-sign-key or ppKey, public half.</summary>
public sealed class DppPublicKey : IEquatable<DppPublicKey>
{
    private readonly Lazy<ECDsa> _verifier;

    /// <param name="point">Uncompressed; must be on the curve.</param>
    public DppPublicKey(DppCurve curve, ReadOnlySpan<byte> point)
    {
        (Curve, Point) = (curve, point.ToArray());
        byte[] hash = SHA256.HashData(point);
        (Hash, KeyId) = (hash, Json.Base64Url(hash));
        _verifier = new(() => SigningKeys.ImportPublicPoint(Curve.Curve, Point.Span));
    }

    public DppCurve Curve { get; }
    /// <summary>Uncompressed.</summary>
    public ReadOnlyMemory<byte> Point { get; }
    /// <summary>SHA-256 over the uncompressed point, on every curve.</summary>
    public ReadOnlyMemory<byte> Hash { get; }
    /// <summary>"kid": the hash in base64url.</summary>
    public string KeyId { get; }
    internal bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) => _verifier.Value.VerifyData(data, signature, Curve.Hash);

    public bool Equals(DppPublicKey? other) => other is not null && Curve == other.Curve && Point.Span.SequenceEqual(other.Point.Span);
    public override bool Equals(object? obj) => Equals(obj as DppPublicKey);
    public override int GetHashCode() => BitConverter.ToInt32(Hash.Span);
    public override string ToString() => KeyId;

    /// <summary>"P-256" and the point, for a state.</summary>
    internal byte[] ToBytes() => [(byte)Curve.IkeGroup, .. Point.Span];

    /// <exception cref="DppException"/>
    internal static DppPublicKey FromBytes(ReadOnlySpan<byte> bytes)
    {
        var curve = bytes.IsEmpty ? null : DppCurve.ByGroup(bytes[0]);
        return curve is not null && bytes.Length == 2 + 2 * curve.Width && bytes[1] == 4 ? new DppPublicKey(curve, curve.Point(bytes[2..], "key")) : throw DppException.Malformed("key", "is none.");
    }
}
