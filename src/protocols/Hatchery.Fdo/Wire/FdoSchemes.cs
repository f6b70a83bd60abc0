using System.Net;

namespace Hatchery.Fdo;

/// <summary>Between the standard's two number spaces of transports and the schemes of a <see cref="Destination"/>.</summary>
public static class FdoSchemes
{
    public static string Of(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => "tcp",
        TransportProtocol.Tls => "tls",
        TransportProtocol.Http => "http",
        TransportProtocol.Coap => "coap",
        TransportProtocol.Https => "https",
        _ => "coaps",
    };

    public static TransportProtocol? Transport(string scheme) => scheme switch
    {
        "tcp" => TransportProtocol.Tcp,
        "tls" => TransportProtocol.Tls,
        "http" => TransportProtocol.Http,
        "coap" => TransportProtocol.Coap,
        "https" => TransportProtocol.Https,
        "coaps" => TransportProtocol.Coaps,
        _ => null,
    };

    /// <summary>TCP and TLS have none.</summary>
    public static int? DefaultPort(string scheme) => scheme switch { "http" => 80, "https" => 443, "coap" or "coap+tcp" => 5683, "coaps" => 5684, _ => null };

    /// <summary>4 bytes, or 16; IPv4-mapped becomes IPv4. Null for other lengths.</summary>
    internal static IPAddress? Address(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is not (4 or 16))
            return null;
        var address = new IPAddress(bytes);
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }
}
