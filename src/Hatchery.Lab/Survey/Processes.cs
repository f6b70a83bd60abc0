using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>What a setup costs in the field (section 4), from the ceremony of one run.</summary>
/// <param name="RoundTrips">How often the device waited for an answer: its messages that were followed by one to it.</param>
/// <param name="Elapsed">From the device's first step to its last before operation is proven.</param>
/// <param name="ToUse">To the end of the proof.</param>
public sealed record ProcessFinding(int Messages, long BytesFromDevice, long BytesToDevice, int RoundTrips, int Frames, long BytesOnMedium,
    TimeSpan Elapsed, TimeSpan ToUse, int HumanActs);

public static class Processes
{
    public static ProcessFinding Measure(LabRun run, Ceremony ceremony)
    {
        var own = Field.OfDevice(ceremony).ToList();
        var messages = own.Where(s => s.Kind.Act == Act.Message).ToList();
        int trips = 0;
        for (int i = 0; i + 1 < messages.Count; i++)
            if (Field.IsDevice(messages[i].From) && !Field.IsDevice(messages[i + 1].From))
                trips++;
        var setup = messages.Where(s => s.Phase != Phase.OperationProven).ToList();
        var frames = run.Frames.Where(f => run.Episodes.IsEmpty || (f.At >= run.Episodes[0] && (run.Episodes.Length < 2 || f.At < run.Episodes[1]))).ToList();
        return new ProcessFinding(messages.Count, messages.Where(s => Field.IsDevice(s.From)).Sum(s => (long)s.Size), messages.Where(s => Field.IsDevice(s.To)).Sum(s => (long)s.Size),
            trips, frames.Count, frames.Sum(f => (long)f.Size), Duration(setup), Duration(messages), ceremony.Steps.Count(Field.IsHuman));

        static TimeSpan Duration(List<Step> steps) => steps.Count == 0 ? TimeSpan.Zero
            : steps.Max(s => CeremonyTime.Absolute(s.Received ?? s.Sent)) - CeremonyTime.Absolute(steps[0].Sent);
    }

    /// <summary>What the device used before anybody had decided to trust it.</summary>
    public static ImmutableArray<(Medium Medium, Actor Through)> BeforeTrust(Ceremony ceremony)
    {
        var steps = Field.OfDevice(ceremony).Where(s => s.Kind.Act == Act.Message && s.Phase < Phase.Delivery);
        return [.. steps.SelectMany(s => s.Hops).SelectMany(h => new[] { (h.Medium, h.From), (h.Medium, h.To) })
            .Where(x => !Field.IsDevice(x.Item2) && !x.Medium.IsHuman).DistinctBy(x => (x.Medium.Name, x.Item2.Instance))];
    }

