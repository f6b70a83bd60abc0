using Hatchery.Coap.Oscore;

namespace Hatchery.Coap.Engine;

// Observers of what is here (RFC 7641).
internal sealed partial class ServerSide<TPath>
{
    private static readonly TimeSpan s_day = TimeSpan.FromHours(24);
    private readonly Dictionary<CoapTicket, Observation> _observations = [];
    private readonly Dictionary<(TPath, CoapToken), Observation> _observers = [];
    private readonly Dictionary<TPath, int> _observersPerPeer = [];

    public int ObservationCount => _observations.Count;
    public bool IsObserved(CoapTicket ticket) => _observations.ContainsKey(ticket);

    private sealed class Observation(ServerSide<TPath> side, ServerExchange<TPath> exchange, TimeSpan since) : MessageOwner
    {
        public ServerExchange<TPath> Exchange => exchange;
        public uint Sequence { get; set; }
        public TimeSpan LastConfirmable { get; set; } = since;
        public bool Outstanding { get; set; }
        public (CoapResponse Response, Tag Tag)? Next { get; set; }

        public override void Left(Moment now) { }
        public override void Expire(Moment now) { }

        public override void Acknowledged(Moment now)
        {
            Outstanding = false;
            if (Next is not { } next)
                return;
            Next = null;
            side.Notify(exchange.Ticket, next.Response, true, next.Tag, now);
        }

        public override void Undelivered(CoapFailure failure, Moment now) => side.EndObservation(this);
    }

    /// <summary>The first notification's sequence number; null: there are too many observers, and the answer is a plain one.</summary>
    private uint? Observe(ServerExchange<TPath> exchange, Moment now)
    {
        EndObservation(exchange.Path, exchange.Token);
        int ofPeer = _observersPerPeer.GetValueOrDefault(exchange.Path);
        if (_observations.Count >= _settings.MaxObservations || ofPeer >= _settings.MaxObservationsPerPeer)
            return null;
        var observation = new Observation(this, exchange, now.Elapsed);
        _observations.Add(exchange.Ticket, observation);
        _observers.Add((exchange.Path, exchange.Token), observation);
        _observersPerPeer[exchange.Path] = ofPeer + 1;
        return observation.Sequence;
    }

    public Accepted Notify(CoapTicket ticket, CoapResponse response, bool confirmable, Tag tag, Moment now)
    {
        if (!_observations.TryGetValue(ticket, out var observation))
            return Accepted.Closed;
        if (observation.Outstanding)
        {
            observation.Next = (response, tag);
            return Accepted.Yes;
        }
        var exchange = observation.Exchange;
        var content = new CoapContent(response.Code, response.Options, response.Payload);
        bool goesOn = response.Code.IsSuccess;
        if (goesOn)
        {
            observation.Sequence = observation.Sequence + 1 & 0xffffff;
            content = content with { Options = content.Options.Set(CoapOptionNumber.Observe, observation.Sequence) };
        }
        confirmable |= !goesOn || now.Elapsed >= observation.LastConfirmable + s_day;
        content = Slice(exchange.Path, exchange.Key, exchange.Request.Options.Block2 is { } wanted ? wanted with { Number = 0 } : null, content, now);
        if (exchange.Oscore is { } oscore)
        {
            if (oscore.ProtectResponse(content, isNotification: true) is not { } outer)
                return Accepted.TryLater;
            _engine.CheckReserve(oscore.Context);
            content = outer;
        }
        var accepted = _engine.Send(new Outgoing<TPath>(goesOn ? observation : null, exchange.Path, confirmable, content.Code, exchange.Token, content.Options, content.Payload, tag), now);
        if (accepted != Accepted.Yes)
            return accepted;
        if (!goesOn)
            EndObservation(observation);
        else if (confirmable && _engine.IsDatagram)
            (observation.Outstanding, observation.LastConfirmable) = (true, now.Elapsed);
        return accepted;
    }

    private void EndObservation(in TPath path, CoapToken token)
    {
        if (_observers.Count > 0 && _observers.TryGetValue((path, token), out var observation))
            EndObservation(observation);
    }

    private void EndObservation(Observation observation)
    {
        var exchange = observation.Exchange;
        if (!_observations.Remove(exchange.Ticket))
            return;
        _observers.Remove((exchange.Path, exchange.Token));
        int left = _observersPerPeer[exchange.Path] - 1;
        if (left == 0)
            _observersPerPeer.Remove(exchange.Path);
        else
            _observersPerPeer[exchange.Path] = left;
        _engine.Withdraw(observation);
        _engine.Raise(new CoapEvent<TPath> { Kind = CoapEventKind.ObservationEnded, Ticket = exchange.Ticket, Path = exchange.Path });
    }

    private void ForgetObservations(TPath path)
    {
        if (!_observersPerPeer.ContainsKey(path))
            return;
        foreach (var observation in _observations.Values.Where(o => EqualityComparer<TPath>.Default.Equals(o.Exchange.Path, path)).ToArray())
            EndObservation(observation);
    }
}
