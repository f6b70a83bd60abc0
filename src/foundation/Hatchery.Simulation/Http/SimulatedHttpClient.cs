using System.Globalization;
using System.Net;

namespace Hatchery.Simulation;

/// <summary>An HTTP client without a protocol: requests one after the other over one connection kept alive, opened anew when the server closed it between requests.</summary>
/// <param name="filter">What secures each connection; null: nothing.</param>
/// <param name="supplied">Takes what a filter supplies.</param>
public sealed class SimulatedHttpClient(SimulatedHost host, string server, int port, Func<IStreamFilter>? filter = null, Action<Supply>? supplied = null)
{
    private readonly Queue<Exchange> _queue = new();
    private Link? _link;
    private Exchange? _current;
    private SimulatedTimer? _timer;
    private bool _closing, _dead;

    private sealed record Exchange(byte[] Bytes, Tag Tag, Action<PlainHttpResponse, Tag> Answered, Action<string, bool> Lost);

    /// <summary>From the moment a request's turn comes until its answer is complete.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Bytes of an answer.</summary>
    public int MaxBody { get; init; } = 4 << 20;
    public SessionId Session { get; init; }
    public ChannelFacts Facts => _link?.Filter?.Facts ?? ChannelFacts.Plain;
    internal string Authority => port == 80 ? server : string.Create(CultureInfo.InvariantCulture, $"{server}:{port}");

    /// <summary>Opens the connection before the first request; a failure is told to the current request, or to <paramref name="lost"/> if there is none.</summary>
    public void Open(Action<string> lost) => host.Loop.Post(Guarded(() => Connect(lost)));

    /// <param name="answered">With the tag of the frames that brought the answer. Never called from within this call.</param>
    /// <param name="lost">With the reason, and whether the request had left. No request after it is sent.</param>
    public void Send(PlainHttpRequest request, Tag tag, Action<PlainHttpResponse, Tag> answered, Action<string, bool> lost)
    {
        var exchange = new Exchange(HttpWire.Write(request, Authority), tag, answered, lost);
        if (_dead || _closing)
        {
            host.Loop.Post(Guarded(() => lost("The connection is closed.", false)));
            return;
        }
        _queue.Enqueue(exchange);
        Advance();
    }

    /// <summary>What was handed over still leaves; its answers are dropped.</summary>
    public void Close()
    {
        _closing = true;
        if (_current is null && _queue.Count == 0)
            Drop();
    }

    private void Advance()
    {
        if (_current is not null || !_queue.TryDequeue(out _current))
            return;
        _timer = host.Loop.After(Timeout, Guarded(() => Fail("There was no answer in time.")));
        if (_link is null)
            host.Loop.Post(Guarded(() => Connect(null)));
        else if (_link.IsOpen)
            _link.Write(_current);
    }

    private void Connect(Action<string>? lost)
    {
        if (_link is not null || _dead)
            return;
        if (host.Network.Resolve(server) is not { } address)
        {
            Fail($"The name {server} is not known.", lost);
            return;
        }
        _link = new Link(this, lost);
        var below = new Relay();
        if (filter is null)
        {
            below.To = _link;
            _link.Stream = host.Connect(new IPEndPoint(address, port), below, Session);
            return;
        }
        _link.Filter = filter();
        var stream = host.Connect(new IPEndPoint(address, port), below, Session);
        _link.Stream = _link.Filter.Attach(stream, _link, host.Loop, supplied, out var events);
        below.To = events;
    }

    private void Fail(string reason, Action<string>? lost = null)
    {
        _dead = true;
        bool left = _link?.Wrote ?? false;
        var current = _current;
        var link = _link;
        _timer?.Cancel();
        (_current, _link) = (null, null);
        _queue.Clear();
        link?.Abandon();
        if (current is not null)
            current.Lost(reason, left);
        else
            lost?.Invoke(reason);
    }

    private void Answered(PlainHttpResponse response, bool close)
    {
        _timer?.Cancel();
        var (done, tag) = (_current!, _link!.Stream.ReceiveTag);
        _current = null;
        if (close)
            Drop();
        else
            _link.Stream.ReceiveTag = host.Witness.NewTag();
        if (_closing && _queue.Count == 0)
            Drop();
        Advance();
        if (!_closing)
            done.Answered(response, tag);
    }

    private void Drop()
    {
        _link?.Leave();
        _link = null;
    }

    private Action Guarded(Action action) => host.Process?.Guard(action) ?? action;

    private sealed class Relay : IStreamEvents
    {
        public IStreamEvents To { get; set; } = null!;
        public void Opened() => To.Opened();
        public void Received(ReadOnlySpan<byte> bytes) => To.Received(bytes);
        public void Ended() => To.Ended();
        public void Lost(string reason) => To.Lost(reason);
    }

    /// <summary>One TCP connection.</summary>
    private sealed class Link(SimulatedHttpClient client, Action<string>? lost) : IStreamEvents
    {
        private readonly HttpReader _reader = new(false, _ => client.MaxBody);
        private bool _left;

        public IByteStream Stream { get; set; } = null!;
        public IStreamFilter? Filter { get; set; }
        public bool IsOpen { get; private set; }
        /// <summary>The current request was handed to the stream.</summary>
        public bool Wrote { get; private set; }

        public void Write(Exchange exchange)
        {
            Wrote = true;
            Stream.Send(exchange.Bytes, exchange.Tag);
        }

        public void Leave()
        {
            _left = true;
            Stream.Close();
        }

        public void Abandon()
        {
            _left = true;
            Stream.Abort();
        }

        public void Opened()
        {
            IsOpen = true;
            Stream.ReceiveTag = client.NewTag();
            if (client._current is { } current && !_left)
                Write(current);
        }

        public void Received(ReadOnlySpan<byte> bytes)
        {
            if (_left)
                return;
            _reader.Add(bytes);
            HttpHead head;
            byte[] body;
            try
            {
                if (!_reader.TryRead(out head, out body))
                    return;
            }
            catch (HttpFormatException e)
            {
                client.Fail($"The answer is not HTTP: {e.Message}", lost);
                return;
            }
            if (client._current is null || !Wrote)
            {
                client.Fail("An answer came that nobody had asked for.", lost);
                return;
            }
            Wrote = false;
            client.Answered(new PlainHttpResponse(int.Parse(head.Second, CultureInfo.InvariantCulture), head.Headers, body), head.Closes);
        }

        public void Ended()
        {
            if (_left)
                return;
            if (client._current is not null)
                client.Fail("The server closed the connection.", lost);
            else
            {
                Leave();
                client._link = null;
            }
        }

        public void Lost(string reason)
        {
            if (_left)
                return;
            if (client._current is null && IsOpen)
                client._link = null;
            else
                client.Fail(reason, lost);
        }
    }

    private Tag NewTag() => host.Witness.NewTag();
}
