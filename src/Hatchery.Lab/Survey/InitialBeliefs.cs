using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>What the device starts from, and what follows from it (section 3).</summary>
public static class InitialBeliefs
{
    public static ReportSection Section(IReadOnlyList<MethodRuns> all)
    {
        var categories = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var items = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var listener = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var manufacturer = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var label = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var runs in all)
        {
            label.Add(Label(runs));
            if (runs.Reference is not { First: { } ceremony } run)
            {
                foreach (var (rows, columns) in new[] { (categories, 3), (items, 6), (listener, 7), (manufacturer, 4) })
                    rows.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), .. Enumerable.Repeat(Cell.Of(""), columns - 2)]);
                continue;
            }
            var initial = BeliefRules.Initial(ceremony.Before);
            categories.Add([Cell.Of(runs.Method.Id), Cell.Of(Words.Plain(initial.Category), run.Id),
                Cell.Of(initial.By.IsEmpty ? "no secret, key or certificate" : string.Join(", ", initial.By.Select(b => b.Item)), run.Id)]);
            items.AddRange(ceremony.Before.Select(b => ImmutableArray.Create(Cell.Of(runs.Method.Id), Cell.Of(b.Item, run.Id), Cell.Of(Words.Plain(b.Kind)), Cell.Of(Words.Plain(b.About)),
                Cell.Of(Words.Plain(b.ImpartedBy)), Cell.Of(b.SecretBits is { } bits ? $"{Words.Number(bits)} bits" : "no"))));
            listener.AddRange(Heard(runs));
            manufacturer.Add(Learned(runs, run, ceremony));
        }
        return new ReportSection("initial", "3. Initial beliefs", "What the device held before it was set up, by its persisted state; and what follows for privacy.",
        [
            new ReportBlock.Table("initial-category", "Category", ["method", "category", "by"], categories.ToImmutable()),
            new ReportBlock.Table("initial-items", "Items", ["method", "item", "kind", "about", "imparted by", "secret"], items.ToImmutable()),
            new ReportBlock.Table("privacy-listener", "What a listener learns: every captured byte searched for every item that the device held",
                ["method", "item", "secret", "in clear", "where", "before any authentication", "the same at the second setup"], listener.ToImmutable()),
            new ReportBlock.Table("privacy-manufacturer", "What the manufacturer learns after the sale", ["method", "which device", "which owner", "from where"], manufacturer.ToImmutable()),
            new ReportBlock.Table("label", "The label", ["method", "a finder of the label", "label swapped"], label.ToImmutable()),
        ]);
    }

    private static IEnumerable<ImmutableArray<Cell>> Heard(MethodRuns runs)
    {
        var run = runs.Of(Scenario.Again) ?? runs.Delayed(TimeSpan.FromMilliseconds(50)) ?? runs.Reference!;
        var items = run.Before.Where(i => i.Kind is BeliefKind.Identifier or BeliefKind.Certificate || i.Secret).Concat(run.Sought).ToList();
        if (run.Frames.IsEmpty || items.Count == 0)
        {
            yield return [Cell.Of(runs.Method.Id), Cell.NotComputed(run.Frames.IsEmpty ? run.WhyNoFrames ?? "no bytes were captured" : "the run does not reveal the device's items"),
                .. Enumerable.Repeat(Cell.Of(""), 5)];
            yield break;
        }
        var found = Listener.Of(run, items);
        foreach (var item in items)
        {
            Cell[] head = [Cell.Of(runs.Method.Id), Cell.Of(item.Item), Cell.Of(item.Secret ? "yes" : "no")];
            var hits = found.Where(d => d.Item == item && d.Setup >= 0).ToList();
            if (item.Bytes.Length < ListenerSearch.LeastBytes)
                yield return [.. head, Cell.NotComputed($"{Words.Number(item.Bytes.Length)} bytes occur by chance"), Cell.Of(""), Cell.Of(""), Cell.Of("")];
            else if (hits.Count == 0)
                yield return [.. head, Cell.Of($"not found in {Words.Number(run.Frames.Length)} frames", Tone.Good, run.Id), Cell.Of(""), Cell.Of("no", Tone.Good, run.Id), Cell.Of("")];
            else
            {
                var first = hits[0];
                yield return [.. head,
                    Cell.Of($"yes, {Words.Plain(first.Hit.Form)}", item.Secret ? Tone.Bad : Tone.Warning, run.Id),
                    Cell.Of(string.Join(", ", hits.Where(h => h.Setup == first.Setup).Select(h => h.Step?.Kind.Name ?? "bytes of no message").Distinct()),
                        [.. hits.Where(h => h.Step is not null && h.Setup == first.Setup).Select(h => Anchor(run, h.Step!)).Distinct()]),
                    Cell.Of(hits.Any(h => h.BeforeAuthentication) ? "yes" : "no", hits.Any(h => h.BeforeAuthentication) ? Tone.Warning : Tone.Plain, run.Id),
                    run.Episodes.Length < 2 ? Cell.NotComputed(runs.Of(Scenario.Again) is { } again ? again.Outcome.Explanation : "the device was set up once")
                        : Cell.Of(hits.Any(h => h.Setup >= 1) ? "yes" : "no", hits.Any(h => h.Setup >= 1) ? Tone.Warning : Tone.Good, run.Id)];
            }
        }
    }

    internal static string Anchor(LabRun run, Step step)
    {
        int ceremony = run.Ceremonies.ToList().FindIndex(c => c.Steps.Contains(step));
        return run.Anchor(step, Math.Max(0, ceremony));
    }

    private static ImmutableArray<Cell> Learned(MethodRuns runs, LabRun run, Ceremony ceremony)
    {
        var steps = Players.ManufacturerAfterSale(ceremony);
        if (steps.IsEmpty)
            return [Cell.Of(runs.Method.Id), Cell.Of("nothing: it took no part", Tone.Good, run.Id), Cell.Of("nothing", Tone.Good, run.Id), Cell.Of("nothing", Tone.Good, run.Id)];
        var fromDevice = steps.Where(s => Field.IsDevice(s.From)).ToList();
        var fromOwner = steps.Where(s => s.From.OperatedBy == "owner" && !Field.IsDevice(s.From)).ToList();
        return [Cell.Of(runs.Method.Id),
            fromDevice.Count == 0 ? Cell.Of("not by the device itself", run.Id) : Cell.Of("yes: " + string.Join(", ", fromDevice.Select(s => s.Kind.Name).Distinct()), Tone.Warning, [.. fromDevice.Select(s => run.Anchor(s))]),
            fromOwner.Count == 0 ? Cell.Of("the owner said nothing to it", run.Id) : Cell.Of("yes: " + string.Join(", ", fromOwner.Select(s => s.Kind.Name).Distinct()), Tone.Warning, [.. fromOwner.Select(s => run.Anchor(s))]),
            Cell.Of(fromDevice.Count == 0 ? "no connection of the device" : "the device's address, when it was switched on", run.Id)];
    }

    private static ImmutableArray<Cell> Label(MethodRuns runs) =>
        [Cell.Of(runs.Method.Id), Attempt(runs.Of(Scenario.TheftWithLabel) ?? runs.Of(AttackScenario.LabelPhotographed)), Attempt(runs.Of(AttackScenario.LabelSwapped))];

    internal static Cell Attempt(LabRun? run) => run is null ? Cell.NotComputed("this was not tried") : run.Outcome.Result switch
    {
        Result.NotApplicable => Cell.Of(run.Outcome.Explanation, run.Id),
        Result.Works => Cell.Of($"works: {run.Outcome.Explanation}", Tone.Bad, run.Id),
        Result.DeviceLost => Cell.Of($"device lost: {run.Outcome.Explanation}", Tone.Bad, run.Id),
        _ => Cell.Of($"refused: {run.Outcome.Explanation}", Tone.Good, run.Id),
    };
}
