using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>From runs to the report. Pure.</summary>
public static class ReportBuilder
{
    public static SurveyReport Build(IReadOnlyList<MethodRuns> runs, IReadOnlyList<ILabProtocol> protocols, string seed, LiveNote? live = null)
    {
        var sections = ImmutableArray.CreateBuilder<ReportSection>();
        sections.Add(Methods(runs, protocols));
        sections.Add(Terms.Section(runs));
        sections.Add(Players.Section(runs));
        sections.Add(InitialBeliefs.Section(runs));
        sections.Add(Processes.Section(runs));
        sections.Add(Imparted.Section(runs));
        sections.Add(Attacks.Section(runs, protocols));
        sections.Add(ClaimJudge.Section(runs, protocols.SelectMany(p => p.Claims)));
        sections.Add(Runs(runs));
        return new SurveyReport(seed, live, WithoutDeadLinks(sections.ToImmutable()));
    }

    private static ReportSection Methods(IReadOnlyList<MethodRuns> runs, IReadOnlyList<ILabProtocol> protocols)
    {
        var rows = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var protocol in runs.Select(r => r.Protocol).Distinct())
            foreach (var method in protocol.Methods)
            {
                var own = runs.FirstOrDefault(r => r.Method == method);
                rows.Add([Cell.Of(protocol.Name), Cell.Of(method.Id), Cell.Of(method.Name), Cell.Of(method.Reference),
                    own is null ? Cell.NotComputed(protocols.FirstOrDefault(p => p.Protocol == protocol)?.WhyNotRun(method) ?? "it was not run")
                    : own.Reference is { First: { } ceremony } run ? Cell.Of(ceremony.Outcome.Succeeded ? "completed" : $"not completed: {ceremony.Outcome.Reason}", ceremony.Outcome.Succeeded ? Tone.Good : Tone.Bad, run.Id)
                    : Cell.NotComputed(Missing.NoSetup(own))]);
            }
        return new ReportSection("methods", "Methods", "Every protocol method that was run.", [new ReportBlock.Table("methods-table", "Methods", ["protocol", "method", "name", "reference", "reference run"], rows.ToImmutable())]);
    }

    private static ReportSection Runs(IReadOnlyList<MethodRuns> all)
    {
        var blocks = ImmutableArray.CreateBuilder<ReportBlock>();
        var rows = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var run in all.SelectMany(r => r.Runs))
        {
            rows.Add([Cell.Of(run.Id), Cell.Of(run.Method.Id), Cell.Of(run.Attack is { } attack ? $"attack: {Words.Plain(attack)}" : Words.Plain(run.Scenario)), Cell.Of(run.Conditions.Name),
                Cell.Of(Words.Number(run.Ceremonies.Length)), Cell.Of(Words.Number(run.Ceremonies.Sum(c => c.Steps.Length))),
                Cell.Of(Words.Number(run.Network.Frames)), Cell.Of(Words.Number(run.Network.Bytes)), Cell.Of(Words.Number(run.Network.Lost)), Cell.Of(Words.Number(run.Network.Retransmissions)),
                Cell.Of($"{Words.Plain(run.Outcome.Result)}: {run.Outcome.Explanation}")]);
            // Lossy runs differ from the delayed one in frames, which a ladder does not show.
            if (run.Conditions.Loss == 0)
                for (int i = 0; i < run.Ceremonies.Length; i++)
                    blocks.Add(Ladders.Of(run, i));
        }
        blocks.Insert(0, new ReportBlock.Table("runs-table", "Runs", ["run", "method", "scenario", "conditions", "ceremonies", "steps", "frames", "bytes", "lost", "retransmissions", "outcome"], rows.ToImmutable()));
        return new ReportSection("runs", "Runs", "Where every cell comes from.", blocks.ToImmutable());
    }

    /// <summary>A cell's source is a run's row or a step of a ladder that is shown; the step of a run that is not shown becomes its run.</summary>
    private static ImmutableArray<ReportSection> WithoutDeadLinks(ImmutableArray<ReportSection> sections)
    {
        var anchors = Anchors(sections);
        string? Alive(string source)
        {
            if (anchors.Contains(source))
                return source;
            int dot = source.LastIndexOf(".c", StringComparison.Ordinal);
            return dot > 0 && anchors.Contains(source[..dot]) ? source[..dot] : null;
        }
        return [.. sections.Select(s => s with { Blocks = [.. s.Blocks.Select(b => b is ReportBlock.Table t
            ? t with { Rows = [.. t.Rows.Select(r => r.Select(c => c with { Sources = [.. c.Sources.Select(Alive).OfType<string>().Distinct()] }).ToImmutableArray())] } : b)] })];
    }

    /// <summary>Everything that a cell can point at.</summary>
    public static HashSet<string> Anchors(IEnumerable<ReportSection> sections)
    {
        var anchors = new HashSet<string>();
        foreach (var block in sections.SelectMany(s => s.Blocks))
            switch (block)
            {
                case ReportBlock.Ladder ladder:
                    anchors.Add(ladder.Id);
                    anchors.UnionWith(ladder.Steps.Select(s => s.Anchor));
                    break;
                case ReportBlock.Table { Id: "runs-table" } table:
                    anchors.UnionWith(table.Rows.Select(r => r[0].Text));
                    break;
            }
        return anchors;
    }
}
