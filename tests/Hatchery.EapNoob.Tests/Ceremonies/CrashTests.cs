using Hatchery.EapNoob.Messages;
using Hatchery.Simulation;

namespace Hatchery.EapNoob.Tests.Ceremonies;

public sealed class CrashTests
{
    /// <summary>RFC 9140 leaves one hole: the device has believed the server and the server has not heard its last response. There the user must reset the device; nowhere else.</summary>
    private static CrashScenario Scenario(NoobWorld world, Func<bool> goal)
    {
        world.ResetsWhenTold = true;
        int resets = 0;
        return new CrashScenario(world.Loop, [world.Server, world.Device], goal, died =>
        {
            var (device, server) = (world.State, world.Registered(world.State.PeerId));
            // A registered device whose server does not know it waits in the hole, and no other way leads there.
            if (device.State >= AssociationState.Reconnecting && server is null)
                Assert.NotNull(world.Waiting(device.PeerId));
            if (server is not null && device.State >= AssociationState.Reconnecting)
                Assert.True(server.Kz!.Equals(device.Kz) || server.Kz.Equals(device.KzPrev), "No key in common.");
            resets = world.Resets;
            Assert.Empty(world.Failed);
            if (!died)
                Assert.True(resets <= 1);
        });
    }

    private static int ResetPoints(CrashReport report, string[] mayReset, List<int> resets)
    {
        int count = 0;
        for (int i = 0; i < report.Results.Length; i++)
            if (resets[i] > 0)
            {
                count++;
                Assert.Contains(mayReset, p => report.Results[i].Point.StartsWith(p, StringComparison.Ordinal));
            }
        return count;
    }

    [Fact]
    public void Killed_anywhere_while_it_is_registered()
    {
        var worlds = new List<NoobWorld>();
        var report = CrashHarness.Run(() =>
        {
            var world = new NoobWorld("crash", d => d with { Backoff = TimeSpan.FromSeconds(10) }, s => s with { SleepTime = 60 }).WithUser();
            worlds.Add(world);
            return Scenario(world, () => world.IsDone);
        }, TimeSpan.FromHours(12));
        Assert.True(report.Survived, string.Join(Environment.NewLine, report.Faults));
        string[] points = [.. report.Results.Select(r => r.Point)];
        foreach (string wanted in new[] { "device save before", "device save after", "device send before", "device send after", "server commit before", "server commit after", "server answer before", "server answer after" })
            Assert.Contains(points, p => p.StartsWith(wanted + " #", StringComparison.Ordinal));
        int holes = ResetPoints(report, ["device save after", "device send before", "device send after", "server commit before", "server answer"], [.. worlds.Select(w => w.Resets)]);
        Assert.InRange(holes, 1, 5);
        TestContext.Current.SendDiagnosticMessage($"{points.Length - 1} crash points, {holes} that need the user");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Killed_anywhere_while_it_reconnects_it_never_needs_its_user_again(int suite)
    {
        var worlds = new List<NoobWorld>();
        var report = CrashHarness.Run(() =>
        {
            // Registered before, with cryptosuite 1; the scenario begins with the second run.
            var first = NoobWorld.Onboarded($"crash reconnect {suite}", server: s => s with { Cryptosuites = [1] });
            var world = new NoobWorld($"crash reconnect again {suite}", d => d with { Backoff = TimeSpan.FromSeconds(10) }, s => s with { Cryptosuites = [suite] });
            world.TakeOver(first);
            worlds.Add(world);
            return Scenario(world, () => world.IsDone);
        }, TimeSpan.FromHours(12));
        Assert.True(report.Survived, string.Join(Environment.NewLine, report.Faults));
        Assert.All(worlds, w => Assert.Equal(0, w.Resets));
        Assert.All(worlds, w => Assert.Equal(suite, w.State.Cryptosuitep));
        TestContext.Current.SendDiagnosticMessage($"{report.Results.Length - 1} crash points");
    }

    /// <summary>Every datagram lost, doubled or late; then many at random.</summary>
    [Fact]
    public void Over_a_bad_network()
    {
        int resets = 0;
        foreach (string fault in new[] { "lose", "double", "late" })
            for (int n = 1; n <= 22; n++)
            {
                var world = new NoobWorld($"{fault} {n}", d => d with { Backoff = TimeSpan.FromSeconds(10) }).WithUser();
                world.Network.Intercept(fault switch
                {
                    "lose" => Faults.DropNth(n),
                    "double" => Faults.DuplicateNth(n),
                    _ => Faults.HoldNth(n, TimeSpan.FromSeconds(7)),
                });
                Assert.True(world.Start().Run(), $"{fault} {n}");
                Assert.True(world.IsDone, $"{fault} {n}: {world.Outcomes[^1].Reason}");
                world.Restart();
                Assert.True(world.Run(), $"{fault} {n} again");
                Assert.True(world.IsDone);
                Assert.Empty(world.Failed);
            }
        for (int seed = 1; seed <= 40; seed++)
        {
            var world = new NoobWorld($"bad {seed}", d => d with { Backoff = TimeSpan.FromSeconds(10), MaxFailures = 1000 }) { ResetsWhenTold = true }.WithUser();
            world.Network.Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(100), Jitter = TimeSpan.FromMilliseconds(50), Loss = 0.15, Duplication = 0.1, Reordering = 0.1, Corruption = 0.05 };
            world.Start();
            Assert.True(world.Loop.RunUntil(() => world.IsDone, TimeSpan.FromDays(1)), $"seed {seed}: {string.Join("; ", world.Refused)}");
            Assert.Empty(world.Failed);
            resets += world.Resets;
        }
        Assert.InRange(resets, 0, 3);
    }
}
