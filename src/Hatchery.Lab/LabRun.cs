using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>One item of a device's state, in clear: for the search of captured bytes, never for a report.</summary>
public sealed record HeldItem(string Item, BeliefKind Kind, bool Secret, ReadOnlyMemory<byte> Bytes)
{
    public static ImmutableArray<HeldItem> Of<TState>(Schema<TState> schema, TState state) where TState : class =>
        [.. schema.Reveal(state).Select(i => new HeldItem(i.Item, i.Kind, i.Secret, i.Bytes))];

    public override string ToString() => $"{Item} ({Kind}{(Secret ? ", secret" : "")})";
}

/// <summary>What an eavesdropper took from a medium.</summary>
/// <param name="Flow">Who to whom, with ports: payloads of one flow in order are a stream.</param>
/// <param name="From">The instance of the actor that sent it; "" if it belongs to nobody who is known.</param>
/// <param name="Payload">Without the headers of the medium.</param>
/// <param name="Size">On the medium, headers included.</param>
/// <param name="Tag">Of its sender: ties it to a message; 0: to none.</param>
public sealed record CapturedFrame(TimeSpan At, string Medium, string Flow, string From, string To, ReadOnlyMemory<byte> Payload, int Size, bool Repeats, Tag Tag);

/// <summary>What a network counted.</summary>
/// <param name="Frames">Datagrams, segments or radio frames sent, lost ones included.</param>
public sealed record NetworkStatistics(int Frames, long Bytes, int Lost, int Retransmissions)
{
    public static readonly NetworkStatistics None = new(0, 0, 0, 0);
}

/// <summary>How the run came out.</summary>
/// <param name="Explanation">In a sentence; names the step and the error where something was refused.</param>
/// <param name="FormerOwnerCan">After a transfer: what the former owner can still do.</param>
public sealed record LabOutcome(Result Result, string Explanation, string FormerOwnerCan = "")
{
    /// <summary>Which step decided it, as its kind; null: none did.</summary>
    public StepKind? DecidedAt { get; init; }
}

/// <summary>All that the survey may look at: one run of a protocol.</summary>
/// <param name="Ceremonies">In order. The first is the first setup.</param>
/// <param name="Observations">Of each process.</param>
/// <param name="Frames">Empty where nothing was captured; <see cref="WhyNoFrames"/> says why.</param>
/// <param name="Before">What the device held when it left the factory.</param>
/// <param name="Episodes">When each setup began, in the field; factory and sale lie before the first.</param>
public sealed record LabRun(string Id, Protocol Protocol, Method Method, LabConditions Conditions, Scenario Scenario, AttackScenario? Attack,
    ImmutableArray<Ceremony> Ceremonies, ImmutableArray<ImmutableArray<Observation>> Observations, ImmutableArray<CapturedFrame> Frames,
    ImmutableArray<HeldItem> Before, ImmutableArray<HeldItem> After, NetworkStatistics Network, ImmutableArray<TimeSpan> Episodes, LabOutcome Outcome)
{
    public string? WhyNoFrames { get; init; }

    /// <summary>Times are of the real clock: they differ from run to run.</summary>
    public bool IsLive { get; init; }

    /// <summary>What a listener would like to know besides the device's own items: who its owner is, and where.</summary>
    public ImmutableArray<HeldItem> Sought { get; init; } = [];

    public Ceremony? First => Ceremonies.FirstOrDefault();

    /// <summary>The anchor of a step of the run's n-th ceremony.</summary>
    public string Anchor(Step step, int ceremony = 0) => $"{Id}.c{Words.Number(ceremony + 1)}.s{Words.Number(step.Number)}";

    public override string ToString() => Id;
}
