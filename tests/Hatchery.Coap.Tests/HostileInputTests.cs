using System.Net;
using System.Text;
using CsCheck;
using Hatchery.Coap.Oscore;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>Whatever arrives, nothing but the declared exception comes out, and nothing grows beyond its limit.</summary>
public sealed class HostileInputTests
{
    private static readonly int s_rounds = int.TryParse(Environment.GetEnvironmentVariable("HATCHERY_HOSTILE_ROUNDS"), out int rounds) ? rounds : 30_000;
    private static readonly Moment s_now = new(TimeSpan.FromSeconds(1), null);
    private static readonly IPEndPoint s_peer = new(IPAddress.Loopback, 1);

    private static readonly byte[][] s_seeds =
    [
        .. Vector.File("coap-core.json").GetProperty("udp").EnumerateArray().Select(v => v.Hex("hex")),
        .. Vector.File("oscore.json").GetProperty("vectors").EnumerateArray().Select(v => v.Hex("protected")).Where(b => b.Length > 0),
        new CoapMessage { Code = CoapCode.Put, Id = 9, Token = new CoapToken([1]), Options = CoapOptions.ForPath("/x").Set(CoapOptionNumber.Block1, new Block(0, true, 2).Value), Payload = new byte[64] }.ToDatagram(),
        new CoapMessage { Code = CoapCode.Put, Id = 10, Token = new CoapToken([1]), Options = CoapOptions.ForPath("/x").Set(CoapOptionNumber.Block1, new Block(1, true, 2).Value), Payload = new byte[64] }.ToDatagram(),
        new CoapMessage { Code = CoapCode.Get, Id = 11, Token = new CoapToken([2]), Options = CoapOptions.ForPath("/large").Set(CoapOptionNumber.Block2, new Block(3, false, 2).Value) }.ToDatagram(),
        new CoapMessage { Code = CoapCode.Get, Id = 12, Token = new CoapToken([3]), Options = CoapOptions.ForPath("/large").Set(CoapOptionNumber.Observe, 0) }.ToDatagram(),
    ];

    private static byte[] Mutated(Random random, byte[] seed)
    {
        var bytes = seed.ToList();
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            switch (random.Next(5))
            {
                case 0 when bytes.Count > 0:
                    bytes[random.Next(bytes.Count)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1 when bytes.Count > 0:
                    bytes[random.Next(bytes.Count)] = (byte)random.Next(256);
                    break;
                case 2 when bytes.Count > 0:
                    bytes.RemoveRange(random.Next(bytes.Count), 1);
                    break;
                case 3:
                    bytes.Insert(random.Next(bytes.Count + 1), (byte)random.Next(256));
                    break;
                case 4 when bytes.Count > 2:
                    bytes.RemoveRange(bytes.Count / 2, random.Next(bytes.Count / 2));
                    break;
            }
        }
        return [.. bytes];
    }

    private static CoapApp App()
    {
        var app = new CoapApp();
        app.MapGet("/large", _ => CoapResults.Content(Virtual.Pattern(5000), 42)).Observable();
        app.MapPut("/{*x}", c => CoapResults.Changed(c.Payload));
        app.MapGet("/{a}/{b}/{c}", _ => CoapResults.Text("three"));
        return app;
    }

    /// <summary>Both roles: requests of ours are open while mutations arrive, so that tokens and ids match now and then.</summary>
    [Fact]
    public void Mutated_datagrams_break_no_endpoint()
    {
        var random = new Random(1);
        var contexts = new OscoreContexts();
        contexts.Add(new OscoreContext(new OscoreParameters
        {
            MasterSecret = new SecretBytes(Convert.FromHexString("0102030405060708090a0b0c0d0e0f10")),
            MasterSalt = Convert.FromHexString("9e7ca92223786340"),
            SenderId = new byte[] { 1 },
            RecipientId = Array.Empty<byte>(),
        }));
        var settings = new CoapSettings { Oscore = contexts, MaxPeers = 50, MaxRecent = 500, MaxTransfers = 20, MaxObservations = 20, TokenLength = 1, KnownOptions = [2049], NStart = 4 };
        var endpoint = new CoapEndpoint<IPEndPoint>(settings, new SeededChance("hostile"));
        var host = new CoapHost<IPEndPoint>(endpoint, action => action(), () => s_now, App());
        var output = new byte[2000];
        var sent = new List<byte[]>();
        var now = s_now;
        for (int i = 0; i < s_rounds; i++)
        {
            now = now with { Elapsed = now.Elapsed + TimeSpan.FromMilliseconds(random.Next(200)) };
            var peer = new IPEndPoint(IPAddress.Loopback, 1 + random.Next(60));
            if (i % 10 == 0)
                endpoint.Request(i % 20 == 0 ? CoapRequest.Get("/large").Observing() : CoapRequest.Put("/x", new byte[3000], 42), peer, default, now, out _);
            // Now and then a response made of a request of ours.
            var seed = sent.Count > 0 && random.Next(3) == 0 ? AsResponse(random, sent[random.Next(sent.Count)]) : s_seeds[random.Next(s_seeds.Length)];
            var datagram = random.Next(4) == 0 ? [.. seed] : Mutated(random, seed);
            if (random.Next(20) == 0)
                endpoint.ReceiveMulticast(datagram, peer, now, default);
            else
                endpoint.Receive(datagram, peer, now, default);
            if (endpoint.Deadline <= now.Elapsed)
                endpoint.Tick(now);
            while (endpoint.TryEvent(out var happened))
                host.Handle(happened);
            while (endpoint.TryTransmit(output, out var transmit))
            {
                if (sent.Count > 200)
                    sent.Clear();
                sent.Add(output[..transmit.Length]);
            }
            Assert.InRange(endpoint.Peers, 0, 200);
            Assert.InRange(endpoint.Recent, 0, 500);
            Assert.InRange(endpoint.Observations, 0, 20);
        }
    }

