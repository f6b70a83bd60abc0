using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>The draft's scale for the manufacturer.</summary>
public enum ManufacturerScale { NothingPreinstalled, FactoryOnly, LastingOnlineService }

/// <param name="Sent">Messages, by phase.</param>
public sealed record PlayerFinding(Actor Actor, ImmutableSortedDictionary<Phase, int> Sent, ImmutableSortedDictionary<Phase, int> Received,
    ImmutableArray<Step> Acts, Step? First);

/// <summary>Who took part (section 2).</summary>
public static class Players
{
    public const string ManufacturerOperator = "manufacturer";

    public static ImmutableArray<PlayerFinding> Of(Ceremony ceremony)
    {
        var actors = ceremony.Steps.SelectMany(s => new[] { s.From, s.To }).Select(a => a.Instance).Distinct();
        return [.. actors.Select(instance =>
        {
            var own = ceremony.Steps.Where(s => s.From.Instance == instance || s.To.Instance == instance).ToList();
            var actor = own.Select(s => s.From.Instance == instance ? s.From : s.To).First();
            return new PlayerFinding(actor, Count(own.Where(s => s.Kind.Act == Act.Message && s.From.Instance == instance)),
                Count(own.Where(s => s.Kind.Act == Act.Message && s.To.Instance == instance)),
                [.. own.Where(s => Field.IsHuman(s) && Field.Person(s).Instance == instance)], own[0]);
        })];
    }

    private static ImmutableSortedDictionary<Phase, int> Count(IEnumerable<Step> steps) => steps.GroupBy(s => s.Phase).ToImmutableSortedDictionary(g => g.Key, g => g.Count());

    /// <summary>Steps after the factory and the sale in which something that the manufacturer operates sent or received.</summary>
    public static ImmutableArray<Step> ManufacturerAfterSale(Ceremony ceremony) =>
        [.. Field.Steps(ceremony).Where(s => IsManufacturers(s.From) || IsManufacturers(s.To))];

    public static bool IsManufacturers(Actor actor) => actor.OperatedBy == ManufacturerOperator && !Field.IsDevice(actor);

    public static ManufacturerScale Scale(Ceremony ceremony) =>
        ManufacturerAfterSale(ceremony).Length > 0 ? ManufacturerScale.LastingOnlineService
        : ceremony.Before.Any(b => b.ImpartedBy == Origin.Factory && b.Kind is BeliefKind.SymmetricSecret or BeliefKind.KeyPair or BeliefKind.Certificate or BeliefKind.TrustAnchor or BeliefKind.OwnerCredential)
            ? ManufacturerScale.FactoryOnly : ManufacturerScale.NothingPreinstalled;

    /// <summary>The first half of a ceremony's infrastructure question: players other than device and people that the device's own steps needed.</summary>
    public static ImmutableArray<Actor> NeededDuring(Ceremony ceremony) =>
        [.. Field.OfDevice(ceremony).Where(s => s.Phase != Phase.OperationProven).SelectMany(s => s.Hops.SelectMany(h => new[] { h.From, h.To }).Append(s.From).Append(s.To))
            .Where(a => !Field.IsDevice(a) && !a.Player.IsHuman).DistinctBy(a => a.Instance)];

    public static ReportSection Section(IReadOnlyList<MethodRuns> all)
    {
        var who = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var acts = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        var manufacturer = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var runs in all)
        {
            if (runs.Reference is not { First: { } ceremony } run)
            {
                who.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), .. Enumerable.Repeat(Cell.Of(""), 6)]);
                acts.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), .. Enumerable.Repeat(Cell.Of(""), 4)]);
                manufacturer.Add([Cell.Of(runs.Method.Id), Cell.NotComputed(Missing.NoSetup(runs)), .. Enumerable.Repeat(Cell.Of(""), 3)]);
                continue;
            }
            foreach (var found in Of(ceremony))
            {
                string[] source = found.First is { } first ? [run.Anchor(first)] : [];
                who.Add([Cell.Of(runs.Method.Id), Cell.Of(found.Actor.Player.Name, source), Cell.Of(Words.Plain(found.Actor.Player.Kind)), Cell.Of(found.Actor.OperatedBy),
                    Cell.Of(found.Actor.Player.IsLocal ? "local" : "remote"), Cell.Of(Reachable(found.Actor.Player.Reach)), Cell.Of(ByPhase(found.Sent)), Cell.Of(ByPhase(found.Received))]);
            }
            foreach (var declared in runs.Method.Players.Where(p => !ceremony.Steps.Any(s => s.From.Player == p || s.To.Player == p)))
                who.Add([Cell.Of(runs.Method.Id), Cell.Of(declared.Name), Cell.Of(Words.Plain(declared.Kind)), Cell.Of(declared.UsuallyOperatedBy),
                    Cell.Of(declared.IsLocal ? "local" : "remote"), Cell.Of(Reachable(declared.Reach)), Cell.Of("nothing in this run", Tone.Warning, run.Id), Cell.Of("nothing in this run", Tone.Warning, run.Id)]);
            foreach (var act in ceremony.Steps.Where(Field.IsHuman).GroupBy(s => (Person: Field.Person(s).Player.Name, s.Kind)))
                acts.Add([Cell.Of(runs.Method.Id), Cell.Of(act.Key.Person), Cell.Of(Words.Plain(act.Key.Kind.Act)), Cell.Of(act.Key.Kind.Name, [.. act.Select(s => run.Anchor(s))]),
                    Cell.Of(Words.Plain(act.First().Phase)), Cell.Of(Words.Number(act.Count()))]);
            var involved = ManufacturerAfterSale(ceremony);
            manufacturer.Add([Cell.Of(runs.Method.Id), Cell.Of(ScaleText(Scale(ceremony)), run.Id),
                involved.IsEmpty ? Cell.Of("no", Tone.Good, run.Id) : Cell.Of("yes", Tone.Warning, [.. involved.Select(s => run.Anchor(s))]),
                Cell.Of(involved.IsEmpty ? "" : string.Join(", ", involved.Select(s => IsManufacturers(s.From) ? s.From.Player.Name : s.To.Player.Name).Distinct())),
                Cell.Of(string.Join(", ", NeededDuring(ceremony).Select(a => a.Player.Name).Distinct()), run.Id)]);
        }
        return new ReportSection("players", "2. Players", "Who sent or received anything, in which phase; what people did; whether anything operated by the manufacturer took part after factory and sale.",
        [
            new ReportBlock.Table("players-table", "Who took part", ["method", "player", "kind", "operated by", "where", "must be reachable", "sent", "received"], who.ToImmutable()),
            new ReportBlock.Table("players-acts", "What people did", ["method", "person", "act", "what", "phase", "times"], acts.ToImmutable()),
            new ReportBlock.Table("players-manufacturer", "The manufacturer", ["method", "on the draft's scale", "took part after the sale", "as", "had to be up during setup"], manufacturer.ToImmutable()),
        ]);
    }

    public static string ScaleText(ManufacturerScale scale) => Words.Plain(scale);

    private static string ByPhase(ImmutableSortedDictionary<Phase, int> count) =>
        count.IsEmpty ? "nothing" : string.Join(", ", count.Select(c => $"{Words.Number(c.Value)} in {Words.Plain(c.Key)}"));

    private static string Reachable(Reach reach) => reach == Reach.Never ? "never"
        : string.Join(", ", new[] { Reach.Factory, Reach.Sale, Reach.Before, Reach.During, Reach.After }.Where(r => reach.HasFlag(r)).Select(r => Words.Plain(r)));
}
