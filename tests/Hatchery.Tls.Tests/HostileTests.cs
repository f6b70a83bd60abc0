using CsCheck;
using Hatchery.Tls.Bouncy;
using Org.BouncyCastle.Tls;

namespace Hatchery.Tls.Tests;

public sealed class HostileTests
{
    private static readonly TestPki s_pki = new(1);
    private static readonly TlsServerOptions s_server = new() { Identity = s_pki.Server(), ClientCertificates = ClientCertificates.Require };
    private static readonly TlsClientOptions s_client = new() { Security = s_pki.Anchored, ServerName = "server.example", Identity = s_pki.Client() };
    private static readonly byte[] s_secret = "attack at dawn"u8.ToArray();

    private static Pair Exchange(TlsVersions version, Action<bool, int, byte[]>? tamper)
    {
        var pair = new Pair(s_client with { Versions = version }, s_server) { Tamper = tamper };
        pair.Run();
        pair.Client.Engine.Send(s_secret, default, pair.Now);
        pair.Run();
        pair.Server.Engine.Send(s_secret, default, pair.Now);
        pair.Run();
        if (pair.Client.Data.Length == s_secret.Length)
            pair.Client.Engine.Close(pair.Now);
        pair.Run();
        // What was lost or waits for bytes that never come.
        pair.Client.Engine.InputEnded(pair.Now);
        pair.Server.Engine.InputEnded(pair.Now);
        pair.Client.Drain();
        pair.Server.Drain();
        return pair;
    }

