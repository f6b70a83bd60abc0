using System.Text;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>RFC 8323: two streams joined by pieces of any size.</summary>
public sealed class StreamTests
{
    private static readonly Moment s_now = new(TimeSpan.FromSeconds(1), null);

    private sealed class Side(CoapSettings? settings = null, CoapApp? app = null)
    {
        public CoapStream Stream { get; } = new(settings ?? new(), new SeededChance($"{app is null}"));
        public List<CoapEvent<StreamPath>> Events { get; } = [];
        public List<byte[]> Sent { get; } = [];

        public void Run()
        {
            while (Stream.TryEvent(out var happened))
            {
                Events.Add(happened);
                if (happened.Kind == CoapEventKind.Request && app is not null)
                {
                    var (response, route) = app.HandleAsync(happened.Request!, null, s_now).Result;
                    Stream.Respond(happened.Ticket, response, default, s_now, route is { IsObservable: true });
                }
            }
        }
    }

    private static void Pump(Side a, Side b, int piece = 100)
    {
        var buffer = new byte[piece];
        bool moved = true;
        while (moved)
        {
            moved = false;
            foreach (var (from, to) in new[] { (a, b), (b, a) })
            {
                while (from.Stream.TryTransmit(buffer, out var transmit))
                {
                    from.Sent.Add(buffer[..transmit.Length]);
                    to.Stream.Receive(buffer.AsSpan(0, transmit.Length).ToArray(), default, s_now, transmit.Tag);
                    moved = true;
                    to.Run();
                }
                from.Run();
            }
        }
    }

    private static CoapApp Echo()
    {
        var app = new CoapApp();
        app.MapPost("/echo", c => CoapResults.Changed(c.Payload, ContentFormat.OctetStream));
        app.MapGet("/hello", _ => CoapResults.Text("world")).Observable();
        return app;
    }

    [Fact]
    public void Settings_go_first_and_never_alone()
    {
        var side = new Side();
        var buffer = new byte[100];
        Assert.True(side.Stream.TryTransmit(buffer, out var transmit));
        var csm = CoapMessage.ParseFrame(buffer[..transmit.Length]);
        Assert.Equal((CoapCode.Csm, 65536ul), (csm.Code, csm.Options.First().AsUInt()!.Value));
        Assert.InRange(transmit.Length, 6, 100);
        Assert.False(side.Stream.TryTransmit(buffer, out _));
    }

    [Theory]
    [InlineData(1, 10)]
    [InlineData(3, 1000)]
    [InlineData(100, 1500)]
    [InlineData(1000, 60000)]
    [InlineData(65536, 200000)]
    public void Bodies_pass_whatever_the_pieces(int piece, int length)
    {
        var (client, server) = (new Side(), new Side(new CoapSettings { MaxRequestBody = 1 << 20 }, Echo()));
        Pump(client, server, piece);
        Assert.Equal(Accepted.Yes, client.Stream.Request(CoapRequest.Post("/echo", Virtual.Pattern(length), 42), default, default, s_now, out _));
        Pump(client, server, piece);
        var response = Assert.Single(client.Events, e => e.Kind == CoapEventKind.Response).Response!;
        Assert.Equal(Virtual.Pattern(length), response.Payload.ToArray());
    }

    /// <summary>Section 6: several blocks of 1024 in one message.</summary>
    [Fact]
    public void Large_bodies_go_by_BERT()
    {
        var (client, server) = (new Side(new CoapSettings { MaxMessage = 8000 }), new Side(new CoapSettings { MaxMessage = 5000 }, Echo()));
        Pump(client, server);
        client.Stream.Request(CoapRequest.Post("/echo", Virtual.Pattern(30000), 42), default, default, s_now, out _);
        var buffer = new byte[9000];
        Assert.True(client.Stream.TryTransmit(buffer, out var transmit));
        var first = CoapMessage.ParseFrame(buffer[..transmit.Length]);
        Assert.Equal((new Block(0, true, Block.Bert), 4096), (first.Options.Block1!.Value, first.Payload.Length));
        server.Stream.Receive(buffer.AsSpan(0, transmit.Length), default, s_now, default);
        Pump(client, server, 9000);
        Assert.Equal(Virtual.Pattern(30000), Assert.Single(client.Events, e => e.Kind == CoapEventKind.Response).Response!.Payload.ToArray());
        Assert.Contains(server.Sent.Select(s => CoapMessage.ParseFrame(s)), m => m.Options.Block2 is { Exponent: Block.Bert, More: true } && m.Payload.Length == 7168);
    }

    [Fact]
    public void A_peer_without_blocks_gets_whole_messages_or_nothing()
    {
        var client = new Side();
        // An empty CSM: 1152 bytes, no blocks.
        client.Stream.Receive(Convert.FromHexString("00e1"), default, s_now, default);
        Assert.Equal(Accepted.Yes, client.Stream.Request(CoapRequest.Post("/x", new byte[1000], 42), default, default, s_now, out _));
        Assert.Equal(Accepted.TooLarge, client.Stream.Request(CoapRequest.Post("/x", new byte[1200], 42), default, default, s_now, out _));
    }

