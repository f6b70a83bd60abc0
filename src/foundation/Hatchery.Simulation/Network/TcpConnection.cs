using System.Net;

namespace Hatchery.Simulation;

/// <summary>TCP (RFC 9293), small: handshake, segments of at most 1460 bytes, cumulative and delayed acknowledgment, retransmission timer of RFC 6298 with Karn's rule,
/// slow start, congestion avoidance and fast retransmit of RFC 5681, FIN and RST. No options but MSS, no SACK, a window of 65535 bytes.</summary>
internal sealed class TcpConnection : IByteStream
{
    public const int Mss = 1460;
    private const int Window = 65535, MaxSynRetries = 6, MaxRetries = 15, MaxHeld = 64;
    private static readonly TimeSpan s_minRto = TimeSpan.FromSeconds(1), s_maxRto = TimeSpan.FromSeconds(60), s_delayedAck = TimeSpan.FromMilliseconds(40),
        s_linger = TimeSpan.FromSeconds(60);

    private enum Phase { SynSent, SynReceived, Established, Closed }

    private sealed record Piece(uint Sequence, byte[] Bytes, byte Flags, Tag Tag)
    {
        public uint Next => Sequence + (uint)Bytes.Length + ((Flags & (SimulatedPacket.Syn | SimulatedPacket.Fin)) != 0 ? 1u : 0);
        public TimeSpan SentAt { get; set; }
        public int Sent { get; set; }
    }

    private readonly SimulatedHost _host;
    private readonly SimulatedProcess? _process;
    private readonly int _life;
    private readonly Queue<(byte[] Bytes, Tag Tag)> _waiting = new();
    private readonly List<Piece> _flight = [];
    private readonly SortedDictionary<uint, SimulatedPacket> _early = [];
    private Phase _phase;
    private IStreamEvents? _events;
    private Func<IByteStream, IStreamEvents>? _accept;
    private uint _next, _unacknowledged, _expected, _recover;
    private bool _closing, _finSent, _finReceived, _deaf;
    private int _repeatedAcks, _retries, _unackedSegments;
    private double _congestionWindow = 10 * Mss, _slowStartLimit = Window;
    private TimeSpan? _smoothed, _variation;
    private TimeSpan _rto = s_minRto;
    private SimulatedTimer? _retransmit, _delayed;

    public TcpConnection(SimulatedHost host, IPEndPoint local, IPEndPoint remote, uint initial, SessionId session, SimulatedProcess? process)
    {
        (_host, Local, Remote, _next, _unacknowledged, Session, _process) = (host, local, remote, initial, initial, session, process);
        _recover = initial;
        _life = process?.Life ?? 0;
    }

    public IPEndPoint Local { get; }
    public IPEndPoint Remote { get; }
    public SessionId Session { get; set; }
    public Tag ReceiveTag { get; set; }
    private SimulationLoop Loop => _host.Loop;
    private bool IsOrphan => _process is not null && (!_process.IsAlive || _process.Life != _life);

    public void Open(IStreamEvents events)
    {
        _events = events;
        _phase = Phase.SynSent;
        Transmit(new Piece(_next++, [], SimulatedPacket.Syn, default));
    }

    public void Accept(SimulatedPacket syn, Func<IByteStream, IStreamEvents> accept)
    {
        (_accept, _phase, _expected) = (accept, Phase.SynReceived, syn.Sequence + 1);
        Transmit(new Piece(_next++, [], SimulatedPacket.Syn | SimulatedPacket.Ack, default));
    }

    public void Send(ReadOnlySpan<byte> bytes, Tag tag)
    {
        if (_closing || _phase == Phase.Closed || IsOrphan || bytes.IsEmpty)
            return;
        _waiting.Enqueue((bytes.ToArray(), tag));
        Pump();
    }

    public void Close()
    {
        _deaf = _closing = true;
        if (_phase == Phase.SynSent && _waiting.Count == 0)
            Finish();
        else if (_phase != Phase.Closed && !IsOrphan)
            Pump();
    }

    public void Abort()
    {
        if (_phase == Phase.Closed || IsOrphan)
            return;
        Die();
    }

    /// <summary>Its process is gone.</summary>
    internal void Die()
    {
        if (_phase is Phase.Established or Phase.SynReceived)
            Emit(SimulatedPacket.Rst | SimulatedPacket.Ack, _next, [], default, false);
        Finish();
    }

    public static SimulatedPacket Refusal(SimulatedPacket to)
    {
        uint length = (uint)to.Payload.Length + ((to.Flags & (SimulatedPacket.Syn | SimulatedPacket.Fin)) != 0 ? 1u : 0);
        return (to.Flags & SimulatedPacket.Ack) != 0
            ? SimulatedPacket.Segment(to.To, to.From, to.Acknowledged, 0, SimulatedPacket.Rst, [])
            : SimulatedPacket.Segment(to.To, to.From, 0, to.Sequence + length, SimulatedPacket.Rst | SimulatedPacket.Ack, []);
    }