    private static byte[] AsResponse(Random random, byte[] request)
    {
        var message = CoapMessage.ParseDatagram(request);
        var options = random.Next(2) == 0 ? message.Options : message.Options.Where(n => n is CoapOptionNumber.Block1 or CoapOptionNumber.Observe);
        if (random.Next(3) == 0)
            options = options.Set(CoapOptionNumber.Block2, new Block(random.Next(3), random.Next(2) == 0, random.Next(8)).Value);
        return new CoapMessage
        {
            Type = (CoapType)random.Next(4),
            Code = message.Code == CoapCode.Empty ? default : new CoapCode((byte)(random.Next(2) == 0 ? 0x5f : 0x40 + random.Next(0x60))),
            Id = message.Id,
            Token = message.Token,
            Options = options,
            Payload = message.Code == CoapCode.Empty ? default : new byte[random.Next(3) * 1024],
        } is { Code.Value: > 0 } made ? made.ToDatagram() : request;
    }

    [Fact]
    public void Mutated_streams_break_no_engine()
    {
        var random = new Random(2);
        var frames = Vector.File("coap-core.json").GetProperty("tcp").EnumerateArray().Select(v => v.Hex("hex")).Concat(s_seeds.Skip(3)
            .Select(s => CoapMessage.ParseDatagram(s)).Where(m => m.Code.IsRequest).Select(m => m.ToFrame())).ToArray();
        var output = new byte[70000];
        for (int i = 0; i < s_rounds / 20; i++)
        {
            var engine = new CoapStream(new CoapSettings(), new SeededChance("s"));
            var host = new CoapHost<StreamPath>(engine, action => action(), () => s_now, App());
            engine.Receive(Convert.FromHexString("50e12380010020"), default, s_now, default);
            for (int j = 0; j < 20 && !engine.IsClosed; j++)
            {
                engine.Receive(random.Next(3) == 0 ? [.. frames[random.Next(frames.Length)]] : Mutated(random, frames[random.Next(frames.Length)]), default, s_now, default);
                while (engine.TryEvent(out var happened))
                    host.Handle(happened);
                while (engine.TryTransmit(output, out _))
                {
                }
            }
        }
    }

