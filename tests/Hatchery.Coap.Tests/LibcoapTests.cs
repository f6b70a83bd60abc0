using System.Net;
using System.Text;
using Hatchery.Coap.Sockets;

namespace Hatchery.Coap.Tests;

/// <summary>libcoap 4.3.1 as client and as server, over UDP and TCP on loopback.</summary>
public sealed class LibcoapTests
{
    private static readonly IPEndPoint s_any = new(IPAddress.Loopback, 0);

    private static string Letters(int length) => string.Concat(Enumerable.Range(0, length).Select(i => (char)('a' + i * 7 % 26)));

    private sealed class Stored
    {
        public string Value { get; set; } = "empty";
        public CoapApp App { get; } = new();

        public Stored()
        {
            App.MapGet("/store", _ => CoapResults.Text(Value)).With("rt", "store").Observable();
            App.MapPut("/store", c => Store(c));
            App.MapPost("/store", c => Store(c));
            App.MapDelete("/store", _ =>
            {
                Value = "";
                return CoapResults.Deleted();
            });
            App.MapFetch("/store", c => CoapResults.Text($"fetched {Encoding.UTF8.GetString(c.Payload.Span)} as {c.Request.Options.ContentFormat}"));
            App.MapIPatch("/store", c => Store(c));
            App.MapPatch("/store", c => Store(c));
            App.MapGet("/large", _ => CoapResults.Text(Letters(10000)));
            App.MapPost("/reverse", c => CoapResults.Changed(Encoding.UTF8.GetBytes(new string([.. Encoding.UTF8.GetString(c.Payload.Span).Reverse()])), ContentFormat.TextPlain));
            App.MapGet("/slow", async _ =>
            {
                await Task.Delay(800);
                return CoapResults.Text("patience");
            });
        }

        private CoapResponse Store(CoapContext context)
        {
            Value = Encoding.UTF8.GetString(context.Payload.Span);
            return CoapResults.Changed();
        }
    }

    private static async Task With(string scheme, Func<string, Stored, Task> test)
    {
        var stored = new Stored();
        var failures = new List<Exception>();
        if (scheme == "coap")
        {
            await using var server = CoapUdp.Open(stored.App, s_any, failed: failures.Add);
            await test($"coap://127.0.0.1:{server.EndPoint.Port}", stored);
        }
        else
        {
            await using var server = new CoapListener(s_any, stored.App, failed: failures.Add);
            await test($"coap+tcp://127.0.0.1:{server.EndPoint.Port}", stored);
        }
        Assert.Empty(failures);
    }

    [Theory]
    [InlineData("coap")]
    [InlineData("coap+tcp")]
    public Task Their_client_reads_and_writes(string scheme) => With(scheme, async (uri, stored) =>
    {
        Assert.Equal("empty\n", await Tool.RunAsync("-m", "get", uri + "/store"));
        await Tool.RunAsync("-m", "put", "-e", "something", uri + "/store");
        Assert.Equal("something", stored.Value);
        await Tool.RunAsync("-m", "post", "-e", "posted", uri + "/store");
        Assert.Equal("posted", stored.Value);
        await Tool.RunAsync("-m", "ipatch", "-e", "patched", uri + "/store");
        Assert.Equal("patched", stored.Value);
        Assert.Equal("fetched what as 50\n", await Tool.RunAsync("-m", "fetch", "-t", "50", "-e", "what", uri + "/store"));
        await Tool.RunAsync("-m", "delete", uri + "/store");
        Assert.Equal("", stored.Value);
        Assert.Equal("4.04\n", await Tool.RunAsync("-m", "get", uri + "/nothing"));
        Assert.Equal("patience\n", await Tool.RunAsync("-m", "get", uri + "/slow"));
        Assert.Contains("</store>;rt=\"store\"", await Tool.RunAsync("-m", "get", uri + "/.well-known/core"), StringComparison.Ordinal);
    });

