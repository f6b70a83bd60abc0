using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;

namespace Hatchery.Dpp;

/// <summary>A global operating class and a channel in it (IEEE 802.11 annex E).</summary>
public readonly record struct DppChannel(byte OperatingClass, byte Number)
{
    public override string ToString() => $"{OperatingClass}/{Number}";

    /// <summary>Center frequency in MHz; null for a pair that this does not know.</summary>
    public int? Frequency => OperatingClass switch
    {
        81 when Number is >= 1 and <= 13 => 2407 + 5 * Number,
        82 when Number == 14 => 2484,
        115 when Number is 36 or 40 or 44 or 48 => 5000 + 5 * Number,
        116 or 117 when Number is 36 or 40 or 44 or 48 => 5000 + 5 * Number,
        118 when Number is 52 or 56 or 60 or 64 => 5000 + 5 * Number,
        119 or 120 when Number is 52 or 56 or 60 or 64 => 5000 + 5 * Number,
        121 when Number is >= 100 and <= 144 && Number % 4 == 0 => 5000 + 5 * Number,
        124 or 125 when Number is 149 or 153 or 157 or 161 or 165 or 169 => 5000 + 5 * Number,
        126 or 127 when Number is 149 or 153 or 157 or 161 => 5000 + 5 * Number,
        131 when Number is >= 1 and <= 233 && Number % 4 == 1 => 5950 + 5 * Number,
        180 when Number is >= 1 and <= 6 => 56160 + 2160 * Number,
        _ => null,
    };
}

/// <summary>Bootstrapping information as a URI (DPP §5.2.1): what a QR code, an NFC tag or a list of devices carries.</summary>
public sealed record DppUri
{
    public const int MaxLength = 2048;
    public const int DefaultPort = 8908;
    private const int MaxChannels = 30;

    public required BootstrappingKey Key { get; init; }
    public ImmutableArray<DppChannel> Channels { get; init; } = [];
    /// <summary>There was a channel list, though perhaps of unknown channels only.</summary>
    public bool HasChannelList { get; init; }
    /// <summary>Six bytes; empty: none given.</summary>
    public ImmutableArray<byte> Mac { get; init; } = [];
    /// <summary>Free text, a serial number say; null: none.</summary>
    public string? Information { get; init; }
    /// <summary>Highest version of the protocol that the device speaks; null: not said, which means 1.</summary>
    public int? Version { get; init; }
    /// <summary>Curves that the device supports; null: not said.</summary>
    public ImmutableArray<DppCurve>? Curves { get; init; }
    /// <summary>Where it listens on TCP; null: not said.</summary>
    public string? Host { get; init; }
    public int Port { get; init; } = DefaultPort;

    /// <exception cref="DppException"/>
    public static DppUri Parse(string text)
    {
        if (text.Length > MaxLength)
            throw DppException.Malformed("URI", $"has more than {MaxLength} characters.");
        if (!text.StartsWith("DPP:", StringComparison.Ordinal))
            throw DppException.Malformed("URI", "does not begin with DPP:.");
        var seen = new Dictionary<char, string>();
        foreach (string token in text[4..].Split(';'))
            if (token.Length >= 2 && token[1] == ':')
                seen.TryAdd(token[0], token[2..]);
        if (!seen.TryGetValue('K', out string? key))
            throw DppException.Malformed("K", "is missing.");
        var uri = new DppUri { Key = ParseKey(key) };
        if (seen.TryGetValue('C', out string? channels))
            uri = uri with { Channels = ParseChannels(channels), HasChannelList = true };
        if (seen.TryGetValue('M', out string? mac))
            uri = uri with { Mac = ParseMac(mac) };
        if (seen.TryGetValue('I', out string? information))
            uri = uri with { Information = CheckInformation(information) };
        if (seen.TryGetValue('V', out string? version))
            uri = uri with { Version = version.Length == 1 && version[0] is >= '1' and <= '9' ? version[0] - '0' : throw DppException.Malformed("V", "is no version.") };
        if (seen.TryGetValue('B', out string? curves))
            uri = uri with { Curves = ParseCurves(curves) };
        if (seen.TryGetValue('H', out string? host))
            uri = ParseHost(uri, host);
        return uri;
    }

    private static BootstrappingKey ParseKey(string text)
    {
        byte[] der = new byte[text.Length];
        return Convert.TryFromBase64String(text, der, out int length) ? BootstrappingKey.FromSpki(der.AsSpan(0, length)) : throw DppException.Malformed("K", "is no base64.");
    }

