using System.Net;
using System.Text;
using Hatchery.Coap.Sockets;
using Hatchery.Dtls;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>coaps: in virtual time, on loopback, and with libcoap over OpenSSL.</summary>
public sealed class SecureTests
{
    private static readonly IPEndPoint s_any = new(IPAddress.Loopback, 0);
    private static readonly byte[] s_key = Encoding.ASCII.GetBytes("hatching-key-16b");
    private static readonly DtlsServerOptions s_server = new() { PskOf = identity => identity.Span.SequenceEqual("sensor-17"u8) ? new SecretBytes(s_key) : null };
    private static readonly DtlsClientOptions s_client = new() { Psk = new DtlsPsk("sensor-17", new SecretBytes(s_key)) };

    private static CoapApp App()
    {
        var app = new CoapApp();
        app.MapGet("/who", c => CoapResults.Text(Encoding.UTF8.GetString(((DtlsSession)c.Peer!).Connection!.PskIdentity!.Value.Span)));
        app.MapPost("/echo", c => CoapResults.Changed(c.Payload, ContentFormat.OctetStream));
        app.MapPut("/echo", c => CoapResults.Changed(c.Payload, ContentFormat.OctetStream));
        app.MapGet("/large", _ => CoapResults.Text(new string('x', 5000)));
        app.MapGet("/value", _ => CoapResults.Text("v")).Observable();
        return app;
    }