    [Theory]
    [InlineData("coap", null)]
    [InlineData("coap", "64")]
    [InlineData("coap", "1024")]
    [InlineData("coap+tcp", null)]
    public Task Their_client_goes_by_blocks(string scheme, string? size) => With(scheme, async (uri, stored) =>
    {
        string[] block = size is null ? [] : ["-b", size];
        Assert.Equal(Letters(10000) + "\n", await Tool.RunAsync([.. block, "-m", "get", uri + "/large"]));
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, Letters(5000));
            await Tool.RunAsync([.. block, "-m", "put", "-f", file, uri + "/store"]);
            Assert.Equal(Letters(5000), stored.Value);
            Assert.Equal(new string([.. Letters(5000).Reverse()]) + "\n", await Tool.RunAsync([.. block, "-m", "post", "-f", file, uri + "/reverse"]));
        }
        finally
        {
            File.Delete(file);
        }
    });

    [Theory]
    [InlineData("coap")]
    [InlineData("coap+tcp")]
    public async Task Their_client_observes(string scheme)
    {
        var stored = new Stored { Value = "first" };
        await using var udp = CoapUdp.Open(stored.App, s_any);
        await using var tcp = new CoapListener(s_any, stored.App);
        bool isUdp = scheme == "coap";
        int port = isUdp ? udp.EndPoint.Port : tcp.EndPoint.Port;
        int Observers() => isUdp ? udp.Host.Engine.Observations : tcp.Observations;
        using var client = new Tool(Tool.Client, "-m", "get", "-s", "2", "-w", $"{scheme}://127.0.0.1:{port}/store");
        await Tool.Until(() => Observers() > 0, "an observer");
        for (int i = 0; i < 6; i++)
        {
            string awaited = stored.Value = i == 5 ? Letters(3000) : $"change {i}";
            if (isUdp)
                udp.Host.Changed("/store", confirmable: i % 2 == 0);
            else
                tcp.Changed("/store");
            await Tool.Until(() => client.Output.Contains(awaited, StringComparison.Ordinal), awaited);
        }
        await client.EndedAsync();
        // It cancels before it goes.
        Assert.Equal(0, Observers());
    }

    [Fact]
    public async Task Their_server_is_read_written_and_discovered()
    {
        var (server, port) = await Tool.ServeAsync("-d", "10");
        using var _ = server;
        await using var coap = CoapUdp.Open();
        await using var tcp = await CoapConnection.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        var client = coap.To(new IPEndPoint(IPAddress.Loopback, port));
        foreach (var ask in new Func<CoapRequest, Task<CoapResponse>>[] { r => client.SendAsync(r), r => tcp.Peer.SendAsync(r) })
        {
            Assert.StartsWith("This is a test server", (await ask(CoapRequest.Get("/"))).Text, StringComparison.Ordinal);
            string path = "/made" + Guid.NewGuid().ToString("N");
            Assert.Equal(CoapCode.Created, (await ask(CoapRequest.Put(path, "one"u8.ToArray(), 0))).Code);
            Assert.Equal(CoapCode.Changed, (await ask(CoapRequest.Put(path, "two"u8.ToArray(), 0))).Code);
            Assert.Equal("two", (await ask(CoapRequest.Get(path))).Text);
            foreach (int length in new[] { 1000, 1025, 5000, 20000 })
            {
                await ask(CoapRequest.Put(path, Encoding.ASCII.GetBytes(Letters(length)), 0));
                Assert.Equal(Letters(length), (await ask(CoapRequest.Get(path))).Text);
            }
            Assert.Equal(CoapCode.Deleted, (await ask(CoapRequest.Delete(path))).Code);
            Assert.Equal(CoapCode.NotFound, (await ask(CoapRequest.Get(path))).Code);
            // Answered after two seconds: separately over UDP.
            Assert.Equal("done", (await ask(CoapRequest.Get("/async?2"))).Text);
        }
        var links = await client.DiscoverAsync();
        Assert.Contains(links, l => l.Target == "/time" && l["rt"] == "ticks");
        Assert.Single(await client.DiscoverAsync("rt=ticks"));
    }

    [Theory]
    [InlineData("coap")]
    [InlineData("coap+tcp")]
    public async Task Their_server_is_observed(string scheme)
    {
        var (server, port) = await Tool.ServeAsync();
        using var _ = server;
        await using var coap = CoapUdp.Open();
        await using var tcp = await CoapConnection.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var seen = new List<string>();
        var notifications = scheme == "coap" ? coap.To(new IPEndPoint(IPAddress.Loopback, port)).ObserveAsync("/time", limit.Token) : tcp.Peer.ObserveAsync("/time", limit.Token);
        await foreach (var notification in notifications)
        {
            seen.Add(notification.Text);
            if (seen.Count == 3)
                break;
        }
        Assert.Equal(3, seen.Distinct().Count());
    }
}
