using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>Holds a claim against the runs of all methods of its protocol. True of all: confirmed; of some, or true and not the whole: sharpened; of none: contradicted.</summary>
public static class ClaimJudge
{
    private sealed record Finding(bool? Holds, string Says, ImmutableArray<string> Sources, bool More = false)
    {
        public static Finding Unknown(string why) => new(null, why, []);
    }

    public static ClaimVerdict Judge(DraftClaim claim, IReadOnlyList<MethodRuns> all)
    {
        var findings = all.Where(r => r.Protocol.Id == claim.ProtocolId).Select(r => (Runs: r, Finding: Check(claim.Check, r))).ToList();
        var known = findings.Where(f => f.Finding.Holds is not null).ToList();
        if (known.Count == 0)
            return new(claim, Verdict.NotComputed, findings.Count == 0 ? "no method of this protocol was run" : findings[0].Finding.Says, []);
        bool all1 = known.All(f => f.Finding.Holds == true), none = known.All(f => f.Finding.Holds == false);
        var verdict = none ? Verdict.Contradicted : all1 && !known.Any(f => f.Finding.More) ? Verdict.Confirmed : Verdict.Sharpened;
        var says = known.Select(f => f.Finding.Says).Distinct().Count() == 1 ? known[0].Finding.Says
            : string.Join("; ", known.Select(f => $"{f.Runs.Method.Id}: {f.Finding.Says}"));
        return new(claim, verdict, says, [.. known.SelectMany(f => f.Finding.Sources).Distinct()]);
    }

    private static Finding Check(ClaimCheck check, MethodRuns runs)
    {
        if (check is ClaimCheck.ScenarioIs scenario)
            return Scenario(scenario, runs);
        if (runs.Reference is not { First: { } ceremony } run)
            return Finding.Unknown(Missing.NoSetup(runs));
        return check switch
        {
            ClaimCheck.WordCovers c => Covers(c, runs, run, ceremony),
            ClaimCheck.WordWithinPhase c => Within(c, runs, run, ceremony),
            ClaimCheck.SameWord c => Same(c, runs, run, ceremony),
            ClaimCheck.ManufacturerIs c => Scale(c.Scale, run, ceremony),
            ClaimCheck.ManufacturerNotices c => Notices(c.Always, run, ceremony),
            ClaimCheck.InitialCategoryIs c => Category(c.Category, run, ceremony),
            ClaimCheck.HoldsInitially c => Holds(c.Items, run, ceremony),
            ClaimCheck.DominantIs c => Dominant(c.Category, run, ceremony),
            ClaimCheck.Replaces c => Replaces(c.Items, run, ceremony),
            ClaimCheck.KeepsOnly c => Keeps(c.Items, run, ceremony),
            ClaimCheck.PeopleOnly c => People(c.InTheField, run, ceremony),
            ClaimCheck.NeedsBefore c => Needs(c, run, ceremony),
            _ => throw new ArgumentException($"{check.GetType().Name} has no judge.", nameof(check)),
        };
    }

    private static (Coverage? Coverage, string? Why) Word(string word, MethodRuns runs, Ceremony ceremony)
    {
        if (runs.Protocol.Terms.FirstOrDefault(t => t.Word == word) is not { } term)
            return (null, $"the profile does not define \"{word}\"");
        var spans = Terms.SpansOf(term, runs.Method).Select(s => Terms.Measure(s, ceremony)).ToList();
        return spans.Count == 0 ? (null, $"\"{word}\" names no steps of this method")
            : spans.FirstOrDefault(s => s.Violation is not null) is { } bad ? (null, $"\"{word}\": {bad.Violation}")
            : (spans[0] with { Start = spans.Min(s => s.Start), End = spans.Max(s => s.End), Steps = spans.Sum(s => s.Steps) }, null);
    }

    private static string Said(Coverage c, Ceremony ceremony) =>
        $"from {ceremony.Steps[c.Start].Kind} to {ceremony.Steps[c.End].Kind}, {Words.Number(c.Steps)} of {Words.Number(ceremony.Steps.Length)} steps";

