using System.Collections.Immutable;

namespace Hatchery;

/// <summary>The phases of initial security setup, the same for all protocols, in this order; a ceremony may leave some empty.</summary>
public enum Phase { Manufacture, Sale, NetworkAttachment, Discovery, TrustEstablishment, Authorization, Delivery, OperationProven, Renewal, Transfer }

public enum PlayerKind { Device, Manufacturer, Owner, User, Administrator, Service, ThirdParty, NetworkNode }

/// <summary>When a player must be reachable.</summary>
[Flags]
public enum Reach { Never = 0, Factory = 1, Sale = 2, Before = 4, During = 8, After = 16 }

/// <summary>How a standard uses a word.</summary>
public enum WordUse { Umbrella, Phase, SingleStep, Artifact, Informal, NotUsed }

/// <summary>What a step is: a message, or one of the things that people do.</summary>
public enum Act { Message, Scan, Read, Type, Compare, Press, Confirm, Carry, Show, Local }

/// <summary>A role of the standard, under the standard's name.</summary>
/// <param name="UsuallyOperatedBy">Who runs it as a rule ("manufacturer", "owner", "retailer"); who does in a deployment is in <see cref="Actor.OperatedBy"/>.</param>
/// <param name="IsLocal">Within reach of the device's own network or radio.</param>
public sealed record Player(string Name, PlayerKind Kind, Reach Reach, bool IsLocal, string UsuallyOperatedBy, string Reference)
{
    public bool IsHuman => Kind is PlayerKind.User or PlayerKind.Administrator;
    public override string ToString() => Name;
}

/// <summary>A kind of step: one message, or one human act, as the standard names it. Declared once, in the protocol's profile; compared by reference.</summary>
/// <param name="Code">The message's number on the wire, where it has one.</param>
public sealed record StepKind(string Name, int? Code, Phase Phase, Player From, Player To, string Reference, Act Act = Act.Message)
{
    public bool Equals(StepKind? other) => ReferenceEquals(this, other);
    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
    public override string ToString() => Name;
}

/// <summary>From which kind of step to which; start and end must both occur, in this order, in a run of every method listed.</summary>
/// <param name="Methods">Ids of <see cref="Method"/>; empty: every method of the protocol.</param>
public sealed record Span(StepKind Start, StepKind End, ImmutableArray<string> Methods);

/// <summary>A word of the field as one standard uses it, with a definition in our own words.</summary>
public sealed record Term(string Word, WordUse Use, string Definition, string Reference, ImmutableArray<Span> Spans);

/// <summary>One way through the standard.</summary>
/// <param name="Steps">The kinds that occur in every complete run, in order of first occurrence. The last one completes the ceremony.</param>
/// <param name="Rephased">Kinds (also of a protocol that this one builds on) that serve another phase here.</param>
public sealed record Method(string Id, string Name, ImmutableArray<Player> Players, ImmutableArray<StepKind> Steps,
    ImmutableDictionary<StepKind, Phase> Rephased, string Reference)
{
    public Phase PhaseOf(StepKind kind) => Rephased.GetValueOrDefault(kind, kind.Phase);
}

/// <summary>A standard as data. Everything that is true of it in every run stands here and nowhere else.</summary>
/// <param name="Steps">Every kind of step, errors and optional ones included.</param>
public sealed record Protocol(string Id, string Name, ImmutableArray<Term> Terms, ImmutableArray<Player> Players,
    ImmutableArray<StepKind> Steps, ImmutableArray<Method> Methods, ImmutableArray<Protocol> BuildsOn)
{
    /// <summary>The kind by its name, here or in a protocol that this one builds on; null if there is none.</summary>
    public StepKind? Step(string name) =>
        Steps.FirstOrDefault(s => s.Name == name) ?? BuildsOn.Select(p => p.Step(name)).FirstOrDefault(s => s is not null);
    public override string ToString() => Id;
}
