using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>Which part of a ceremony a word covers (section 1).</summary>
/// <param name="Start">Index of its first step, from 0.</param>
/// <param name="Violation">Null if both ends occur, in order.</param>
public sealed record Coverage(Span Span, int Start, int End, int Steps, long Bytes, TimeSpan Time, string? Violation);

/// <param name="Violations">Of all complete runs.</param>
public sealed record TermFinding(Term Term, ImmutableArray<Coverage> Coverage, ImmutableArray<string> Violations);

public static class Terms
{
    /// <summary>Spans of the term that hold for this method.</summary>
    public static IEnumerable<Span> SpansOf(Term term, Method method) => term.Spans.Where(s => s.Methods.IsDefaultOrEmpty || s.Methods.Contains(method.Id));

    public static Coverage Measure(Span span, Ceremony ceremony)
    {
        var steps = ceremony.Steps;
        int start = -1, end = -1;
        for (int i = 0; i < steps.Length; i++)
        {
            if (start < 0 && steps[i].Kind == span.Start)
                start = i;
            if (steps[i].Kind == span.End)
                end = i;
        }
        string? violation = (start, end) switch
        {
            ( < 0, < 0) => $"neither {span.Start} nor {span.End} occurs",
            ( < 0, _) => $"{span.Start} does not occur",
            (_, < 0) => $"{span.End} does not occur",
            _ when end < start => $"{span.End} comes before {span.Start}",
            _ => null,
        };
        if (violation is not null)
            return new Coverage(span, start, end, 0, 0, TimeSpan.Zero, violation);
        var covered = steps[start..(end + 1)];
        var last = covered[^1];
        return new Coverage(span, start, end, covered.Length, covered.Sum(s => (long)s.Size),
            CeremonyTime.Absolute(last.Received ?? last.Sent) - CeremonyTime.Absolute(covered[0].Sent), null);
    }

    /// <summary>Measured in the method's reference run, checked in every complete one.</summary>
    public static ImmutableArray<TermFinding> Of(MethodRuns runs)
    {
        var findings = ImmutableArray.CreateBuilder<TermFinding>();
        foreach (var term in runs.Protocol.Terms)
        {
            var spans = SpansOf(term, runs.Method).ToList();
            var coverage = runs.Reference?.First is { } ceremony ? spans.Select(s => Measure(s, ceremony)).ToImmutableArray() : [];
            var violations = runs.Complete.SelectMany(r => spans.Select(s => (Run: r, Measure(s, r.First!).Violation)))
                .Where(v => v.Violation is not null).Select(v => $"{v.Run.Id}: {v.Violation}").ToImmutableArray();
            findings.Add(new TermFinding(term, coverage, violations));
        }
        return findings.ToImmutable();
    }

    public static ReportSection Section(IReadOnlyList<MethodRuns> all)
    {
        var rows = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var groups = ImmutableArray.CreateBuilder<LaneGroup>();
        foreach (var runs in all)
        {
            var lanes = ImmutableArray.CreateBuilder<Lane>();
            foreach (var finding in Of(runs))
            {
                rows.Add(Row(runs, finding));
                if (finding.Coverage.Any(c => c.Violation is null))
                    lanes.Add(new Lane(finding.Term.Word, finding.Term.Use, [.. finding.Coverage.Where(c => c.Violation is null).Select(c => (c.Start, c.End))]));
            }
            if (runs.Reference?.First is { Steps.Length: > 0 } ceremony)
                groups.Add(new LaneGroup($"{runs.Protocol.Name}: {runs.Method.Name}", [.. ceremony.Steps.Select(s => s.Phase)], [.. ceremony.Steps.Select(s => s.Kind.Name)], lanes.ToImmutable()));
        }
        return new ReportSection("terms", "1. Terms", "Which part of the whole ceremony, factory and sale included, each word covers, by the step with which it begins and the step with which it ends.",
        [
            new ReportBlock.Lanes("terms-lanes", "The words along the ceremony's steps", groups.ToImmutable()),
            new ReportBlock.Table("terms-table", "What each word covers", ["method", "word", "use", "from", "to", "steps", "bytes", "time", "definition", "reference"], rows.ToImmutable()),
        ]);
    }

    private static ImmutableArray<Cell> Row(MethodRuns runs, TermFinding finding)
    {
        var term = finding.Term;
        ImmutableArray<Cell> head = [Cell.Of(runs.Method.Id), Cell.Of(term.Word), Cell.Of(Words.Plain(term.Use))];
        ImmutableArray<Cell> tail = [Cell.Of(term.Definition), Cell.Of(term.Reference)];
        return [.. head, .. Measured(), .. tail];

        ImmutableArray<Cell> Measured()
        {
            if (runs.Reference is not { First: { } ceremony } run)
                return Five(Cell.NotComputed(Missing.NoSetup(runs)));
            if (finding.Coverage.IsEmpty)
                return Five(Cell.Of(term.Spans.IsDefaultOrEmpty ? "names nothing that happens" : "not in this method"));
            if (!finding.Violations.IsEmpty || finding.Coverage.Any(c => c.Violation is not null))
                return Five(Cell.Of("violated: " + string.Join("; ", finding.Violations.Concat(finding.Coverage.Select(c => c.Violation).OfType<string>()).Distinct()), Tone.Bad, run.Id));
            var first = finding.Coverage[0];
            string[] sources = [run.Anchor(ceremony.Steps[first.Start]), run.Anchor(ceremony.Steps[first.End])];
            int steps = finding.Coverage.Sum(c => c.Steps);
            long bytes = finding.Coverage.Sum(c => c.Bytes), allBytes = ceremony.Steps.Sum(s => (long)s.Size);
            return
            [
                Cell.Of(string.Join(", ", finding.Coverage.Select(c => c.Span.Start.Name)), sources[0]),
                Cell.Of(string.Join(", ", finding.Coverage.Select(c => c.Span.End.Name)), sources[1]),
                Cell.Of($"{Words.Number(steps)} of {Words.Number(ceremony.Steps.Length)} ({Words.Share(steps, ceremony.Steps.Length)})", sources),
                Cell.Of($"{Words.Number(bytes)} of {Words.Number(allBytes)} ({Words.Share(bytes, allBytes)})", sources),
                TimeOf(),
            ];
        }

        // At zero latency everything but waiting takes no time: 50 ms one way shows the shape.
        Cell TimeOf()
        {
            var run = runs.Delayed(TimeSpan.FromMilliseconds(50)) ?? runs.Reference!;
            if (run.First is not { } ceremony)
                return Cell.NotComputed("the delayed run has no ceremony");
            var measured = SpansOf(term, runs.Method).Select(s => Measure(s, ceremony)).ToList();
            return measured.Any(m => m.Violation is not null) ? Cell.NotComputed("the delayed run was not completed")
                : Cell.Of(Words.Time(measured.Aggregate(TimeSpan.Zero, (sum, m) => sum + m.Time)), run.Id);
        }
    }

    private static ImmutableArray<Cell> Five(Cell first) => [first, Cell.Of(""), Cell.Of(""), Cell.Of(""), Cell.Of("")];
}

/// <summary>Times across processes whose clocks are the same.</summary>
internal static class CeremonyTime
{
    public static TimeSpan Absolute(Moment at) => at.Wall is { } wall ? TimeSpan.FromTicks(wall.UtcTicks) : at.Elapsed;
}

/// <summary>Why something could not be computed.</summary>
internal static class Missing
{
    public static string NoSetup(MethodRuns runs) => runs.Runs.IsEmpty ? "the method was not run" : "no run of a first setup gave a ceremony";
}
