using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>All runs of one method that the survey reads.</summary>
public sealed record MethodRuns(Protocol Protocol, Method Method, ImmutableArray<LabRun> Runs)
{
    /// <summary>The first setup without delay and loss, or whatever first setup there is.</summary>
    public LabRun? Reference => Setups.FirstOrDefault(r => r.Conditions is { Loss: 0 } && r.Conditions.OneWayDelay == TimeSpan.Zero) ?? Setups.FirstOrDefault();

    public IEnumerable<LabRun> Setups => Runs.Where(r => r.Scenario == Scenario.FirstSetup);

    public LabRun? Delayed(TimeSpan oneWay) => Setups.FirstOrDefault(r => r.Conditions.Loss == 0 && r.Conditions.OneWayDelay == oneWay);
    public ImmutableArray<LabRun> Lossy(double loss) => [.. Setups.Where(r => Math.Abs(r.Conditions.Loss - loss) < 1e-9 && loss > 0)];
    public LabRun? Of(Scenario scenario) => Runs.FirstOrDefault(r => r.Scenario == scenario);
    public LabRun? Of(AttackScenario attack) => Runs.FirstOrDefault(r => r.Attack == attack);
    public IEnumerable<LabRun> Complete => Runs.Where(r => r.Scenario == Scenario.FirstSetup && r.First is { Outcome.Succeeded: true });
}

/// <summary>Makes the runs that the survey needs.</summary>
public static class Surveyor
{
    /// <summary>How many seeds each rate of loss is tried with: the median is reported.</summary>
    public const int LossSeeds = 5;

    public static readonly ImmutableArray<TimeSpan> Delays = [TimeSpan.Zero, TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(500)];
    public static readonly ImmutableArray<double> Losses = [0.1, 0.3];
    public static readonly ImmutableArray<Scenario> Lifecycle =
        [Scenario.Again, Scenario.ResetByOwner, Scenario.ResetWithoutOwner, Scenario.SaleWithSeller, Scenario.SaleWithoutSeller, Scenario.ManufacturerGone, Scenario.TheftWithLabel];

    public static ImmutableArray<MethodRuns> Run(IEnumerable<ILabProtocol> protocols, string seed, Action<string>? progress = null) =>
        [.. protocols.SelectMany(p => p.Methods.Select(m => Run(p, m, seed, progress)))];

    public static IEnumerable<LabTask> Tasks(ILabProtocol protocol, Method method, string seed)
    {
        foreach (var delay in Delays)
            yield return new LabTask(method, new LabConditions(seed, delay, 0), Scenario.FirstSetup);
        foreach (double loss in Losses)
            for (int i = 1; i <= LossSeeds; i++)
                yield return new LabTask(method, new LabConditions($"{seed}.{Words.Number(i)}", TimeSpan.FromMilliseconds(50), loss), Scenario.FirstSetup);
        foreach (var scenario in Lifecycle)
            yield return new LabTask(method, new LabConditions(seed, TimeSpan.FromMilliseconds(50), 0), scenario);
        foreach (var prediction in protocol.Predictions)
            yield return new LabTask(method, new LabConditions(seed, TimeSpan.FromMilliseconds(50), 0), Scenario.Attack, prediction.Attack);
    }

    private static MethodRuns Run(ILabProtocol protocol, Method method, string seed, Action<string>? progress)
    {
        var runs = ImmutableArray.CreateBuilder<LabRun>();
        foreach (var task in Tasks(protocol, method, seed))
        {
            progress?.Invoke(task.RunId);
            runs.Add(protocol.Run(task));
        }
        return new MethodRuns(protocol.Protocol, method, runs.ToImmutable());
    }
}
