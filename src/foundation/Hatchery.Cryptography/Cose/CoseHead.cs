using System.Buffers.Binary;

namespace Hatchery.Cryptography.Cose;

/// <summary>Byte strings and protected headers, written and read without a CBOR writer: they stand in every structure that is signed or encrypted.</summary>
internal static class CoseHead
{
    public static int Size(int length) => length < 24 ? 1 : length < 256 ? 2 : length < 65536 ? 3 : 5;

    public static int WriteBytes(Span<byte> into, ReadOnlySpan<byte> value)
    {
        int at = Size(value.Length);
        switch (at)
        {
            case 1:
                into[0] = (byte)(0x40 | value.Length);
                break;
            case 2:
                into[0] = 0x58;
                into[1] = (byte)value.Length;
                break;
            case 3:
                into[0] = 0x59;
                BinaryPrimitives.WriteUInt16BigEndian(into[1..], (ushort)value.Length);
                break;
            default:
                into[0] = 0x5A;
                BinaryPrimitives.WriteInt32BigEndian(into[1..], value.Length);
                break;
        }
        value.CopyTo(into[at..]);
        return at + value.Length;
    }

    /// <summary>Label 1 of a protected header; 0 if there is none.</summary>
    public static int Algorithm(ReadOnlyMemory<byte> @protected, CborFault fault, string field)
    {
        var bytes = @protected.Span;
        if (bytes.SequenceEqual(CoseAlgorithm.ProtectedEs256))
            return CoseAlgorithm.Es256;
        if (bytes.SequenceEqual(CoseAlgorithm.ProtectedEs384))
            return CoseAlgorithm.Es384;
        if (bytes.Length == 3 && bytes[0] == 0xA1 && bytes[1] == 1 && bytes[2] < 24)
            return bytes[2];
        if (bytes.IsEmpty)
            return 0;
        string name = $"{field}.protected";
        var reader = new BoundedCborReader(@protected, fault, 4);
        var headers = CoseHeaders.Parse(reader, name);
        reader.End(name);
        if (!headers.TryGet(CoseHeaders.Algorithm, out var value))
            return 0;
        return (int)new BoundedCborReader(value, fault, 1).Integer($"{name}.alg", int.MinValue, int.MaxValue);
    }
}
