using System.Buffers.Binary;
using System.Security.Cryptography;
using Hatchery.Simulation;

namespace Hatchery.Fdo.Tests.Simulated;

public sealed class BadNetworkTests
{
    /// <summary>Of virtual time; a device's rounds are two minutes apart.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromDays(2);

    private static LinkConditions Bad(double part) => new()
    {
        Delay = TimeSpan.FromMilliseconds(10),
        Jitter = TimeSpan.FromMilliseconds(10),
        Loss = part,
        Duplication = part,
        Reordering = part,
        Corruption = part,
    };

    private static void Onboards(SimulatedFleet fleet, string under)
    {
        Assert.True(fleet.Run(s_limit), $"{under}: not onboarded in time; refusals: {string.Join("; ", fleet.Refusals)}");
        fleet.Loop.RunUntil(() => false, TimeSpan.FromMinutes(5));
        fleet.Check(died: false);
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.3)]
    public void Over_links_that_lose_repeat_reorder_and_corrupt_the_device_is_onboarded(double part)
    {
        for (int seed = 1; seed <= 10; seed++)
        {
            var fleet = new SimulatedFleet($"bad {seed}");
            fleet.Network.Conditions = Bad(part);
            Onboards(fleet, $"seed {seed}");
        }
    }

    [Theory]
    [InlineData("drop")]
    [InlineData("repeat")]
    [InlineData("corrupt")]
    [InlineData("hold")]
    public void One_bad_packet_wherever_it_is_costs_a_retry_at_most(string fault)
    {
        int packets = Packets(new SimulatedFleet());
        Assert.InRange(packets, 50, 2000);
        TestContext.Current.SendDiagnosticMessage($"{packets} packets");
        for (int n = 1; n <= packets; n++)
        {
            var fleet = new SimulatedFleet();
            fleet.Network.Intercept(fault switch
            {
                "drop" => Faults.DropNth(n),
                "repeat" => Faults.DuplicateNth(n),
                "corrupt" => Faults.CorruptNth(n),
                _ => Faults.HoldNth(n, TimeSpan.FromSeconds(40)),
            });
            Onboards(fleet, $"packet {n}");
        }
    }

    [Fact]
    public void A_connection_that_is_cut_after_any_number_of_bytes_costs_a_retry_at_most()
    {
        for (int bytes = 0; bytes < 16_000; bytes += 200)
        {
            var fleet = new SimulatedFleet();
            fleet.Network.Intercept(CutOne(bytes));
            Onboards(fleet, $"cut after {bytes} bytes");
        }
    }

    /// <summary>The connection that brings the byte of this number is dead from then on, both ways; later ones live.</summary>
    private static OnPath CutOne(int bytes)
    {
        int passed = 0;
        (string, string)? dead = null;
        return packet =>
        {
            var (from, to) = (packet.From.ToString(), packet.To.ToString());
            if (dead is null && (passed += packet.Payload.Length) > bytes)
                dead = (from, to);
            return dead == (from, to) || dead == (to, from) ? PathVerdict.Drops : PathVerdict.Passes;
        };
    }

    [Fact]
    public void The_same_seed_gives_the_same_frames_and_another_seed_others()
    {
        byte[] one = Frames("a"), again = Frames("a"), other = Frames("b");
        Assert.Equal(one, again);
        Assert.NotEqual(one, other);
    }

    private static byte[] Frames(string seed)
    {
        var fleet = new SimulatedFleet(seed);
        fleet.Network.Conditions = Bad(0.1);
        var ear = fleet.Network.Eavesdropper = new Eavesdropper();
        Assert.True(fleet.Run(s_limit));
        Assert.True(ear.Frames.Count > 50);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> at = stackalloc byte[8];
        foreach (var frame in ear.Frames)
        {
            BinaryPrimitives.WriteInt64BigEndian(at, frame.At.Elapsed.Ticks);
            hash.AppendData(at);
            hash.AppendData(frame.Bytes.Span);
        }
        return hash.GetHashAndReset();
    }

    private static int Packets(SimulatedFleet fleet)
    {
        var ear = fleet.Network.Eavesdropper = new Eavesdropper();
        Assert.True(fleet.Run(s_limit));
        return ear.Frames.Count;
    }
}
