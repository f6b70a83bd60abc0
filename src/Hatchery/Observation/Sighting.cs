using System.Collections.Immutable;

namespace Hatchery;

/// <summary>One connection, link or conversation at one process.</summary>
public readonly record struct SessionId(Guid Value)
{
    public override string ToString() => Value.ToString("N");
}

public enum Way { Sent, Received, Forwarded }

/// <summary>One datagram, radio frame or stretch of a byte stream at a socket: bytes exactly as on the medium. Only while capturing.</summary>
public readonly ref struct Frame
{
    public required Tag Tag { get; init; }
    public required SessionId Session { get; init; }
    public required Way Way { get; init; }
    public required Medium Medium { get; init; }
    public required Moment At { get; init; }
    /// <summary>Text form of the endpoint that the bytes left from, and of the one they went to ("127.0.0.1:8080"; a radio's own address).</summary>
    public required string From { get; init; }
    public required string To { get; init; }
    public bool Repeats { get; init; }
    public required ReadOnlySpan<byte> Bytes { get; init; }
}

/// <summary>One message or human act as one process saw it. Bytes live only for the call; of a human act there are none, only entropy.</summary>
public readonly ref struct Sighting
{
    public required StepKind Kind { get; init; }
    public required Way Way { get; init; }
    public required Moment At { get; init; }
    public required SessionId Session { get; init; }
    public required Actor Here { get; init; }
    public Actor? Peer { get; init; }
    public required Medium Medium { get; init; }
    /// <summary>Outermost first: UDP, DTLS(Full), CoAP; the message's own protection is the last.</summary>
    public required ImmutableArray<Layer> Layers { get; init; }
    public ReadOnlySpan<Tag> Frames { get; init; }
    /// <summary>Names its correlators; null for a human act.</summary>
    public IMessage? Message { get; init; }
    /// <summary>The message under all layers: its digest pairs sender and receiver.</summary>
    public ReadOnlySpan<byte> Bytes { get; init; }
    public int EntropyBits { get; init; }
}

/// <summary>The instrument. One per process; the audit log, traces, ladder, pcapng and survey read from it.</summary>
public interface IWitness
{
    /// <summary>None costs one branch per message.</summary>
    Watch Watching { get; }
    WitnessKey Key { get; }
    SessionId NewSession();
    /// <summary>A relay, proxy or nested channel knows its two sides; a party that connects again knows that it is the same ceremony.</summary>
    void Link(SessionId a, SessionId b);
    void Saw(in Sighting sighting);
    /// <summary>Ignored unless <see cref="Watch.Frames"/>.</summary>
    void Captured(in Frame frame);
    void Reported(SessionId session, Fact fact, Moment at);
    void Changed(SessionId session, Actor holder, ImmutableArray<Belief> before, ImmutableArray<Belief> after, Moment at);
    void Spent(SessionId session, Actor here, IReadOnlyDictionary<string, int> operations, Moment at);
    void Close(SessionId session, Outcome outcome, Moment at);
    Tag NewTag();
}

[Flags]
public enum Watch { None = 0, Steps = 1, Frames = 2, Costs = 4 }

/// <summary>What a witness keeps, free of secrets and of message bytes (but for frames, while capture is on). Order within a process is <see cref="Number"/>.</summary>
public abstract record Observation(long Number, SessionId Session, Moment At)
{
    public sealed record Seen(long Number, SessionId Session, Moment At, StepKind Kind, Way Way, Actor Here, Actor? Peer, Medium Medium,
        ImmutableArray<Layer> Layers, ImmutableArray<Tag> Frames, ImmutableArray<string> Correlators, int Size, string Digest, int EntropyBits)
        : Observation(Number, Session, At);
    public sealed record Linked(long Number, SessionId Session, Moment At, SessionId Other) : Observation(Number, Session, At);
    public sealed record FactReported(long Number, SessionId Session, Moment At, Fact Fact) : Observation(Number, Session, At);
    public sealed record BeliefsChanged(long Number, SessionId Session, Moment At, Actor Holder, ImmutableArray<Belief> Before, ImmutableArray<Belief> After)
        : Observation(Number, Session, At);
    public sealed record OperationsSpent(long Number, SessionId Session, Moment At, Actor Here, ImmutableDictionary<string, int> Operations) : Observation(Number, Session, At);
    public sealed record Closed(long Number, SessionId Session, Moment At, Outcome Outcome) : Observation(Number, Session, At);
    public sealed record FrameCaptured(long Number, SessionId Session, Moment At, Tag Tag, Way Way, Medium Medium, string From, string To, bool Repeats,
        ReadOnlyMemory<byte> Bytes) : Observation(Number, Session, At);
}

/// <summary>Takes observations as they are made; called on the thread of the work, so it must not block.</summary>
public interface IObservationSink
{
    void Add(Observation observation);
}
