using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>What the device believes afterwards (section 5), and what becomes of it when it changes hands.</summary>
public static class Imparted
{
    public static ImmutableArray<BeliefChange> Changes(Ceremony ceremony) => BeliefDifference.Between(ceremony.Before, ceremony.After);

    /// <summary>Items that the ceremony left as the factory made them.</summary>
    public static ImmutableArray<string> Kept(Ceremony ceremony) =>
        [.. ceremony.Before.Where(b => ceremony.After.Any(a => a.Item == b.Item && a.Fingerprint == b.Fingerprint)).Select(b => b.Item)];

    public static ReportSection Section(IReadOnlyList<MethodRuns> all)
    {
        var categories = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var changes = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var transfers = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var runs in all)
        {
            transfers.AddRange(Transfers(runs));
            if (runs.Reference is not { First: { } ceremony } run)
            {
                categories.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), Cell.Of(""), Cell.Of("")]);
                changes.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), .. Enumerable.Repeat(Cell.Of(""), 5)]);
                continue;
            }
            var difference = Changes(ceremony);
            var found = BeliefRules.Imparted(difference);
            categories.Add([Cell.Of(runs.Method.Id),
                found.All.IsEmpty ? Cell.Of("nothing that is centred anywhere", run.Id) : Cell.Of(string.Join(", ", found.All.Select(c => Words.Plain(c.Category))), run.Id),
                Cell.Of(found.Dominant is { } dominant ? Words.Plain(dominant) : "", run.Id),
                Cell.Of(found.All.IsEmpty ? "" : string.Join(", ", found.All[0].By.Select(b => b.Item)))]);
            foreach (var change in difference)
            {
                var step = ceremony.Steps.FirstOrDefault(s => s.Changes.Any(c => c.Belief.Item == change.Belief.Item && c.Change == change.Change));
                changes.Add([Cell.Of(runs.Method.Id), Cell.Of(Words.Plain(change.Change)), Cell.Of(change.Belief.Item), Cell.Of(Words.Plain(change.Belief.Kind)), Cell.Of(Words.Plain(change.Belief.About)),
                    Cell.Of(Words.Plain(change.Belief.ImpartedBy)), step is null ? Cell.NotComputed("no step was observed to cause it") : Cell.Of(step.Kind.Name, run.Anchor(step))]);
            }
            changes.AddRange(Kept(ceremony).Select(item => ImmutableArray.Create(Cell.Of(runs.Method.Id), Cell.Of("kept"), Cell.Of(item, run.Id),
                Cell.Of(Words.Plain(ceremony.Before.First(b => b.Item == item).Kind)), Cell.Of(Words.Plain(ceremony.Before.First(b => b.Item == item).About)),
                Cell.Of(Words.Plain(ceremony.Before.First(b => b.Item == item).ImpartedBy)), Cell.Of(""))));
        }
        return new ReportSection("imparted", "5. Beliefs imparted", "What the device holds after the ceremony that it did not hold before, and what becomes of it when the device changes hands.",
        [
            new ReportBlock.Table("imparted-category", "Category", ["method", "categories", "dominant", "by"], categories.ToImmutable()),
            new ReportBlock.Table("imparted-changes", "Difference", ["method", "change", "item", "kind", "about", "imparted by", "caused by"], changes.ToImmutable()),
            new ReportBlock.Table("transfer", "Transfer, resale, reset: each a ceremony of its own", ["method", "scenario", "outcome", "explanation", "the former owner can still"], transfers.ToImmutable()),
        ]);
    }

    private static IEnumerable<ImmutableArray<Cell>> Transfers(MethodRuns runs) => Surveyor.Lifecycle.Where(s => s != Scenario.Again).Select(scenario =>
    {
        Cell[] head = [Cell.Of(runs.Method.Id), Cell.Of(Words.Plain(scenario))];
        if (runs.Of(scenario) is not { } run)
            return ImmutableArray.Create([.. head, Cell.NotComputed("this was not run"), Cell.Of(""), Cell.Of("")]);
        var tone = run.Outcome.Result == Result.DeviceLost ? Tone.Bad : Tone.Plain;
        return [.. head, run.Ceremonies.IsEmpty ? Cell.Of(Words.Plain(run.Outcome.Result)) : Cell.Of(Words.Plain(run.Outcome.Result), tone, run.Id),
            Cell.Of(run.Outcome.Explanation), Cell.Of(run.Outcome.FormerOwnerCan)];
    });
}
