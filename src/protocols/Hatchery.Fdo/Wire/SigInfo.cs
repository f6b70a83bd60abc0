using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>eASigInfo and eBSigInfo: [sgType, info]. Keeps the bytes it came from, because the peer echoes them.</summary>
public sealed class SigInfo
{
    private SigInfo(SignatureType type, ReadOnlyMemory<byte> info, ReadOnlyMemory<byte> raw) => (Type, Info, Raw) = (type, info, raw);

    public SigInfo(SignatureType type)
    {
        Type = type;
        var writer = WireReading.Writer(16);
        writer.WriteStartArray(2);
        writer.WriteInt32((int)type);
        writer.WriteByteString([]);
        writer.WriteEndArray();
        Raw = writer.Finish();
    }

    /// <summary>May be a number that the enumeration does not name.</summary>
    public SignatureType Type { get; }
    /// <summary>Empty but for EPID.</summary>
    public ReadOnlyMemory<byte> Info { get; }
    public ReadOnlyMemory<byte> Raw { get; }

    public bool IsSameAs(SigInfo other) => Raw.Span.SequenceEqual(other.Raw.Span);

    /// <summary>How a key of this type usually signs: RSAPKCS and RSAPSS with 3072 bits.</summary>
    public static SignatureType For(PublicKeyType key) => SignatureTypes.For(key, 3072);

    internal static SigInfo Parse(BoundedCborReader reader, string field)
    {
        int start = reader.Position;
        reader.StartArray(field);
        long type = reader.Integer($"{field}.sgType", int.MinValue, int.MaxValue);
        var info = reader.Bytes($"{field}.info");
        reader.EndArray(field);
        return new SigInfo((SignatureType)type, info, reader.Since(start));
    }
}
