using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>Protocol against attack (section 6): what the standard predicts and what was observed.</summary>
public static class Attacks
{
    public static ReportSection Section(IReadOnlyList<MethodRuns> all, IReadOnlyList<ILabProtocol> protocols)
    {
        var rows = ImmutableArray.CreateBuilder<ImmutableArray<Cell>>();
        foreach (var runs in all)
        {
            var predictions = protocols.FirstOrDefault(p => p.Protocol == runs.Protocol)?.Predictions ?? [];
            foreach (var attack in Enum.GetValues<AttackScenario>())
                rows.Add(Row(runs, attack, predictions.FirstOrDefault(p => p.Attack == attack)));
        }
        return new ReportSection("attacks", "6. Attacks", "Each a ceremony with a malicious player, run against both sides as they are. \"works\" means that the attacker reached its aim.",
            [new ReportBlock.Table("attacks-table", "Attacks", ["method", "attack", "predicted by the standard", "because", "reference", "observed", "agreement"], rows.ToImmutable())]);
    }

    private static ImmutableArray<Cell> Row(MethodRuns runs, AttackScenario attack, AttackPrediction? prediction)
    {
        Cell[] head = [Cell.Of(runs.Method.Id), Cell.Of(Words.Plain(attack))];
        if (prediction is null)
            return [.. head, Cell.NotComputed("no prediction is written for this protocol"), Cell.Of(""), Cell.Of(""), Cell.NotComputed("it was not run"), Cell.Of("")];
        Cell[] predicted = [Cell.Of(Words.Plain(prediction.Expected)), Cell.Of(prediction.Why), Cell.Of(prediction.Reference)];
        if (runs.Of(attack) is not { } run)
            return [.. head, .. predicted, Cell.NotComputed("it was not run"), Cell.Of("")];
        if (run.Outcome.Result == Result.NotApplicable)
            return [.. head, .. predicted, Cell.Of($"not applicable: {run.Outcome.Explanation}", run.Id), prediction.Expected == Result.NotApplicable ? Cell.Of("as predicted", Tone.Good) : Cell.Of("differs", Tone.Bad)];
        return [.. head, .. predicted, InitialBeliefs.Attempt(run),
            run.Outcome.Result == prediction.Expected ? Cell.Of("as predicted", Tone.Good, run.Id) : Cell.Of("differs", Tone.Bad, run.Id)];
    }
}
