using Hatchery.Simulation;

namespace Hatchery.Fdo.Tests.Simulated;

public sealed class CrashTests
{
    [Fact]
    public void Killed_at_every_save_commit_send_and_answer_the_device_is_onboarded_and_no_voucher_is_lost_or_doubled()
    {
        var report = CrashHarness.Run(() => new SimulatedFleet().Scenario, TimeSpan.FromHours(2));
        Assert.True(report.Survived, string.Join(Environment.NewLine, report.Faults));
        string[] points = [.. report.Results.Select(r => r.Point)];
        TestContext.Current.SendDiagnosticMessage($"{points.Length - 1} crash points");
        foreach (string wanted in new[] { "device save before", "device save after", "device send before", "device send after", "factory.test commit before", "factory.test commit after",
            "factory.test answer after", "rv.test commit before", "rv.test commit after", "rv.test answer before", "owner.test commit before", "owner.test commit after",
            "owner.test save before", "owner.test send after", "owner.test answer before", "owner.test answer after" })
            Assert.Contains(points, p => p.StartsWith(wanted + " #", StringComparison.Ordinal));
    }

    [Fact]
    public void Killed_again_and_again_at_random_over_a_bad_network_it_still_comes_to_the_same_end()
    {
        int deaths = 0;
        for (int seed = 1; seed <= 30; seed++)
        {
            var fleet = new SimulatedFleet($"deaths {seed}");
            fleet.Network.Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(100), Jitter = TimeSpan.FromMilliseconds(50), Loss = 0.1, Duplication = 0.1, Reordering = 0.1 };
            byte[] draws = new SeededChance($"deaths {seed}").Bytes(40, "deaths");
            for (int i = 0; i < draws.Length; i += 2)
            {
                var process = fleet.Processes[draws[i] % fleet.Processes.Length];
                fleet.Loop.After(TimeSpan.FromMilliseconds(500 + 100 * draws[i + 1]), () =>
                {
                    if (!process.IsAlive || fleet.IsOnboarded)
                        return;
                    deaths++;
                    process.Kill();
                    fleet.Check(died: true);
                    fleet.Loop.After(TimeSpan.FromSeconds(3), process.Start);
                });
            }
            Assert.True(fleet.Run(TimeSpan.FromDays(2)), $"seed {seed}: not onboarded; {string.Join("; ", fleet.Refusals)}");
            fleet.Loop.RunUntil(() => false, TimeSpan.FromMinutes(5));
            fleet.Check(died: false);
        }
        Assert.True(deaths > 100, $"{deaths} deaths in all");
        TestContext.Current.SendDiagnosticMessage($"{deaths} deaths");
    }
}
