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
}
