using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Hatchery.Transports;

/// <summary>Gives captured stretches of streams and datagrams the headers under them: Ethernet II, IPv4 or IPv6, TCP or UDP. Endpoints that
/// are no IP endpoints get addresses of 192.0.2.0/24 (RFC 5737).</summary>
internal sealed class PacketMaker
{
    private const int MaxSegment = 32768, MaxFlows = 65536;
    private readonly Dictionary<(string, string), Flow> _flows = [];
    private readonly Dictionary<string, int> _hosts = [];

    public delegate void Emit(ReadOnlySpan<byte> packet);

    /// <summary>One TCP connection or exchange of datagrams, keyed by its endpoints in ordinal order.</summary>
    private sealed class Flow
    {
        /// <summary>The end whose capture is written; the other end's is the same bytes once more.</summary>
        public required string CapturedAt { get; init; }
        public SessionId Session;
        public bool Opened;
        public readonly Dictionary<string, uint> Next = [];
    }

    [Flags]
    private enum Tcp : byte { Syn = 2, Push = 8, Ack = 16 }

    public void Stream(Observation.FrameCaptured frame, Emit emit)
    {
        if (Find(frame) is not { } flow)
            return;
        if (!flow.Opened || flow.Session != frame.Session)
            Open(flow, frame, emit);
        var data = frame.Bytes.Span;
        while (!data.IsEmpty)
        {
            var part = data[..Math.Min(data.Length, MaxSegment)];
            Segment(flow, frame.From, frame.To, Tcp.Push | Tcp.Ack, part, emit);
            data = data[part.Length..];
        }
    }

