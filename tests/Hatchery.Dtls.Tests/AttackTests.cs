using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Hatchery.Dtls.Tests;

/// <summary>The attacks and past mistakes of other implementations, each against ours.</summary>
public sealed class AttackTests
{
    private static (DtlsClientOptions Client, DtlsServerOptions Server) Options => (TestPki.PskClient(DtlsCipherSuite.PskAes128Ccm8), TestPki.PskServer(DtlsCipherSuite.PskAes128Ccm8));

    private static byte[] Record(ContentType type, ushort epoch, ulong sequence, params ReadOnlySpan<byte> content)
    {
        byte[] record = new byte[13 + content.Length];
        RecordHeader.Write(record, type, (ulong)epoch << 48 | sequence, []);
        BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(11), (ushort)content.Length);
        content.CopyTo(record.AsSpan(13));
        return record;
    }

    private static byte[] Fragment(HandshakeType type, int length, ushort sequence, int offset, params ReadOnlySpan<byte> bytes)
    {
        byte[] fragment = new byte[12 + bytes.Length];
        new FragmentHeader(type, length, sequence, offset, bytes.Length).Write(fragment);
        bytes.CopyTo(fragment.AsSpan(12));
        return fragment;
    }

    [Fact]
    public void No_answer_before_the_cookie_is_longer_than_the_question_and_nothing_is_kept()
    {
        // Also where a session is offered for resumption (CVE-2022-2576).
        var (client, server) = Options;
        using var donor = new Pair(server);
        var resume = donor.Works(client).Engine.Connection!.Resumption;
        using var pair = new Pair(server);
        foreach (var options in new[] { client, client with { Resume = resume }, PairTests.For(DtlsCipherSuite.EcjpakeAes128Ccm8).Client with { Psk = TestPki.Psk } })
        {
            var spoofed = new DtlsClient<string>(options, "server", new SeededChance("x"), Pair.Start);
            byte[] buffer = new byte[4096];
            Assert.True(spoofed.TryTransmit(buffer, out var hello));
            for (int i = 0; i < 1000; i++)
            {
                pair.Server.Receive(buffer[..hello.Length], $"victim {i}", pair.Now, default);
                Assert.True(pair.Server.TryTransmit(new byte[4096], out var answer));
                Assert.True(answer.Length <= hello.Length);
                Assert.False(pair.Server.TryTransmit(new byte[4096], out _));
            }
            Assert.Equal(0, pair.Server.Sessions);
            Assert.Equal(Moment.Never, pair.Server.Deadline);
        }
    }

    [Fact]
    public void A_cookie_is_good_for_one_address_one_hello_and_two_minutes()
    {
        var (client, server) = Options;
        using var pair = new Pair(server);
        var engine = new DtlsClient<string>(client, "server", new SeededChance("x"), Pair.Start);
        byte[] buffer = new byte[4096];
        engine.TryTransmit(buffer, out var hello);
        pair.Server.Receive(buffer[..hello.Length], "a", pair.Now, default);
        pair.Server.TryTransmit(buffer, out var verify);
        engine.Receive(buffer.AsSpan(0, verify.Length), "server", pair.Now, default);
        engine.TryTransmit(buffer, out hello);
        byte[] good = buffer[..hello.Length];
        pair.Server.Receive([.. good], "b", pair.Now, default);
        Assert.Equal(0, pair.Server.Sessions);
        byte[] changed = [.. good];
        changed[^5] ^= 1;
        pair.Server.Receive(changed, "a", pair.Now, default);
        Assert.Equal(0, pair.Server.Sessions);
        pair.Server.Receive([.. good], "a", pair.Now with { Elapsed = pair.Now.Elapsed + TimeSpan.FromMinutes(3) }, default);
        Assert.Equal(0, pair.Server.Sessions);
        using var fresh = new Pair(server);
        fresh.Works(client);
    }

    [Fact]
    public void Garbage_and_unprotected_records_do_not_touch_a_session()
    {
        var (client, server) = Options;
        using var pair = new Pair(server);
        var side = pair.Works(client);
        var random = new Random(1);
        byte[][] spoofed =
        [
            Record(ContentType.Alert, 0, 9, 2, 40), Record(ContentType.Alert, 0, 9, 1, 0), Record(ContentType.ChangeCipherSpec, 0, 9, 1), Record(ContentType.ChangeCipherSpec, 1, 9, 1),
            Record(ContentType.Alert, 1, 9, 2, 40), Record(ContentType.Alert, 1, 9, 1, 0), Record(ContentType.ApplicationData, 0, 9, 1, 2, 3), Record(ContentType.ApplicationData, 2, 9, new byte[40]),
            Record(ContentType.ApplicationData, 1, RecordHeader.MaxSequence, new byte[40]), Record(ContentType.ApplicationData, 65535, 1, new byte[40]), Record((ContentType)24, 1, 9, new byte[40]),
            Record(ContentType.Handshake, 0, 9, Fragment(HandshakeType.Finished, 12, 5, 0, new byte[12])), Record(ContentType.Handshake, 0, 9, Fragment(HandshakeType.HelloRequest, 0, 5, 0)),
            Record(ContentType.Handshake, 1, 9, Fragment(HandshakeType.ClientHello, 12, 0, 0, new byte[12])), Record(ContentType.ConnectionId, 1, 9, new byte[40]), [], [22], [22, 254, 253], RandomBytes(100),
        ];
        byte[] RandomBytes(int n)
        {
            byte[] bytes = new byte[n];
            random.NextBytes(bytes);
            return bytes;
        }
        foreach (byte[] datagram in spoofed)
            for (int i = 0; i < 3; i++)
            {
                pair.Put([.. datagram], "client", "server");
                pair.Put([.. datagram], "server", "client");
            }
        pair.Run(TimeSpan.FromSeconds(10));
        pair.Exchange(side, pair.Connected[0]);
        Assert.Equal(["Connected", "Data ping", "Data ping"], pair.ServerEvents);
    }

    [Fact]
    public void What_was_received_is_not_received_again()
    {
        var (client, server) = Options;
        using var pair = new Pair(server);
        var side = pair.Works(client);
        byte[] record = FeatureTests.Captured(pair, side, "once");
        for (int i = 0; i < 5; i++)
            pair.Put([.. record], "client", "server");
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.Single(pair.ServerEvents, e => e == "Data once");
    }

    [Fact]
    public void Fragments_that_overlap_repeat_or_contradict_are_bounded()
    {
        var reassembly = new Reassembly(16384, 32768, 0);
        for (int round = 0; round < 100; round++)
            for (ushort sequence = 0; sequence < 300; sequence++)
            {
                reassembly.Add(new(HandshakeType.Certificate, 16000, sequence, round * 7 % 15000, 50), new byte[50]);
                reassembly.Add(new(HandshakeType.Finished, 100, sequence, 0, 0), []);
                reassembly.Add(new(HandshakeType.Certificate, 0xFFFFFF, sequence, 0, 10), new byte[10]);
            }
        Assert.Equal(Reassembly.Verdict.Dropped, reassembly.Add(new(HandshakeType.Certificate, 16000, 5, 0, 100), new byte[100]));
        Assert.False(reassembly.TryTake(out _, out _, out _));
        Assert.False(FragmentHeader.TryRead(Fragment(HandshakeType.Certificate, 10, 0, 8, 1, 2, 3), out _));

        // What came first stays, and pieces in any order make the whole.
        var random = new Random(3);
        byte[] whole = new byte[5000];
        random.NextBytes(whole);
        var pieces = new Reassembly(16384, 32768, 7);
        int added = 0;
        while (true)
        {
            int from = random.Next(5000), length = Math.Min(random.Next(1, 600), 5000 - from);
            pieces.Add(new(HandshakeType.Certificate, 5000, 7, from, length), whole.AsSpan(from, length));
            Assert.True(++added < 10_000);
            if (pieces.TryTake(out var type, out ushort sequence, out byte[] body))
            {
                Assert.Equal((HandshakeType.Certificate, (ushort)7), (type, sequence));
                Assert.Equal(whole, body);
                return;
            }
        }
    }

    [Fact]
    public void A_client_that_lost_its_state_connects_again_and_a_spoofed_hello_ends_nothing()
    {
        var (client, server) = Options;
        using var pair = new Pair(server);
        var old = pair.Works(client, seed: "first");
        // Spoofed: no cookie comes back, and the session stays.
        var spoof = new DtlsClient<string>(client, "server", new SeededChance("spoof"), pair.Now);
        byte[] buffer = new byte[4096];
        spoof.TryTransmit(buffer, out var hello);
        pair.Put(buffer[..hello.Length], "client", "server");
        pair.Run(TimeSpan.FromSeconds(1));
        pair.Exchange(old, pair.Connected[0]);
        // Rebooted: the same address, and the old session lives until the new one is complete.
        old.Name = "gone";
        var again = pair.Connect(client, "client", "second");
        pair.RunUntil(() => again.IsConnected && pair.Connected.Count == 2);
        pair.Exchange(again, pair.Connected[1]);
        Assert.Equal(1, pair.Server.Sessions);
        Assert.Contains("Closed", pair.ServerEvents);
        // And one whose new handshake fails leaves the old one as it was.
        again.Name = "gone too";
        var guesser = pair.Connect(client with { Psk = new("Client_identity", new SecretBytes(new byte[16])) }, "client", "third");
        pair.RunUntil(() => guesser.Failure is not null);
        guesser.Name = "nowhere";
        again.Name = "client";
        pair.ServerFailures.Clear();
        pair.Exchange(again, pair.Connected[1]);
    }

    [Fact]
    public void Handshakes_that_fail_or_stop_leave_nothing_behind()
    {
        var (client, server) = Options;
        using var pair = new Pair(server with { MaxHandshakes = 50 });
        pair.Bend = (datagram, toServer) => toServer && datagram[0] == 22 && datagram[13] == 16 ? [] : [(datagram, TimeSpan.Zero)];
        for (int i = 0; i < 60; i++)
            pair.Connect(client, $"c{i}");
        pair.Run(TimeSpan.FromSeconds(0.5));
        Assert.Equal(50, pair.Server.Handshakes);
        pair.Run(TimeSpan.FromHours(1));
        Assert.Equal((0, 0), (pair.Server.Handshakes, pair.Server.Sessions));
    }

    [Fact]
    public void Idle_sessions_end_by_themselves()
    {
        var (client, server) = Options;
        using var pair = new Pair(server with { IdleTimeout = TimeSpan.FromMinutes(50) });
        var side = pair.Works(client);
        var start = pair.Now.Elapsed;
        pair.RunUntil(() => side.Closed, TimeSpan.FromHours(2));
        Assert.True(side.Closed);
        Assert.InRange(pair.Now.Elapsed - start, TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(50.1));
        Assert.Equal(0, pair.Server.Sessions);
    }

    [Fact]
    public void Points_off_the_curve_are_refused()
    {
        using var key = new Cryptography.SystemChance().NewAgreementKey(ECCurve.NamedCurves.nistP256, "x");
        byte[] off = key.PublicPoint.ToArray();
        off[^1] ^= 1;
        byte[] compressed = [2, .. key.PublicPoint.Span[1..33]], zero = [4, .. new byte[64]];
        foreach (byte[] point in new[] { off, compressed, zero, [0], [], [.. key.PublicPoint.Span, 0] })
            Assert.Equal(DtlsAlert.IllegalParameter, Assert.Throws<DtlsException>(() => EcdhParameters.Agree(key, point, "x")).Alert);
        using var x25519 = new Cryptography.SystemChance().NewAgreementKey(Cryptography.X25519Agreement.Curve, "x");
        Assert.Throws<DtlsException>(() => EcdhParameters.Agree(x25519, new byte[32], "x"));
    }

    [Fact]
    public void Cbc_records_fail_alike_wherever_the_fault_is()
    {
        var suite = SuiteInfo.Find(0x00AE)!;
        byte[] block = RandomNumberGenerator.GetBytes(suite.KeyBlockLength);
        foreach (bool etm in new[] { false, true })
            for (int length = 0; length < 300; length += 7)
            {
                using var seals = KeySchedule.Protection(suite, block, true, true, etm);
                using var opens = KeySchedule.Protection(suite, block, true, false, etm);
                byte[] plain = RandomNumberGenerator.GetBytes(length), fragment = new byte[seals.SealedLength(length)];
                plain.CopyTo(fragment, seals.Prefix);
                seals.Seal(fragment, length, 5, ContentType.ApplicationData, [], new Cryptography.SystemChance());
                for (int at = 0; at < fragment.Length; at += 3)
                {
                    byte[] bad = [.. fragment];
                    bad[at] ^= 0x80;
                    Assert.False(opens.TryOpen(bad, 5, ContentType.ApplicationData, [], out _, out _));
                }
                Assert.False(opens.TryOpen([.. fragment], 6, ContentType.ApplicationData, [], out _, out _));
                Assert.True(opens.TryOpen(fragment, 5, ContentType.ApplicationData, [], out int offset, out int n));
                Assert.Equal(plain, fragment[offset..(offset + n)]);
            }
    }

    [Fact]
    public void The_mac_of_secret_length_is_hmac()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32), data = RandomNumberGenerator.GetBytes(600), header = RandomNumberGenerator.GetBytes(13), mac = new byte[32];
        var ours = new SecretLengthMac(key);
        for (int most = 0; most < 600; most += 23)
            for (int length = Math.Max(0, most - 255); length <= most; length += 5)
            {
                ours.Compute(header, data.AsSpan(0, most), length, Math.Max(0, most - 255), mac);
                Assert.Equal(HMACSHA256.HashData(key, (byte[])[.. header, .. data.AsSpan(0, length)]), mac);
            }
    }

    /// <summary>HATCHERY_DTLS_MUTATIONS for the long run; the fuzz target goes further.</summary>
    [Fact]
    public void Mutated_datagrams_throw_nothing_and_end_no_session()
    {
        int most = int.TryParse(Environment.GetEnvironmentVariable("HATCHERY_DTLS_MUTATIONS"), out int n) ? n : 20_000;
        var random = new Random(11);
        var suites = Enum.GetValues<DtlsCipherSuite>();
        int done = 0;
        for (int round = 0; done < most; round++)
        {
            var (client, server) = PairTests.For(suites[round % suites.Length]);
            using var pair = new Pair(server with { ConnectionIdLength = round % 2 == 0 ? 4 : null, MaxHandshakes = 200 });
            var established = pair.Works(client with { ConnectionIdLength = round % 2 == 0 ? 3 : null }, "good");
            var session = pair.Connected[0];
            pair.Bend = (datagram, toServer) => Mutations(random, datagram, ref done).Select(d => (d, TimeSpan.Zero));
            for (int i = 0; i < 4; i++)
            {
                pair.Connect(client, $"bad{i}", $"{round}.{i}");
                pair.Run(TimeSpan.FromSeconds(40));
            }
            pair.Bend = null;
            Assert.True(pair.Server.Sessions < 20);
            pair.Exchange(established, session);
        }
    }

    private static List<byte[]> Mutations(Random random, byte[] datagram, ref int done)
    {
        var all = new List<byte[]>();
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            byte[] copy = [.. datagram];
            for (int k = random.Next(0, 4); k > 0; k--)
                switch (random.Next(4))
                {
                    case 0:
                        copy[random.Next(copy.Length)] ^= (byte)(1 << random.Next(8));
                        break;
                    case 1:
                        copy[random.Next(copy.Length)] = (byte)random.Next(256);
                        break;
                    case 2 when copy.Length > 14:
                        copy = copy[..random.Next(13, copy.Length)];
                        break;
                    default:
                        int at = random.Next(copy.Length);
                        copy = [.. copy[..at], (byte)random.Next(256), .. copy[at..]];
                        break;
                }
            all.Add(copy);
            done++;
        }
        return all;
    }
}