    [Fact]
    public void Any_bytes_are_a_message_or_a_format_error() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        foreach (var parse in new Func<object>[] { () => CoapMessage.ParseDatagram(bytes), () => CoapMessage.ParseFrame(bytes), () => CoreLink.Parse(bytes), () => OscoreOption.Parse(bytes) })
        {
            try
            {
                parse();
            }
            catch (CoapException)
            {
            }
        }
    }, iter: s_rounds);

    [Fact]
    public void Options_come_out_in_the_order_of_their_numbers_as_they_went_in() =>
        Gen.Select(Gen.UShort, Gen.Byte.Array[0, 300]).Array[0, 30].Sample(options =>
        {
            var built = options.Aggregate(CoapOptions.Empty, (all, o) => all.Add(o.Item1, o.Item2));
            Assert.Equal(options.OrderBy(o => o.Item1).Select(o => (o.Item1, Convert.ToHexString(o.Item2))), built.Select(o => (o.Number, Convert.ToHexString(o.Value.Span))));
            Assert.Null(CoapOptions.Measure(built.Wire.Span, out int length));
            Assert.Equal(built.Wire.Length, length);
            if (options.Length > 0)
                Assert.Equal(options.Where(o => o.Item1 != options[0].Item1).OrderBy(o => o.Item1).Select(o => o.Item1), built.Without(options[0].Item1).Select(o => o.Number));
        }, iter: 5000);

    [Fact]
    public void Mutated_links_are_links_or_refused()
    {
        var random = new Random(3);
        var seeds = Vector.File("link-format.json").GetProperty("vectors").EnumerateArray().Select(v => Encoding.UTF8.GetBytes(v.Text("text"))).ToArray();
        for (int i = 0; i < s_rounds / 4; i++)
        {
            try
            {
                var links = CoreLink.Parse(Mutated(random, seeds[random.Next(seeds.Length)]));
                _ = links.Any(l => l.Matches("rt=x*"));
                CoreLink.Parse(CoreLink.Format(links));
            }
            catch (CoapException)
            {
            }
        }
    }

    [Fact]
    public void Mutated_protected_messages_are_refused()
    {
        var random = new Random(4);
        var client = new OscoreContext(new OscoreParameters { MasterSecret = new SecretBytes(new byte[16]), SenderId = new byte[] { 1 }, RecipientId = new byte[] { 2 } });
        var contexts = new OscoreContexts();
        contexts.Add(new OscoreContext(new OscoreParameters { MasterSecret = new SecretBytes(new byte[16]), SenderId = new byte[] { 2 }, RecipientId = new byte[] { 1 } }));
        int opened = 0;
        for (int i = 0; i < s_rounds / 10; i++)
        {
            var outer = client.ProtectRequest(new CoapContent(CoapCode.Get, CoapOptions.ForPath("/x"), default), out var exchange)!.Value;
            bool ofPayload = random.Next(2) == 0;
            outer.Options.TryGet(CoapOptionNumber.Oscore, out var option);
            var changed = ofPayload ? outer with { Payload = Mutated(random, outer.Payload.ToArray()) } : outer with { Options = CoapOptions.Empty.Add(CoapOptionNumber.Oscore, Mutated(random, option.ToArray())) };
            try
            {
                OscoreContext.UnprotectRequest(changed, contexts, s_now, out _);
                opened++;
                Assert.True(changed.Payload.Span.SequenceEqual(outer.Payload.Span));
            }
            catch (CoapException)
            {
            }
            Assert.Throws<CoapException>(() => exchange.UnprotectResponse(outer with { Payload = Mutated(random, outer.Payload.ToArray()) }, false));
        }
        // A mutation may undo itself.
        Assert.InRange(opened, 0, s_rounds / 100);
    }

    /// <summary>Block1 without end, from many places, of one resource or of many.</summary>
    [Fact]
    public void Block_bombs_find_their_limit()
    {
        var settings = new CoapSettings { MaxRequestBody = 10_000, MaxBlockBytes = 100_000, MaxTransfers = 30, MaxTransfersPerPeer = 4 };
        var endpoint = new CoapEndpoint<IPEndPoint>(settings, new SeededChance("bomb"));
        ushort id = 0;
        CoapCode Send(int peer, string path, Block block, int size, ulong? size1 = null)
        {
            var options = CoapOptions.ForPath(path).Add(CoapOptionNumber.Block1, block.Value);
            if (size1 is { } s)
                options = options.Add(CoapOptionNumber.Size1, s);
            var at = new IPEndPoint(IPAddress.Loopback, peer);
            endpoint.Receive(new CoapMessage { Code = CoapCode.Put, Id = id++, Token = new CoapToken([1]), Options = options, Payload = new byte[size] }.ToDatagram(), at, s_now, default);
            var output = new byte[2000];
            CoapCode code = default;
            while (endpoint.TryTransmit(output, out var transmit))
                code = CoapMessage.ParseDatagram(output.AsMemory(0, transmit.Length).ToArray()).Code;
            return code;
        }
        for (int peer = 1; peer < 200; peer++)
            for (int resource = 0; resource < 10; resource++)
                Assert.Equal(CoapCode.Continue, Send(peer, $"/{resource}", new Block(0, true, 6), 1024));
        // The oldest gave way.
        Assert.Equal(CoapCode.RequestEntityIncomplete, Send(1, "/0", new Block(1, true, 6), 1024));
        Assert.Equal(CoapCode.Continue, Send(199, "/9", new Block(1, true, 6), 1024));
        Assert.Equal(CoapCode.RequestEntityTooLarge, Send(1, "/x", new Block(0, true, 6), 1024, size1: 1 << 30));
        Assert.Equal(CoapCode.RequestEntityTooLarge, Send(1, "/x", new Block(Block.MaxNumber, true, 6), 1024));
        Assert.Equal(CoapCode.RequestEntityIncomplete, Send(1, "/x", new Block(3, true, 6), 1024));
        Assert.Equal(CoapCode.BadRequest, Send(1, "/x", new Block(0, true, 6), 1000));
        Assert.Equal(CoapCode.BadRequest, Send(1, "/x", new Block(0, true, 7), 1024));
        for (int number = 0; number < 9; number++)
            Assert.Equal(CoapCode.Continue, Send(3, "/slow", new Block(number, true, 6), 1024));
        Assert.Equal(CoapCode.RequestEntityTooLarge, Send(3, "/slow", new Block(9, true, 6), 1024));
        Assert.Equal(0, endpoint.Unanswered);
    }

    [Fact]
    public void Observers_and_unanswered_requests_find_their_limit()
    {
        var endpoint = new CoapEndpoint<IPEndPoint>(new CoapSettings { MaxObservationsPerPeer = 5, MaxObservations = 20, MaxUnanswered = 100 }, new SeededChance("many"));
        for (ushort i = 0; i < 50; i++)
        {
            var peer = new IPEndPoint(IPAddress.Loopback, 1 + i / 10);
            endpoint.Receive(new CoapMessage { Code = CoapCode.Get, Id = i, Token = new CoapToken([(byte)i]), Options = CoapOptions.ForPath("/x").Set(CoapOptionNumber.Observe, 0) }.ToDatagram(), peer, s_now, default);
            Assert.True(endpoint.TryEvent(out var happened));
            Assert.True(endpoint.Respond(happened.Ticket, CoapResults.Text("x"), default, s_now, observe: true));
        }
        Assert.Equal(20, endpoint.Observations);
        for (ushort i = 0; i < 1000; i++)
            endpoint.Receive(new CoapMessage { Code = CoapCode.Get, Id = (ushort)(i + 1000) }.ToDatagram(), s_peer, s_now, default);
        Assert.Equal(100, endpoint.Unanswered);
    }

    /// <summary>Options that cost more to read than to send.</summary>
    [Fact]
    public void Options_and_tokens_have_limits()
    {
        Assert.Throws<CoapException>(() => CoapMessage.ParseDatagram((byte[])[0x40, 1, 0, 1, .. new byte[CoapOptions.MaxCount + 1]]));
        var endpoint = new CoapEndpoint<IPEndPoint>(new CoapSettings(), new SeededChance("token"));
        endpoint.Receive(new CoapMessage { Code = CoapCode.Get, Id = 5, Token = new CoapToken(new byte[257]) }.ToDatagram(), s_peer, s_now, default);
        var output = new byte[100];
        Assert.True(endpoint.TryTransmit(output, out var transmit));
        Assert.Equal("70000005", Convert.ToHexStringLower(output[..transmit.Length]));
        Assert.False(endpoint.TryEvent(out _));
    }

    /// <summary>Short tokens run out: requests are put off before that.</summary>
    [Fact]
    public void Tokens_do_not_run_out()
    {
        var endpoint = new CoapEndpoint<IPEndPoint>(new CoapSettings { TokenLength = 1, NStart = 1000, MaxWaitingPerPeer = 1000 }, new SeededChance("short"));
        var accepted = Enumerable.Range(0, 300).Select(_ => endpoint.Request(CoapRequest.Get("/x"), s_peer, default, s_now, out CoapTicket _)).ToArray();
        Assert.Equal(64, accepted.Count(a => a == Accepted.Yes));
        Assert.All(accepted.Skip(64), a => Assert.Equal(Accepted.TryLater, a));
        Assert.Throws<ArgumentException>(() => new CoapEndpoint<IPEndPoint>(new CoapSettings { TokenLength = 0 }, new SeededChance("none")));
    }

    /// <summary>Message ids are guessed; tokens are not.</summary>
    [Fact]
    public void Somebody_off_the_path_cannot_answer()
    {
        var endpoint = new CoapEndpoint<IPEndPoint>(new CoapSettings(), new SeededChance("off-path"));
        endpoint.Request(CoapRequest.Get("/x"), s_peer, default, s_now, out _);
        var output = new byte[100];
        Assert.True(endpoint.TryTransmit(output, out var transmit));
        var request = CoapMessage.ParseDatagram(output.AsMemory(0, transmit.Length).ToArray());
        for (int i = 0; i < 256; i++)
            endpoint.Receive(new CoapMessage { Type = CoapType.Acknowledgement, Code = CoapCode.Content, Id = request.Id, Token = new CoapToken([(byte)i]) }.ToDatagram(), s_peer, s_now, default);
        endpoint.Receive(new CoapMessage { Type = CoapType.Acknowledgement, Code = CoapCode.Content, Id = request.Id, Token = request.Token }.ToDatagram(), new IPEndPoint(IPAddress.Loopback, 2), s_now, default);
        Assert.False(endpoint.TryEvent(out _));
        endpoint.Receive(new CoapMessage { Type = CoapType.Acknowledgement, Code = CoapCode.Content, Id = request.Id, Token = request.Token }.ToDatagram(), s_peer, s_now, default);
        Assert.True(endpoint.TryEvent(out var happened));
        Assert.Equal(CoapEventKind.Response, happened.Kind);
    }
}
