using System.Buffers.Binary;
using Hatchery.Coap.Engine;

namespace Hatchery.Coap;

/// <summary>CoAP on datagrams (RFC 7252 section 4): confirmable messages repeated until acknowledged, repetitions of peers answered as the first time, few messages
/// outstanding to one peer. UDP, DTLS sessions, a mesh's relay: a path is whatever identifies a peer there.</summary>
public sealed partial class CoapEndpoint<TPath> : CoapEngine<TPath> where TPath : notnull
{
    private const int Header = 4, MaxQueued = 65536;
    private readonly Dictionary<TPath, Peer<TPath>> _peers = [];
    private readonly LinkedList<Peer<TPath>> _byUse = new();
    private readonly Dictionary<long, Pending<TPath>> _pending = [];
    private readonly Dictionary<long, MessageOwner> _unconfirmed = [];
    private readonly RecentMessages<TPath> _recent;
    private readonly Queue<DatagramExchange> _unacknowledged = new();
    private readonly Queue<(byte[] Bytes, TPath Path, Tag Tag, bool Repeats)> _output = new();
    private long _peerKey;

    public CoapEndpoint(CoapSettings settings, Chance chance) : base(settings, chance) => _recent = new RecentMessages<TPath>(settings);

    private sealed class DatagramExchange : ServerExchange<TPath>
    {
        public required ushort Id { get; init; }
        public required Recent<TPath> Recent { get; init; }
        public bool Acknowledged { get; set; }
    }

    /// <summary>Peers that are remembered.</summary>
    public int Peers => _peers.Count;
    /// <summary>Message ids that are remembered.</summary>
    public int Recent => _recent.Count;

    internal override bool IsDatagram => true;

