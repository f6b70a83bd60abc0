using System.Collections.Immutable;
using System.Net;
using System.Text;
using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class HttpTests
{
    private readonly SimulationLoop _loop = new();
    private readonly SimulatedNetwork _network;
    private readonly SimulatedHost _client, _server;

    public HttpTests()
    {
        _network = new SimulatedNetwork(_loop, "http") { Eavesdropper = new Eavesdropper() };
        (_client, _server) = (_network.AddHost("client"), _network.AddHost("server"));
    }

    private sealed class Role(params ImmutableArray<string> routes) : IHttpRole
    {
        public ImmutableArray<string> Routes => routes;
        public int MaxBody => 100_000;
        public Caller? Caller { get; private set; }
        public Func<PlainHttpRequest, ValueTask<PlainHttpResponse>>? Handle { get; init; }
        public ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
        {
            Caller = caller;
            return Handle?.Invoke(request) ?? new(new PlainHttpResponse(200, [new("X-Route", routes[0])], request.Body.ToArray().Reverse().ToArray()));
        }
    }

    private List<string> Ask(SimulatedHttpClient client, params ReadOnlySpan<PlainHttpRequest> requests)
    {
        var answers = new List<string>();
        foreach (var request in requests)
            client.Send(request, default, (r, _) => answers.Add($"{r.Status} {r.Header("x-route")} {r.Body.Length}"), (reason, sent) => answers.Add($"{reason} {sent}"));
        _loop.Run(TimeSpan.FromMinutes(5));
        return answers;
    }

    private static PlainHttpRequest Post(string path, int length = 3) => new("POST", path, [], new byte[length]);

    [Fact]
    public void Routes_are_exact_or_the_longest_prefix_and_one_connection_serves_all()
    {
        new SimulatedHttpServer(_server, 80, "main").Map(new Role("POST /a/b")).Map(new Role("POST /a/")).Map(new Role("POST /a/long/"));
        var answers = Ask(new SimulatedHttpClient(_client, "server", 80), Post("/a/b"), Post("/a/b/c"), Post("/a/long/x", 50_000), Post("/a/b?x=1"), Post("/b"));
        Assert.Equal(["200 POST /a/b 3", "200 POST /a/ 3", "200 POST /a/long/ 50000", "200 POST /a/b 3", "404  0"], answers);
        Assert.Equal(1, _network.Eavesdropper!.Frames.Count(f => f.To == "10.0.0.2:80" && (f.Bytes.Span[33] & 2) != 0));
    }

    [Fact]
    public void The_caller_knows_what_the_carrier_knows()
    {
        var role = new Role("POST /a");
        new SimulatedHttpServer(_server, 80, "main").Map(role);
        Ask(new SimulatedHttpClient(_client, "server", 80), Post("/a"));
        Assert.Equal("main", role.Caller!.Listener);
        Assert.StartsWith("10.0.0.1:", role.Caller.Remote, StringComparison.Ordinal);
        Assert.Equal([new Layer("TCP", Protection.Clear), new Layer("HTTP", Protection.Clear)], role.Caller.Layers);
    }

    [Fact]
    public void Failures_are_told_with_whether_the_request_had_left()
    {
        Assert.Equal(["The name nowhere is not known. False"], Ask(new SimulatedHttpClient(_client, "nowhere", 80), Post("/a")));
        Assert.Equal(["The connection was refused. False"], Ask(new SimulatedHttpClient(_client, "server", 81), Post("/a")));
        var role = new Role("POST /slow")
        {
            Handle = async _ =>
            {
                await Task.Delay(TimeSpan.FromSeconds(40), _loop.Time);
                return new PlainHttpResponse(200, [], default);
            },
        };
        new SimulatedHttpServer(_server, 80, "main").Map(role);
        var start = _loop.Now.Elapsed;
        Assert.Equal(["There was no answer in time. True"], Ask(new SimulatedHttpClient(_client, "server", 80) { Timeout = TimeSpan.FromSeconds(30) }, Post("/slow")));
        Assert.Equal(["200  0"], Ask(new SimulatedHttpClient(_client, "server", 80) { Timeout = TimeSpan.FromSeconds(50) }, Post("/slow")));
    }

    [Theory]
    [InlineData("POST /a HTTP/1.0\r\n\r\n", 505)]
    [InlineData("POST  /a HTTP/1.1\r\n\r\n", 400)]
    [InlineData("P@ST /a HTTP/1.1\r\n\r\n", 400)]
    [InlineData("POST /a HTTP/1.1\r\nno colon\r\n\r\n", 400)]
    [InlineData("POST /a HTTP/1.1\r\nX : y\r\n\r\n", 400)]
    [InlineData("POST /a HTTP/1.1\r\nX: a\nY: b\r\n\r\n", 400)]
    [InlineData("POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400)]
    [InlineData("POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400)]
    [InlineData("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411)]
    [InlineData("POST /a HTTP/1.1\r\nContent-Length: 100001\r\n\r\n", 413)]
    [InlineData("GET /a HTTP/1.1\r\n\r\n", 405)]
    public void Malformed_requests_are_refused_and_the_connection_closed(string request, int status)
    {
        new SimulatedHttpServer(_server, 80, "main").Map(new Role("POST /a"));
        var sink = new StreamTests.Sink();
        _client.Connect(new IPEndPoint(_server.Address, 80), sink, default).Send(Encoding.Latin1.GetBytes(request), default);
        _loop.Run(TimeSpan.FromMinutes(2));
        Assert.StartsWith($"HTTP/1.1 {status} ", Encoding.Latin1.GetString([.. sink.Bytes]), StringComparison.Ordinal);
        Assert.True(sink.HasEnded);
    }

    [Fact]
    public void A_head_without_end_is_refused()
    {
        new SimulatedHttpServer(_server, 80, "main").Map(new Role("POST /a"));
        var sink = new StreamTests.Sink();
        _client.Connect(new IPEndPoint(_server.Address, 80), sink, default).Send(new byte[20_000], default);
        _loop.Run(TimeSpan.FromMinutes(2));
        Assert.StartsWith("HTTP/1.1 431 ", Encoding.Latin1.GetString([.. sink.Bytes]), StringComparison.Ordinal);
    }

    /// <summary>What stands where TLS will: every byte is changed on its way.</summary>
    private sealed class Mask : IStreamFilter, IByteStream, IStreamEvents
    {
        private IByteStream _below = null!;
        private IStreamEvents _above = null!;
        public ChannelFacts Facts { get; } = new([new Layer("mask", Protection.Full)], [[1, 2, 3]], default, default);
        public IByteStream Attach(IByteStream below, IStreamEvents above, SimulationLoop loop, Action<Supply>? supplied, out IStreamEvents fromBelow)
        {
            (_below, _above, fromBelow) = (below, above, this);
            return this;
        }
        public IPEndPoint Local => _below.Local;
        public IPEndPoint Remote => _below.Remote;
        public SessionId Session { get => _below.Session; set => _below.Session = value; }
        public Tag ReceiveTag { get => _below.ReceiveTag; set => _below.ReceiveTag = value; }
        private static byte[] Masked(ReadOnlySpan<byte> bytes) => [.. bytes.ToArray().Select(b => (byte)(b ^ 0x55))];
        public void Send(ReadOnlySpan<byte> bytes, Tag tag) => _below.Send(Masked(bytes), tag);
        public void Close() => _below.Close();
        public void Abort() => _below.Abort();
        public void Opened() => _above.Opened();
        public void Received(ReadOnlySpan<byte> bytes) => _above.Received(Masked(bytes));
        public void Ended() => _above.Ended();
        public void Lost(string reason) => _above.Lost(reason);
    }

    [Fact]
    public void A_filter_stands_between_HTTP_and_TCP_on_both_sides()
    {
        var role = new Role("POST /secret");
        new SimulatedHttpServer(_server, 443, "tls", () => new Mask()).Map(role);
        Assert.Equal(["200 POST /secret 3"], Ask(new SimulatedHttpClient(_client, "server", 443, () => new Mask()), Post("/secret")));
        Assert.Equal(["TCP", "mask", "HTTP"], role.Caller!.Layers.Select(l => l.Name));
        Assert.Single(role.Caller.ClientChain);
        Assert.Empty(_network.Eavesdropper!.Search("/secret"));
    }

    [Fact]
    public void Somebody_on_the_path_reads_changes_and_swallows_requests_and_answers()
    {
        new SimulatedHttpServer(_server, 80, "main").Map(new Role("POST /a") { Handle = r => new(new PlainHttpResponse(200, [new("X-Route", r.Header("X-From") ?? "")], r.Body)) });
        var seen = new List<string>();
        var mallory = new HttpOnPath(_network.AddHost("mallory"), new IPEndPoint(_server.Address, 80),
            r =>
            {
                seen.Add(r.Path);
                return r.Body.Length == 1 ? null : r with { Headers = [.. r.Headers, new("X-From", "mallory")] };
            },
            (_, answer) => answer with { Body = new byte[77] });
        Assert.Equal(["200 mallory 77"], Ask(new SimulatedHttpClient(_client, "server", 80), Post("/a")));
        Assert.Equal(["There was no answer in time. True"], Ask(new SimulatedHttpClient(_client, "server", 80), Post("/a", 1)));
        Assert.Equal(["/a", "/a"], seen);
        mallory.Stop();
        Assert.Equal(["200  3"], Ask(new SimulatedHttpClient(_client, "server", 80), Post("/a")));
    }
}
