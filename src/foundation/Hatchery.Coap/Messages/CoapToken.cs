using System.Buffers.Binary;

namespace Hatchery.Coap;

/// <summary>A token: 0 to 8 bytes in RFC 7252, up to 65804 in RFC 8974. Those of up to 8 bytes are kept without allocation.</summary>
public readonly struct CoapToken : IEquatable<CoapToken>
{
    public const int MaxPlain = 8, MaxExtended = 65804;

    private readonly ulong _value;
    private readonly byte[]? _long;
    private readonly int _length;

    public CoapToken(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, MaxExtended);
        _length = bytes.Length;
        if (bytes.Length > MaxPlain)
            _long = bytes.ToArray();
        else
            for (int i = 0; i < bytes.Length; i++)
                _value = _value << 8 | bytes[i];
    }

    internal CoapToken(ulong value, int length) => (_value, _length) = (value, length);

    /// <summary>In bytes.</summary>
    public int Length => _length;

    public void CopyTo(Span<byte> into)
    {
        if (_long is not null)
        {
            _long.CopyTo(into);
            return;
        }
        for (int i = 0; i < _length; i++)
            into[i] = (byte)(_value >> 8 * (_length - 1 - i));
    }

    public byte[] ToArray()
    {
        var bytes = new byte[_length];
        CopyTo(bytes);
        return bytes;
    }

    public bool Equals(CoapToken other) =>
        _length == other._length && _value == other._value && (_long is null || _long.AsSpan().SequenceEqual(other._long));

    public override bool Equals(object? obj) => obj is CoapToken other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(_value);
        hash.Add(_length);
        if (_long is not null)
            hash.AddBytes(_long);
        return hash.ToHashCode();
    }

    public static bool operator ==(CoapToken a, CoapToken b) => a.Equals(b);
    public static bool operator !=(CoapToken a, CoapToken b) => !a.Equals(b);

    /// <summary>Hexadecimal.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());

    /// <summary>How many bytes of extended length stand behind the header (RFC 8974 section 2.1); -1: a length that is reserved.</summary>
    internal static int ExtensionOf(int tkl) => tkl switch { <= 8 => 0, 13 => 1, 14 => 2, _ => -1 };

    /// <param name="bytes">The extension and what is behind it; long enough for the extension.</param>
    internal static int LengthOf(int tkl, ReadOnlySpan<byte> bytes) =>
        tkl switch { 13 => bytes[0] + 13, 14 => BinaryPrimitives.ReadUInt16BigEndian(bytes) + 269, _ => tkl };

    internal int Nibble => _length <= 8 ? _length : _length <= 12 ? throw new InvalidOperationException("Tokens of 9 to 12 bytes have no encoding.") : _length < 269 ? 13 : 14;

    internal int EncodedLength => _length + ExtensionOf(Nibble);

    /// <summary>The extension of the length and the token.</summary>
    internal int Encode(Span<byte> into)
    {
        int extension = ExtensionOf(Nibble);
        if (extension == 1)
            into[0] = (byte)(_length - 13);
        else if (extension == 2)
            BinaryPrimitives.WriteUInt16BigEndian(into, (ushort)(_length - 269));
        CopyTo(into[extension..]);
        return extension + _length;
    }
}
