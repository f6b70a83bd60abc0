using System.Net;
using System.Text;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>Client and server in virtual time.</summary>
public sealed class ExchangeTests
{
    private readonly CoapApp _app = new();

    public ExchangeTests()
    {
        _app.MapGet("/hello", _ => CoapResults.Text("world"));
        _app.MapGet("/sensors/{id}", c => CoapResults.Text($"sensor {c["id"]} {c.Query("unit")}"));
        _app.MapPost("/echo", c => CoapResults.Changed(c.Payload, ContentFormat.OctetStream));
        _app.MapGet("/large", _ => CoapResults.Content(Virtual.Pattern(5000), ContentFormat.OctetStream));
    }

    private (SimulatedNetwork Network, Node Client, Node Server) Two(string seed, LinkConditions? conditions = null, CoapSettings? client = null, CoapSettings? server = null)
    {
        var network = Virtual.Network(seed, conditions);
        return (network, new Node(network, "client", settings: client), new Node(network, "server", _app, server));
    }

    [Fact]
    public void A_request_is_answered_with_its_acknowledgment()
    {
        var (network, client, server) = Two("one");
        var response = network.Await(() => client.To(server).GetAsync("/sensors/7?unit=C"));
        Assert.Equal((CoapCode.Content, "sensor 7 C"), (response.Code, response.Text));
        var messages = network.Messages().ToArray();
        Assert.Equal([CoapType.Confirmable, CoapType.Acknowledgement], messages.Select(m => m.Type));
        Assert.Equal(8, messages[0].Token.Length);
    }

    [Fact]
    public void What_is_not_there_is_said()
    {
        var (network, client, server) = Two("missing");
        Assert.Equal(CoapCode.NotFound, network.Await(() => client.To(server).GetAsync("/nothing")).Code);
        Assert.Equal(CoapCode.MethodNotAllowed, network.Await(() => client.To(server).DeleteAsync("/hello")).Code);
    }

    [Fact]
    public void A_handler_that_takes_its_time_answers_separately()
    {
        var network = Virtual.Network("slow");
        var work = new TaskCompletionSource<CoapResponse>();
        _app.MapPost("/slow", async _ => await work.Task);
        var (client, server) = (new Node(network, "client"), new Node(network, "server", _app));
        network.Loop.After(TimeSpan.FromSeconds(20), () => work.SetResult(CoapResults.Changed("done"u8.ToArray())));
        Assert.Equal("done", network.Await(() => client.To(server).PostAsync("/slow", default, 0)).Text);
        network.Loop.Run(TimeSpan.FromSeconds(10));
        var messages = network.Messages().ToArray();
        Assert.Equal([CoapType.Confirmable, CoapType.Acknowledgement, CoapType.Confirmable, CoapType.Acknowledgement], messages.Select(m => m.Type));
        Assert.Equal(CoapCode.Empty, messages[1].Code);
        Assert.Equal(messages[0].Token, messages[2].Token);
    }

    /// <summary>RFC 7252 section 4.2: 2 to 3 s, doubled four times.</summary>
    [Fact]
    public void An_absent_peer_is_given_up_after_five_transmissions()
    {
        var network = Virtual.Network("absent");
        var client = new Node(network, "client");
        var fault = Assert.Throws<CoapException>(() => network.Await(() => client.Host.To(new IPEndPoint(IPAddress.Parse("10.9.9.9"), 5683)).GetAsync("/")));
        Assert.Equal("Timeout", fault.Error);
        var at = network.Eavesdropper!.Frames.Select(f => f.At.Elapsed.TotalSeconds).ToArray();
        Assert.Equal(5, at.Length);
        double first = at[1] - at[0];
        Assert.InRange(first, 2, 3);
        Assert.Equal([first, 2 * first, 4 * first, 8 * first], at.Skip(1).Zip(at, (b, a) => b - a), (a, b) => Math.Abs(a - b) < 0.001);
        Assert.InRange(network.Loop.Now.Elapsed.TotalSeconds, 62, 93);
    }

