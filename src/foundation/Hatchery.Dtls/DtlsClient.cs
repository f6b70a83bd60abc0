namespace Hatchery.Dtls;

/// <summary>One session with one server. The ClientHello waits in <see cref="DtlsEndpoint{TPath}.TryTransmit"/>.</summary>
public sealed class DtlsClient<TPath> : DtlsEndpoint<TPath>, IEngine<TPath, DtlsEvent>, IDisposable where TPath : notnull
{
    private Moment _now;

    /// <param name="server">Datagrams from elsewhere are dropped.</param>
    /// <exception cref="ArgumentException">The options contradict each other, or leave no suite.</exception>
    public DtlsClient(DtlsClientOptions options, TPath server, Chance chance, Moment now) : base(options, chance)
    {
        _now = now;
        Session = new(this, options, true, server, now);
        var handshake = new ClientHandshake(Session, options, now);
        Session.Handshake = handshake;
        handshake.Start(now);
    }

    public DtlsSession<TPath> Session { get; }
    /// <summary>Null until connected.</summary>
    public DtlsConnection? Connection => Session.Connection;
    public TimeSpan Deadline => Session.Deadline;

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        BeginCall();
        _now = now;
        if (EqualityComparer<TPath>.Default.Equals(path, Session.Path))
            Session.Receive(datagram, path, now, tag);
    }

    public void Tick(Moment now)
    {
        BeginCall();
        _now = now;
        Session.Tick(now);
    }

    /// <summary>One datagram. <see cref="Accepted.TryLater"/> until connected; <see cref="Accepted.TooLarge"/> beyond <see cref="DtlsSession.MaxData"/>.</summary>
    /// <param name="tag">Comes back with the datagram that carries it.</param>
    public Accepted Send(ReadOnlySpan<byte> data, Tag tag, Moment now)
    {
        _now = now;
        return Session.Send(data, tag);
    }

    /// <summary>Sends close_notify, in the handshake user_canceled.</summary>
    public void Close(Moment now)
    {
        _now = now;
        Session.Close();
    }

    private protected override void Settle(Moment now) => _now = now;
    private protected override void OnCompleted(DtlsSession<TPath> session) { }
    private protected override void OnEnded(DtlsSession<TPath> session) { }

    /// <summary>Closes, and frees the keys.</summary>
    public void Dispose() => Session.Close();
}
