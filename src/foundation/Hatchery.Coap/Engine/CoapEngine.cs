using Hatchery.Coap.Engine;
using Hatchery.Coap.Oscore;

namespace Hatchery.Coap;

/// <summary>CoAP without a socket, both roles at once: requests of ours and of peers, block-wise bodies (RFC 7959), Observe (RFC 7641), Echo and Request-Tag
/// (RFC 9175), OSCORE (RFC 8613). What carries the messages is <see cref="CoapEndpoint{TPath}"/> for datagrams and <see cref="CoapStream"/> for streams.</summary>
public abstract class CoapEngine<TPath> : IEngine<TPath, CoapEvent<TPath>> where TPath : notnull
{
    private readonly Queue<CoapEvent<TPath>> _events = new();
    private long _ticket;

    private protected CoapEngine(CoapSettings settings, Chance chance)
    {
        if (settings.TokenLength is < 1 or > CoapToken.MaxPlain)
            throw new ArgumentException("Our own tokens have 1 to 8 bytes.", nameof(settings));
        (Settings, Chance) = (settings, chance);
        Client = new ClientSide<TPath>(this);
        Server = new ServerSide<TPath>(this);
    }

    public CoapSettings Settings { get; }
    internal Chance Chance { get; }
    internal Timers Timers { get; } = new();
    private protected ClientSide<TPath> Client { get; }
    private protected ServerSide<TPath> Server { get; }

    /// <summary>Requests of ours that have not ended, observations among them.</summary>
    public int OpenExchanges => Client.Count;
    /// <summary>Requests of peers that wait for an answer.</summary>
    public int Unanswered => Server.Count;
    /// <summary>Peers that observe something here.</summary>
    public int Observations => Server.ObservationCount;

    public abstract void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag);
    public abstract bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit);

    /// <summary>Sends a request, its body in blocks if it is too long for one message. What becomes of it comes as events with the ticket.</summary>
    /// <param name="tag">Of the frames that carry it, repetitions and blocks included.</param>
    /// <returns><see cref="Accepted.TryLater"/>: too much is underway, to this peer or in all.</returns>
    public Accepted Request(CoapRequest request, in TPath to, Tag tag, Moment now, out CoapTicket ticket)
    {
        ticket = NewTicket();
        return Client.Start(ticket, request, to, tag, now);
    }

    /// <summary>Gives up a request of ours; an observation is ended at the peer too. No event follows.</summary>
    public void Cancel(CoapTicket ticket, Moment now) => Client.Cancel(ticket, now);

    /// <summary>Answers a peer's request: with its acknowledgment if there is still time, in blocks if the body is long. A response that the peer does not want
    /// (No-Response) or must not get (an error to a group's member) is not sent.</summary>
    /// <param name="observe">Registers the peer as an observer if it asked for that and the response is a success; the ticket then serves <see cref="Notify"/>.</param>
    /// <returns>False: the request is no longer there, or was answered.</returns>
    public bool Respond(CoapTicket ticket, CoapResponse response, Tag tag, Moment now, bool observe = false) => Server.Respond(ticket, response, observe, tag, now);

    /// <summary>The ticket serves <see cref="Notify"/>.</summary>
    public bool IsObserved(CoapTicket ticket) => Server.IsObserved(ticket);

    /// <summary>Tells an observer the new state. While a confirmable notification is unacknowledged, the newest state waits for its end and replaces what waited before.
    /// A response that is no success ends the observation.</summary>
    /// <param name="confirmable">Once in 24 hours it is confirmable anyhow.</param>
    public Accepted Notify(CoapTicket ticket, CoapResponse response, Tag tag, Moment now, bool confirmable = false) => Server.Notify(ticket, response, confirmable, tag, now);

    /// <summary>The session below is gone: ends all that belongs to the path.</summary>
    public virtual void Forget(in TPath path, Moment now)
    {
        Client.Forget(path, now);
        Server.Forget(path);
    }

    public virtual void Tick(Moment now)
    {
        Timers.Run(now);
        Server.Tick(now);
    }

    public virtual TimeSpan Deadline => Timers.Next < Server.Deadline ? Timers.Next : Server.Deadline;

    public bool TryEvent(out CoapEvent<TPath> happened) => _events.TryDequeue(out happened);

    internal void Raise(in CoapEvent<TPath> happened) => _events.Enqueue(happened);

    internal CoapTicket NewTicket() => new(++_ticket);

    internal CoapToken NewToken()
    {
        Span<byte> bytes = stackalloc byte[Settings.TokenLength];
        CoapToken token;
        do
        {
            Chance.Fill(bytes, "CoAP.Token");
            token = new CoapToken(bytes);
        }
        while (Client.Uses(token));
        return token;
    }

    /// <summary>Uniform in [0, 1).</summary>
    internal double Fraction(string use)
    {
        Span<byte> bytes = stackalloc byte[4];
        Chance.Fill(bytes, use);
        return BitConverter.ToUInt32(bytes) / 4294967296.0;
    }

    /// <summary>A context is about to use up the sequence numbers that were reserved.</summary>
    internal void CheckReserve(OscoreContext context)
    {
        if (context.WantsReserve())
            Raise(new CoapEvent<TPath> { Kind = CoapEventKind.ReserveSequence, Context = context });
    }

    internal abstract Accepted Send(in Outgoing<TPath> message, Moment now);
    /// <summary>No longer wanted: its repetitions end, and a reset is not reported.</summary>
    internal abstract void Withdraw(MessageOwner owner);
    internal abstract void Answer(ServerExchange<TPath> exchange, in CoapContent content, Tag tag, Moment now);
    /// <summary>The request needs no answer: acknowledges it, at most.</summary>
    internal abstract void Drop(ServerExchange<TPath> exchange, Moment now);
    /// <summary>Like <see cref="Answer"/>, for what cannot be processed and need not be answered (RST).</summary>
    internal abstract void Reject(ServerExchange<TPath> exchange, Moment now);
    internal abstract bool IsDatagram { get; }
    /// <summary>The largest SZX that goes to a peer; 7 where the stream's other end permits BERT; -1: no blocks at all.</summary>
    internal abstract int LargestExponent(in TPath path);
    /// <summary>Of a payload in one message, in bytes.</summary>
    internal abstract int LargestPayload(in TPath path);
}

/// <summary>What OSCORE works on: code, options and payload, without what belongs to the message layer.</summary>
internal readonly record struct CoapContent(CoapCode Code, CoapOptions Options, ReadOnlyMemory<byte> Payload)
{
    public static CoapContent Of(CoapMessage message) => new(message.Code, message.Options, message.Payload);
}
