namespace Hatchery.Dtls.Tests;

/// <summary>Bad networks, in virtual time.</summary>
public sealed class LossTests
{
    private static readonly (DtlsCipherSuite Suite, int Mtu)[] s_cases =
    [
        (DtlsCipherSuite.PskAes128Ccm8, 1200), (DtlsCipherSuite.PskAes128Ccm8, 128), (DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, 1200), (DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, 256),
        (DtlsCipherSuite.EcdhePskAes128CbcSha256, 400),
    ];

    private static (DtlsClientOptions Client, DtlsServerOptions Server) For(DtlsCipherSuite suite, int mtu)
    {
        var (client, server) = PairTests.For(suite);
        if (suite == DtlsCipherSuite.EcdheEcdsaAes128GcmSha256)
        {
            client = client with { Identity = TestPki.Leaf("client.example").Identity };
            server = server with { ClientCertificates = DtlsClientCertificates.Require, Trust = TestPki.Trust };
        }
        return (client with { Mtu = mtu }, server with { Mtu = mtu });
    }

    /// <summary>How many seeds: HATCHERY_DTLS_SEEDS for the long run.</summary>
    private static int Seeds => int.TryParse(Environment.GetEnvironmentVariable("HATCHERY_DTLS_SEEDS"), out int n) ? n : 60;

    [Fact]
    public void Handshakes_survive_loss_duplication_and_reordering_or_fail_cleanly()
    {
        int finished = 0, all = 0;
        foreach (var (suite, mtu) in s_cases)
        {
            var (client, server) = For(suite, mtu);
            for (int seed = 0; seed < Seeds; seed++)
            {
                var random = new Random(seed);
                using var pair = new Pair(server, $"s{seed}");
                pair.Bend = (datagram, _) => Bent(random, datagram, 0.3);
                var side = pair.Connect(client, seed: $"c{seed}");
                pair.RunUntil(() => side.Failure is not null || side.IsConnected && pair.Connected.Count > 0);
                all++;
                if (side.Failure is null && side.IsConnected && pair.Connected.Count > 0)
                {
                    finished++;
                    pair.Bend = null;
                    pair.Run(TimeSpan.FromSeconds(5));
                    pair.Exchange(side, pair.Connected[^1]);
                }
                else
                {
                    // What is left on the server goes by itself.
                    pair.Run(TimeSpan.FromHours(30));
                    Assert.Equal(0, pair.Server.Sessions);
                    Assert.Equal(0, pair.Server.Handshakes);
                }
            }
        }
        Assert.True(finished >= all * 85 / 100, $"Only {finished} of {all} handshakes finished.");
    }

    internal static IEnumerable<(byte[] Datagram, TimeSpan Delay)> Bent(Random random, byte[] datagram, double loss)
    {
        int copies = random.NextDouble() < 0.2 ? 2 : 1;
        for (int i = 0; i < copies; i++)
            if (random.NextDouble() >= loss)
                yield return ([.. datagram], TimeSpan.FromMilliseconds(random.Next(0, random.NextDouble() < 0.3 ? 300 : 20)));
    }

    [Fact]
    public void Any_one_datagram_may_be_lost_doubled_held_back_or_corrupted()
    {
        foreach (var (suite, mtu) in s_cases)
        {
            var (client, server) = For(suite, mtu);
            int count = Count(client, server);
            for (int n = 0; n < count; n++)
                foreach (string fault in new[] { "lost", "doubled", "held", "corrupted", "cut" })
                {
                    int seen = 0;
                    using var pair = new Pair(server);
                    pair.Bend = (datagram, _) => seen++ != n ? [(datagram, TimeSpan.FromMilliseconds(5))] : Faulty(datagram, fault);
                    var side = pair.Connect(client);
                    pair.RunUntil(() => side.Failure is not null || side.IsConnected && pair.Connected.Count > 0);
                    pair.Run(TimeSpan.FromSeconds(30));
                    bool works = side.Failure is null && side.IsConnected && pair.ServerFailures.Count == 0;
                    // A changed bit may end a handshake; everything else must not.
                    Assert.True(works || fault == "corrupted", $"{suite} at {mtu}: datagram {n} {fault}: {side.Failure} {string.Join(", ", pair.ServerFailures)}");
                    if (works)
                        pair.Exchange(side, pair.Connected[^1]);
                    else
                        pair.Run(TimeSpan.FromHours(30));
                    if (!works)
                        Assert.Equal(0, pair.Server.Sessions);
                }
        }
    }

