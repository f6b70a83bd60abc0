using System.Text;

namespace Hatchery.Coap;

/// <summary>Option numbers; odd ones are critical.</summary>
public static class CoapOptionNumber
{
    public const ushort IfMatch = 1, UriHost = 3, ETag = 4, IfNoneMatch = 5, Observe = 6, UriPort = 7, LocationPath = 8, Oscore = 9, UriPath = 11, ContentFormat = 12,
        MaxAge = 14, UriQuery = 15, HopLimit = 16, Accept = 17, LocationQuery = 20, Block2 = 23, Block1 = 27, Size2 = 28, ProxyUri = 35, ProxyScheme = 39,
        Size1 = 60, Echo = 252, NoResponse = 258, RequestTag = 292;

    internal const ushort CsmMaxMessageSize = 2, CsmBlockWiseTransfer = 4, CsmExtendedTokenLength = 6;

    public static bool IsCritical(ushort number) => (number & 1) != 0;
    /// <summary>A proxy that does not know it must not forward it.</summary>
    public static bool IsUnsafe(ushort number) => (number & 2) != 0;
    public static bool IsNoCacheKey(ushort number) => (number & 0x1e) == 0x1c;
}

/// <summary>One option as it stands in a message.</summary>
public readonly record struct CoapOption(ushort Number, ReadOnlyMemory<byte> Value)
{
    /// <summary>A uint (RFC 7252 section 3.2): big endian, leading zeros permitted; null if longer than 8 bytes or than a uint of 64 bits.</summary>
    public ulong? AsUInt() => ReadUInt(Value.Span);

    public string AsText() => Encoding.UTF8.GetString(Value.Span);

    internal static ulong? ReadUInt(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 8)
            return null;
        ulong value = 0;
        foreach (byte b in bytes)
            value = value << 8 | b;
        return value;
    }

    /// <summary>The shortest encoding.</summary>
    internal static int WriteUInt(Span<byte> into, ulong value)
    {
        int length = 0;
        for (ulong rest = value; rest != 0; rest >>= 8)
            length++;
        for (int i = 0; i < length; i++)
            into[i] = (byte)(value >> 8 * (length - 1 - i));
        return length;
    }
}

/// <summary>Which options an endpoint knows, their lengths in bytes, and whether they may be repeated. An option with another length, or repeated where it may not
/// be, counts as unrecognized (RFC 7252 section 5.4).</summary>
internal readonly record struct OptionFormat(int Min, int Max, bool Repeatable)
{
    public static OptionFormat? Of(ushort number) => number switch
    {
        CoapOptionNumber.IfMatch => new(0, 8, true),
        CoapOptionNumber.UriHost => new(1, 255, false),
        CoapOptionNumber.ETag => new(1, 8, true),
        CoapOptionNumber.IfNoneMatch => new(0, 0, false),
        CoapOptionNumber.Observe => new(0, 3, false),
        CoapOptionNumber.UriPort => new(0, 2, false),
        CoapOptionNumber.LocationPath => new(0, 255, true),
        CoapOptionNumber.Oscore => new(0, 255, false),
        CoapOptionNumber.UriPath => new(0, 255, true),
        CoapOptionNumber.ContentFormat => new(0, 2, false),
        CoapOptionNumber.MaxAge => new(0, 4, false),
        CoapOptionNumber.UriQuery => new(0, 255, true),
        CoapOptionNumber.HopLimit => new(1, 1, false),
        CoapOptionNumber.Accept => new(0, 2, false),
        CoapOptionNumber.LocationQuery => new(0, 255, true),
        CoapOptionNumber.Block2 or CoapOptionNumber.Block1 => new(0, 3, false),
        CoapOptionNumber.Size2 or CoapOptionNumber.Size1 => new(0, 4, false),
        CoapOptionNumber.ProxyUri => new(1, 1034, false),
        CoapOptionNumber.ProxyScheme => new(1, 255, false),
        CoapOptionNumber.Echo => new(1, 40, false),
        CoapOptionNumber.NoResponse => new(0, 1, false),
        CoapOptionNumber.RequestTag => new(0, 8, true),
        _ => null,
    };
}
