using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery;

/// <summary>One side of a ceremony that takes the initiative or waits for people: every device side; Provisioner, Commissioner,
/// Bootstrap-Server, FDO's TO0 client. No I/O, no clock, no thread: inputs in, moves out.</summary>
/// <typeparam name="TState">What survives a crash; an immutable record with a <see cref="Schema{TState}"/>.</typeparam>
public interface IParty<TState> where TState : class
{
    /// <summary>As of the last save; a party is rebuilt from this and nothing else.</summary>
    TState State { get; }

    void Start(Moment now, Moves<TState> moves);

    /// <summary>A message on the connection opened last. Throws <see cref="ProtocolException"/> only for what it cannot answer itself.</summary>
    void Receive(IMessage message, Moment now, Moves<TState> moves);

    void Answered(HumanAnswer answer, Moment now, Moves<TState> moves);

    /// <summary>The answer to a <see cref="Need"/>.</summary>
    void Supplied(Supply supply, Moment now, Moves<TState> moves);

    /// <summary>The connection opened last is gone, could not be made, or brought something that could not be parsed.</summary>
    void Lost(CarrierFault fault, Moment now, Moves<TState> moves);

    void Tick(Moment now, Moves<TState> moves);

    /// <summary>As <see cref="Moment.Elapsed"/>; <see cref="Moment.Never"/>: none.</summary>
    TimeSpan Deadline { get; }
}

/// <summary>What a turn wants done, in order. A save is a barrier: nothing behind it happens before it is durable.</summary>
public sealed class Moves<TState> where TState : class
{
    private readonly Queue<Move<TState>> _moves = new();

    /// <summary>Opens a connection and makes it the current one; closes the one before. Later sends go to it.</summary>
    public void Connect(Destination to) => _moves.Enqueue(new Move<TState>.Connect(to));
    public void Send(IMessage message) => _moves.Enqueue(new Move<TState>.Send(message));
    public void Save(TState state, params ReadOnlySpan<Fact> facts) => _moves.Enqueue(new Move<TState>.Save(state, [.. facts]));
    /// <summary>Display, blink, beep, print.</summary>
    public void Show(HumanPrompt prompt) => _moves.Enqueue(new Move<TState>.Show(prompt));
    /// <summary>Answered by <see cref="IParty{TState}.Answered"/>, or by nobody.</summary>
    public void Ask(HumanPrompt prompt) => _moves.Enqueue(new Move<TState>.Ask(prompt));
    /// <summary>Something that the party cannot do or know by itself: an admission, a file written, a module's turn. Answered by <see cref="IParty{TState}.Supplied"/>.</summary>
    public void Need(Need need) => _moves.Enqueue(new Move<TState>.Want(need));
    public void End(Outcome outcome) => _moves.Enqueue(new Move<TState>.End(outcome));

    internal bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Move<TState>? move) => _moves.TryDequeue(out move);
    /// <summary>For tests of a machine without a driver: what it wants, in order.</summary>
    public IReadOnlyCollection<object> Pending => _moves;
}

/// <summary>One move. Readable by tests of a machine; made by <see cref="Moves{TState}"/>.</summary>
public abstract record Move<TState> where TState : class
{
    public sealed record Connect(Destination To) : Move<TState>;
    public sealed record Send(IMessage Message) : Move<TState>;
    public sealed record Save(TState State, ImmutableArray<Fact> Facts) : Move<TState>;
    public sealed record Show(HumanPrompt Prompt) : Move<TState>;
    public sealed record Ask(HumanPrompt Prompt) : Move<TState>;
    public sealed record Want(Need Need) : Move<TState>;
    public sealed record End(Outcome Outcome) : Move<TState>;
}

/// <param name="Scheme">"http", "https", "tcp", "tls", "udp", "coap", "coaps", "radio".</param>
/// <param name="Host">A DNS name, or an address in text form.</param>
public sealed record Destination(string Scheme, string Host, int Port, ChannelSecurity Security, Player Player)
{
    public override string ToString() => $"{Scheme}://{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}";
}

/// <summary>How the party wants the channel's far end to be checked.</summary>
public abstract record ChannelSecurity
{
    /// <summary>No protection, or TLS whose server certificate is not looked at because the protocol authenticates by itself.</summary>
    public sealed record None : ChannelSecurity;
    public sealed record Psk(ImmutableArray<byte> Identity, SecretBytes Key) : ChannelSecurity;
    /// <param name="Anchors">DER certificates.</param>
    /// <param name="Provisional">Accept any server for now; its chain arrives as a <see cref="Supply.ServerChain"/>.</param>
    /// <param name="PinnedSha256">SHA-256 of a DER certificate that must occur in the server's chain; then names are not checked.</param>
    public sealed record Certificates(string? IdentityItem, ImmutableArray<byte[]> Anchors, bool Provisional, ImmutableArray<byte[]> PinnedSha256) : ChannelSecurity
    {
        /// <summary>SHA-384, else as <see cref="PinnedSha256"/>; one that matches is enough.</summary>
        public ImmutableArray<byte[]> PinnedSha384 { get; init; } = [];
        public bool IsPinned => !PinnedSha256.IsDefaultOrEmpty || !PinnedSha384.IsDefaultOrEmpty;

        /// <summary>Whether a pin is of this DER certificate.</summary>
        public bool Pins(byte[] certificate) =>
            (!PinnedSha256.IsDefaultOrEmpty && PinnedSha256.Any(pin => CryptographicOperations.FixedTimeEquals(SHA256.HashData(certificate), pin)))
            || (!PinnedSha384.IsDefaultOrEmpty && PinnedSha384.Any(pin => CryptographicOperations.FixedTimeEquals(SHA384.HashData(certificate), pin)));
    }
}

/// <param name="Value">What the person is to see, read or carry; never recorded.</param>
/// <param name="EntropyBits">Of that value; recorded.</param>
public sealed record HumanPrompt(StepKind Kind, Player Who, string Text, SecretText? Value, int EntropyBits);
public sealed record HumanAnswer(StepKind Kind, Player Who, SecretText? Value, bool Confirmed);

/// <param name="AfterRequestWasSent">The peer may have acted on it.</param>
/// <param name="Broken">Set where something arrived that could not be parsed; the party may tell the peer.</param>
public sealed record CarrierFault(string Reason, bool AfterRequestWasSent, ProtocolException? Broken = null);

/// <summary>A question of a party to its surroundings.</summary>
/// <param name="Ticket">Chosen by the party; comes back in the <see cref="Supply"/>.</param>
public abstract record Need(int Ticket);

public abstract record Supply(int Ticket)
{
    /// <summary>After a provisional connect; ticket 0. DER, leaf first.</summary>
    public sealed record ServerChain(ImmutableArray<byte[]> Chain) : Supply(0)
    {
        /// <summary>RFC 5929, TLS 1.2 only; empty otherwise.</summary>
        public ReadOnlyMemory<byte> TlsUnique { get; init; }
        /// <summary>RFC 9266, 32 bytes; empty where the carrier exports none.</summary>
        public ReadOnlyMemory<byte> TlsExporter { get; init; }
    }
    /// <summary>The surroundings could not answer.</summary>
    public sealed record Failed(int Ticket, string Reason) : Supply(Ticket);
}
