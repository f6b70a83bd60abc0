using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Hatchery.Transports;

/// <summary>A UDP peer as a value: compared and kept without allocation. An IPv4 address stands in its IPv4-mapped IPv6 form.</summary>
public readonly record struct UdpPath(UInt128 Address, ushort Port, uint Scope)
{
    private const int V4Size = 16, V6Size = 28;
    private static readonly UInt128 s_mapped = new(0, 0x0000_FFFF_0000_0000), s_mask = new(ulong.MaxValue, 0xFFFF_FFFF_0000_0000);

    public bool IsV4 => (Address & s_mask) == s_mapped;

    public static UdpPath From(IPEndPoint endpoint)
    {
        var socketAddress = endpoint.Serialize();
        return From(socketAddress);
    }

    /// <summary>The platform's sockaddr_in: family (2), port (2), address (4); sockaddr_in6: family (2), port (2), flow (4), address (16), scope (4).</summary>
    public static UdpPath From(SocketAddress address)
    {
        ReadOnlySpan<byte> bytes = address.Buffer.Span;
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        return address.Family == AddressFamily.InterNetworkV6
            ? new UdpPath(BinaryPrimitives.ReadUInt128BigEndian(bytes[8..]), port, System.Runtime.InteropServices.MemoryMarshal.Read<uint>(bytes[24..]))
            : new UdpPath(s_mapped | BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]), port, 0);
    }

    /// <param name="into">Of the socket's family, made once with <see cref="NewAddress"/>.</param>
    internal void CopyTo(SocketAddress into)
    {
        var bytes = into.Buffer.Span;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], Port);
        if (into.Family == AddressFamily.InterNetworkV6)
        {
            bytes[4..8].Clear();
            BinaryPrimitives.WriteUInt128BigEndian(bytes[8..], Address);
            uint scope = Scope;
            System.Runtime.InteropServices.MemoryMarshal.Write(bytes[24..], in scope);
        }
        else
            BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], (uint)Address);
    }

    internal static SocketAddress NewAddress(AddressFamily family) => new(family, family == AddressFamily.InterNetworkV6 ? V6Size : V4Size);

    public IPEndPoint ToEndPoint()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Address);
        return new IPEndPoint(IsV4 ? new IPAddress(bytes[12..]) : new IPAddress(bytes, Scope), Port);
    }

    public override string ToString() => ToEndPoint().ToString();
}
