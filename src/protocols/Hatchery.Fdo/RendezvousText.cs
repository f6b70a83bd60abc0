using System.Collections.Immutable;
using System.Formats.Cbor;
using System.Globalization;
using System.Net;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>Directives as people write them: "http://host:port", then any of ;bypass ;devonly ;owneronly ;delay=SECONDS ;ownerport=PORT.</summary>
public static class RendezvousText
{
    /// <summary>One directive per text.</summary>
    /// <exception cref="FormatException">Says what is wrong.</exception>
    public static RendezvousInfo Parse(params ReadOnlySpan<string> texts)
    {
        var directives = ImmutableArray.CreateBuilder<RendezvousDirective>(texts.Length);
        foreach (string text in texts)
            directives.Add(ParseDirective(text));
        return new RendezvousInfo(directives.ToImmutable());
    }

    private static RendezvousDirective ParseDirective(string text)
    {
        var parts = text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length == 0 || !Uri.TryCreate(parts[0], UriKind.Absolute, out var uri) || uri.AbsolutePath.Length > 1 || uri.Host.Length == 0)
            throw new FormatException($"\"{text}\" is no rendezvous directive; one looks like http://host:8080;delay=30");
        var protocol = uri.Scheme switch
        {
            "http" => RendezvousProtocol.Http,
            "https" => RendezvousProtocol.Https,
            "tcp" => RendezvousProtocol.Tcp,
            "tls" => RendezvousProtocol.Tls,
            "coap" => RendezvousProtocol.CoapUdp,
            "coap+tcp" => RendezvousProtocol.CoapTcp,
            _ => throw new FormatException($"{uri.Scheme} is no protocol of a rendezvous directive."),
        };
        int port = uri.Port > 0 ? uri.Port : FdoSchemes.DefaultPort(uri.Scheme) ?? throw new FormatException($"{uri.Scheme} needs a port.");
        int ownerPort = port;
        long? delay = null;
        bool bypass = false, devOnly = false, ownerOnly = false;
        foreach (string option in parts.AsSpan(1))
        {
            var (name, value) = option.IndexOf('=', StringComparison.Ordinal) is >= 0 and var at ? (option[..at], option[(at + 1)..]) : (option, "");
            switch (name)
            {
                case "bypass": bypass = true; break;
                case "devonly": devOnly = true; break;
                case "owneronly": ownerOnly = true; break;
                case "delay": delay = Number(value, uint.MaxValue, name); break;
                case "ownerport": ownerPort = (int)Number(value, ushort.MaxValue, name); break;
                default: throw new FormatException($"{name} is no option of a rendezvous directive.");
            }
        }
        // In the order of the variables' numbers.
        var instructions = ImmutableArray.CreateBuilder<RendezvousInstruction>();
        if (devOnly)
            instructions.Add(new(RendezvousVariable.DevOnly, default));
        if (ownerOnly)
            instructions.Add(new(RendezvousVariable.OwnerOnly, default));
        bool isAddress = IPAddress.TryParse(uri.IdnHost, out var address);
        if (isAddress)
            instructions.Add(new(RendezvousVariable.IPAddress, Encode(w => w.WriteByteString((address!.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).GetAddressBytes()))));
        instructions.Add(new(RendezvousVariable.DevPort, Encode(w => w.WriteInt32(port))));
        instructions.Add(new(RendezvousVariable.OwnerPort, Encode(w => w.WriteInt32(ownerPort))));
        if (!isAddress)
            instructions.Add(new(RendezvousVariable.Dns, Encode(w => w.WriteTextString(uri.IdnHost))));
        instructions.Add(new(RendezvousVariable.Protocol, Encode(w => w.WriteInt32((int)protocol))));
        if (delay is { } seconds)
            instructions.Add(new(RendezvousVariable.Delaysec, Encode(w => w.WriteInt64(seconds))));
        if (bypass)
            instructions.Add(new(RendezvousVariable.Bypass, default));
        return new RendezvousDirective(instructions.ToImmutable());
    }

    /// <summary>Each directive that has an address, in the form that <see cref="Parse"/> reads; others as "(directive N: why)".</summary>
    public static ImmutableArray<string> Format(RendezvousInfo info)
    {
        var lines = ImmutableArray.CreateBuilder<string>(info.Directives.Length);
        for (int i = 0; i < info.Directives.Length; i++)
        {
            try
            {
                lines.Add(Format(RendezvousDirectiveValues.Read(info.Directives[i])) ?? $"(directive {i}: no address)");
            }
            catch (FdoException e)
            {
                lines.Add($"(directive {i}: {e.Message})");
            }
        }
        return lines.ToImmutable();
    }

    private static string? Format(RendezvousDirectiveValues v)
    {
        string? host = v.Dns ?? (v.Address is { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 } six ? $"[{six}]" : v.Address?.ToString());
        if (host is null)
            return null;
        string scheme = v.Protocol switch { 0 or 2 => "https", 1 => "http", 3 => "tcp", 5 => "coap+tcp", 6 => "coap", _ => "tls" };
        string port = (v.DevPort ?? FdoSchemes.DefaultPort(scheme))?.ToString(CultureInfo.InvariantCulture) is { } p ? ":" + p : "";
        return string.Create(CultureInfo.InvariantCulture, $"{scheme}://{host}{port}")
            + (v.Bypass ? ";bypass" : "") + (v.DevOnly ? ";devonly" : "") + (v.OwnerOnly ? ";owneronly" : "")
            + (v.Delay is { } d ? string.Create(CultureInfo.InvariantCulture, $";delay={d}") : "")
            + (v.OwnerPort is { } o && o != v.DevPort ? string.Create(CultureInfo.InvariantCulture, $";ownerport={o}") : "");
    }

    private static long Number(string value, long max, string name) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number <= max ? number
            : throw new FormatException($"{name}={value} is not a number up to {max}.");

    private static byte[] Encode(Action<CborWriter> write)
    {
        var writer = WireReading.Writer(32);
        write(writer);
        return writer.Finish();
    }
}