    public override void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag) => Receive(datagram, path, now, tag, isMulticast: false);

    /// <summary>A datagram that came to a group's address: only a request that is not confirmable is looked at, and its answer takes its time (section 8).</summary>
    public void ReceiveMulticast(Span<byte> datagram, in TPath path, Moment now, Tag tag) => Receive(datagram, path, now, tag, isMulticast: true);

    private void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag, bool isMulticast)
    {
        if (datagram.Length < Header || datagram[0] >> 6 != 1)
            return;
        var type = (CoapType)(datagram[0] >> 4 & 3);
        var code = new CoapCode(datagram[1]);
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]);
        if (isMulticast && (type != CoapType.NonConfirmable || !code.IsRequest))
            return;
        if (code == CoapCode.Empty && type is CoapType.Confirmable or CoapType.NonConfirmable)
        {
            // A ping, and whatever is not even that.
            if (type == CoapType.Confirmable)
                Queue(Bare(CoapType.Reset, id), path, tag, false);
            return;
        }
        if (type is CoapType.Acknowledgement or CoapType.Reset)
        {
            if (_peers.TryGetValue(path, out var known))
                Settle(known, type, code, id, datagram, now, tag);
            return;
        }
        var peer = Touch(path, now);
        peer.Unheard = 0;
        if (_recent.Find(peer.KeyOf(id), now.Elapsed) is { } before)
        {
            if (type == CoapType.Confirmable && before.Answer is not null)
                Queue(before.Answer, path, before.Tag, true);
            return;
        }
        var recent = _recent.Add(peer, id, now.Elapsed);
        // What is made of the message may outlive the driver's buffer.
        string? wrong = CoapMessage.TryParseDatagram(datagram.ToArray(), out var message);
        if (wrong is not null || message!.Token.Length > Settings.MaxToken || !code.IsRequest && !code.IsResponse)
        {
            if (type == CoapType.Confirmable)
                Settle(recent, path, Bare(CoapType.Reset, id), tag);
        }
        else if (code.IsRequest)
            Requested(message, path, recent, datagram.Length, now, tag, isMulticast);
        else
            Responded(message, path, recent, now, tag);
    }

    private void Requested(CoapMessage message, in TPath path, Recent<TPath> recent, int length, Moment now, Tag tag, bool isMulticast)
    {
        var exchange = new DatagramExchange
        {
            Ticket = NewTicket(),
            Path = path,
            Token = message.Token,
            At = now.Elapsed,
            Confirmable = message.Type == CoapType.Confirmable,
            IsMulticast = isMulticast,
            Length = length,
            Tags = default(CoapTags).And(tag),
            Id = message.Id,
            Recent = recent,
        };
        Server.Received(exchange, message, now);
        while (_unacknowledged.TryPeek(out var oldest) && (oldest.Answered || oldest.Acknowledged))
            _unacknowledged.Dequeue();
        if (!exchange.Answered && exchange.Confirmable)
            _unacknowledged.Enqueue(exchange);
    }

    /// <summary>A response in a message of its own.</summary>
    private void Responded(CoapMessage message, in TPath path, Recent<TPath> recent, Moment now, Tag tag)
    {
        bool expected = Client.Expects(message.Token, path);
        if (expected && message.Type == CoapType.Confirmable)
            Settle(recent, path, Bare(CoapType.Acknowledgement, message.Id), tag);
        if (expected)
        {
            // An answer is an acknowledgment too, where that was lost.
            if (Client.Underway(message.Token) is Pending<TPath> pending && pending.Message.Token == message.Token)
                Complete(pending, now);
            expected = Client.Received(path, message, now, tag);
        }
        if (!expected && recent.Answer is null)
            Settle(recent, path, Bare(CoapType.Reset, message.Id), tag);
    }

    private void Settle(Recent<TPath> recent, in TPath path, byte[] answer, Tag tag)
    {
        (recent.Answer, recent.Tag) = (answer, tag);
        Queue(answer, path, tag, false);
    }

    /// <summary>An acknowledgment or a reset.</summary>
    private void Settle(Peer<TPath> peer, CoapType type, CoapCode code, ushort id, Span<byte> datagram, Moment now, Tag tag)
    {
        _pending.TryGetValue(peer.KeyOf(id), out var pending);
        peer.Unheard = 0;
        if (type == CoapType.Reset)
        {
            if (code != CoapCode.Empty || datagram.Length > Header)
                return;
            var failure = new CoapFailure(CoapFailureReason.Reset, "The peer rejected the message.");
            if (pending is not null)
            {
                Complete(pending, now);
                if (!pending.Withdrawn)
                    pending.Message.Owner?.Undelivered(failure, now);
            }
            else if (_unconfirmed.Remove(peer.KeyOf(id), out var owner))
                owner.Undelivered(failure, now);
            return;
        }
        if (code == CoapCode.Empty)
        {
            if (pending is null || datagram.Length > Header)
                return;
            Complete(pending, now);
            if (!pending.Withdrawn)
                pending.Message.Owner?.Acknowledged(now);
            return;
        }
        // A piggybacked response counts only with a token of ours: message ids can be guessed.
        if (!code.IsResponse || CoapMessage.TryParseDatagram(datagram.ToArray(), out var message) is not null || !Client.Expects(message!.Token, peer.Path))
            return;
        if (pending is not null && pending.Message.Token == message.Token)
            Complete(pending, now);
        Client.Received(peer.Path, message, now, tag);
    }

    internal override void Answer(ServerExchange<TPath> exchange, in CoapContent content, Tag tag, Moment now)
    {
        var datagram = (DatagramExchange)exchange;
        if (exchange.IsMulticast)
        {
            var delay = Settings.DefaultLeisure * Fraction("CoAP.Leisure");
            Timers.Arm(new LateAnswer(this, new Outgoing<TPath>(null, exchange.Path, false, content.Code, exchange.Token, content.Options, content.Payload, tag)), now.Elapsed + delay);
        }
        else if (exchange.Confirmable && !datagram.Acknowledged)
        {
            datagram.Acknowledged = true;
            var message = new CoapMessage { Type = CoapType.Acknowledgement, Code = content.Code, Id = datagram.Id, Token = exchange.Token, Options = content.Options, Payload = content.Payload };
            Settle(datagram.Recent, exchange.Path, message.ToDatagram(), tag);
        }
        else
            Send(new Outgoing<TPath>(null, exchange.Path, exchange.Confirmable, content.Code, exchange.Token, content.Options, content.Payload, tag), now);
    }

    /// <summary>To a group's request.</summary>
    private sealed class LateAnswer(CoapEndpoint<TPath> endpoint, Outgoing<TPath> message) : Timed
    {
        public override void Expire(Moment now) => endpoint.Send(message, now);
    }

    internal override void Drop(ServerExchange<TPath> exchange, Moment now)
    {
        exchange.Answered = true;
        Acknowledge((DatagramExchange)exchange);
    }

    internal override void Reject(ServerExchange<TPath> exchange, Moment now)
    {
        exchange.Answered = true;
        var datagram = (DatagramExchange)exchange;
        if (!exchange.IsMulticast)
            Settle(datagram.Recent, exchange.Path, Bare(CoapType.Reset, datagram.Id), exchange.Tags.Last);
    }

    private void Acknowledge(DatagramExchange exchange)
    {
        if (!exchange.Confirmable || exchange.Acknowledged)
            return;
        exchange.Acknowledged = true;
        Settle(exchange.Recent, exchange.Path, Bare(CoapType.Acknowledgement, exchange.Id), exchange.Tags.Last);
    }

    public override void Tick(Moment now)
    {
        while (_unacknowledged.TryPeek(out var oldest) && (oldest.Answered || oldest.Acknowledged || oldest.At.Plus(Settings.AckDelay) <= now.Elapsed))
        {
            _unacknowledged.Dequeue();
            if (!oldest.Answered)
                Acknowledge(oldest);
        }
        _recent.Expire(now.Elapsed);
        ForgetIdle(now);
        base.Tick(now);
    }

    public override TimeSpan Deadline
    {
        get
        {
            var due = base.Deadline;
            if (_unacknowledged.TryPeek(out var oldest) && oldest.At.Plus(Settings.AckDelay) is var ack && ack < due)
                due = ack;
            if (_recent.Expiry < due)
                due = _recent.Expiry;
            if (_byUse.First is { } first && first.Value.Used.Plus(Settings.ExchangeLifetime) is var idle && idle < due)
                due = idle;
            return due;
        }
    }

    public override bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit)
    {
        while (_output.TryDequeue(out var next))
        {
            if (next.Bytes.Length > into.Length)
                continue;
            next.Bytes.CopyTo(into);
            transmit = new Transmit<TPath>(next.Bytes.Length, next.Path, next.Tag, next.Repeats);
            return true;
        }
        transmit = default;
        return false;
    }

    private void Queue(byte[] bytes, in TPath path, Tag tag, bool repeats)
    {
        if (_output.Count < MaxQueued)
            _output.Enqueue((bytes, path, tag, repeats));
    }

    private static byte[] Bare(CoapType type, ushort id) => [(byte)(0x40 | (int)type << 4), 0, (byte)(id >> 8), (byte)id];

    internal override int LargestExponent(in TPath path) => Math.Min(Settings.BlockExponent, 6);
    internal override int LargestPayload(in TPath path) => 1 << (Math.Min(Settings.BlockExponent, 6) + 4);
}
