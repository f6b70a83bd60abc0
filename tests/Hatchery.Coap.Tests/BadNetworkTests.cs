using System.Net;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>Loss, repetition, reordering and corruption in virtual time.</summary>
public sealed class BadNetworkTests
{
    private static readonly LinkConditions s_bad = new()
    {
        Delay = TimeSpan.FromMilliseconds(30),
        Jitter = TimeSpan.FromMilliseconds(100),
        Loss = 0.3,
        Duplication = 0.2,
        Reordering = 0.2,
        ReorderBy = TimeSpan.FromMilliseconds(700),
    };

    /// <summary>Confirmable requests happen once, whatever the network does; those that fail happened once or not at all.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_request_takes_effect_once(int seed)
    {
        var network = Virtual.Network($"bad{seed}", s_bad);
        var seen = new Dictionary<string, int>();
        var app = new CoapApp();
        app.MapPost("/count/{id}", c =>
        {
            seen[c["id"]] = seen.GetValueOrDefault(c["id"]) + 1;
            return CoapResults.Changed(c.Payload);
        });
        var (client, server) = (new Node(network, "client"), new Node(network, "server", app));
        int failed = 0, wrong = 0;
        network.Await(async () =>
        {
            foreach (int i in Enumerable.Range(0, 200))
            {
                try
                {
                    var response = await client.To(server).PostAsync($"/count/{i}", BitConverter.GetBytes(i), 42);
                    if (BitConverter.ToInt32(response.Payload.Span) != i || seen[$"{i}"] != 1)
                        wrong++;
                }
                catch (CoapException)
                {
                    failed++;
                }
            }
            return 0;
        });
        Assert.Equal(0, wrong);
        Assert.All(seen, s => Assert.Equal(1, s.Value));
        // Five transmissions at 51 % each way: 3 % fail.
        Assert.InRange(failed, 0, 20);
        Assert.Equal((0, 0), (client.Endpoint.OpenExchanges, server.Endpoint.Unanswered));
    }

    [Theory]
    [InlineData("piggybacked", 0)]
    [InlineData("separate", 3)]
    public void Blocks_arrive_through_a_bad_network(string how, int seconds)
    {
        var network = Virtual.Network(how, s_bad with { Loss = 0.15 });
        var app = new CoapApp();
        app.MapPost("/echo", async c =>
        {
            var delay = new TaskCompletionSource();
            network.Loop.After(TimeSpan.FromSeconds(seconds), delay.SetResult);
            await delay.Task;
            return CoapResults.Changed(c.Payload);
        });
        var (client, server) = (new Node(network, "client"), new Node(network, "server", app));
        int whole = 0;
        foreach (int i in Enumerable.Range(0, 8))
        {
            try
            {
                if (network.Await(() => client.To(server).PostAsync("/echo", Virtual.Pattern(9000 + i), 42)).Payload.Span.SequenceEqual(Virtual.Pattern(9000 + i)))
                    whole++;
                else
                    Assert.Fail("A body arrived changed.");
            }
            catch (CoapException e)
            {
                Assert.Equal("Timeout", e.Error);
            }
        }
        Assert.InRange(whole, 4, 8);
    }

    [Fact]
    public void An_observer_ends_with_the_last_state()
    {
        var network = Virtual.Network("observed", s_bad);
        int value = 0;
        var app = new CoapApp();
        app.MapGet("/value", _ => CoapResults.Text($"{value}")).Observable();
        var (client, server) = (new Node(network, "client"), new Node(network, "server", app));
        var seen = network.Await(async () =>
        {
            var values = new List<int>();
            await foreach (var notification in client.Host.ObserveAsync(server.Address, CoapRequest.Get("/value")))
            {
                values.Add(int.Parse(notification.Text, System.Globalization.CultureInfo.InvariantCulture));
                if (values.Count == 1)
                    foreach (int i in Enumerable.Range(1, 40))
                        network.Loop.After(TimeSpan.FromSeconds(2 * i), () =>
                        {
                            value++;
                            server.Host.Changed("/value", confirmable: true);
                        });
                if (values[^1] == 40)
                    break;
            }
            return values;
        });
        Assert.Equal(seen.Order().Distinct(), seen);
        Assert.Equal(40, seen[^1]);
    }

    /// <summary>Nothing but the declared outcomes comes of datagrams that were changed on their way.</summary>
    [Fact]
    public void Corruption_breaks_nothing()
    {
        var network = Virtual.Network("corrupt", s_bad with { Corruption = 0.3, Loss = 0.05 });
        var app = new CoapApp();
        app.MapPost("/echo", c => CoapResults.Changed(c.Payload));
        var (client, server) = (new Node(network, "client"), new Node(network, "server", app));
        int answered = 0;
        network.Await(async () =>
        {
            foreach (int i in Enumerable.Range(0, 300))
            {
                try
                {
                    await client.To(server).PostAsync("/echo", Virtual.Pattern(i * 11), 42);
                    answered++;
                }
                catch (CoapException)
                {
                    // The peer's refusal of what it did not understand, or silence.
                }
            }
            return 0;
        });
        Assert.InRange(answered, 50, 300);
        Assert.Equal((0, 0), (client.Endpoint.OpenExchanges, server.Endpoint.Unanswered));
        Assert.Empty(server.Failures);
    }

    /// <summary>RFC 7252 section 4.7.</summary>
    [Fact]
    public void A_silent_peer_is_not_flooded()
    {
        var network = Virtual.Network("probe");
        var client = new Node(network, "client", settings: new CoapSettings { ProbingBurst = 1000 });
        var nobody = new IPEndPoint(IPAddress.Parse("10.9.9.9"), 5683);
        int accepted = 0;
        client.Post(() =>
        {
            for (int i = 0; i < 100; i++)
                if (client.Endpoint.Request(CoapRequest.Get("/") with { Confirmable = false }, nobody, default, network.Loop.Now, out _) == Accepted.Yes)
                    accepted++;
        });
        network.Loop.Run(TimeSpan.FromHours(1));
        Assert.InRange(accepted, 1000 / 13, 1000 / 12);
        Assert.Equal(accepted, network.Eavesdropper!.Frames.Count);
        Assert.Equal(0, client.Endpoint.OpenExchanges);
    }

    [Fact]
    public void What_is_remembered_is_forgotten_in_time()
    {
        var network = Virtual.Network("forget");
        var app = new CoapApp();
        app.MapPut("/x", _ => CoapResults.Changed());
        var server = new Node(network, "server", app);
        foreach (int i in Enumerable.Range(0, 20))
        {
            var client = new Node(network, $"client{i}");
            network.Await(() => client.To(server).PutAsync("/x", Virtual.Pattern(3000), 42));
        }
        Assert.Equal((20, 60), (server.Endpoint.Peers, server.Endpoint.Recent));
        Assert.True(network.Loop.Run(TimeSpan.FromHours(1)), "Timers are left.");
        Assert.Equal((0, 0), (server.Endpoint.Peers, server.Endpoint.Recent));
    }
}