    private static int Count(DtlsClientOptions client, DtlsServerOptions server)
    {
        using var pair = new Pair(server);
        var side = pair.Connect(client);
        pair.RunUntil(() => side.IsConnected && pair.Connected.Count > 0);
        return pair.ToClient + pair.ToServer;
    }

    private static (byte[], TimeSpan)[] Faulty(byte[] datagram, string fault)
    {
        switch (fault)
        {
            case "lost":
                return [];
            case "doubled":
                return [(datagram, TimeSpan.FromMilliseconds(5)), ([.. datagram], TimeSpan.FromMilliseconds(6))];
            case "held":
                return [(datagram, TimeSpan.FromMilliseconds(700))];
            case "cut":
                return [(datagram[..(datagram.Length - 3)], TimeSpan.FromMilliseconds(5))];
            default:
                datagram[^2] ^= 1;
                return [(datagram, TimeSpan.FromMilliseconds(5))];
        }
    }

    [Fact]
    public void Unanswered_flights_are_repeated_at_1_3_7_15_seconds_and_given_up()
    {
        var sent = new List<double>();
        using var pair = new Pair(TestPki.PskServer());
        pair.Bend = (_, _) =>
        {
            sent.Add((pair.Now.Elapsed - Pair.Start.Elapsed).TotalSeconds);
            return [];
        };
        var side = pair.Connect(TestPki.PskClient());
        pair.Run(TimeSpan.FromMinutes(10));
        Assert.Equal([0, 1, 3, 7, 15, 31, 63], sent);
        Assert.Null(side.Failure!.Alert);
        Assert.Equal(Moment.Never, side.Engine.Deadline);
        Assert.Equal(Accepted.Closed, side.Engine.Send("x"u8, default, pair.Now));
    }

    [Fact]
    public void Retransmissions_never_repeat_a_record_number()
    {
        var (client, server) = For(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, 256);
        var random = new Random(5);
        var numbers = new HashSet<(bool, ulong)>();
        using var pair = new Pair(server);
        pair.Bend = (datagram, toServer) =>
        {
            for (var rest = datagram.AsSpan(); RecordHeader.TryRead(rest, 0, out var header); rest = rest[header.Length..])
                // The stateless answer and the first record after it reuse the client's numbers.
                Assert.True(numbers.Add((toServer, header.EpochAndSequence)) || !toServer && header.EpochAndSequence <= 3, $"{header.EpochAndSequence:x}");
            return Bent(random, datagram, 0.3);
        };
        var side = pair.Connect(client);
        pair.RunUntil(() => side.IsConnected && pair.Connected.Count > 0 || side.Failure is not null);
        Assert.Null(side.Failure);
    }

    [Fact]
    public void A_lost_last_flight_is_asked_for_until_data_shows_that_it_came()
    {
        var (client, server) = For(DtlsCipherSuite.PskAes128Ccm8, 1200);
        int last = 0;
        using var pair = new Pair(server);
        // The server's last flight begins with ChangeCipherSpec.
        pair.Bend = (datagram, toServer) => !toServer && datagram[0] == 20 && last++ < 3 ? [] : [(datagram, TimeSpan.Zero)];
        var side = pair.Connect(client);
        pair.RunUntil(() => side.IsConnected || side.Failure is not null);
        Assert.Null(side.Failure);
        Assert.Equal(4, last);
        pair.Exchange(side, pair.Connected[0]);
        Assert.Single(pair.Connected);
    }

    [Fact]
    public void Smaller_datagrams_are_tried_when_large_ones_do_not_pass()
    {
        var (client, server) = For(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, 1400);
        using var pair = new Pair(server with { Identity = TestPki.Leaf("server.example", padding: 20).Identity });
        pair.Bend = (datagram, _) => datagram.Length > 600 ? [] : [(datagram, TimeSpan.Zero)];
        var side = pair.Connect(client);
        pair.RunUntil(() => side.IsConnected && pair.Connected.Count > 0 || side.Failure is not null);
        Assert.Null(side.Failure);
    }
}