    private static ImmutableArray<DppChannel> ParseChannels(string text)
    {
        var channels = ImmutableArray.CreateBuilder<DppChannel>();
        int operatingClass = -1;
        string[] parts = text.Split(',');
        foreach (string part in parts)
        {
            int slash = part.IndexOf('/', StringComparison.Ordinal);
            if (slash >= 0)
                operatingClass = Number(part[..slash]);
            int channel = Number(part[(slash + 1)..]);
            if (operatingClass < 0)
                throw DppException.Malformed("C", "has a channel without an operating class.");
            var known = new DppChannel((byte)operatingClass, (byte)channel);
            if (known.Frequency is not null && !channels.Contains(known))
                channels.Add(known);
        }
        return parts.Length > MaxChannels ? [] : channels.ToImmutable();

        static int Number(string digits) => byte.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out byte number) && number > 0 ? number
            : throw DppException.Malformed("C", "is no channel list.");
    }

    private static ImmutableArray<byte> ParseMac(string text) => text.Length == 12 && text.All(char.IsAsciiHexDigit) ? [.. Convert.FromHexString(text)]
        : throw DppException.Malformed("M", "has not 12 hexadecimal digits.");

    private static string CheckInformation(string text) => text.All(c => c is >= ' ' and <= '~') ? text
        : throw DppException.Malformed("I", "has a character that may not be there.");

    private static ImmutableArray<DppCurve> ParseCurves(string text)
    {
        if (text.Length is < 1 or > 2 || !text.All(char.IsAsciiHexDigit))
            throw DppException.Malformed("B", "has not one or two hexadecimal digits.");
        int bits = Convert.ToInt32(text[..1], 16) | (text.Length == 2 ? Convert.ToInt32(text[1..], 16) << 4 : 0);
        return [.. DppCurve.All.Where((_, bit) => (bits >> bit & 1) != 0)];
    }

    private static DppUri ParseHost(DppUri uri, string text)
    {
        if (text.Length is 0 or > 255 || text.Any(c => c is <= ' ' or > '~' or '/'))
            throw DppException.Malformed("H", "is no host.");
        if (text[0] == '[' && text.IndexOf(']', StringComparison.Ordinal) is > 0 and var end)
            return uri with { Host = text[1..end], Port = end + 1 == text.Length ? DefaultPort : text[end + 1] == ':' ? PortOf(text[(end + 2)..]) : throw DppException.Malformed("H", "is no host.") };
        int colon = text.LastIndexOf(':');
        // An address of IPv6 without brackets has no port.
        if (colon < 0 || text.IndexOf(':', StringComparison.Ordinal) != colon)
            return uri with { Host = text };
        return uri with { Host = text[..colon], Port = PortOf(text[(colon + 1)..]) };

        static int PortOf(string digits) => ushort.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0 ? port
            : throw DppException.Malformed("H", "has no port behind the colon.");
    }

    /// <summary>Tokens in the order C, M, I, V, B, H, K.</summary>
    public override string ToString()
    {
        var text = new StringBuilder("DPP:");
        if (!Channels.IsEmpty)
        {
            text.Append("C:");
            for (int i = 0; i < Channels.Length; i++)
            {
                text.Append(i == 0 ? "" : ",");
                text.Append(i == 0 || Channels[i].OperatingClass != Channels[i - 1].OperatingClass ? Channels[i].ToString() : $"{Channels[i].Number}");
            }
            text.Append(';');
        }
        if (!Mac.IsEmpty)
            text.Append("M:").Append(Convert.ToHexStringLower(Mac.AsSpan())).Append(';');
        if (Information is { } information)
            text.Append("I:").Append(information).Append(';');
        if (Version is { } version)
            text.Append("V:").Append(version).Append(';');
        if (Curves is { } curves)
            text.Append("B:").Append(CurveDigits(curves)).Append(';');
        if (Host is { } host)
            text.Append("H:").Append(!host.Contains(':', StringComparison.Ordinal) ? host : Port == DefaultPort ? host : $"[{host}]").Append(Port == DefaultPort ? "" : $":{Port}").Append(';');
        return text.Append("K:").Append(Convert.ToBase64String(Key.Spki.Span)).Append(";;").ToString();
    }

    private static string CurveDigits(ImmutableArray<DppCurve> curves)
    {
        int bits = 0;
        for (int i = 0; i < DppCurve.All.Length; i++)
            bits |= curves.Contains(DppCurve.All[i]) ? 1 << i : 0;
        return (bits & 15).ToString("x", CultureInfo.InvariantCulture) + (bits > 15 ? (bits >> 4).ToString("x", CultureInfo.InvariantCulture) : "");
    }
}
