using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Hatchery.Radius;

/// <summary>A RADIUS packet as received: code (1), identifier (1), length (2), authenticator (16), attributes (RFC 2865 §3). Its form was checked, nothing else.</summary>
public readonly struct RadiusPacket
{
    public const int HeaderLength = 20, MaxLength = 4096;
    /// <summary>Of one attribute's value, in bytes.</summary>
    public const int MaxValue = 253;

    private RadiusPacket(ReadOnlyMemory<byte> bytes) => Bytes = bytes;

    /// <summary>The whole packet, without padding behind it.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }
    public RadiusCode Code => (RadiusCode)Bytes.Span[0];
    public byte Identifier => Bytes.Span[1];
    /// <summary>16 bytes.</summary>
    public ReadOnlySpan<byte> Authenticator => Bytes.Span[4..HeaderLength];
    public RadiusAttributes Attributes => new(Bytes.Span[HeaderLength..]);

    /// <summary>Bytes behind the packet's length are padding and ignored (RFC 2865 §3). Keeps the memory.</summary>
    /// <exception cref="RadiusException"/>
    public static RadiusPacket Parse(ReadOnlyMemory<byte> datagram)
    {
        int length = Check(datagram.Span);
        return new RadiusPacket(datagram[..length]);
    }

    /// <summary>Checks the form without keeping anything; returns the packet's length in bytes.</summary>
    /// <exception cref="RadiusException"/>
    public static int Check(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length < HeaderLength)
            throw RadiusException.Discard("Length", $"{datagram.Length} bytes are no RADIUS packet.");
        int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]);
        if (length is < HeaderLength or > MaxLength || length > datagram.Length)
            throw RadiusException.Discard("Length", $"The packet says {length} bytes and has {datagram.Length}.");
        var rest = datagram[HeaderLength..length];
        while (!rest.IsEmpty)
        {
            if (rest.Length < 2 || rest[1] < 2 || rest[1] > rest.Length)
                throw RadiusException.Discard($"attribute {rest[0]}", "Its length does not fit.");
            rest = rest[rest[1]..];
        }
        return length;
    }

    /// <summary>The first attribute of the type; false: there is none.</summary>
    public bool TryGet(RadiusAttribute type, out ReadOnlySpan<byte> value)
    {
        foreach (var attribute in Attributes)
            if (attribute.Type == type)
            {
                value = attribute.Value;
                return true;
            }
        value = default;
        return false;
    }

    public bool Has(RadiusAttribute type) => TryGet(type, out _);

    public int Count(RadiusAttribute type)
    {
        int count = 0;
        foreach (var attribute in Attributes)
            if (attribute.Type == type)
                count++;
        return count;
    }

    /// <summary>UTF-8; null: there is none. What is no UTF-8 is replaced: these texts are shown and compared, never trusted.</summary>
    public string? Text(RadiusAttribute type) => TryGet(type, out var value) ? Encoding.UTF8.GetString(value) : null;

    /// <summary>Null: there is none, or it has not 4 bytes.</summary>
    public uint? Integer(RadiusAttribute type) => TryGet(type, out var value) && value.Length == 4 ? BinaryPrimitives.ReadUInt32BigEndian(value) : null;

    /// <summary>Null: there is none, or it has neither 4 nor 16 bytes.</summary>
    public IPAddress? Address(RadiusAttribute type) => TryGet(type, out var value) && value.Length is 4 or 16 ? new IPAddress(value) : null;

    /// <summary>The EAP packet in the EAP-Message attributes, joined in their order (RFC 3579 §3.1); null: there is none.</summary>
    /// <exception cref="RadiusException">They do not stand side by side.</exception>
    public byte[]? EapMessage()
    {
        int length = 0, runs = 0;
        bool inRun = false;
        foreach (var attribute in Attributes)
        {
            bool isEap = attribute.Type == RadiusAttribute.EapMessage;
            if (isEap)
                length += attribute.Value.Length;
            if (isEap && !inRun)
                runs++;
            inRun = isEap;
        }
        if (runs == 0)
            return null;
        if (runs > 1)
            throw RadiusException.Discard("EAP-Message", "The attributes do not stand side by side.");
        var packet = new byte[length];
        int at = 0;
        foreach (var attribute in Attributes)
            if (attribute.Type == RadiusAttribute.EapMessage)
            {
                attribute.Value.CopyTo(packet.AsSpan(at));
                at += attribute.Value.Length;
            }
        return packet;
    }

    /// <summary>Vendor's attributes in Vendor-Specific, of the form that RFC 2865 §5.26 suggests: the first of the type; false: there is none.</summary>
    public bool TryGetVendor(uint vendor, byte type, out ReadOnlySpan<byte> value)
    {
        foreach (var attribute in Attributes)
        {
            if (attribute.Type != RadiusAttribute.VendorSpecific || attribute.Value.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(attribute.Value) != vendor)
                continue;
            var rest = attribute.Value[4..];
            while (rest.Length >= 2 && rest[1] >= 2 && rest[1] <= rest.Length)
            {
                if (rest[0] == type)
                {
                    value = rest[2..rest[1]];
                    return true;
                }
                rest = rest[rest[1]..];
            }
        }
        value = default;
        return false;
    }
}

/// <summary>Attributes in the order of the packet; its form was checked.</summary>
public readonly ref struct RadiusAttributes(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public Enumerator GetEnumerator() => new(_bytes);

    public readonly ref struct Item(RadiusAttribute type, ReadOnlySpan<byte> value, int offset)
    {
        public RadiusAttribute Type => type;
        public ReadOnlySpan<byte> Value { get; } = value;
        /// <summary>Of the value, from the first attribute on, in bytes.</summary>
        public int Offset => offset;
    }

    public ref struct Enumerator(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _all = bytes;
        private int _at, _next;

        public readonly Item Current => new((RadiusAttribute)_all[_at], _all[(_at + 2)..(_at + _all[_at + 1])], _at + 2);

        public bool MoveNext()
        {
            _at = _next;
            if (_at >= _all.Length)
                return false;
            _next = _at + _all[_at + 1];
            return true;
        }
    }
}
