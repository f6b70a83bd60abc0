using System.Formats.Cbor;

namespace Hatchery.Cryptography.Cose;

/// <summary>COSE_Key of type EC2 (RFC 9053 section 7.1), uncompressed, on P-256 or P-384.</summary>
/// <param name="Curve">1: P-256, 2: P-384.</param>
/// <param name="X">32 or 48 bytes.</param>
/// <param name="Y">32 or 48 bytes.</param>
public sealed record CoseKey(int Curve, ReadOnlyMemory<byte> X, ReadOnlyMemory<byte> Y)
{
    public const int P256 = 1, P384 = 2;
    private static readonly byte[] s_spki256 = Convert.FromHexString("3059301306072A8648CE3D020106082A8648CE3D03010703420004");
    private static readonly byte[] s_spki384 = Convert.FromHexString("3076301006072A8648CE3D020106052B8104002203620004");

    public static int CoordinateSize(int curve) => curve == P256 ? 32 : 48;

    /// <summary>Accepts coordinates whose leading zero bytes were stripped. That the point lies on the curve is checked where the key is imported.</summary>
    public static CoseKey Parse(BoundedCborReader reader, string field)
    {
        ReadOnlyMemory<byte> x = default, y = default;
        long type = 0, curve = 0;
        reader.StartMap(field);
        for (int count = 0; reader.More(field); count++)
        {
            if (count == 16)
                throw reader.Wrong(field, "more than 16 parameters.");
            if (!reader.IsNumber(field))
            {
                reader.Text(field);
                reader.Raw(field);
                continue;
            }
            switch (reader.Integer(field))
            {
                case 1: type = reader.Integer($"{field}.kty"); break;
                case -1: curve = reader.Integer($"{field}.crv"); break;
                case -2: x = reader.Bytes($"{field}.x"); break;
                case -3: y = reader.Bytes($"{field}.y"); break;
                default: reader.Raw(field); break;
            }
        }
        reader.EndMap(field);
        if (type != 2 || curve is not (P256 or P384))
            throw reader.Wrong(field, "only EC2 keys on P-256 and P-384 are known.");
        return new CoseKey((int)curve, Widen(reader, x, (int)curve, $"{field}.x"), Widen(reader, y, (int)curve, $"{field}.y"));
    }

    private static ReadOnlyMemory<byte> Widen(BoundedCborReader reader, ReadOnlyMemory<byte> coordinate, int curve, string field)
    {
        int size = CoordinateSize(curve);
        if (coordinate.Length == size)
            return coordinate;
        if (coordinate.IsEmpty || coordinate.Length > size)
            throw reader.Wrong(field, $"the coordinate has {coordinate.Length} bytes where {size} are needed.");
        var wide = new byte[size];
        coordinate.CopyTo(wide.AsMemory(size - coordinate.Length));
        return wide;
    }

    /// <summary>Deterministic order of keys: 1, -1, -2, -3.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartMap(4);
        writer.WriteInt32(1);
        writer.WriteInt32(2);
        writer.WriteInt32(-1);
        writer.WriteInt32(Curve);
        writer.WriteInt32(-2);
        writer.WriteByteString(X.Span);
        writer.WriteInt32(-3);
        writer.WriteByteString(Y.Span);
        writer.WriteEndMap();
    }

    /// <summary>DER SubjectPublicKeyInfo, named curve, uncompressed point.</summary>
    public byte[] ToSubjectPublicKeyInfo()
    {
        var prefix = Curve == P256 ? s_spki256 : s_spki384;
        var spki = new byte[prefix.Length + X.Length + Y.Length];
        prefix.CopyTo(spki, 0);
        X.CopyTo(spki.AsMemory(prefix.Length));
        Y.CopyTo(spki.AsMemory(prefix.Length + X.Length));
        return spki;
    }

    /// <summary>Null where the SubjectPublicKeyInfo is not of the form that <see cref="ToSubjectPublicKeyInfo"/> makes.</summary>
    public static CoseKey? FromSubjectPublicKeyInfo(ReadOnlyMemory<byte> spki)
    {
        foreach (int curve in (ReadOnlySpan<int>)[P256, P384])
        {
            var prefix = curve == P256 ? s_spki256 : s_spki384;
            int size = CoordinateSize(curve);
            if (spki.Length == prefix.Length + 2 * size && spki.Span.StartsWith(prefix))
                return new CoseKey(curve, spki.Slice(prefix.Length, size), spki.Slice(prefix.Length + size, size));
        }
        return null;
    }
}
