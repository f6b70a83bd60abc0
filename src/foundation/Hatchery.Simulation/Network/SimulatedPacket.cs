using System.Buffers.Binary;
using System.Net;

namespace Hatchery.Simulation;

/// <summary>One raw IPv4 packet, the framing of this medium (pcapng link type 228): a header of 20 bytes, then TCP (RFC 9293) or UDP (RFC 768).</summary>
public sealed class SimulatedPacket
{
    public const int Mtu = 1500;
    internal const int IpHeader = 20, UdpHeader = 8, TcpHeader = 20;
    internal const byte Fin = 1, Syn = 2, Rst = 4, Psh = 8, Ack = 16;

    private SimulatedPacket(byte[] bytes) => Bytes = bytes;

    public byte[] Bytes { get; }
    public bool IsTcp => Bytes[9] == 6;
    public IPEndPoint From => new(new IPAddress(Bytes.AsSpan(12, 4)), BinaryPrimitives.ReadUInt16BigEndian(Bytes.AsSpan(20)));
    public IPEndPoint To => new(new IPAddress(Bytes.AsSpan(16, 4)), BinaryPrimitives.ReadUInt16BigEndian(Bytes.AsSpan(22)));
    /// <summary>Of the datagram or segment.</summary>
    public ReadOnlyMemory<byte> Payload => Bytes.AsMemory(PayloadOffset);
    internal int PayloadOffset => IpHeader + (IsTcp ? (Bytes[32] >> 4) * 4 : UdpHeader);
    /// <summary>Of the connection: SYN.</summary>
    public bool Opens => IsTcp && (Flags & Syn) != 0;
    /// <summary>FIN or RST.</summary>
    public bool Closes => IsTcp && (Flags & (Fin | Rst)) != 0;
    public uint Sequence => IsTcp ? BinaryPrimitives.ReadUInt32BigEndian(Bytes.AsSpan(24)) : 0;
    internal uint Acknowledged => BinaryPrimitives.ReadUInt32BigEndian(Bytes.AsSpan(28));
    internal byte Flags => Bytes[33];

    /// <summary>Ties it to a message and a session of its sender; 0 and none for what was injected.</summary>
    public Tag Tag { get; internal init; }
    public SessionId Session { get; internal init; }
    /// <summary>A retransmission.</summary>
    public bool Repeats { get; internal init; }

    public static SimulatedPacket Datagram(IPEndPoint from, IPEndPoint to, ReadOnlySpan<byte> payload, Tag tag = default, SessionId session = default, bool repeats = false)
    {
        var bytes = Ip(from.Address, to.Address, 17, UdpHeader + payload.Length);
        var udp = bytes.AsSpan(IpHeader);
        BinaryPrimitives.WriteUInt16BigEndian(udp, (ushort)from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], (ushort)to.Port);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        // Checksum 0: none was made (RFC 768), so that a corrupted datagram reaches the protocol.
        payload.CopyTo(udp[UdpHeader..]);
        return new SimulatedPacket(bytes) { Tag = tag, Session = session, Repeats = repeats };
    }

    internal static SimulatedPacket Segment(IPEndPoint from, IPEndPoint to, uint sequence, uint acknowledged, byte flags, ReadOnlySpan<byte> payload,
        Tag tag = default, SessionId session = default, bool repeats = false)
    {
        int header = (flags & Syn) != 0 ? TcpHeader + 4 : TcpHeader;
        var bytes = Ip(from.Address, to.Address, 6, header + payload.Length);
        var tcp = bytes.AsSpan(IpHeader);
        BinaryPrimitives.WriteUInt16BigEndian(tcp, (ushort)from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], (ushort)to.Port);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], acknowledged);
        tcp[12] = (byte)(header / 4 << 4);
        tcp[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(tcp[14..], 65535);
        if (header > TcpHeader)
        {
            tcp[20] = 2;
            tcp[21] = 4;
            BinaryPrimitives.WriteUInt16BigEndian(tcp[22..], TcpConnection.Mss);
        }
        payload.CopyTo(tcp[header..]);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], TcpChecksum(bytes));
        return new SimulatedPacket(bytes) { Tag = tag, Session = session, Repeats = repeats };
    }

    /// <summary>Null for what no host here would take: truncated, not IPv4, neither TCP nor UDP.</summary>
    public static SimulatedPacket? Parse(byte[] bytes)
    {
        if (bytes.Length < IpHeader + UdpHeader || bytes[0] != 0x45 || BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(2)) != bytes.Length)
            return null;
        if (bytes[9] == 17)
            return BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(24)) == bytes.Length - IpHeader ? new SimulatedPacket(bytes) : null;
        return bytes[9] == 6 && bytes.Length >= IpHeader + TcpHeader && bytes[32] >> 4 >= 5 && IpHeader + (bytes[32] >> 4) * 4 <= bytes.Length
            ? new SimulatedPacket(bytes) : null;
    }

    /// <summary>The same with another payload of any length; TCP's checksum made anew, its sequence numbers kept.</summary>
    public SimulatedPacket With(ReadOnlySpan<byte> payload) => IsTcp
        ? Segment(From, To, Sequence, Acknowledged, Flags, payload, Tag, Session, Repeats)
        : Datagram(From, To, payload, Tag, Session, Repeats);

    /// <summary>The same between other endpoints.</summary>
    public SimulatedPacket With(IPEndPoint from, IPEndPoint to) => IsTcp
        ? Segment(from, to, Sequence, Acknowledged, Flags, Payload.Span, Tag, Session, Repeats)
        : Datagram(from, to, Payload.Span, Tag, Session, Repeats);

    internal SimulatedPacket Flip(int bit)
    {
        var bytes = (byte[])Bytes.Clone();
        bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        return new SimulatedPacket(bytes) { Tag = Tag, Session = Session, Repeats = Repeats };
    }

    internal bool IsIntact => !IsTcp || TcpChecksum(Bytes) == 0;

    private static byte[] Ip(IPAddress from, IPAddress to, byte protocol, int payload)
    {
        var bytes = new byte[IpHeader + payload];
        bytes[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)bytes.Length);
        bytes[6] = 0x40;
        bytes[8] = 64;
        bytes[9] = protocol;
        from.TryWriteBytes(bytes.AsSpan(12), out _);
        to.TryWriteBytes(bytes.AsSpan(16), out _);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(10), Fold(Sum(bytes.AsSpan(0, IpHeader), 0)));
        return bytes;
    }

    /// <summary>With the checksum in place the result is 0 if nothing was changed.</summary>
    private static ushort TcpChecksum(byte[] bytes)
    {
        uint sum = Sum(bytes.AsSpan(12, 8), 0) + 6 + (uint)(bytes.Length - IpHeader);
        return Fold(Sum(bytes.AsSpan(IpHeader), sum));
    }

    private static uint Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (; bytes.Length >= 2; bytes = bytes[2..])
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
        return bytes.Length == 1 ? sum + (uint)(bytes[0] << 8) : sum;
    }

    private static ushort Fold(uint sum)
    {
        while (sum >> 16 != 0)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }
}