    private static Finding Covers(ClaimCheck.WordCovers claim, MethodRuns runs, LabRun run, Ceremony ceremony)
    {
        var (c, why) = Word(claim.Word, runs, ceremony);
        if (c is null)
            return Finding.Unknown(why!);
        var use = runs.Protocol.Terms.First(t => t.Word == claim.Word).Use;
        int from = Index(ceremony, claim.From, first: true), to = Index(ceremony, claim.To, first: false);
        if (from < 0 || to < 0)
            return Finding.Unknown($"{(from < 0 ? claim.From : claim.To)} does not occur in this method");
        bool covers = c.Start <= from && c.End >= to;
        return new(covers && use == claim.Use, $"\"{claim.Word}\" ({Words.Plain(use)}) runs {Said(c, ceremony)}", [run.Anchor(ceremony.Steps[c.Start]), run.Anchor(ceremony.Steps[c.End])]);
    }

    private static int Index(Ceremony ceremony, StepKind kind, bool first)
    {
        var steps = ceremony.Steps.ToList();
        return first ? steps.FindIndex(s => s.Kind == kind) : steps.FindLastIndex(s => s.Kind == kind);
    }

    private static Finding Within(ClaimCheck.WordWithinPhase claim, MethodRuns runs, LabRun run, Ceremony ceremony)
    {
        var (c, why) = Word(claim.Word, runs, ceremony);
        if (c is null)
            return Finding.Unknown(why!);
        var phases = ceremony.Steps[c.Start..(c.End + 1)].Select(s => s.Phase).Distinct().ToList();
        return new(phases.Count == 1 && phases[0] == claim.Phase, $"\"{claim.Word}\" runs {Said(c, ceremony)}, in {string.Join(", ", phases.Select(p => Words.Plain(p)))}",
            [run.Anchor(ceremony.Steps[c.Start]), run.Anchor(ceremony.Steps[c.End])]);
    }

    private static Finding Same(ClaimCheck.SameWord claim, MethodRuns runs, LabRun run, Ceremony ceremony)
    {
        var (a, whyA) = Word(claim.Word, runs, ceremony);
        var (b, whyB) = Word(claim.Other, runs, ceremony);
        if (a is null || b is null)
            return Finding.Unknown(whyA ?? whyB!);
        return new((a.Start, a.End) == (b.Start, b.End), $"\"{claim.Word}\" runs {Said(a, ceremony)}; \"{claim.Other}\" runs {Said(b, ceremony)}",
            [run.Anchor(ceremony.Steps[a.Start]), run.Anchor(ceremony.Steps[b.Start])]);
    }

    private static Finding Scale(ManufacturerScale scale, LabRun run, Ceremony ceremony)
    {
        var found = Players.Scale(ceremony);
        return new(found == scale, $"{Words.Plain(found)} ({Words.Number(Players.ManufacturerAfterSale(ceremony).Length)} steps with the manufacturer after the sale)", [run.Id]);
    }

    private static Finding Notices(bool always, LabRun run, Ceremony ceremony)
    {
        var steps = Players.ManufacturerAfterSale(ceremony);
        return new(steps.Length > 0 == always, steps.IsEmpty ? "nothing that the manufacturer operates took part after the sale" : $"the manufacturer took part in {string.Join(", ", steps.Select(s => s.Kind.Name).Distinct())}",
            [.. steps.Take(8).Select(s => run.Anchor(s)), run.Id]);
    }

    private static Finding Category(InitialCategory category, LabRun run, Ceremony ceremony)
    {
        var found = BeliefRules.Initial(ceremony.Before);
        return new(found.Category == category, $"{Words.Plain(found.Category)}, by {(found.By.IsEmpty ? "the lack of any" : string.Join(", ", found.By.Select(b => b.Item)))}"
            + (ceremony.Before.Any(b => b.Kind == BeliefKind.Certificate) ? "" : "; the device holds no certificate"), [run.Id]);
    }

    private static Finding Holds(ImmutableArray<string> items, LabRun run, Ceremony ceremony)
    {
        var held = ceremony.Before.Select(b => b.Item).ToList();
        var missing = items.Where(i => !held.Contains(i)).ToList();
        var more = held.Where(h => !items.Contains(h)).ToList();
        return new(missing.Count == 0, (missing.Count == 0 ? "holds all of these" : $"does not hold {string.Join(", ", missing)}") + (more.Count == 0 ? "" : $"; holds besides: {string.Join(", ", more)}"), [run.Id], more.Count > 0);
    }

    private static Finding Dominant(ImpartedCategory category, LabRun run, Ceremony ceremony)
    {
        var found = BeliefRules.Imparted(Imparted.Changes(ceremony));
        return new(found.Dominant == category, found.All.IsEmpty ? "nothing was imparted" : string.Join(", then ", found.All.Select(c => $"{Words.Plain(c.Category)} by {string.Join(", ", c.By.Select(b => b.Item))}")),
            [run.Id], found.All.Length > 1);
    }

