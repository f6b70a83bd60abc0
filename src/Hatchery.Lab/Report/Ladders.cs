using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>A ceremony as a ladder.</summary>
public static class Ladders
{
    public static ReportBlock.Ladder Of(LabRun run, int index = 0) =>
        Of(run.Ceremonies[index], $"{run.Id}.c{Words.Number(index + 1)}", Title(run, index), step => run.Anchor(step, index));

    public static ReportBlock.Ladder Of(Ceremony ceremony, string id, string title, Func<Step, string> anchor)
    {
        var actors = new List<string>();
        int Column(Actor actor)
        {
            int at = actors.IndexOf(actor.Instance);
            if (at < 0)
            {
                actors.Add(actor.Instance);
                at = actors.Count - 1;
            }
            return at;
        }
        var start = ceremony.Steps.IsEmpty ? default : ceremony.Steps[0].Sent.Elapsed;
        var steps = ceremony.Steps.Select(s => new LadderStep(anchor(s), s.Number, s.Kind.Name, s.Phase, s.Kind.Act, Column(s.From), Column(s.To),
            s.Hops.IsEmpty ? "" : s.Hops[0].Medium.Name, s.Size, s.Readable, s.Sent.Elapsed - start,
            [.. s.Changes.Select(Change)])).ToImmutableArray();
        return new ReportBlock.Ladder(id, title, [.. actors], steps, (ceremony.Outcome.Succeeded ? "" : "not completed: ") + ceremony.Outcome.Reason);
    }

    public static string Change(BeliefChange change) => change.Change switch
    {
        Hatchery.Change.Added => "+ ",
        Hatchery.Change.Replaced => "~ ",
        _ => "- ",
    } + change.Belief.Item;

    private static string Title(LabRun run, int index)
    {
        string what = run.Attack is { } attack ? $"attack: {Words.Plain(attack)}" : Words.Plain(run.Scenario);
        string which = run.Ceremonies.Length > 1 ? $", ceremony {Words.Number(index + 1)} of {Words.Number(run.Ceremonies.Length)}" : "";
        return $"{run.Method.Name} ({run.Method.Id}), {what}, {run.Conditions.Name}{which}";
    }
}
