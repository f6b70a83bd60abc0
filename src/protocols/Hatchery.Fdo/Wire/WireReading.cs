using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>FDO's base types (FDO 1.1 §3.3).</summary>
internal static class WireReading
{
    public const int MaxMessage = 65535;

    /// <summary>A reader at the door of a message: one item, of at most 65535 bytes.</summary>
    public static BoundedCborReader Door(ReadOnlyMemory<byte> body, string message)
    {
        if (body.Length > MaxMessage)
            throw new FdoException(FdoErrorCode.MessageBodyError, message, $"{message}: {body.Length} bytes are more than a message may have.");
        return new BoundedCborReader(body, FdoException.Body);
    }

    public static Guid Guid(this BoundedCborReader reader, string field) => new(reader.Bytes(field, 16).Span, bigEndian: true);

    public static Nonce Nonce(this BoundedCborReader reader, string field) => new(reader.Bytes(field, 16));

    public static ushort UInt16(this BoundedCborReader reader, string field) => (ushort)reader.Integer(field, 0, ushort.MaxValue);

    public static uint UInt32(this BoundedCborReader reader, string field) => (uint)reader.Integer(field, 0, uint.MaxValue);

    public static ushort? UInt16OrNull(this BoundedCborReader reader, string field) => reader.TryNull(field) ? null : reader.UInt16(field);

    public static void WriteGuid(this CborWriter writer, Guid guid)
    {
        Span<byte> bytes = stackalloc byte[16];
        guid.TryWriteBytes(bytes, bigEndian: true, out _);
        writer.WriteByteString(bytes);
    }

    public static void WriteNumberOrNull(this CborWriter writer, ushort? value)
    {
        if (value is { } number)
            writer.WriteUInt32(number);
        else
            writer.WriteNull();
    }

    /// <inheritdoc cref="CborPool.Writer"/>
    public static CborWriter Writer(int capacity = 256) => CborPool.Writer(capacity);
}