    public void Arrived(SimulatedPacket packet)
    {
        if (_phase == Phase.Closed)
            return;
        if ((packet.Flags & SimulatedPacket.Rst) != 0)
        {
            ArrivedReset(packet);
            return;
        }
        if (_phase == Phase.SynSent)
        {
            if ((packet.Flags & (SimulatedPacket.Syn | SimulatedPacket.Ack)) != (SimulatedPacket.Syn | SimulatedPacket.Ack) || packet.Acknowledged != _next)
                return;
            _expected = packet.Sequence + 1;
            _phase = Phase.Established;
            Acknowledge(packet.Acknowledged, false);
            SendAck();
            Tell(e => e.Opened());
            Pump();
            return;
        }
        if ((packet.Flags & SimulatedPacket.Syn) != 0)
        {
            // The peer did not get our answer to its SYN, or the last part of the handshake was lost.
            SendAck();
            return;
        }
        if ((packet.Flags & SimulatedPacket.Ack) == 0 || Later(packet.Acknowledged, _next))
            return;
        if (_phase == Phase.SynReceived)
        {
            if (packet.Acknowledged != _next)
                return;
            _phase = Phase.Established;
            _events = _accept!(this);
            Acknowledge(packet.Acknowledged, false);
            Tell(e => e.Opened());
        }
        else
            Acknowledge(packet.Acknowledged, packet.Payload.IsEmpty && (packet.Flags & SimulatedPacket.Fin) == 0);
        if (_phase != Phase.Closed)
            Take(packet);
        if (_phase != Phase.Closed)
            Pump();
    }

    private void ArrivedReset(SimulatedPacket packet)
    {
        bool inWindow = _phase == Phase.SynSent ? packet.Acknowledged == _next : packet.Sequence - _expected < Window;
        if (inWindow)
            Lose(_phase == Phase.SynSent ? "The connection was refused." : "The connection was reset by the peer.");
    }

    private void Take(SimulatedPacket packet)
    {
        bool fin = (packet.Flags & SimulatedPacket.Fin) != 0;
        if (packet.Payload.IsEmpty && !fin)
            return;
        if (packet.Sequence != _expected)
        {
            if (Later(packet.Sequence, _expected) && packet.Sequence - _expected < Window && _early.Count < MaxHeld)
                _early.TryAdd(packet.Sequence, packet);
            SendAck();
            return;
        }
        TakeInOrder(packet);
        while (_phase != Phase.Closed && _early.Remove(_expected, out var next))
            TakeInOrder(next);
        if (_phase == Phase.Closed)
            return;
        if (fin || _finReceived || ++_unackedSegments >= 2 || _early.Count > 0)
            SendAck();
        else
            _delayed ??= Loop.After(s_delayedAck, () =>
            {
                _delayed = null;
                SendAck();
            });
    }

    private void TakeInOrder(SimulatedPacket packet)
    {
        if (_finReceived)
            return;
        bool fin = (packet.Flags & SimulatedPacket.Fin) != 0;
        _expected += (uint)packet.Payload.Length + (fin ? 1u : 0);
        _finReceived = fin;
        if (!packet.Payload.IsEmpty)
            Tell(e => e.Received(packet.Payload.Span));
        if (fin && _phase != Phase.Closed)
        {
            Tell(e => e.Ended());
            // What is above has said all it will: nobody here half-closes.
            _closing = true;
        }
    }

    private void Acknowledge(uint upTo, bool pure)
    {
        if (!Later(upTo, _unacknowledged))
        {
            if (upTo == _unacknowledged && pure && _flight.Count > 0 && ++_repeatedAcks == 3)
                FastRetransmit();
            return;
        }
        _repeatedAcks = 0;
        _retries = 0;
        double acknowledged = upTo - _unacknowledged;
        _unacknowledged = upTo;
        while (_flight.Count > 0 && !Later(_flight[0].Next, upTo))
        {
            if (_flight[0].Sent == 1)
                Measure(Loop.Now.Elapsed - _flight[0].SentAt);
            _flight.RemoveAt(0);
        }
        _congestionWindow += _congestionWindow < _slowStartLimit ? Math.Min(acknowledged, Mss) : Mss * (double)Mss / _congestionWindow;
        // RFC 6582: what was in flight when a segment was found lost is sent again hole by hole.
        if (_flight.Count > 0 && Later(_recover, upTo))
            Again(_flight[0]);
        Arm(restart: true);
        if (_finSent && _flight.Count == 0)
            AfterFin();
    }

