using System.Collections.Immutable;
using System.Formats.Cbor;
using System.Net;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>RVTO2AddrEntry: where the owner answers TO2. At least one of address and name is there. An IPv4 address goes out as 4 bytes and is
/// taken as 4, or as 16 in IPv4-mapped form.</summary>
/// <param name="Port">0: the protocol's default.</param>
public sealed record To2AddressEntry(IPAddress? Address, string? Dns, ushort Port, TransportProtocol Protocol)
{
    private const int Max = 32;

    /// <summary>Scheme of a <see cref="Destination"/>.</summary>
    public string Scheme => FdoSchemes.Of(Protocol);
    public int EffectivePort => Port != 0 ? Port : FdoSchemes.DefaultPort(Scheme) ?? 0;

    internal static To2AddressEntry Parse(BoundedCborReader reader, string field)
    {
        reader.StartArray(field);
        IPAddress? address = null;
        if (!reader.TryNull(field))
        {
            var bytes = reader.Bytes($"{field}.RVIP");
            address = FdoSchemes.Address(bytes.Span)
                ?? throw new FdoException(FdoErrorCode.InvalidIpAddress, $"{field}.RVIP", $"{field}.RVIP: {bytes.Length} bytes are no IP address.");
        }
        string? dns = reader.TryNull(field) ? null : reader.Text($"{field}.RVDNS");
        ushort port = reader.UInt16($"{field}.RVPort");
        long protocol = reader.Integer($"{field}.RVProtocol", 1, 6);
        reader.EndArray(field);
        if (address is null && string.IsNullOrEmpty(dns))
            throw reader.Wrong(field, "neither an IP address nor a name.");
        return new To2AddressEntry(address, dns, port, (TransportProtocol)protocol);
    }

    internal static ImmutableArray<To2AddressEntry> ParseList(BoundedCborReader reader, string field)
    {
        var entries = ImmutableArray.CreateBuilder<To2AddressEntry>(1);
        reader.StartArray(field);
        while (reader.More(field))
        {
            if (entries.Count == Max)
                throw reader.Wrong(field, $"more than {Max} addresses.");
            entries.Add(Parse(reader, field));
        }
        reader.EndArray(field);
        return entries.Count > 0 ? entries.ToImmutable() : throw reader.Wrong(field, "no address at all.");
    }

    internal void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        if (Address is null)
            writer.WriteNull();
        else
            writer.WriteByteString((Address.IsIPv4MappedToIPv6 ? Address.MapToIPv4() : Address).GetAddressBytes());
        if (Dns is null)
            writer.WriteNull();
        else
            writer.WriteTextString(Dns);
        writer.WriteUInt32(Port);
        writer.WriteInt32((int)Protocol);
        writer.WriteEndArray();
    }
}
