using System.Collections.Immutable;

namespace Hatchery;

public enum Purpose { FirstSetup, Renewal, Transfer, Reset, Attack }

/// <param name="ProtocolError">The protocol's own error, where one was sent or received.</param>
public sealed record Outcome(bool Succeeded, string Reason, string? ProtocolError = null);

/// <summary>A player at work.</summary>
/// <param name="Instance">Which one, unique in the deployment ("owner-1", "device 4711").</param>
/// <param name="OperatedBy">Who operates it in this deployment; decides whether the manufacturer learns something.</param>
public sealed record Actor(Player Player, string Instance, string OperatedBy)
{
    public override string ToString() => Instance;
}

/// <summary>What bytes or human acts travel on: UDP, TCP, EAPOL, RADIUS, "BLE advertising", "display", "paper".</summary>
public sealed record Medium(string Name, bool IsRadio = false, bool IsHuman = false)
{
    public static readonly Medium Tcp = new("TCP"), Udp = new("UDP"), Http = new("HTTP"), Local = new("local"), File = new("file");
    public override string ToString() => Name;
}

/// <summary>What protects a message, applied by its own encoding or by a layer under it.</summary>
public enum Protection { Clear, Integrity, Partial, Full }

public sealed record Layer(string Name, Protection Protection);

/// <summary>One leg of a message's way.</summary>
/// <param name="Frames">Datagrams, radio frames or stretches of a stream; 0 where capture was off.</param>
/// <param name="Bytes">On the medium, headers of the medium included as far as captured; 0 where capture was off.</param>
public sealed record Hop(Actor From, Actor To, Medium Medium, int Frames, int Bytes, int Retransmissions);

/// <summary>One message from its maker to its addressee, however many hops, frames, fragments and repetitions it took; or one human act.</summary>
/// <param name="Layers">Outermost first; the message's own protection is the last.</param>
/// <param name="Size">Bytes of the message under all layers; 0 for a human act.</param>
/// <param name="Digest">Keyed digest of the message's bytes; empty for a human act.</param>
/// <param name="EntropyBits">Of the value that a person carried; 0 for messages.</param>
public sealed record Step(int Number, StepKind Kind, Phase Phase, Actor From, Actor To, Moment Sent, Moment? Received,
    ImmutableArray<Hop> Hops, ImmutableArray<Layer> Layers, int Size, string Digest, int EntropyBits, ImmutableArray<BeliefChange> Changes)
{
    public Protection Readable => Layers.IsEmpty ? Protection.Clear : Layers.Max(l => l.Protection);
}

/// <summary>One run of initial security setup, or of renewal, transfer, reset, attack: all steps of all its sessions.</summary>
/// <param name="Costs">Public-key operations by actor's instance and operation, where they were counted.</param>
public sealed record Ceremony(Guid Id, Protocol Protocol, Method Method, Purpose Purpose, ImmutableArray<Step> Steps,
    ImmutableArray<Belief> Before, ImmutableArray<Belief> After, ImmutableArray<Fact> Facts, ImmutableArray<Cost> Costs,
    ImmutableArray<string> Correlators, Outcome Outcome);

public sealed record Cost(string Instance, string Operation, int Count);