    /// <summary>RFC 6298 section 2.</summary>
    private void Measure(TimeSpan roundTrip)
    {
        if (_smoothed is { } smoothed && _variation is { } variation)
        {
            _variation = variation * 0.75 + (smoothed - roundTrip).Duration() * 0.25;
            _smoothed = smoothed * 0.875 + roundTrip * 0.125;
        }
        else
            (_smoothed, _variation) = (roundTrip, roundTrip / 2);
        var rto = _smoothed.Value + _variation.Value * 4;
        _rto = rto < s_minRto ? s_minRto : rto > s_maxRto ? s_maxRto : rto;
    }

    private void FastRetransmit()
    {
        _slowStartLimit = Math.Max(InFlight / 2.0, 2 * Mss);
        _congestionWindow = _slowStartLimit;
        _recover = _next;
        Again(_flight[0]);
    }

    private uint InFlight => _next - _unacknowledged;

    private void Pump()
    {
        if (_phase != Phase.Established)
            return;
        while (_waiting.TryPeek(out var head) && !_finSent && InFlight < Math.Min(_congestionWindow, Window))
        {
            int take = (int)Math.Min(Math.Min(head.Bytes.Length, Mss), Math.Max(1, Window - InFlight));
            var piece = new Piece(_next, head.Bytes[..take], SimulatedPacket.Psh | SimulatedPacket.Ack, head.Tag);
            _waiting.Dequeue();
            if (take < head.Bytes.Length)
                PutBack((head.Bytes[take..], head.Tag));
            _next += (uint)take;
            Transmit(piece);
        }
        if (_closing && !_finSent && _waiting.Count == 0)
        {
            _finSent = true;
            Transmit(new Piece(_next++, [], SimulatedPacket.Fin | SimulatedPacket.Ack, default));
        }
    }

    private void PutBack((byte[], Tag) rest)
    {
        int others = _waiting.Count;
        _waiting.Enqueue(rest);
        for (int i = 0; i < others; i++)
            _waiting.Enqueue(_waiting.Dequeue());
    }

    private void Transmit(Piece piece)
    {
        _flight.Add(piece);
        Again(piece);
        Arm(restart: false);
    }

    private void Again(Piece piece)
    {
        piece.SentAt = Loop.Now.Elapsed;
        piece.Sent++;
        Emit(piece.Flags, piece.Sequence, piece.Bytes, piece.Tag, piece.Sent > 1);
    }

    private void SendAck() => Emit(SimulatedPacket.Ack, _next, [], default, false);

    private void Emit(byte flags, uint sequence, byte[] bytes, Tag tag, bool repeats)
    {
        if ((flags & SimulatedPacket.Ack) != 0)
        {
            _unackedSegments = 0;
            _delayed?.Cancel();
            _delayed = null;
        }
        _host.Send(SimulatedPacket.Segment(Local, Remote, sequence, (flags & SimulatedPacket.Ack) != 0 ? _expected : 0, flags, bytes, tag, Session, repeats));
    }

    private void Arm(bool restart)
    {
        if (restart)
        {
            _retransmit?.Cancel();
            _retransmit = null;
        }
        if (_flight.Count > 0)
            _retransmit ??= Loop.After(_rto, TimedOut);
    }

    private void TimedOut()
    {
        _retransmit = null;
        if (_phase == Phase.Closed || _flight.Count == 0)
            return;
        if (++_retries > (_phase == Phase.Established ? MaxRetries : MaxSynRetries))
        {
            Lose(_phase == Phase.SynSent ? "The connection could not be made in time." : "The peer does not acknowledge.");
            return;
        }
        _slowStartLimit = Math.Max(InFlight / 2.0, 2 * Mss);
        _congestionWindow = Mss;
        _repeatedAcks = 0;
        _recover = _next;
        _rto = _rto * 2 > s_maxRto ? s_maxRto : _rto * 2;
        Again(_flight[0]);
        Arm(restart: true);
    }

    /// <summary>FIN-WAIT-2 and TIME-WAIT: a repeated FIN is still acknowledged.</summary>
    private void AfterFin() => Loop.After(s_linger, Finish);

    private void Lose(string reason)
    {
        var events = _events;
        Finish();
        if (events is not null && !_deaf && !IsOrphan)
            events.Lost(reason);
    }

    private void Tell(Action<IStreamEvents> what)
    {
        if (_events is { } events && !_deaf && !IsOrphan)
            what(events);
    }

    private void Finish()
    {
        if (_phase == Phase.Closed)
            return;
        _phase = Phase.Closed;
        _retransmit?.Cancel();
        _delayed?.Cancel();
        _flight.Clear();
        _waiting.Clear();
        _early.Clear();
        _host.Forget(this);
    }

    /// <summary>In the circle of sequence numbers.</summary>
    private static bool Later(uint a, uint b) => (int)(a - b) > 0;
}