    [Fact]
    public void Observers_are_told_and_a_cancellation_is_heard()
    {
        var (client, server) = (new Side(), new Side(null, Echo()));
        Pump(client, server);
        client.Stream.Request(CoapRequest.Get("/hello").Observing(), default, default, s_now, out var ticket);
        Pump(client, server);
        var observed = Assert.Single(server.Events, e => e.Kind == CoapEventKind.Request).Ticket;
        foreach (int i in Enumerable.Range(0, 3))
            Assert.Equal(Accepted.Yes, server.Stream.Notify(observed, CoapResults.Text($"{i}"), default, s_now));
        Pump(client, server);
        Assert.Equal(["world", "0", "1", "2"], client.Events.Where(e => e.Kind == CoapEventKind.Response).Select(e => e.Response!.Text));
        client.Stream.Cancel(ticket, s_now);
        Pump(client, server);
        Assert.Equal(0, server.Stream.Observations);
        Assert.Equal(Accepted.Closed, server.Stream.Notify(observed, CoapResults.Text("late"), default, s_now));
    }

    [Fact]
    public void Pings_are_answered_with_their_token_and_custody()
    {
        var side = new Side();
        var buffer = new byte[100];
        side.Stream.TryTransmit(buffer, out _);
        side.Stream.Receive(Convert.FromHexString("00e1" + "11e2aa20"), default, s_now, default);
        Assert.True(side.Stream.TryTransmit(buffer, out var transmit));
        Assert.Equal("11e3aa20", Convert.ToHexStringLower(buffer[..transmit.Length]));
        side.Stream.Ping();
        side.Stream.TryTransmit(buffer, out transmit);
        Assert.Equal(CoapCode.Ping, CoapMessage.ParseFrame(buffer[..transmit.Length]).Code);
        side.Stream.Receive(Convert.FromHexString("00e3"), default, s_now, default);
        Assert.Equal(1, side.Stream.Pongs);
    }

    [Theory]
    [InlineData("0001", "not a CSM")]                         // a request before the settings
    [InlineData("10e130", "option 3")]                        // a critical setting
    [InlineData("00e109e2", "token length")]                  // reserved token length
    [InlineData("00e1f0ffffffff01", "more than 65536")]       // 4 GB
    [InlineData("00e120011fff", "option's head")]             // reserved option length
    [InlineData("00e110e210", "option 1")]                    // a critical option in a Ping
    public void What_breaks_the_framing_ends_the_connection(string hex, string why)
    {
        var side = new Side();
        side.Stream.Request(CoapRequest.Get("/x"), default, default, s_now, out _);
        side.Stream.Receive(Convert.FromHexString(hex), default, s_now, default);
        side.Run();
        Assert.Contains(why, side.Events.Last().Failure!.Sentence, StringComparison.Ordinal);
        Assert.Equal([CoapEventKind.Failed, CoapEventKind.Closed], side.Events.Select(e => e.Kind).Where(k => k != CoapEventKind.Connected));
        var buffer = new byte[1000];
        CoapCode last = default;
        while (side.Stream.TryTransmit(buffer, out var transmit))
            last = CoapMessage.ParseFrame(buffer[..transmit.Length]).Code;
        Assert.Equal(CoapCode.Abort, last);
        Assert.Equal(Accepted.Closed, side.Stream.Request(CoapRequest.Get("/x"), default, default, s_now, out _));
    }

    [Fact]
    public void Release_and_Abort_are_told()
    {
        var (a, b) = (new Side(), new Side());
        Pump(a, b);
        a.Stream.Release();
        Pump(a, b);
        a.Stream.Abort("enough", s_now);
        Pump(a, b);
        Assert.Equal([CoapEventKind.Connected, CoapEventKind.Released, CoapEventKind.Closed], b.Events.Select(e => e.Kind));
        Assert.True(a.Stream.IsClosed && b.Stream.IsClosed);
    }

    /// <summary>A peer that asks and never reads.</summary>
    [Fact]
    public void Answers_that_nobody_takes_do_not_fill_the_memory()
    {
        var app = new CoapApp();
        app.MapGet("/large", _ => CoapResults.Content(new byte[60000], 42));
        var server = new Side(new CoapSettings { MaxBlockBytes = 1 << 20 }, app);
        server.Stream.Receive(Convert.FromHexString("50e12380010020"), default, s_now, default);
        var request = new CoapMessage { Code = CoapCode.Get, Options = CoapOptions.ForPath("/large") }.ToFrame();
        int asked = 0;
        for (; !server.Stream.IsClosed && asked < 1000; asked++)
        {
            server.Stream.Receive(request, default, s_now, default);
            server.Run();
        }
        Assert.InRange(asked, 15, 30);
    }
}
