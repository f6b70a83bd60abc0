using Hatchery.Dpp.Transport;

namespace Hatchery.Dpp.Device;

/// <summary>What a connection says to its driver: a message that passed, or what the session wants done.</summary>
public readonly record struct EnrolleeEvent(EnrolleeMove? Move, DppMessage? Received, Tag Tag);

/// <summary>An Enrollee's side of one TCP connection, whoever connected. A save is waited for: nothing more is sent before <see cref="Saved"/>.</summary>
public sealed class EnrolleeConnection(EnrolleeSession session, IWitness? witness = null) : IEngine<StreamPath, EnrolleeEvent>
{
    private readonly DppTcp _in = new();
    private readonly OutgoingBytes _out = new();
    private readonly Queue<EnrolleeEvent> _events = new();
    private readonly IWitness _witness = witness ?? Witness.None;
    private bool _saving, _ended;

    public TimeSpan Deadline => session.Deadline;

    public void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag)
    {
        if (_ended)
            return;
        try
        {
            _in.Append(datagram);
            while (!_ended && _in.TryTake(out byte[] body))
            {
                var message = DppMessage.Parse(body, fromEnrollee: false);
                session.Receive(message, now);
                _events.Enqueue(new EnrolleeEvent(null, message, tag));
                Drain();
            }
        }
        catch (DppException fault)
        {
            session.Lost(fault.Message);
        }
        Drain();
    }

    public void Tick(Moment now)
    {
        session.Tick(now);
        Drain();
    }

    /// <summary>What was to be saved is durable.</summary>
    public void Saved()
    {
        _saving = false;
        Drain();
    }

    /// <summary>After a call of the session.</summary>
    public void Drain()
    {
        while (!_saving && session.TryMove(out var move))
        {
            var tag = default(Tag);
            if (move is EnrolleeMove.Send(var message))
                _out.Add(DppTcp.Encode(message), tag = _witness.NewTag());
            _saving = move is EnrolleeMove.Save;
            _ended |= move is EnrolleeMove.End;
            _events.Enqueue(new EnrolleeEvent(move, null, tag));
        }
    }

    public bool TryEvent(out EnrolleeEvent happened) => _events.TryDequeue(out happened);
    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit) => _out.TryTransmit(into, out transmit);
}