    public static ReportSection Section(IReadOnlyList<MethodRuns> all)
    {
        var cost = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var time = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var loss = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var operations = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var decisions = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var phases = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var runs in all)
        {
            time.Add([Cell.Of(runs.Method.Id), .. Surveyor.Delays.SelectMany(d => Times(runs, d))]);
            foreach (double rate in Surveyor.Losses)
                loss.Add(Loss(runs, rate));
            if (runs.Reference is not { First: { } ceremony } run)
            {
                foreach (var (rows, columns) in new[] { (cost, 9), (operations, 4), (decisions, 5), (phases, 1 + Enum.GetValues<Phase>().Length) })
                    rows.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), .. Enumerable.Repeat(Cell.Of(""), columns - 2)]);
                continue;
            }
            var m = Measure(run, ceremony);
            cost.Add([Cell.Of(runs.Method.Id), Cell.Of(Words.Number(m.Messages), run.Id), Cell.Of(Words.Number(m.BytesFromDevice), run.Id), Cell.Of(Words.Number(m.BytesToDevice), run.Id),
                Cell.Of(Words.Number(m.RoundTrips), run.Id),
                run.Frames.IsEmpty ? Cell.NotComputed(run.WhyNoFrames ?? "nothing was captured") : Cell.Of(Words.Number(m.Frames), run.Id),
                run.Frames.IsEmpty ? Cell.NotComputed(run.WhyNoFrames ?? "nothing was captured") : Cell.Of(Words.Number(m.BytesOnMedium), run.Id),
                Cell.Of(Words.Number(m.HumanActs), run.Id), BeforeTrustCell(run, ceremony)]);
            phases.Add([Cell.Of(runs.Method.Id), .. Enum.GetValues<Phase>().Select(p => PhaseCell(run, ceremony, p))]);
            operations.AddRange(Operations(runs, run, ceremony));
            decisions.AddRange(Decisions(runs, run));
        }
        return new ReportSection("processes", "4. Processes", "What a setup costs, from the moment the device is switched on; factory and sale are in the ladders at the end of the report.",
        [
            new ReportBlock.Table("process-phases", "Steps by phase", ["method", .. Enum.GetValues<Phase>().Select(p => Words.Plain(p))], phases.ToImmutable()),
            new ReportBlock.Table("process-cost", "Messages of the device", ["method", "messages", "bytes from the device", "bytes to the device", "round trips", "frames on the medium", "bytes on the medium",
                "human acts, factory to use", "connectivity before trust"], cost.ToImmutable()),
            new ReportBlock.Table("process-time", "Elapsed in virtual time, by one-way delay",
                ["method", .. Surveyor.Delays.SelectMany(d => new[] { $"setup, {Words.Time(d)}", $"to first use, {Words.Time(d)}" })], time.ToImmutable()),
            new ReportBlock.Table("process-loss", $"Loss, {Words.Number(Surveyor.LossSeeds)} runs each at 50 ms one way", ["method", "loss", "completed", "retransmissions, median", "setup, median", "setup, longest"], loss.ToImmutable()),
            new ReportBlock.Table("process-operations", "Public-key operations, factory and sale included", ["method", "side", "operation", "count"], operations.ToImmutable()),
            new ReportBlock.Table("process-decisions", "Where the authorization was decided", ["method", "by", "decision", "evidence", "just after"], decisions.ToImmutable()),
        ]);
    }

    private static Cell PhaseCell(LabRun run, Ceremony ceremony, Phase phase)
    {
        var steps = ceremony.Steps.Where(s => s.Phase == phase).ToList();
        return steps.Count == 0 ? Cell.Of("") : Cell.Of(Words.Number(steps.Count), run.Anchor(steps[0]));
    }

    private static Cell BeforeTrustCell(LabRun run, Ceremony ceremony)
    {
        var used = BeforeTrust(ceremony);
        return Cell.Of(used.IsEmpty ? "none" : string.Join("; ", used.GroupBy(u => u.Medium.Name).Select(g => $"{g.Key} to {string.Join(", ", g.Select(u => u.Through.Player.Name).Distinct())}")), run.Id);
    }

    private static IEnumerable<Cell> Times(MethodRuns runs, TimeSpan delay)
    {
        if (runs.Delayed(delay) is not { } run)
            return [Cell.NotComputed("no run with this delay"), Cell.Of("")];
        if (run.First is not { Outcome.Succeeded: true } ceremony)
            return [Cell.NotComputed($"the run was not completed: {run.First?.Outcome.Reason ?? run.Outcome.Explanation}"), Cell.Of("")];
        var measured = Measure(run, ceremony);
        return [Cell.Of(Words.Time(measured.Elapsed), run.Id), Cell.Of(Words.Time(measured.ToUse), run.Id)];
    }

    private static ImmutableArray<Cell> Loss(MethodRuns runs, double rate)
    {
        var lossy = runs.Lossy(rate);
        Cell[] head = [Cell.Of(runs.Method.Id), Cell.Of(Words.Share(rate, 1))];
        if (lossy.IsEmpty)
            return [.. head, Cell.NotComputed("no run with this loss"), Cell.Of(""), Cell.Of(""), Cell.Of("")];
        var done = lossy.Where(r => r.First is { Outcome.Succeeded: true }).ToList();
        var times = done.Select(r => Measure(r, r.First!).Elapsed).Order().ToList();
        var again = lossy.Select(r => r.Network.Retransmissions).Order().ToList();
        string[] sources = [.. lossy.Select(r => r.Id)];
        return [.. head, Cell.Of($"{Words.Number(done.Count)} of {Words.Number(lossy.Length)}", done.Count == lossy.Length ? Tone.Good : Tone.Warning, sources),
            Cell.Of(Words.Number(again[again.Count / 2]), sources),
            times.Count == 0 ? Cell.NotComputed("no run was completed") : Cell.Of(Words.Time(times[times.Count / 2]), sources),
            times.Count == 0 ? Cell.NotComputed("no run was completed") : Cell.Of(Words.Time(times[^1]), sources)];
    }

    private static IEnumerable<ImmutableArray<Cell>> Operations(MethodRuns runs, LabRun run, Ceremony ceremony) => ceremony.Costs.IsEmpty
        ? [[Cell.Of(runs.Method.Id), Cell.NotComputed("the key objects of this run counted nothing"), Cell.Of(""), Cell.Of("")]]
        : ceremony.Costs.Select(c => ImmutableArray.Create(Cell.Of(runs.Method.Id), Cell.Of(c.Instance), Cell.Of(c.Operation), Cell.Of(Words.Number(c.Count), run.Id)))
            .Concat(Uncounted(ceremony).Select(o => ImmutableArray.Create(Cell.Of(runs.Method.Id), Cell.Of(""), Cell.Of(o), Cell.NotComputed("signatures were made, but no key object counted that one was verified"))));

    /// <summary>Who signs wants somebody to verify: where none is counted, the key objects of the verifying side do not count.</summary>
    private static IEnumerable<string> Uncounted(Ceremony ceremony) =>
        ceremony.Costs.Any(c => c.Operation.StartsWith("sign ", StringComparison.Ordinal)) && !ceremony.Costs.Any(c => c.Operation.StartsWith("verify ", StringComparison.Ordinal)) ? ["verify"] : [];

    private static IEnumerable<ImmutableArray<Cell>> Decisions(MethodRuns runs, LabRun run)
    {
        var seen = run.Observations.SelectMany(p => p).OfType<Observation.Seen>().ToList();
        var decided = run.Observations.SelectMany(p => p).OfType<Observation.FactReported>().Where(f => f.Fact is Fact.Decided).ToList();
        if (decided.Count == 0)
            yield return [Cell.Of(runs.Method.Id), Cell.NotComputed("no role reported a decision in this run"), Cell.Of(""), Cell.Of(""), Cell.Of("")];
        foreach (var report in decided)
        {
            var fact = (Fact.Decided)report.Fact;
            var after = seen.LastOrDefault(s => s.Session == report.Session && s.Number < report.Number && s.Way == Way.Received);
            var step = after is null ? null : run.First!.Steps.FirstOrDefault(s => s.Kind == after.Kind && s.Digest == after.Digest);
            yield return [Cell.Of(runs.Method.Id), Cell.Of(after?.Here.Player.Name ?? "", run.Id),
                Cell.Of(fact.Decision switch { Decision.Admit a => $"admit ({a.Profile})", Decision.Hold h => $"hold for {Words.Time(h.AskAgain)}", Decision.Refuse r => $"refuse: {r.Reason}", _ => "" }),
                Cell.Of(string.Join("; ", fact.Evidence)),
                after is null ? Cell.NotComputed("no message was received in that session") : Cell.Of(after.Kind.Name, step is null ? [run.Id] : [run.Anchor(step)])];
        }
    }
}
