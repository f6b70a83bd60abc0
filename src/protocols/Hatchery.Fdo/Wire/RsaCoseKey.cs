using System.Formats.Cbor;
using Hatchery.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>COSE_Key of type RSA (RFC 8230): {1: 3, -1: n, -2: e}.</summary>
internal static class RsaCoseKey
{
    /// <returns>SubjectPublicKeyInfo, DER.</returns>
    public static byte[] Parse(BoundedCborReader reader, string field)
    {
        ReadOnlyMemory<byte> n = default, e = default;
        long type = 0;
        reader.StartMap(field);
        for (int count = 0; reader.More(field); count++)
        {
            if (count == 16)
                throw reader.Wrong(field, "more than 16 parameters.");
            switch (reader.Integer(field))
            {
                case 1: type = reader.Integer($"{field}.kty"); break;
                case -1: n = reader.Bytes($"{field}.n"); break;
                case -2: e = reader.Bytes($"{field}.e"); break;
                default: reader.Raw(field); break;
            }
        }
        reader.EndMap(field);
        return type == 3 && n.Length is > 0 and <= 1024 && e.Length is > 0 and <= 16 ? RsaKeys.ToSubjectPublicKeyInfo(n.Span, e.Span)
            : throw reader.Wrong(field, "no RSA key: type 3, n and e are needed.");
    }

    public static void Write(CborWriter writer, ReadOnlyMemory<byte> spki)
    {
        var (modulus, exponent) = RsaKeys.Read(spki.Span) ?? throw new ArgumentException("No RSA key.", nameof(spki));
        writer.WriteStartMap(3);
        writer.WriteInt32(1);
        writer.WriteInt32(3);
        writer.WriteInt32(-1);
        writer.WriteByteString(modulus);
        writer.WriteInt32(-2);
        writer.WriteByteString(exponent);
        writer.WriteEndMap();
    }
}
