using System.Collections.Immutable;

namespace Hatchery.Lab;

public enum Verdict { Confirmed, Sharpened, Contradicted, NotComputed }

public enum Question { Terms, Players, InitialBeliefs, Processes, ImpartedBeliefs }

/// <summary>What draft-irtf-t2trg-security-setup-iot-devices says of a protocol, in our words, and how a run can tell.</summary>
/// <param name="Place">Where in the draft: section and bullet.</param>
public sealed record DraftClaim(string Id, string ProtocolId, Question Question, string Place, string Says, ClaimCheck Check);

/// <summary>What would make a claim true, in terms of what is computed.</summary>
public abstract record ClaimCheck
{
    /// <summary>The word covers at least everything from one kind of step to the other.</summary>
    public sealed record WordCovers(string Word, WordUse Use, StepKind From, StepKind To) : ClaimCheck;
    public sealed record WordWithinPhase(string Word, Phase Phase) : ClaimCheck;
    public sealed record SameWord(string Word, string Other) : ClaimCheck;
    public sealed record ManufacturerIs(ManufacturerScale Scale) : ClaimCheck;
    /// <summary>Setup cannot happen without something of the manufacturer's taking part.</summary>
    public sealed record ManufacturerNotices(bool Always) : ClaimCheck;
    public sealed record InitialCategoryIs(InitialCategory Category) : ClaimCheck;
    public sealed record HoldsInitially(ImmutableArray<string> Items) : ClaimCheck;
    public sealed record DominantIs(ImpartedCategory Category) : ClaimCheck;
    public sealed record Replaces(ImmutableArray<string> Items) : ClaimCheck;
    /// <summary>The owner can replace everything but these.</summary>
    public sealed record KeepsOnly(ImmutableArray<string> Items) : ClaimCheck;
    /// <summary>Human acts in the field are these and no others.</summary>
    public sealed record PeopleOnly(ImmutableArray<Act> InTheField) : ClaimCheck;
    public sealed record ScenarioIs(Scenario Scenario, Result Result) : ClaimCheck;
    /// <summary>The device speaks over this medium to these before it is trusted.</summary>
    public sealed record NeedsBefore(string Medium, ImmutableArray<Player> To) : ClaimCheck;
}

/// <param name="Finding">In a sentence; what was computed.</param>
public sealed record ClaimVerdict(DraftClaim Claim, Verdict Verdict, string Finding, ImmutableArray<string> Sources);
