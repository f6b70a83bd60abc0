using System.Security.Cryptography;
using Hatchery.Simulation;

namespace Hatchery.Est.Tests.Simulated;

public sealed class CeremonyTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromHours(4);

    public static TheoryData<string> Methods() => [.. EstProfile.Protocol.Methods.Select(m => m.Id)];

    private static SimulatedEst Enrolled(SimulatedEst world, string under)
    {
        Assert.True(world.Run(s_limit), $"{under}: {world.Last}; {string.Join("; ", world.Refusals)}; {string.Join("; ", world.Failures)}");
        world.Loop.RunUntil(() => false, TimeSpan.FromMinutes(5));
        world.Check(died: false);
        return world;
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_method_enrolls(string method) => Enrolled(new SimulatedEst(method, holds: 2), method);

    [Theory]
    [MemberData(nameof(Methods))]
    public void Killed_at_every_save_commit_send_and_answer_the_device_has_one_certificate(string method)
    {
        var report = CrashHarness.Run(() => new SimulatedEst(method, holds: method == EstProfile.IdentityMethod ? 1 : 0).Scenario, TimeSpan.FromHours(1));
        Assert.True(report.Survived, string.Join(Environment.NewLine, report.Faults.Take(5)));
        string[] points = [.. report.Results.Select(r => r.Point)];
        foreach (string wanted in new[] { "device save before", "device save after", "device send before", "device send after", "est.test commit before", "est.test commit after", "est.test answer before", "est.test answer after" })
            Assert.Contains(points, p => p.StartsWith(wanted + " #", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0.05, 2)]
    [InlineData(0.15, 1)]
    public void Over_links_that_lose_repeat_reorder_and_corrupt_every_method_enrolls(double part, int seeds)
    {
        foreach (string method in Methods().Select(m => m.Data))
            for (int seed = 1; seed <= seeds; seed++)
                Enrolled(new SimulatedEst(method, $"bad {seed}")
                {
                    Network = { Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(10), Jitter = TimeSpan.FromMilliseconds(10), Loss = part, Duplication = part, Reordering = part, Corruption = part } },
                }, $"{method} {seed}");
    }

    [Fact]
    public void One_bad_packet_wherever_it_is_costs_a_retry_at_most()
    {
        var ear = new Eavesdropper();
        Enrolled(new SimulatedEst(EstProfile.PasswordMethod) { Network = { Eavesdropper = ear } }, "first");
        Assert.InRange(ear.Frames.Count, 30, 400);
        for (int n = 1; n <= ear.Frames.Count; n += 2)
        {
            var world = new SimulatedEst(EstProfile.PasswordMethod);
            world.Network.Intercept((n % 3) switch { 0 => Faults.DropNth(n), 1 => Faults.CorruptNth(n), _ => Faults.DuplicateNth(n) });
            Enrolled(world, $"packet {n}");
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_frames()
    {
        static byte[] Frames(string seed)
        {
            var ear = new Eavesdropper();
            Enrolled(new SimulatedEst(EstProfile.IdentityMethod, seed) { Network = { Eavesdropper = ear } }, seed);
            return SHA256.HashData([.. ear.Frames.SelectMany(f => f.Bytes.ToArray())]);
        }
        Assert.Equal(Frames("a"), Frames("a"));
        Assert.NotEqual(Frames("a"), Frames("b"));
    }
}