    /// <summary>Where records begin, and their sizes with header.</summary>
    private static IEnumerable<(int Start, int Size, bool Protected)> Records(List<byte> stream)
    {
        bool changed = false;
        for (int at = 0; at < stream.Count;)
        {
            int size = 5 + stream[at + 3] * 256 + stream[at + 4];
            yield return (at, size, changed || stream[at] == 23);
            changed |= stream[at] == 20;
            at += size;
        }
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public void A_changed_byte_anywhere_fails_cleanly_and_no_changed_data_is_delivered(TlsVersions version)
    {
        using var clean = Exchange(version, null);
        Assert.Equal(s_secret, clean.Server.Data);
        Assert.Equal(s_secret, clean.Client.Data);
        Assert.Null(clean.Client.Failure);
        Assert.Null(clean.Server.Failure);
        int cases = 0;
        foreach (bool toServer in (bool[])[true, false])
        {
            var stream = (toServer ? clean.Client : clean.Server).Sent;
            foreach (var (start, size, isProtected) in Records(stream))
                foreach (int offset in ((int[])[0, 1, 2, 3, 4, 5, 6, 9, 5 + (size - 5) / 2, size - 1]).Where(o => o < size).Distinct())
                    foreach (byte flip in (byte[])[1, 0x80])
                    {
                        cases++;
                        int target = start + offset;
                        using var pair = Exchange(version, (direction, at, bytes) =>
                        {
                            if (direction == toServer && at <= target && target < at + bytes.Length)
                                bytes[target - at] ^= flip;
                        });
                        Assert.True(s_secret.AsSpan().StartsWith(pair.Server.Data), $"{toServer} {start}+{offset}");
                        Assert.True(s_secret.AsSpan().StartsWith(pair.Client.Data), $"{toServer} {start}+{offset}");
                        // The version in the header of a record in clear means nothing;
                        // what follows our own close_notify is not read.
                        bool meaningless = offset is 1 or 2 && !isProtected || stream[start] == 20 && version == TlsVersions.Tls13;
                        bool last = !toServer && start + size == stream.Count;
                        Assert.True(meaningless || last || pair.Client.Failure is not null || pair.Server.Failure is not null, $"{toServer} {start}+{offset} of {size} ^{flip} went unnoticed");
                        Assert.All((TlsFailure?[])[pair.Client.Failure, pair.Server.Failure], f => Assert.DoesNotContain("attack", f?.Sentence ?? ""));
                    }
        }
        Assert.True(cases > 100);
    }

    [Fact]
    public void Any_bytes_end_in_an_event_and_never_throw()
    {
        Gen.Select(Gen.Byte.Array[0, 600], Gen.Int[0, 3], Gen.Bool).Sample((bytes, form, toServer) =>
        {
            // Half of them look like a handshake record.
            byte[] input = form == 0 ? bytes : [22, 3, 3, (byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];
            if (form >= 2 && bytes.Length >= 4)
                (input[5], input[6], input[7], input[8]) = ((byte)(toServer ? 1 : 2), 0, (byte)(bytes.Length - 4 >> 8), (byte)(bytes.Length - 4));
            using TlsEngine engine = toServer ? new TlsServerEngine(s_server, new SeededChance(1), Pair.Start) : new TlsClientEngine(s_client, new SeededChance(1), Pair.Start);
            var side = new Side(engine);
            engine.Receive(input, default, Pair.Start, default);
            side.Drain();
            engine.InputEnded(Pair.Start);
            side.Drain();
            side.Transmit();
            Assert.NotNull(side.Failure);
            Assert.Null(side.Connection);
        }, iter: 500, threads: 1);
    }

    [Fact]
    public void A_truncated_stream_is_a_failure()
    {
        using var pair = new Pair(s_client, s_server).Run();
        pair.Server.Engine.InputEnded(pair.Now);
        pair.Server.Drain();
        Assert.Equal(TlsEventKind.Failed, pair.Server.End!.Value.Kind);
        Assert.Null(pair.Server.Failure!.Alert);
        Assert.Equal(Accepted.Closed, pair.Server.Engine.Send("x"u8, default, pair.Now));
    }

    [Fact]
    public void The_handshake_has_a_deadline_and_the_connection_has_none()
    {
        var options = s_server with { HandshakeTimeout = TimeSpan.FromSeconds(5) };
        using var engine = new TlsServerEngine(options, new SeededChance(1), Pair.Start);
        Assert.Equal(Pair.Start.Elapsed + TimeSpan.FromSeconds(5), engine.Deadline);
        var side = new Side(engine);
        engine.Tick(Pair.Start with { Elapsed = engine.Deadline - TimeSpan.FromTicks(1) });
        side.Drain();
        Assert.Null(side.End);
        engine.Tick(Pair.Start with { Elapsed = engine.Deadline });
        side.Drain();
        Assert.Equal((byte)90, side.Failure!.Alert);
        Assert.Equal(Moment.Never, engine.Deadline);

        using var pair = new Pair(s_client, options).Run();
        Assert.Equal(Moment.Never, pair.Server.Engine.Deadline);
        pair.Server.Engine.Tick(Pair.Start with { Elapsed = TimeSpan.FromDays(300) });
        pair.Talk();
    }

    [Fact]
    public void A_client_that_gives_up_tells_the_server()
    {
        using var pair = new Pair(s_client with { HandshakeTimeout = TimeSpan.FromSeconds(1) }, s_server);
        byte[] hello = pair.Client.Transmit();
        pair.Client.Engine.Tick(Pair.Start with { Elapsed = Pair.Start.Elapsed + TimeSpan.FromSeconds(1) });
        pair.Client.Drain();
        Assert.NotNull(pair.Client.Failure);
        pair.Server.Engine.Receive(hello, default, pair.Now, default);
        pair.Run();
        Assert.Contains("closed the connection before", pair.Server.Failure!.Sentence);
    }

    [Fact]
    public void A_handshake_message_beyond_the_limit_is_refused_before_it_is_kept()
    {
        using var engine = new TlsServerEngine(s_server with { Limits = new TlsLimits(HandshakeMessage: 2000) }, new SeededChance(1), Pair.Start);
        var side = new Side(engine);
        byte[] record = [22, 3, 3, 0, 4, 1, 0, 0x07, 0xD1];
        engine.Receive(record, default, Pair.Start, default);
        side.Drain();
        Assert.Contains("2001 > 2000", side.Failure!.Sentence);
    }

    [Fact]
    public void A_record_beyond_the_standard_is_refused_by_its_header()
    {
        using var engine = new TlsServerEngine(s_server, new SeededChance(1), Pair.Start);
        var side = new Side(engine);
        byte[] header = [22, 3, 3, 0xFF, 0xFF];
        engine.Receive(header, default, Pair.Start, default);
        side.Drain();
        Assert.Equal((byte)22, side.Failure!.Alert);
    }

    [Fact]
    public void A_full_send_buffer_says_try_later_and_takes_more_when_drained()
    {
        using var pair = new Pair(s_client with { Limits = new TlsLimits(SendBuffer: 20_000) }, s_server);
        Assert.Equal(Accepted.TryLater, pair.Client.Engine.Send("early"u8, default, pair.Now));
        pair.Run();
        Assert.Equal(Accepted.TooLarge, pair.Client.Engine.Send(new byte[20_001], default, pair.Now));
        int sent = 0;
        while (pair.Client.Engine.Send(new byte[5000], default, pair.Now) == Accepted.Yes)
            sent += 5000;
        Assert.Equal(15_000, sent);
        pair.Run();
        Assert.Equal(Accepted.Yes, pair.Client.Engine.Send(new byte[5000], default, pair.Now));
        pair.Run();
        Assert.Equal(20_000, pair.Server.Data.Length);
    }

    [Fact]
    public void What_is_left_undrained_is_bounded()
    {
        using var pair = new Pair(s_client, s_server with { Limits = new TlsLimits(ReceiveBuffer: 40_000) }).Run();
        for (int i = 0; i < 3; i++)
        {
            pair.Client.Engine.Send(new byte[15_000], default, pair.Now);
            pair.Server.Engine.Receive(pair.Client.Transmit(), default, pair.Now, default);
        }
        pair.Server.Drain();
        Assert.Equal(30_000, pair.Server.Data.Length);
        Assert.Equal((byte)80, pair.Server.Failure!.Alert);
    }

    /// <summary>A server of BouncyCastle that asks for renegotiation again and again.</summary>
    private sealed class Nagging : TlsServerProtocol
    {
        public void Nag() => SafeWriteRecord(ContentType.handshake, (byte[])[0, 0, 0, 0]);

        public byte[] Take()
        {
            byte[] bytes = new byte[GetAvailableOutputBytes()];
            ReadOutput(bytes, 0, bytes.Length);
            return bytes;
        }
    }

    [Fact]
    public void A_peer_that_provokes_answers_and_takes_none_is_cut_off()
    {
        var progress = new Progress { Now = Pair.Start };
        var server = new Nagging();
        server.Accept(new ServerPeer(new ChanceCrypto(new SeededChance(2), "server", progress), s_server, progress));
        var client = new Side(new TlsClientEngine(s_client with { Versions = TlsVersions.Tls12, Limits = new TlsLimits(SendBuffer: 1000) }, new SeededChance(1), Pair.Start));
        for (int i = 0; i < 3; i++)
        {
            server.OfferInput(client.Transmit());
            client.Engine.Receive(server.Take(), default, Pair.Start, default);
            client.Drain();
        }
        Assert.NotNull(client.Connection);
        int nags = 0;
        for (; client.End is null && nags < 10_000; nags++)
        {
            server.Nag();
            client.Engine.Receive(server.Take(), default, Pair.Start, default);
            client.Drain();
        }
        Assert.InRange(nags, 100, 5000);
        Assert.Equal("The peer provokes more answers than it takes.", client.Failure!.Sentence);
        Assert.InRange(client.Transmit().Length, 1, 60_000);
    }

    [Fact]
    public void A_closed_engine_ignores_everything()
    {
        using var pair = new Pair(s_client, s_server).Run();
        pair.Client.Engine.Close(pair.Now);
        pair.Run();
        Assert.Equal(TlsEventKind.Closed, pair.Server.End!.Value.Kind);
        pair.Server.Engine.Receive(new byte[100], default, pair.Now, default);
        pair.Server.Engine.Close(pair.Now);
        pair.Server.Engine.InputEnded(pair.Now);
        Assert.False(pair.Server.Engine.TryEvent(out _));
    }
}
