namespace Hatchery.Coap.Engine;

/// <summary>Our requests, found by token.</summary>
internal sealed class ClientSide<TPath>(CoapEngine<TPath> engine) where TPath : notnull
{
    private readonly Dictionary<CoapToken, ClientExchange<TPath>> _byToken = [];
    private readonly Dictionary<CoapTicket, ClientExchange<TPath>> _open = [];
    // A token is drawn until it is a free one: at least half of them are.
    private readonly int _most = engine.Settings.TokenLength >= 4 ? engine.Settings.MaxExchanges : Math.Min(engine.Settings.MaxExchanges, 1 << (8 * engine.Settings.TokenLength - 2));
    private uint _requestTag;

    public int Count => _open.Count;
    public CoapEngine<TPath> Engine => engine;
    /// <summary>Requests whose bodies leave in blocks: with several, each gets a Request-Tag.</summary>
    public int Uploads { get; set; }

    public bool Uses(CoapToken token) => _byToken.ContainsKey(token);
    public void Use(CoapToken token, ClientExchange<TPath> exchange) => _byToken[token] = exchange;
    public void Release(CoapToken token) => _byToken.Remove(token);
    public uint NewRequestTag() => ++_requestTag;

    public Accepted Start(CoapTicket ticket, CoapRequest request, in TPath to, Tag tag, Moment now)
    {
        if (_open.Count >= _most)
            return Accepted.TryLater;
        var exchange = new ClientExchange<TPath>(this, ticket, to, request, tag);
        _open.Add(ticket, exchange);
        var accepted = exchange.Start(now);
        if (accepted != Accepted.Yes)
            End(exchange);
        return accepted;
    }

    public void Cancel(CoapTicket ticket, Moment now)
    {
        if (_open.TryGetValue(ticket, out var exchange))
        {
            exchange.Cancel(now);
            End(exchange);
        }
    }

    public void End(ClientExchange<TPath> exchange)
    {
        if (!_open.Remove(exchange.Ticket))
            return;
        engine.Timers.Cancel(exchange);
        exchange.Ended();
        engine.Withdraw(exchange);
    }

    /// <summary>True: it belongs to a request of ours, from whom it may come.</summary>
    public bool Expects(CoapToken token, in TPath from) => _byToken.TryGetValue(token, out var exchange) && exchange.MayComeFrom(from);

    /// <summary>What the message layer keeps of the message with that token.</summary>
    public object? Underway(CoapToken token) => _byToken.GetValueOrDefault(token)?.InFlight;

    /// <summary>A response that was expected. False: it is to be rejected.</summary>
    public bool Received(in TPath from, CoapMessage message, Moment now, Tag tag) =>
        _byToken.TryGetValue(message.Token, out var exchange) && exchange.MayComeFrom(from) && exchange.Received(from, message.Token, CoapContent.Of(message), now, tag);

    public void Forget(TPath path, Moment now)
    {
        foreach (var exchange in _open.Values.Where(e => e.IsWith(path)).ToArray())
            exchange.Undelivered(new CoapFailure(CoapFailureReason.Closed, "The connection is gone."), now);
    }
}
