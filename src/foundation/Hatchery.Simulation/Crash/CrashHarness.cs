using System.Collections.Immutable;
using System.Text;

namespace Hatchery.Simulation;

/// <summary>One run to be killed at every point: how to tell that it came to its end, and what must hold then.</summary>
/// <param name="Processes">All that may be killed; started by the harness in this order.</param>
/// <param name="Goal">Whether the run has come to its end, crash or not.</param>
/// <param name="Invariants">Throws a sentence for what must not be. Called at the end, and at every death with <c>true</c>: then only for what must hold at any time.</param>
public sealed record CrashScenario(SimulationLoop Loop, ImmutableArray<SimulatedProcess> Processes, Func<bool> Goal, Action<bool> Invariants);

/// <param name="Point">"device save before #1"; "no crash" for the run without.</param>
/// <param name="Fault">What went wrong; null: survived.</param>
public sealed record CrashResult(string Point, string? Fault);

public sealed record CrashReport(ImmutableArray<CrashResult> Results)
{
    public bool Survived => Results.All(r => r.Fault is null);
    public ImmutableArray<CrashResult> Faults => [.. Results.Where(r => r.Fault is not null)];

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (point, fault) in Results)
            text.Append(point).Append(": ").AppendLine(fault ?? "survived");
        return text.ToString();
    }
}

/// <summary>Runs a scenario once undisturbed to learn its points (every save, commit, send and answer, before and after), then once for each point with the process killed
/// there and started again from what was durable.</summary>
public static class CrashHarness
{
    /// <param name="make">A fresh scenario each time, the same for the same plan. Services stand on <see cref="CrashingBackend"/>, parties in <see cref="SimulatedWorld{TState}"/>.</param>
    /// <param name="limit">Virtual time in which the goal must be reached, also after a crash.</param>
    /// <param name="pause">From a death until the process is started again; by default 5 seconds.</param>
    public static CrashReport Run(Func<CrashScenario> make, TimeSpan limit, TimeSpan? pause = null)
    {
        var between = pause ?? TimeSpan.FromSeconds(5);
        var (undisturbed, plan) = RunOnce(make, -1, between, limit);
        var results = ImmutableArray.CreateBuilder<CrashResult>();
        results.Add(undisturbed);
        if (undisturbed.Fault is not null)
            return new CrashReport(results.ToImmutable());
        if (plan.Reached.Count == 0)
            throw new InvalidOperationException("The scenario has no point at which it could be killed.");
        for (int at = 0; at < plan.Reached.Count; at++)
        {
            var (result, killed) = RunOnce(make, at, between, limit);
            if (killed.Fell != plan.Reached[at])
                throw new InvalidOperationException($"The scenario does not repeat: point {at} was {plan.Reached[at]}, then {killed.Fell ?? "not reached"}.");
            results.Add(result);
        }
        return new CrashReport(results.ToImmutable());
    }

    private static (CrashResult, CrashPlan) RunOnce(Func<CrashScenario> make, int at, TimeSpan pause, TimeSpan limit)
    {
        var plan = new CrashPlan(at, pause);
        string? fault;
        try
        {
            fault = Follow(make(), plan, limit);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            fault = $"{e.GetType().Name}: {e.Message}";
        }
        return (new CrashResult(plan.Fell ?? "no crash", fault), plan);
    }

    private static string? Follow(CrashScenario scenario, CrashPlan plan, TimeSpan limit)
    {
        foreach (var process in scenario.Processes)
        {
            process.Plan = plan;
            scenario.Loop.Post(process.Start);
        }
        bool looked = false;
        bool AtGoal()
        {
            Look();
            return scenario.Processes.All(p => p.IsAlive) && scenario.Goal();
        }
        void Look()
        {
            if (plan.Fell is null || looked)
                return;
            looked = true;
            scenario.Invariants(true);
        }
        if (!scenario.Loop.RunUntil(AtGoal, limit))
            return $"The goal was not reached within {limit} of virtual time.";
        // What is still on its way arrives, and may be where the crash is planned.
        scenario.Loop.RunUntil(() =>
        {
            Look();
            return false;
        }, s_aftermath);
        if (!scenario.Loop.RunUntil(AtGoal, limit))
            return $"The goal was reached, and lost by the crash for {limit} of virtual time.";
        scenario.Invariants(false);
        return null;
    }

    private static readonly TimeSpan s_aftermath = TimeSpan.FromMinutes(5);
}
