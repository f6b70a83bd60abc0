using System.Buffers.Binary;

namespace Hatchery.Dtls;

/// <summary>Reads a handshake message's body; what is missing or left over is a decode_error that names the field.</summary>
internal ref struct WireReader(ReadOnlySpan<byte> bytes, string message)
{
    private ReadOnlySpan<byte> _rest = bytes;
    private readonly string _message = message;

    public readonly bool IsEmpty => _rest.IsEmpty;
    public readonly int Left => _rest.Length;

    public ReadOnlySpan<byte> Bytes(int count, string field)
    {
        if (count > _rest.Length)
            throw new DtlsException(DtlsAlert.DecodeError, _message + "." + field, $"{_message}.{field} ends early.");
        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public byte U8(string field) => Bytes(1, field)[0];
    public ushort U16(string field) => BinaryPrimitives.ReadUInt16BigEndian(Bytes(2, field));
    public int U24(string field)
    {
        var b = Bytes(3, field);
        return b[0] << 16 | b[1] << 8 | b[2];
    }
    public ReadOnlySpan<byte> Vector8(string field) => Bytes(U8(field), field);
    public ReadOnlySpan<byte> Vector16(string field) => Bytes(U16(field), field);
    public ReadOnlySpan<byte> Vector24(string field) => Bytes(U24(field), field);

    public readonly void End()
    {
        if (!_rest.IsEmpty)
            throw new DtlsException(DtlsAlert.DecodeError, _message, $"{_rest.Length} bytes follow {_message}.");
    }
}

/// <summary>Builds a handshake message's body.</summary>
internal sealed class WireWriter
{
    private byte[] _bytes = new byte[256];
    private int _length;

    public int Length => _length;

    private Span<byte> Room(int count)
    {
        if (_length + count > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _length + count));
        _length += count;
        return _bytes.AsSpan(_length - count, count);
    }

    public WireWriter U8(int value)
    {
        Room(1)[0] = (byte)value;
        return this;
    }

    public WireWriter U16(int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Room(2), (ushort)value);
        return this;
    }

    public WireWriter U24(int value) => U8(value >> 16).U16(value & 0xFFFF);
    public WireWriter U32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Room(4), value);
        return this;
    }

    public WireWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        return this;
    }

    public WireWriter Vector8(ReadOnlySpan<byte> bytes) => U8(bytes.Length).Bytes(bytes);
    public WireWriter Vector16(ReadOnlySpan<byte> bytes) => U16(bytes.Length).Bytes(bytes);
    public WireWriter Vector24(ReadOnlySpan<byte> bytes) => U24(bytes.Length).Bytes(bytes);

    /// <summary>Leaves two bytes for a length; <see cref="Close16"/> writes it.</summary>
    public int Open16()
    {
        U16(0);
        return _length;
    }

    public void Close16(int mark) => BinaryPrimitives.WriteUInt16BigEndian(_bytes.AsSpan(mark - 2), (ushort)(_length - mark));

    public byte[] ToArray() => _bytes[.._length];
}
