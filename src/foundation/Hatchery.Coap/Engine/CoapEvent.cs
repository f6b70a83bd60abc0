namespace Hatchery.Coap;

/// <summary>Names a request, of ours or of a peer, while it lasts; an observation keeps that of its request.</summary>
public readonly record struct CoapTicket(long Value);

public enum CoapEventKind
{
    /// <summary>To be answered by <c>Respond</c>, now or later.</summary>
    Request,
    /// <summary>To a request of ours; with <see cref="CoapEvent{TPath}.MoreToCome"/> others follow (a notification, a group's answers).</summary>
    Response,
    /// <summary>A request of ours, or an observation of ours, came to nothing.</summary>
    Failed,
    /// <summary>A peer observes no longer what it asked for with that ticket.</summary>
    ObservationEnded,
    /// <summary>Streams: the peer's settings have arrived.</summary>
    Connected,
    /// <summary>Streams: the peer will close when what is open has been answered (Release); nothing new is to be asked.</summary>
    Released,
    /// <summary>Streams: Abort, either way, or a broken frame; nothing more is received.</summary>
    Closed,
    /// <summary>Of an OSCORE context, to be saved: see <see cref="Oscore.OscoreContext.Reserve"/>.</summary>
    ReserveSequence,
}

public enum CoapFailureReason
{
    /// <summary>No acknowledgment, or no response.</summary>
    Timeout,
    /// <summary>The peer rejected the message (RST).</summary>
    Reset,
    /// <summary>The session or connection below is gone.</summary>
    Closed,
    /// <summary>A body larger than the settings permit.</summary>
    TooLarge,
    /// <summary>Block-wise transfer, Observe or OSCORE went against its standard.</summary>
    Broken,
}

/// <param name="Sentence">For a log; no secrets.</param>
public sealed record CoapFailure(CoapFailureReason Reason, string Sentence);

/// <summary>The frames that carried a message: a body in 2000 blocks has 2000, of which the first and the last are kept.</summary>
public readonly record struct CoapTags(Tag First, Tag Last, int Count)
{
    internal CoapTags And(Tag tag) => Count == 0 ? new CoapTags(tag, tag, 1) : new CoapTags(First, tag, Count + 1);
}

/// <summary>What it refers to is its own: unlike other engines' events it stays valid.</summary>
public readonly struct CoapEvent<TPath>
{
    public required CoapEventKind Kind { get; init; }
    public CoapTicket Ticket { get; init; }
    /// <summary>Of the peer; in a group's answers, of the member.</summary>
    public TPath? Path { get; init; }
    public CoapRequest? Request { get; init; }
    public CoapResponse? Response { get; init; }
    public bool MoreToCome { get; init; }
    public CoapFailure? Failure { get; init; }
    public Oscore.OscoreContext? Context { get; init; }
    public CoapTags Tags { get; init; }
}
