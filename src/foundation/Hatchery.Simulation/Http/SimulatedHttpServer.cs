using System.Collections.Immutable;
using System.Globalization;

namespace Hatchery.Simulation;

/// <summary>A web server in the simulation: real HTTP/1.1 bytes over simulated TCP, requests of a connection one after the other. Handling takes no virtual time
/// but what the role itself waits for.</summary>
public sealed class SimulatedHttpServer
{
    private readonly SimulatedHost _host;
    private readonly string _listener;
    private readonly Func<IStreamFilter>? _filter;
    private readonly Dictionary<(string Method, string Path), IHttpRole> _routes = [];

    /// <param name="listener">Its name, in <see cref="Caller.Listener"/>.</param>
    /// <param name="filter">What secures each connection; null: nothing.</param>
    public SimulatedHttpServer(SimulatedHost host, int port, string listener, Func<IStreamFilter>? filter = null)
    {
        (_host, _listener, _filter) = (host, listener, filter);
        host.Listen(port, Accept);
    }

    /// <summary>What only a defect of a role throws; by default it comes out of the loop's run.</summary>
    public Action<Exception>? Failed { get; init; }

    public SimulatedHttpServer Map(IHttpRole role)
    {
        foreach (var route in role.Routes)
        {
            int space = route.IndexOf(' ', StringComparison.Ordinal);
            if (!_routes.TryAdd((route[..space], route[(space + 1)..]), role))
                throw new InvalidOperationException($"{route} has two roles.");
        }
        return this;
    }

    private IStreamEvents Accept(IByteStream stream)
    {
        var connection = new Connection(this);
        if (_filter is null)
        {
            connection.Stream = stream;
            return connection;
        }
        connection.Filter = _filter();
        connection.Stream = connection.Filter.Attach(stream, connection, _host.Loop, null, out var below);
        return below;
    }

    /// <summary>Exact path first, else the longest prefix that ends in '/'.</summary>
    private IHttpRole Route(HttpHead head)
    {
        var path = head.Second.Split('?', 2)[0];
        if (_routes.TryGetValue((head.First, path), out var role))
            return role;
        for (int slash = path.LastIndexOf('/'); slash >= 0; slash = slash == 0 ? -1 : path.LastIndexOf('/', slash - 1))
            if (_routes.TryGetValue((head.First, path[..(slash + 1)]), out role))
                return role;
        throw new HttpFormatException(_routes.Keys.Any(k => k.Path == path) ? 405 : 404, "Nothing is served there.");
    }

    private sealed class Connection(SimulatedHttpServer server) : IStreamEvents
    {
        private HttpReader? _reader;
        private bool _busy, _ended;

        public IByteStream Stream { get; set; } = null!;
        public IStreamFilter? Filter { get; set; }
        private SimulatedHost Host => server._host;
        private HttpReader Reader => _reader ??= new HttpReader(true, head => server.Route(head).MaxBody);

        public void Opened() => Stream.ReceiveTag = Host.Witness.NewTag();

        public void Received(ReadOnlySpan<byte> bytes)
        {
            if (_ended)
                return;
            Reader.Add(bytes);
            Next();
        }

        public void Ended() => _ended = true;
        public void Lost(string reason) => _ended = true;

        private void Next()
        {
            if (_busy)
                return;
            HttpHead head;
            byte[] body;
            try
            {
                if (!Reader.TryRead(out head, out body))
                    return;
            }
            catch (HttpFormatException e)
            {
                _ended = true;
                Stream.Send(HttpWire.Write(new PlainHttpResponse(e.Status, [new("Connection", "close")], default)), default);
                Stream.Close();
                return;
            }
            _busy = true;
            var facts = Filter?.Facts ?? ChannelFacts.Plain;
            var (received, sent) = (Stream.ReceiveTag, Host.Witness.NewTag());
            var caller = new Caller
            {
                Now = Host.Loop.Now,
                Listener = server._listener,
                Remote = Stream.Remote.ToString(),
                Session = Stream.Session,
                ClientChain = facts.PeerChain,
                ServerCertificate = facts.OwnCertificate,
                TlsUnique = facts.TlsUnique,
                TlsExporter = facts.TlsExporter,
                SecretName = facts.SecretName,
                Layers = SimulatedHttp.LayersOver(facts),
                RequestFrames = received,
                AnswerFrames = sent,
            };
            var request = new PlainHttpRequest(head.First, head.Second, head.Headers, body);
            Action<PlainHttpResponse> answer = response => Answer(response, head.Closes, sent);
            Action<Exception> failed = Fail;
            Host.Loop.Await(() => server.Route(head).HandleAsync(request, caller, CancellationToken.None), Host.Process?.Guard(answer) ?? answer, Host.Process?.Guard(failed) ?? failed);
        }

        private void Answer(PlainHttpResponse response, bool close, Tag tag)
        {
            var bytes = HttpWire.Write(response);
            Host.Process?.Point($"{Host.Name} answer before");
            Stream.Send(bytes, tag);
            Host.Process?.Point($"{Host.Name} answer after");
            Stream.ReceiveTag = Host.Witness.NewTag();
            _busy = false;
            if (close || _ended)
            {
                _ended = true;
                Stream.Close();
            }
            else
                Next();
        }

        private void Fail(Exception e)
        {
            _ended = true;
            Stream.Abort();
            if (server.Failed is { } failed)
                failed(e);
            else
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"A role of {Host.Name} threw: {e.Message}"), e);
        }
    }
}

/// <summary>What both ends of simulated HTTP have in common.</summary>
internal static class SimulatedHttp
{
    public static ImmutableArray<Layer> LayersOver(ChannelFacts facts) => [new Layer("TCP", Protection.Clear), .. facts.Layers, new Layer("HTTP", Protection.Clear)];
}
