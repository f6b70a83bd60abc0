namespace Hatchery;

/// <summary>Bytes in, bytes out: DTLS, TLS, CoAP, RADIUS, PB-ADV, the framing of a stream. Single-threaded; keeps no reference to the
/// caller's buffers; allocates nothing per datagram once connected; drops what exceeds its limits. After every call the driver drains
/// <see cref="TryEvent"/>, then <see cref="TryTransmit"/> while the carrier is writable (that is the backpressure), then rearms the deadline.</summary>
/// <typeparam name="TPath">Where a datagram comes from or goes to; <see cref="StreamPath"/> for an engine on a byte stream.</typeparam>
public interface IEngine<TPath, TEvent> where TEvent : struct
{
    /// <summary>May decrypt in place.</summary>
    void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag);

    void Tick(Moment now);

    /// <summary>As <see cref="Moment.Elapsed"/>; <see cref="Moment.Never"/>: none.</summary>
    TimeSpan Deadline { get; }

    /// <summary>What an event refers to is valid until the next call.</summary>
    bool TryEvent(out TEvent happened);

    bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit);
}

/// <summary>The path of an engine on a byte stream: there is just one.</summary>
public readonly record struct StreamPath;

/// <param name="Repeats">A retransmission of something sent before.</param>
public readonly record struct Transmit<TPath>(int Length, TPath Path, Tag Tag, bool Repeats);

/// <summary>An engine that must ask (a PSK by identity, a trust decision, a signature by hardware) raises a question and goes on at
/// <see cref="Supply"/>; meanwhile it drops or holds what arrives, within its limits, and its timers run.</summary>
public interface ISuspends<TQuestion, TAnswer>
{
    bool TryNeed(out int ticket, out TQuestion question);
    void Supply(int ticket, TAnswer answer, Moment now);
}

/// <summary>What <c>Send(data, tag, now)</c> of an engine returns.</summary>
public enum Accepted { Yes, TryLater, TooLarge, Closed }

/// <summary>Ties messages to the frames that carried them; 0: none.</summary>
public readonly record struct Tag(long Value);
