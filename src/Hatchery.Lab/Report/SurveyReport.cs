using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>The survey as it was computed: what all renderers render and nothing more. Holds no secret and no captured byte.</summary>
/// <param name="Live">Null for a simulated survey.</param>
public sealed record SurveyReport(string Seed, LiveNote? Live, ImmutableArray<ReportSection> Sections)
{
    /// <summary>Of the JSON form; raised when a field changes its meaning or goes.</summary>
    public const int SchemaVersion = 1;

    public IEnumerable<ReportBlock.Table> Tables => Sections.SelectMany(s => s.Blocks).OfType<ReportBlock.Table>();
}

/// <summary>What differs when the survey is run over real sockets.</summary>
public sealed record LiveNote(ImmutableArray<string> Differences)
{
    public static readonly LiveNote Standard = new([
        "Times are of this machine's clock; delay and loss are what the loopback interface has.",
        "ECDSA signatures are made with the platform's own randomness, so their DER forms differ in size by a few bytes from run to run.",
        "TLS is the platform's (SslStream and Kestrel): version and suite are what both sides negotiated, not what the simulation prescribes.",
        "Identifiers, keys and nonces are random: two live reports differ.",
    ]);
}

/// <param name="Id">Anchor, unique in the report.</param>
public sealed record ReportSection(string Id, string Title, string Intro, ImmutableArray<ReportBlock> Blocks);

public enum Tone { Plain, Good, Bad, Warning, Missing }

/// <summary>One cell of a table.</summary>
/// <param name="Sources">Anchors of the runs and steps that it was computed from.</param>
public sealed record Cell(string Text, Tone Tone, ImmutableArray<string> Sources)
{
    public static Cell Of(string text, params ReadOnlySpan<string> sources) => new(text, Tone.Plain, [.. sources]);
    public static Cell Of(string text, Tone tone, params ReadOnlySpan<string> sources) => new(text, tone, [.. sources]);

    /// <summary>A cell that could not be computed says why.</summary>
    public static Cell NotComputed(string why) => new($"not computed: {why}", Tone.Missing, []);
}

public abstract record ReportBlock(string Id, string Title)
{
    public sealed record Table(string Id, string Title, ImmutableArray<string> Columns, ImmutableArray<ImmutableArray<Cell>> Rows) : ReportBlock(Id, Title);

    /// <summary>One row per method, one lane per word, along the steps of a ceremony.</summary>
    public sealed record Lanes(string Id, string Title, ImmutableArray<LaneGroup> Groups) : ReportBlock(Id, Title);

    /// <summary>A ceremony from top to bottom: the id is the anchor of the run's ceremony.</summary>
    public sealed record Ladder(string Id, string Title, ImmutableArray<string> Actors, ImmutableArray<LadderStep> Steps, string Outcome) : ReportBlock(Id, Title);
}

/// <param name="Phases">Of each step, in order.</param>
public sealed record LaneGroup(string Name, ImmutableArray<Phase> Phases, ImmutableArray<string> StepNames, ImmutableArray<Lane> Lanes);

/// <param name="Spans">Indexes of first and last step, from 0.</param>
public sealed record Lane(string Word, WordUse Use, ImmutableArray<(int Start, int End)> Spans);

/// <param name="Anchor">Of the step.</param>
/// <param name="From">Index into the ladder's actors.</param>
public sealed record LadderStep(string Anchor, int Number, string Name, Phase Phase, Act Act, int From, int To, string Medium, int Size, Protection Readable,
    TimeSpan? Since, ImmutableArray<string> Changes);