    private static void Drive<TPath>(SimulatedHost machine, int port, CoapsEngine<TPath> engine, CoapApp? app, out CoapHost<DtlsSession<TPath>> host) where TPath : notnull
    {
        DatagramPump<CoapEvent<DtlsSession<TPath>>>? pump = null;
        var made = host = new CoapHost<DtlsSession<TPath>>(engine.Coap, action => machine.Loop.Post(() =>
        {
            action();
            pump!.Run();
        }), () => machine.Loop.Now, app);
        pump = new DatagramPump<CoapEvent<DtlsSession<TPath>>>(machine, port, (IEngine<IPEndPoint, CoapEvent<DtlsSession<TPath>>>)(object)engine, e => made.Handle(e));
        pump.Run();
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.3, 2)]
    public void Requests_wait_for_the_handshake_and_pass_a_bad_network(double loss, int seed)
    {
        var network = Virtual.Network($"coaps{seed}", new LinkConditions { Delay = TimeSpan.FromMilliseconds(30), Loss = loss, Duplication = loss / 2, Reordering = loss / 2 });
        var (a, b) = (network.AddHost("client"), network.AddHost("server"));
        var server = new CoapsServer<IPEndPoint>(s_server, new CoapSettings(), new SeededChance("s"), network.Loop.Now);
        var client = new CoapsClient<IPEndPoint>(s_client, new IPEndPoint(b.Address, 5684), new CoapSettings(), new SeededChance("c"), network.Loop.Now);
        Drive(b, 5684, server, App(), out _);
        Drive(a, 0, client, null, out var host);
        Assert.Equal("sensor-17", network.Await(() => host.To(client.Session).GetAsync("/who")).Text);
        Assert.Equal(Virtual.Pattern(5000), network.Await(() => host.To(client.Session).PostAsync("/echo", Virtual.Pattern(5000), 42)).Payload.ToArray());
    }

    [Fact]
    public void The_end_of_a_session_ends_what_it_had()
    {
        var network = Virtual.Network("end");
        var (a, b) = (network.AddHost("client"), network.AddHost("server"));
        var server = new CoapsServer<IPEndPoint>(s_server, new CoapSettings(), new SeededChance("s"), network.Loop.Now);
        var client = new CoapsClient<IPEndPoint>(s_client, new IPEndPoint(b.Address, 5684), new CoapSettings(), new SeededChance("c"), network.Loop.Now);
        Drive(b, 5684, server, App(), out _);
        Drive(a, 0, client, null, out var host);
        var fault = Assert.Throws<CoapException>(() => network.Await(async () =>
        {
            await foreach (var value in host.ObserveAsync(client.Session, CoapRequest.Get("/value")))
                server.Close(server.Dtls.Find(network.Eavesdropper!.Frames.First(f => f.From.Contains(a.Address.ToString(), StringComparison.Ordinal)).From is var from ? IPEndPoint.Parse(from) : null!)!, network.Loop.Now);
            return 0;
        }));
        Assert.Equal("Closed", fault.Error);
        Assert.Equal((0, 0, 0), (server.Coap.Observations, server.Coap.Peers, client.Coap.OpenExchanges));
    }

    [Fact]
    public async Task Sockets_speak_coaps()
    {
        var failures = new List<Exception>();
        await using var server = CoapDtls.Listen(s_any, App(), s_server, failed: failures.Add);
        await using var client = await CoapDtls.ConnectAsync(server.EndPoint, s_client);
        Assert.Equal("sensor-17", (await client.Peer.GetAsync("/who")).Text);
        Assert.Equal(Virtual.Pattern(9000), (await client.Peer.PostAsync("/echo", Virtual.Pattern(9000), 42)).Payload.ToArray());
        var wrong = s_client with { Psk = new DtlsPsk("sensor-17", new SecretBytes(new byte[16])) };
        await Assert.ThrowsAsync<CoapException>(() => CoapDtls.ConnectAsync(server.EndPoint, wrong with { Timers = DtlsTimers.Default with { Retransmissions = 0 } }));
        Assert.Empty(failures);
    }

    [Fact]
    public async Task Their_client_speaks_coaps()
    {
        await using var server = CoapDtls.Listen(s_any, App(), s_server);
        string uri = $"coaps://127.0.0.1:{server.EndPoint.Port}";
        string[] credentials = ["-u", "sensor-17", "-k", Encoding.ASCII.GetString(s_key)];
        Assert.Equal("sensor-17\n", await Tool.RunAsync([.. credentials, "-m", "get", uri + "/who"]));
        Assert.Equal(new string('x', 5000) + "\n", await Tool.RunAsync([.. credentials, "-m", "get", uri + "/large"]));
        string text = new('y', 3000);
        Assert.Equal(text + "\n", await Tool.RunAsync([.. credentials, "-m", "put", "-e", text, uri + "/echo"]));
        Assert.DoesNotContain("sensor-17", await Tool.RunAsync(["-u", "sensor-17", "-k", "another-key", "-B", "2", "-m", "get", uri + "/who"]), StringComparison.Ordinal);
        using var client = new Tool(Tool.Client, [.. credentials, "-m", "get", "-s", "2", "-w", uri + "/value"]);
        await Tool.Until(() => server.Host.Engine.Observations > 0, "an observer");
        server.Host.Changed("/value", confirmable: true);
        await Tool.Until(() => client.Output.Count(c => c == 'v') == 2, "a notification");
        await client.EndedAsync();
    }

    [Fact]
    public async Task Their_server_speaks_coaps()
    {
        var (server, port) = await Tool.ServeAsync("-k", Encoding.ASCII.GetString(s_key), "-d", "10");
        using var _ = server;
        await using var client = await CoapDtls.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port + 1), s_client);
        Assert.StartsWith("This is a test server", (await client.Peer.GetAsync("/")).Text, StringComparison.Ordinal);
        string body = string.Concat(Enumerable.Range(0, 6000).Select(i => (char)('a' + i % 26)));
        Assert.Equal(CoapCode.Created, (await client.Peer.PutAsync("/made", Encoding.ASCII.GetBytes(body), 0)).Code);
        Assert.Equal(body, (await client.Peer.GetAsync("/made")).Text);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        int seen = 0;
        await foreach (var notification in client.Peer.ObserveAsync("/time", limit.Token))
            if (++seen == 2)
                break;
    }
}
