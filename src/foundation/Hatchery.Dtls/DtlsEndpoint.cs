namespace Hatchery.Dtls;

/// <summary>What client and server engines share: events, datagrams to transmit, questions. Not thread-safe; see <see cref="IEngine{TPath, TEvent}"/>.</summary>
public abstract class DtlsEndpoint<TPath> : ISuspends<DtlsQuestion, DtlsAnswer>, IDtlsHost where TPath : notnull
{
    private readonly Queue<DtlsEvent> _events = new();
    private readonly OutputQueue<TPath> _output;
    private readonly Queue<(int Ticket, DtlsQuestion Question)> _questions = new();
    private readonly Dictionary<int, Action<DtlsAnswer, Moment>> _waiting = [];
    private readonly Chance _chance;
    private byte[] _kept = new byte[2048];
    private int _keptLength, _tickets;

    private protected DtlsEndpoint(DtlsOptions options, Chance chance)
    {
        _chance = chance;
        // Room for a record's own needs above an MTU that is just so.
        _output = new(options.Mtu + 64, options.Limits.SendQueue);
    }

    /// <summary>Most bytes of a datagram that is transmitted: room for a ClientHello that stays whole included.</summary>
    public const int LargestDatagram = 4096;

    private protected void BeginCall() => _keptLength = 0;

    public bool TryEvent(out DtlsEvent happened) => _events.TryDequeue(out happened);

    /// <param name="into">At least <see cref="DtlsOptions.Mtu"/> bytes, or <see cref="LargestDatagram"/> where certificates or EC-JPAKE make a ClientHello long; a longer datagram is lost.</param>
    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit) => _output.TryTake(into, out transmit);

    public bool TryNeed(out int ticket, out DtlsQuestion question)
    {
        bool has = _questions.TryDequeue(out var next);
        (ticket, question) = next;
        return has;
    }

    /// <summary>An answer to a session that ended meanwhile does nothing.</summary>
    public void Supply(int ticket, DtlsAnswer answer, Moment now)
    {
        BeginCall();
        if (_waiting.Remove(ticket, out var then))
            then(answer, now);
        Settle(now);
    }

    /// <summary>After a call that may have changed sessions' deadlines.</summary>
    private protected abstract void Settle(Moment now);
    private protected abstract void OnCompleted(DtlsSession<TPath> session);
    private protected abstract void OnEnded(DtlsSession<TPath> session);

    private protected OutputQueue<TPath> Output => _output;
    private protected Chance Random => _chance;

    Chance IDtlsHost.Chance => _chance;
    Span<byte> IDtlsHost.Begin(int size) => _output.Begin(size);
    void IDtlsHost.End(DtlsSession session, int length, Tag tag, bool repeats) => _output.End(new(length, ((DtlsSession<TPath>)session).Path, tag, repeats));
    bool IDtlsHost.IsFull => _output.IsFull;
    void IDtlsHost.Emit(in DtlsEvent happened) => _events.Enqueue(happened);

    ReadOnlyMemory<byte> IDtlsHost.Keep(ReadOnlySpan<byte> data)
    {
        if (_keptLength + data.Length > _kept.Length)
            (_kept, _keptLength) = (new byte[Math.Max(2 * _kept.Length, data.Length)], 0);
        data.CopyTo(_kept.AsSpan(_keptLength));
        var kept = _kept.AsMemory(_keptLength, data.Length);
        _keptLength += data.Length;
        return kept;
    }

    void IDtlsHost.Ask(DtlsQuestion question, Action<DtlsAnswer, Moment> then)
    {
        _waiting.Add(++_tickets, then);
        _questions.Enqueue((_tickets, question));
    }

    void IDtlsHost.Completed(DtlsSession session) => OnCompleted((DtlsSession<TPath>)session);
    void IDtlsHost.Ended(DtlsSession session) => OnEnded((DtlsSession<TPath>)session);
}

/// <summary>A session and where its peer is.</summary>
public sealed class DtlsSession<TPath> : DtlsSession, IWheelItem<DtlsSession<TPath>> where TPath : notnull
{
    private TPath _arrivingFrom;

    internal DtlsSession(IDtlsHost host, DtlsOptions options, bool isClient, TPath path, Moment now) : base(host, options, isClient, now) => (Path, _arrivingFrom) = (path, path);

    /// <summary>Changes only with <see cref="DtlsEventKind.Moved"/>.</summary>
    public TPath Path { get; internal set; }

    /// <summary>A new session of the same peer, whose handshake is not complete yet.</summary>
    internal DtlsSession<TPath>? Successor { get; set; }
    /// <summary>What this one would replace.</summary>
    internal DtlsSession<TPath>? Predecessor { get; set; }
    internal long Authenticated { get; private set; }
    internal Action<DtlsSession<TPath>, TPath>? HasMoved { get; init; }

    int IWheelItem<DtlsSession<TPath>>.Slot { get; set; } = -1;
    TimeSpan IWheelItem<DtlsSession<TPath>>.ArmedAt { get; set; }
    DtlsSession<TPath>? IWheelItem<DtlsSession<TPath>>.Before { get; set; }
    DtlsSession<TPath>? IWheelItem<DtlsSession<TPath>>.After { get; set; }

    internal void Receive(Span<byte> datagram, in TPath from, Moment now, Tag tag)
    {
        _arrivingFrom = from;
        ReceiveDatagram(datagram, now, tag);
    }

    internal Accepted Send(ReadOnlySpan<byte> data, Tag tag) => SendData(data, tag);
    internal void Close() => CloseSession();

    private protected override void Authentic(bool isNewest, bool hasConnectionId)
    {
        Authenticated++;
        // RFC 9146, section 6: authentic, and newer than all before it; an old datagram that comes late from the old address changes nothing.
        if (!hasConnectionId || !isNewest || HasMoved is null || EqualityComparer<TPath>.Default.Equals(_arrivingFrom, Path))
            return;
        var before = Path;
        Path = _arrivingFrom;
        HasMoved(this, before);
        if (IsConnected)
            Host.Emit(new() { Kind = DtlsEventKind.Moved, Session = this });
    }
}
