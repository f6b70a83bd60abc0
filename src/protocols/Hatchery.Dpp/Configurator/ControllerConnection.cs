using Hatchery.Dpp.Transport;

namespace Hatchery.Dpp.Configurator;

/// <summary>What a connection says to its driver. Exactly one is set.</summary>
/// <param name="Question">To be answered by a Supply method, unless it is <see cref="ConfiguratorQuestion.Finished"/>.</param>
/// <param name="Message">One that passed.</param>
/// <param name="Ended">The connection is to be closed once all has been sent.</param>
public readonly record struct ControllerEvent(ConfiguratorQuestion? Question, DppMessage? Message, bool IsSent, Tag Tag, Outcome? Ended);

/// <summary>A Controller's side of one TCP connection (DPP §6.5): one exchange, then it is closed. Who connects and says nothing is dropped.</summary>
public sealed class ControllerConnection : IEngine<StreamPath, ControllerEvent>, IDisposable
{
    private readonly ConfiguratorSession _session;
    private readonly DppTcp _in = new();
    private readonly OutgoingBytes _out = new();
    private readonly Queue<ControllerEvent> _events = new();
    private readonly IWitness _witness;
    private readonly TimeSpan _firstBy;
    private bool _heard, _reported;

    /// <param name="firstWithin">For the first message; then the connection is closed.</param>
    public ControllerConnection(ConfiguratorOptions options, Chance chance, Moment now, IWitness? witness = null, TimeSpan? firstWithin = null)
    {
        _session = new ConfiguratorSession(options, chance);
        _witness = witness ?? Witness.None;
        _firstBy = now.Elapsed + (firstWithin ?? TimeSpan.FromSeconds(10));
    }

    public ConfiguratorSession Session => _session;
    public TimeSpan Deadline => _reported ? Moment.Never : !_heard && _firstBy < _session.Deadline ? _firstBy : _session.Deadline;

    /// <summary>We connected, to an Enrollee that listens.</summary>
    public void Initiate(BootstrappingKey enrollee, Moment now)
    {
        _heard = true;
        _session.Initiate(enrollee, now);
        Drain();
    }

    public void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag)
    {
        if (_reported)
            return;
        try
        {
            _in.Append(datagram);
            while (_session.Outcome is null && _in.TryTake(out byte[] body))
            {
                var message = DppMessage.Parse(body, fromEnrollee: true);
                // PKEX of version 1 binds MAC addresses, which there are none of here.
                if (!_heard && message is not DppFrame { Type: DppFrameType.AuthenticationRequest or DppFrameType.PresenceAnnouncement or DppFrameType.ReconfigAnnouncement or DppFrameType.PkexExchangeRequest })
                    throw new DppException("WRONG_STATE", message.ToString(), $"{message} cannot be the first message.");
                _heard = true;
                _session.Receive(message, now);
                _events.Enqueue(new ControllerEvent(null, message, false, tag, null));
                Drain();
            }
        }
        catch (DppException fault)
        {
            End(new Outcome(false, fault.Message, fault.Error));
        }
    }

    public void Tick(Moment now)
    {
        if (!_heard && now.Elapsed >= _firstBy)
            End(new Outcome(false, "Nothing came in time.", "TIMEOUT"));
        _session.Tick(now);
        Drain();
    }

    /// <summary>The peer closed its side.</summary>
    public void Lost()
    {
        _session.Lost();
        Drain();
    }

    public void SupplyPeer(BootstrappingKey? peer, Moment now)
    {
        _session.SupplyPeer(peer, now);
        Drain();
    }

    public void SupplyDecision(ConfigurationDecision decision, Moment now)
    {
        _session.SupplyDecision(decision, now);
        Drain();
    }

    private void Drain()
    {
        while (_session.TrySend(out var message))
        {
            var tag = _witness.NewTag();
            _out.Add(DppTcp.Encode(message!), tag);
            _events.Enqueue(new ControllerEvent(null, message, true, tag, null));
        }
        while (_session.TryQuestion(out var question))
            _events.Enqueue(new ControllerEvent(question, null, false, default, null));
        if (_session.Outcome is { } outcome)
            End(outcome);
    }

    private void End(Outcome outcome)
    {
        if (_reported)
            return;
        _reported = true;
        _events.Enqueue(new ControllerEvent(null, null, false, default, outcome));
    }

    public bool TryEvent(out ControllerEvent happened) => _events.TryDequeue(out happened);
    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit) => _out.TryTransmit(into, out transmit);
    public void Dispose() => _session.Dispose();
}
