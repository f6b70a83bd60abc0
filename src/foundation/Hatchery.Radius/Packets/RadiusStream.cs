using System.Buffers.Binary;
using Hatchery.Radius.Client;
using Hatchery.Radius.Server;

namespace Hatchery.Radius;

/// <summary>Cuts a byte stream into packets by their length field (RFC 6613 §2.6.4).</summary>
internal sealed class RadiusFraming
{
    private readonly byte[] _buffer = new byte[RadiusPacket.MaxLength];
    private int _length;

    /// <summary>Takes bytes; false: this is no RADIUS, the connection must be closed.</summary>
    public bool Receive(ReadOnlySpan<byte> bytes, Action<Memory<byte>> packet)
    {
        while (!bytes.IsEmpty)
        {
            int wanted = _length < 4 ? 4 : BinaryPrimitives.ReadUInt16BigEndian(_buffer.AsSpan(2));
            int take = Math.Min(wanted - _length, bytes.Length);
            bytes[..take].CopyTo(_buffer.AsSpan(_length));
            bytes = bytes[take..];
            _length += take;
            if (_length < 4)
                continue;
            int length = BinaryPrimitives.ReadUInt16BigEndian(_buffer.AsSpan(2));
            if (length is < RadiusPacket.HeaderLength or > RadiusPacket.MaxLength)
                return false;
            if (_length < length)
                continue;
            packet(_buffer.AsMemory(0, length));
            _length = 0;
        }
        return true;
    }
}

/// <summary>The server's side on one stream of TLS (RFC 6614) or TCP (RFC 6613): who asks is known by the connection, nothing is repeated.</summary>
/// <param name="nas">Secret: <see cref="RadiusSecret.RadSec"/> inside TLS.</param>
public sealed class RadiusStreamServer(RadiusNas nas, string remote, Chance chance, RadiusServerOptions? options = null) : IEngine<StreamPath, RadiusServerEvent>
{
    private readonly RadiusFraming _framing = new();
    private bool _toldBroken;
    private readonly RadiusServer<StreamPath> _server = new(_ => nas, _ => remote, chance, (options ?? new()) with { AnswerLife = TimeSpan.Zero });

    /// <summary>What came is no RADIUS: the driver closes the connection.</summary>
    public bool IsBroken { get; private set; }
    public TimeSpan Deadline => _server.Deadline;

    /// <inheritdoc cref="RadiusServer{TPath}.Answer"/>
    public void Answer(long ticket, RadiusMessage? answer, Moment now, Tag tag = default) => _server.Answer(ticket, answer, now, tag);

    public void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag)
    {
        if (!IsBroken && !_framing.Receive(datagram, packet => _server.Receive(packet.Span, default, now, tag)))
            IsBroken = true;
    }

    public void Tick(Moment now) => _server.Tick(now);

    public bool TryEvent(out RadiusServerEvent happened)
    {
        if (_server.TryEvent(out happened))
            return true;
        if (!IsBroken || _toldBroken)
            return false;
        _toldBroken = true;
        happened = new(0, null, RadiusException.Discard("Length", "What came is no RADIUS; the connection is closed."), remote);
        return true;
    }

    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit) => _server.TryTransmit(into, out transmit);
}

/// <summary>The client's side on one stream of TLS or TCP.</summary>
public sealed class RadiusStreamClient(RadiusSecret secret, Chance chance, RadiusClientOptions? options = null) : IEngine<StreamPath, RadiusClientEvent>
{
    private readonly RadiusFraming _framing = new();
    private readonly RadiusClient<StreamPath> _client = new([new(default, secret)], chance, (options ?? new()) with { IsReliable = true });

    /// <inheritdoc cref="RadiusStreamServer.IsBroken"/>
    public bool IsBroken { get; private set; }
    public TimeSpan Deadline => _client.Deadline;

    /// <inheritdoc cref="RadiusClient{TPath}.Send"/>
    public long Send(RadiusMessage message, Moment now, Tag tag = default) => _client.Send(message, now, tag);

    public void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag)
    {
        if (!IsBroken && !_framing.Receive(datagram, packet => _client.Receive(packet.Span, default, now, tag)))
            IsBroken = true;
    }

    public void Tick(Moment now) => _client.Tick(now);
    public bool TryEvent(out RadiusClientEvent happened) => _client.TryEvent(out happened);
    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit) => _client.TryTransmit(into, out transmit);
}
