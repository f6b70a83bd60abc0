using System.Globalization;

namespace Hatchery.Transports;

/// <summary>A link-layer address of 48 bits as a value.</summary>
public readonly record struct EthernetPath(ulong Address)
{
    /// <summary>Group address of the port access entity (IEEE 802.1X): bridges do not pass it on.</summary>
    public static EthernetPath PortAccessEntity { get; } = new(0x0180_c200_0003);

    /// <summary>Six hex bytes with ':' or '-' between, or none.</summary>
    /// <exception cref="FormatException"/>
    public static EthernetPath Parse(string text)
    {
        string hex = text.Replace(":", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        return hex.Length == 12 && ulong.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            ? new EthernetPath(value) : throw new FormatException($"{text} is no link-layer address.");
    }

    /// <summary>Lower-case hex with colons.</summary>
    public override string ToString() => string.Create(17, Address, static (into, address) =>
    {
        for (int i = 0; i < 6; i++)
        {
            byte value = (byte)(address >> (40 - 8 * i));
            (into[3 * i], into[3 * i + 1]) = (Hex(value >> 4), Hex(value & 15));
            if (i < 5)
                into[3 * i + 2] = ':';
        }
    });

    private static char Hex(int value) => (char)(value < 10 ? '0' + value : 'a' + value - 10);
}
