using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class CrashTests
{
    private static CrashScenario Scenario(bool early)
    {
        var scene = new Nest.Scene("crash", early);
        return new CrashScenario(scene.Loop, [scene.Owner, scene.Device], () => scene.Outcome is not null, atDeath =>
        {
            if (scene.Faults.Count > 0)
                throw new InvalidOperationException(scene.Faults[0]);
            if (scene.DeviceKey is { } key && scene.Held?.Key != key)
                throw new InvalidOperationException("The device holds a key that the nest does not know.");
            if (!atDeath && (!scene.Outcomes.TrueForAll(o => o.Succeeded) || !scene.Held!.Hatched))
                throw new InvalidOperationException("The duck was not imprinted.");
        });
    }

    [Fact]
    public void A_sound_pair_survives_death_at_every_point()
    {
        var report = CrashHarness.Run(() => Scenario(early: false), TimeSpan.FromMinutes(30));
        Assert.True(report.Survived, report.ToString());
        Assert.Equal(
            ["no crash", "duck send before #1", "duck send after #1", "nest.example commit before #1", "nest.example commit after #1", "nest.example answer before #1",
                "nest.example answer after #1", "duck save before #1", "duck save after #1", "duck send before #2", "duck send after #2", "nest.example commit before #2",
                "nest.example commit after #2", "nest.example answer before #2", "nest.example answer after #2"],
            report.Results.Select(r => r.Point));
    }

    [Fact]
    public void A_service_that_answers_before_it_commits_is_caught()
    {
        var report = CrashHarness.Run(() => Scenario(early: true), TimeSpan.FromMinutes(30));
        Assert.False(report.Survived);
        Assert.Null(report.Results[0].Fault);
        Assert.Contains(report.Faults, f => f.Point == "nest.example answer after #1");
    }

    [Fact]
    public void A_scenario_that_differs_from_run_to_run_is_refused()
    {
        int run = 0;
        Assert.Throws<InvalidOperationException>(() => CrashHarness.Run(() =>
        {
            var loop = new SimulationLoop();
            SimulatedProcess process = null!;
            bool done = false;
            process = new SimulatedProcess("p", loop, p =>
            {
                p.Point(run++ == 0 ? "first" : "second");
                done = true;
            });
            return new CrashScenario(loop, [process], () => done, _ => { });
        }, TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void A_goal_that_is_not_reached_is_a_fault()
    {
        var loop = new SimulationLoop();
        var report = CrashHarness.Run(() => new CrashScenario(new SimulationLoop(), [new SimulatedProcess("p", loop, _ => { })], () => false, _ => { }), TimeSpan.FromMinutes(1));
        Assert.Contains("not reached", Assert.Single(report.Faults).Fault, StringComparison.Ordinal);
    }
}