    private static Finding Replaces(ImmutableArray<string> items, LabRun run, Ceremony ceremony)
    {
        var replaced = Imparted.Changes(ceremony).Where(c => c.Change == Change.Replaced).Select(c => c.Belief.Item).ToList();
        var missing = items.Where(i => !replaced.Contains(i)).ToList();
        return new(missing.Count == 0, $"replaced: {(replaced.Count == 0 ? "nothing" : string.Join(", ", replaced))}" + (missing.Count == 0 ? "" : $"; not replaced: {string.Join(", ", missing)}"), [run.Id]);
    }

    private static Finding Keeps(ImmutableArray<string> items, LabRun run, Ceremony ceremony)
    {
        var kept = Imparted.Kept(ceremony);
        var others = kept.Where(k => !items.Contains(k)).ToList();
        return new(others.Count == 0, others.Count == 0 ? $"kept: {string.Join(", ", kept)}" : $"kept besides: {string.Join(", ", others)}", [run.Id]);
    }

    private static Finding People(ImmutableArray<Act> acts, LabRun run, Ceremony ceremony)
    {
        var field = Field.OfDevice(ceremony).Where(Field.IsHuman).ToList();
        var before = ceremony.Steps.Where(s => Field.IsHuman(s) && !field.Contains(s)).ToList();
        bool only = field.All(s => acts.Contains(s.Kind.Act)) && acts.All(a => field.Any(s => s.Kind.Act == a));
        return new(only, $"in the field: {Acts(field)}; before: {Acts(before)}", [.. field.Concat(before).Select(s => run.Anchor(s))], before.Count > 0);

        static string Acts(List<Step> steps) => steps.Count == 0 ? "nobody did anything" : string.Join(", ", steps.Select(s => $"{Field.Person(s).Player.Name}: {s.Kind.Name}").Distinct());
    }

    private static Finding Needs(ClaimCheck.NeedsBefore claim, LabRun run, Ceremony ceremony)
    {
        var used = Processes.BeforeTrust(ceremony);
        var others = used.Where(u => u.Medium.Name != claim.Medium || !claim.To.Contains(u.Through.Player)).ToList();
        var missing = claim.To.Where(p => !used.Any(u => u.Through.Player == p)).ToList();
        return new(others.Count == 0 && missing.Count == 0, string.Join("; ", used.GroupBy(u => u.Medium.Name).Select(g => $"{g.Key} to {string.Join(", ", g.Select(u => u.Through.Player.Name).Distinct())}")), [run.Id]);
    }

    private static Finding Scenario(ClaimCheck.ScenarioIs claim, MethodRuns runs) => runs.Of(claim.Scenario) is { } run
        ? new(run.Outcome.Result == claim.Result, $"{Words.Plain(claim.Scenario)}: {Words.Plain(run.Outcome.Result)}, {run.Outcome.Explanation}", run.Ceremonies.IsEmpty ? [] : [run.Id])
        : Finding.Unknown($"{Words.Plain(claim.Scenario)} was not run");

    public static ReportSection Section(IReadOnlyList<MethodRuns> all, IEnumerable<DraftClaim> claims)
    {
        var rows = claims.Select(c => Judge(c, all)).Select(v => ImmutableArray.Create(
            Cell.Of(v.Claim.Id), Cell.Of(v.Claim.ProtocolId), Cell.Of(Words.Plain(v.Claim.Question)), Cell.Of(v.Claim.Place), Cell.Of(v.Claim.Says),
            v.Verdict == Verdict.NotComputed ? Cell.NotComputed(v.Finding) : Cell.Of(v.Finding, [.. v.Sources]),
            Cell.Of(Words.Plain(v.Verdict), v.Verdict switch { Verdict.Confirmed => Tone.Good, Verdict.Contradicted => Tone.Bad, Verdict.Sharpened => Tone.Warning, _ => Tone.Missing })));
        return new ReportSection("claims", "The draft's claims", "What draft-irtf-t2trg-security-setup-iot-devices says, what the runs show, and whether they agree.",
            [new ReportBlock.Table("claims-table", "Claim and finding", ["claim", "protocol", "question", "in the draft", "the draft says", "the runs show", "verdict"], [.. rows])]);
    }
}