    [Fact]
    public void One_confirmable_message_is_outstanding_to_one_peer()
    {
        var (network, client, server) = Two("nstart");
        var tasks = network.Await(async () => await Task.WhenAll(Enumerable.Range(0, 20).Select(i => client.To(server).GetAsync($"/sensors/{i}"))));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"sensor {i} "), tasks.Select(t => t.Text));
        Assert.Equal(Enumerable.Repeat(new[] { CoapType.Confirmable, CoapType.Acknowledgement }, 20).SelectMany(t => t), network.Messages().Select(m => m.Type));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(5000)]
    [InlineData(60000)]
    public void Bodies_go_in_blocks_both_ways(int length)
    {
        var (network, client, server) = Two($"blocks{length}");
        var response = network.Await(() => client.To(server).PostAsync("/echo", Virtual.Pattern(length), ContentFormat.OctetStream));
        Assert.Equal((CoapCode.Changed, ContentFormat.OctetStream), (response.Code, response.Options.ContentFormat));
        Assert.Equal(Virtual.Pattern(length), response.Payload.ToArray());
        Assert.All(network.Messages(), m => Assert.InRange(m.Payload.Length, 0, 1024));
        Assert.Single(server.Events, e => e.Kind == CoapEventKind.Request);
    }

    [Fact]
    public void Either_side_may_ask_for_smaller_blocks()
    {
        var (network, client, server) = Two("small", server: new CoapSettings { BlockExponent = 2 });
        Assert.Equal(Virtual.Pattern(3000), network.Await(() => client.To(server).PostAsync("/echo", Virtual.Pattern(3000), 42)).Payload.ToArray());
        // The first block has our size; from the second on, theirs.
        Assert.Equal([1024, 64, 64], network.Messages().Where(m => m.Code == CoapCode.Post && m.Options.Block1 is not null).Take(3).Select(m => m.Payload.Length));
        var request = CoapRequest.Get("/large") with { Options = CoapOptions.ForPath("/large").Add(CoapOptionNumber.Block2, new Block(0, false, 3).Value) };
        Assert.Equal(Virtual.Pattern(5000), network.Await(() => client.To(server).SendAsync(request)).Payload.ToArray());
        var (other, small, large) = Two("small2");
        Assert.Equal(Virtual.Pattern(5000), other.Await(() => small.To(large).SendAsync(request)).Payload.ToArray());
        Assert.Equal(40, other.Messages().Count(m => m.Options.Block2 is { Exponent: 3 } && m.Payload.Length > 0));
    }

    [Fact]
    public void A_body_that_is_too_large_is_refused_with_the_limit()
    {
        var (network, client, server) = Two("limit", server: new CoapSettings { MaxRequestBody = 4000 });
        var response = network.Await(() => client.To(server).PostAsync("/echo", Virtual.Pattern(5000), 42));
        Assert.Equal((CoapCode.RequestEntityTooLarge, 4000u), (response.Code, response.Options.Size1));
        var small = new CoapSettings { MaxResponseBody = 2000 };
        var (other, asking, answering) = Two("limit2", client: small);
        Assert.Equal("TooLarge", Assert.Throws<CoapException>(() => other.Await(() => asking.To(answering).GetAsync("/large"))).Error);
        Assert.Equal(0, asking.Endpoint.OpenExchanges);
    }

    [Fact]
    public void A_resource_that_changes_between_blocks_is_fetched_again()
    {
        int version = 0;
        _app.MapGet("/changing", _ => CoapResults.Content(Enumerable.Repeat((byte)version, 3000).ToArray(), 42));
        var (network, client, server) = Two("changing", server: new CoapSettings { ExchangeLifetime = TimeSpan.FromMilliseconds(10) });
        bool changed = false;
        network.Intercept(packet =>
        {
            if (!changed && CoapMessage.ParseDatagram(packet.Payload.ToArray()).Options.Block2 is { Number: 1 })
                (version, changed) = (1, true);
            return PathVerdict.Passes;
        });
        Assert.Equal(Enumerable.Repeat((byte)1, 3000), network.Await(() => client.To(server).GetAsync("/changing")).Payload.ToArray());
    }

    [Fact]
    public void An_observer_hears_of_changes_until_it_has_enough()
    {
        int value = 20;
        _app.MapGet("/temperature", _ => CoapResults.Text($"{value}")).Observable();
        var (network, client, server) = Two("observe");
        var seen = network.Await(async () =>
        {
            var values = new List<string>();
            await foreach (var notification in client.Host.ObserveAsync(server.Address, CoapRequest.Get("/temperature")))
            {
                values.Add(notification.Text);
                if (values.Count == 4)
                    break;
                server.Machine.Loop.After(TimeSpan.FromSeconds(5), () =>
                {
                    value++;
                    server.Host.Changed("/temperature", confirmable: value % 2 == 0);
                });
            }
            return values;
        });
        Assert.Equal(["20", "21", "22", "23"], seen);
        network.Loop.Run(TimeSpan.FromSeconds(30));
        Assert.Equal((0, 0), (server.Endpoint.Observations, client.Endpoint.OpenExchanges));
    }

    [Fact]
    public void A_large_representation_is_observed_in_blocks()
    {
        int version = 1;
        _app.MapGet("/big", _ => CoapResults.Content(Enumerable.Repeat((byte)version, 4000).ToArray(), 42)).Observable();
        var (network, client, server) = Two("observe-blocks");
        var seen = network.Await(async () =>
        {
            var values = new List<(int, byte)>();
            await foreach (var notification in client.Host.ObserveAsync(server.Address, CoapRequest.Get("/big")))
            {
                values.Add((notification.Payload.Length, notification.Payload.Span[^1]));
                if (values.Count == 3)
                    break;
                version++;
                server.Host.Changed("/big");
            }
            return values;
        });
        Assert.Equal([(4000, 1), (4000, 2), (4000, 3)], seen);
    }

    /// <summary>RFC 7641 section 3.6: a client that forgot, rejects.</summary>
    [Fact]
    public void A_notification_that_nobody_wants_ends_the_observation()
    {
        _app.MapGet("/temperature", _ => CoapResults.Text("x")).Observable();
        var (network, client, server) = Two("forget");
        var other = new Node(network, "other");
        network.Await(async () =>
        {
            await using var each = client.Host.ObserveAsync(server.Address, CoapRequest.Get("/temperature")).GetAsyncEnumerator();
            await each.MoveNextAsync();
            // It restarts: its memory is gone, its address stays.
            client.Endpoint.Cancel(new CoapTicket(1), client.Machine.Loop.Now);
            return 0;
        });
        network.Loop.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(0, server.Endpoint.Observations);
    }

    [Theory]
    [InlineData(2u, "/hello", false)]
    [InlineData(8u, "/hello", true)]
    [InlineData(8u, "/nothing", false)]
    [InlineData(26u, "/nothing", false)]
    [InlineData(0u, "/hello", true)]
    public void Responses_that_are_not_wanted_are_not_sent(uint noResponse, string path, bool answered)
    {
        var (network, client, server) = Two($"noresponse{noResponse}{path}");
        var request = CoapRequest.Get(path) with { Confirmable = false, Options = CoapOptions.ForPath(path).Add(CoapOptionNumber.NoResponse, noResponse), Timeout = TimeSpan.FromSeconds(5) };
        if (answered)
            Assert.Equal(CoapCode.Content, network.Await(() => client.To(server).SendAsync(request)).Code);
        else
            Assert.Equal("Timeout", Assert.Throws<CoapException>(() => network.Await(() => client.To(server).SendAsync(request))).Error);
        Assert.Equal(answered ? 2 : 1, network.Eavesdropper!.Frames.Count);
    }

    [Theory]
    [InlineData(EchoPolicy.Always, "/hello", true)]
    [InlineData(EchoPolicy.WhenAmplifying, "/hello", false)]
    [InlineData(EchoPolicy.WhenAmplifying, "/large", true)]
    public void An_address_is_proven_before_it_gets_much(EchoPolicy policy, string path, bool asked)
    {
        var (network, client, server) = Two($"echo{policy}{path}", server: new CoapSettings { Echo = policy });
        Assert.Equal(CoapCode.Content, network.Await(() => client.To(server).GetAsync(path)).Code);
        Assert.Equal(asked, network.Messages().Any(m => m.Code == CoapCode.Unauthorized && m.Options.Echo is { Length: 12 }));
        // Somebody else's value proves nothing.
        if (!asked)
            return;
        var stolen = network.Messages().First(m => m.Options.Echo is not null).Options.Echo!.Value;
        var thief = new Node(network, "thief");
        thief.Send(new CoapMessage { Code = CoapCode.Get, Token = new CoapToken([1]), Options = CoapOptions.ForPath(path).Set(CoapOptionNumber.Echo, stolen.Span) }.ToDatagram(), server.Address);
        network.Loop.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(CoapCode.Unauthorized, network.Messages().Last().Code);
    }

    /// <summary>Section 8: answers take their time, and errors are not sent.</summary>
    [Fact]
    public void A_group_is_asked()
    {
        var network = Virtual.Network("group");
        var group = new IPEndPoint(IPAddress.Parse("224.0.1.187"), 5699);
        var client = new Node(network, "client");
        foreach (int i in Enumerable.Range(0, 5))
        {
            var app = new CoapApp();
            if (i < 3)
                app.MapGet("/light", _ => CoapResults.Text($"light {i}")).With("rt", "light");
            var node = new Node(network, $"node{i}", app);
            node.Machine.Join(group.Address);
            node.Machine.OpenDatagrams(group.Port, (datagram, from, tag) => node.Post(() => node.Endpoint.ReceiveMulticast(datagram.ToArray(), from, node.Machine.Loop.Now, tag)));
        }
        var request = CoapRequest.Get("/light") with { Timeout = TimeSpan.FromSeconds(6) };
        var answers = network.Await(async () =>
        {
            var all = new List<string>();
            await foreach (var (_, response) in client.Host.AskGroupAsync(group, request))
                all.Add(response.Text);
            return all;
        });
        Assert.Equal(["light 0", "light 1", "light 2"], answers.Order());
        Assert.Equal(4, network.Eavesdropper!.Frames.Count);
        Assert.InRange(network.Loop.Now.Elapsed.TotalSeconds, 6, 6.1);
        var links = network.Await(async () =>
        {
            var all = new List<string>();
            await foreach (var (_, response) in client.Host.AskGroupAsync(group, CoapRequest.Get("/.well-known/core?rt=light") with { Timeout = TimeSpan.FromSeconds(6) }))
                all.Add(response.Text);
            return all;
        });
        Assert.Equal(Enumerable.Repeat("</light>;rt=\"light\"", 3), links);
    }

    [Fact]
    public void Unknown_critical_options_are_refused_unless_the_application_knows_them()
    {
        var (network, client, server) = Two("critical", server: new CoapSettings { KnownOptions = [2049] });
        var known = CoapRequest.Get("/hello") with { Options = CoapOptions.ForPath("/hello").Add(2049, 2048) };
        var unknown = CoapRequest.Get("/hello") with { Options = CoapOptions.ForPath("/hello").Add(2053, 2048) };
        var elective = CoapRequest.Get("/hello") with { Options = CoapOptions.ForPath("/hello").Add(2050, 2048) };
        Assert.Equal(CoapCode.Content, network.Await(() => client.To(server).SendAsync(known)).Code);
        Assert.Equal(CoapCode.Content, network.Await(() => client.To(server).SendAsync(elective)).Code);
        Assert.Equal((CoapCode.BadOption, "Option 2053"), network.Await(() => client.To(server).SendAsync(unknown)) is var r ? (r.Code, r.Text) : default);
        Assert.Equal("Reset", Assert.Throws<CoapException>(() => network.Await(() => client.To(server).SendAsync(unknown with { Confirmable = false }))).Error);
    }

    [Fact]
    public void A_ping_is_answered_by_a_reset()
    {
        var (network, client, server) = Two("ping");
        client.Send([0x40, 0, 0x12, 0x34], server.Address);
        network.Loop.Run(TimeSpan.FromSeconds(1));
        Assert.Equal("70001234", Convert.ToHexStringLower(network.Messages().Last().ToDatagram()));
    }

    [Fact]
    public void A_handler_that_fails_says_nothing_of_it_to_the_peer()
    {
        _app.MapGet("/broken", CoapResponse (_) => throw new InvalidOperationException("internal matters"));
        _app.MapGet("/refused", CoapResponse (_) => throw new CoapException("4.03", "x", "Not for you."));
        var (network, client, server) = Two("broken");
        var response = network.Await(() => client.To(server).GetAsync("/broken"));
        Assert.Equal((CoapCode.InternalServerError, ""), (response.Code, response.Text));
        Assert.Single(server.Failures);
        response = network.Await(() => client.To(server).GetAsync("/refused"));
        Assert.Equal((CoapCode.Forbidden, "Not for you."), (response.Code, response.Text));
    }

    [Fact]
    public void Routes_are_found_by_text_first()
    {
        var app = new CoapApp();
        app.MapGet("/a/b", _ => CoapResults.Text("text"));
        app.MapGet("/a/{x}", c => CoapResults.Text("name " + c["x"]));
        app.MapGet("/a/{x}/c", c => CoapResults.Text("deep " + c["x"]));
        app.MapGet("/{*all}", c => CoapResults.Text("rest " + c["all"]));
        app.MapPut("/a/b", _ => CoapResults.Changed());
        string Ask(string path) => app.HandleAsync(CoapRequest.Get(path), null, default).Result.Response is var r ? r.Code.IsSuccess ? r.Text : r.Code.ToString() : "";
        Assert.Equal(["text", "name z", "deep b", "rest a/b/d", "rest x", "4.04"], new[] { "/a/b", "/a/z", "/a/b/c", "/a/b/d", "/x", "/" }.Select(Ask));
        Assert.Throws<ArgumentException>(() => app.MapGet("/a/b", _ => CoapResults.Changed()));
    }

    [Fact]
    public void Resources_are_listed()
    {
        _app.MapGet("/secret", _ => CoapResults.Text("")).Hidden();
        var (network, client, server) = Two("core");
        var links = network.Await(() => client.To(server).DiscoverAsync());
        Assert.Equal(["/hello", "/echo", "/large"], links.Select(l => l.Target));
        Assert.Equal(["/hello"], network.Await(() => client.To(server).DiscoverAsync("href=/he*")).Select(l => l.Target));
    }
}