    public void Datagram(Observation.FrameCaptured frame, Emit emit)
    {
        var data = frame.Bytes.Span;
        if (data.Length > 65000 || Find(frame) is null)
            return;
        var (from, to) = (Endpoint(frame.From), Endpoint(frame.To));
        var udp = new byte[8 + data.Length];
        Ports(udp, from, to);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(4), (ushort)udp.Length);
        data.CopyTo(udp.AsSpan(8));
        emit(Wrap(from.Address, to.Address, 17, udp, 6));
    }

    /// <summary>Ethertype 888E to the PAE group address; the sender's address is made from its name.</summary>
    public static byte[] Eapol(Observation.FrameCaptured frame) =>
        [0x01, 0x80, 0xC2, 0x00, 0x00, 0x03, .. Hardware(System.Text.Encoding.UTF8.GetBytes(frame.From)), 0x88, 0x8E, .. frame.Bytes.Span];

    private Flow? Find(Observation.FrameCaptured frame)
    {
        var key = string.CompareOrdinal(frame.From, frame.To) < 0 ? (frame.From, frame.To) : (frame.To, frame.From);
        var here = frame.Way == Way.Received ? frame.To : frame.From;
        if (!_flows.TryGetValue(key, out var flow))
        {
            if (_flows.Count >= MaxFlows)
                _flows.Clear();
            _flows[key] = flow = new Flow { CapturedAt = here, Session = frame.Session };
        }
        return flow.CapturedAt == here ? flow : null;
    }

    /// <summary>Who speaks first opened the connection.</summary>
    private void Open(Flow flow, Observation.FrameCaptured frame, Emit emit)
    {
        (flow.Opened, flow.Session) = (true, frame.Session);
        // Another connection between the same endpoints must not look like a repetition of the one before.
        flow.Next[frame.From] = flow.Next.GetValueOrDefault(frame.From) + 100_000;
        flow.Next[frame.To] = flow.Next.GetValueOrDefault(frame.To) + 200_000;
        Segment(flow, frame.From, frame.To, Tcp.Syn, [], emit);
        Segment(flow, frame.To, frame.From, Tcp.Syn | Tcp.Ack, [], emit);
        Segment(flow, frame.From, frame.To, Tcp.Ack, [], emit);
    }

    private void Segment(Flow flow, string fromName, string toName, Tcp flags, ReadOnlySpan<byte> data, Emit emit)
    {
        var (from, to) = (Endpoint(fromName), Endpoint(toName));
        var tcp = new byte[20 + data.Length];
        Ports(tcp, from, to);
        BinaryPrimitives.WriteUInt32BigEndian(tcp.AsSpan(4), flow.Next[fromName]);
        if ((flags & Tcp.Ack) != 0)
            BinaryPrimitives.WriteUInt32BigEndian(tcp.AsSpan(8), flow.Next[toName]);
        tcp[12] = 5 << 4;
        tcp[13] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(tcp.AsSpan(14), 65535);
        data.CopyTo(tcp.AsSpan(20));
        flow.Next[fromName] += (uint)data.Length + ((flags & Tcp.Syn) != 0 ? 1u : 0u);
        emit(Wrap(from.Address, to.Address, 6, tcp, 16));
    }

    private static void Ports(Span<byte> header, IPEndPoint from, IPEndPoint to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(header, (ushort)from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)to.Port);
    }

    private static byte[] Wrap(IPAddress from, IPAddress to, byte protocol, byte[] content, int checksumAt)
    {
        bool four = from.AddressFamily == AddressFamily.InterNetwork && to.AddressFamily == AddressFamily.InterNetwork;
        var (source, target) = four ? (from.GetAddressBytes(), to.GetAddressBytes()) : (from.MapToIPv6().GetAddressBytes(), to.MapToIPv6().GetAddressBytes());
        byte[] pseudo = [.. source, .. target, 0, protocol, (byte)(content.Length >> 8), (byte)content.Length];
        ushort sum = Checksum(pseudo, content);
        BinaryPrimitives.WriteUInt16BigEndian(content.AsSpan(checksumAt), sum == 0 && protocol == 17 ? (ushort)0xFFFF : sum);
        byte[] ip = four ? Version4(source, target, protocol, content.Length) : Version6(source, target, protocol, content.Length);
        return [.. Hardware(target), .. Hardware(source), (byte)(four ? 0x08 : 0x86), (byte)(four ? 0x00 : 0xDD), .. ip, .. content];
    }

    private static byte[] Version4(byte[] source, byte[] target, byte protocol, int length)
    {
        var header = new byte[20];
        header[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(2), (ushort)(20 + length));
        header[6] = 0x40;
        header[8] = 64;
        header[9] = protocol;
        source.CopyTo(header, 12);
        target.CopyTo(header, 16);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(10), Checksum(header, []));
        return header;
    }

    private static byte[] Version6(byte[] source, byte[] target, byte protocol, int length)
    {
        var header = new byte[40];
        header[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), (ushort)length);
        header[6] = protocol;
        header[7] = 64;
        source.CopyTo(header, 8);
        target.CopyTo(header, 24);
        return header;
    }

    /// <summary>RFC 1071 over both parts; the first has an even length.</summary>
    private static ushort Checksum(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        ulong sum = Sum(first) + Sum(second);
        while (sum >> 16 != 0)
            sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~sum;
    }

    private static ulong Sum(ReadOnlySpan<byte> bytes)
    {
        ulong sum = 0;
        for (int i = 0; i + 1 < bytes.Length; i += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[i..]);
        return bytes.Length % 2 == 0 ? sum : sum + ((ulong)bytes[^1] << 8);
    }

    /// <summary>A locally administered address from the last four bytes.</summary>
    private static byte[] Hardware(ReadOnlySpan<byte> name)
    {
        byte[] address = [2, 0, 0, 0, 0, 0];
        var end = name[^Math.Min(4, name.Length)..];
        end.CopyTo(address.AsSpan(6 - end.Length));
        return address;
    }

    private IPEndPoint Endpoint(string text)
    {
        if (IPEndPoint.TryParse(text, out var endpoint))
            return endpoint.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(endpoint.Address.MapToIPv4(), endpoint.Port) : endpoint;
        int colon = text.LastIndexOf(':');
        bool hasPort = ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && colon > 0;
        var host = hasPort ? text[..colon] : text;
        if (!_hosts.TryGetValue(host, out int number))
            _hosts[host] = number = _hosts.Count % 254 + 1;
        return new IPEndPoint(new IPAddress([192, 0, 2, (byte)number]), hasPort ? port : 0);
    }
}
