using System.Buffers.Binary;
using System.Text;

namespace Hatchery.Transports;

/// <summary>Link types of the pcapng registry.</summary>
public enum LinkType { Ethernet = 1, Raw = 101, Ieee802154 = 195, BluetoothLe = 251, Ieee80211 = 105, User0 = 147 }

/// <summary>Writes frames as pcapng (draft-ietf-opsawg-pcapng): one interface per medium, timestamps in nanoseconds. Frames of a medium that is
/// a byte stream or datagrams get Ethernet, IP and TCP or UDP headers, TCP also a handshake, so that a reader follows the stream. Of a
/// conversation that is captured at both ends in one process, one end is written. Thread-safe.</summary>
public sealed class PcapngWriter : IObservationSink, IDisposable
{
    private const int SnapLength = 262144;
    private readonly Stream _output;
    private readonly bool _leaveOpen;
    private readonly long _maxBytes;
    private readonly IReadOnlyDictionary<string, LinkType> _links;
    private readonly Dictionary<string, int> _interfaces = [];
    private readonly PacketMaker _packets = new();
    private readonly Lock _lock = new();
    private long _written;
    private bool _disposed;

    /// <param name="links">Link types of media whose frames are written as they are; media that are not named get USER0.</param>
    /// <param name="maxBytes">Frames beyond are counted in <see cref="Dropped"/>.</param>
    public PcapngWriter(Stream output, bool leaveOpen = false, IReadOnlyDictionary<string, LinkType>? links = null, long maxBytes = 1L << 32)
    {
        (_output, _leaveOpen, _maxBytes) = (output, leaveOpen, maxBytes);
        _links = links ?? new Dictionary<string, LinkType>();
        SectionHeader();
    }

    /// <summary>The file holds whatever the processes said in clear: mode 0600.</summary>
    public static PcapngWriter Create(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.Read, BufferSize = 64 * 1024 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new PcapngWriter(new FileStream(path, options));
    }

    public long Dropped { get; private set; }

    public void Add(Observation observation)
    {
        if (observation is not Observation.FrameCaptured frame)
            return;
        lock (_lock)
        {
            if (_disposed || _written + frame.Bytes.Length > _maxBytes)
            {
                Dropped++;
                return;
            }
            switch (frame.Medium.Name)
            {
                case "TCP" or "HTTP":
                    _packets.Stream(frame, packet => Packet("TCP/IP", LinkType.Ethernet, frame, packet));
                    break;
                case "UDP":
                    _packets.Datagram(frame, packet => Packet("TCP/IP", LinkType.Ethernet, frame, packet));
                    break;
                case "EAPOL":
                    Packet("EAPOL", LinkType.Ethernet, frame, PacketMaker.Eapol(frame));
                    break;
                case "IPv4" or "IPv6" or "IP":
                    Packet(frame.Medium.Name, LinkType.Raw, frame, frame.Bytes.Span);
                    break;
                case "Ethernet":
                    Packet(frame.Medium.Name, LinkType.Ethernet, frame, frame.Bytes.Span);
                    break;
                case var other:
                    Packet(other, _links.GetValueOrDefault(other, LinkType.User0), frame, frame.Bytes.Span);
                    break;
            }
        }
    }

    public void Flush()
    {
        lock (_lock)
            if (!_disposed)
                _output.Flush();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            if (_leaveOpen)
                _output.Flush();
            else
                _output.Dispose();
        }
    }

    private void SectionHeader()
    {
        var body = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(body, 0x1A2B3C4D);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(4), 1);
        BinaryPrimitives.WriteInt64LittleEndian(body.AsSpan(8), -1);
        Block(0x0A0D0D0A, [.. body, .. Option(4, "Hatchery"u8), .. Option(0, [])]);
    }

    private int Interface(string name, LinkType link)
    {
        if (_interfaces.TryGetValue(name, out int known))
            return known;
        var body = new byte[8];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)link);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(4), SnapLength);
        Block(1, [.. body, .. Option(2, Encoding.UTF8.GetBytes(name)), .. Option(9, [9]), .. Option(0, [])]);
        return _interfaces[name] = _interfaces.Count;
    }

    private void Packet(string medium, LinkType link, Observation.FrameCaptured frame, ReadOnlySpan<byte> bytes)
    {
        int number = Interface(medium, link);
        var captured = bytes[..Math.Min(bytes.Length, SnapLength)];
        var body = new byte[20 + Padded(captured.Length)];
        ulong at = Nanoseconds(frame.At);
        BinaryPrimitives.WriteUInt32LittleEndian(body, (uint)number);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(4), (uint)(at >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(8), (uint)at);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(12), (uint)captured.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(16), (uint)bytes.Length);
        captured.CopyTo(body.AsSpan(20));
        // epb_flags: 1 inbound, 2 outbound.
        Block(6, [.. body, .. Option(2, [(byte)(frame.Way == Way.Received ? 1 : 2), 0, 0, 0]), .. Option(0, [])]);
    }

    /// <summary>Since 1970, or since the monotonic clock's origin where there is no wall time.</summary>
    private static ulong Nanoseconds(Moment at) =>
        (ulong)Math.Max(0, at.Wall is { } wall ? (wall - DateTimeOffset.UnixEpoch).Ticks : at.Elapsed.Ticks) * 100;

    private void Block(uint type, ReadOnlySpan<byte> body)
    {
        Span<byte> edge = stackalloc byte[8];
        uint length = (uint)body.Length + 12;
        BinaryPrimitives.WriteUInt32LittleEndian(edge, type);
        BinaryPrimitives.WriteUInt32LittleEndian(edge[4..], length);
        _output.Write(edge);
        _output.Write(body);
        _output.Write(edge[4..]);
        _written += length;
    }

    private static byte[] Option(ushort code, ReadOnlySpan<byte> value)
    {
        var option = new byte[4 + Padded(value.Length)];
        BinaryPrimitives.WriteUInt16LittleEndian(option, code);
        BinaryPrimitives.WriteUInt16LittleEndian(option.AsSpan(2), (ushort)value.Length);
        value.CopyTo(option.AsSpan(4));
        return option;
    }

    private static int Padded(int length) => (length + 3) & ~3;
}
