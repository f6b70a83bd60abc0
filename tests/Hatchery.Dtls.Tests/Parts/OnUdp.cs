using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Hatchery.Dtls.Tests;

/// <summary>An engine on a real socket of loopback.</summary>
internal sealed class OnUdp : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly byte[] _buffer = new byte[65536];
    private IEngine<IPEndPoint, DtlsEvent> _engine = null!;
    public readonly List<string> Data = [];
    public readonly List<DtlsFailure> Failures = [];
    public DtlsSession? Session;
    public int Connected, Closed;

    public OnUdp() => _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));

    public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;
    public Moment Now => new(Pair.Start.Elapsed + Stopwatch.GetElapsedTime(_start), TestPki.Today);
    public DtlsConnection Connection => Session!.Connection!;

    public DtlsServer<IPEndPoint> Serve(DtlsServerOptions options)
    {
        var server = new DtlsServer<IPEndPoint>(options, new Cryptography.SystemChance(), Now);
        _engine = server;
        return server;
    }

    public DtlsClient<IPEndPoint> Connect(DtlsClientOptions options, int port)
    {
        var client = new DtlsClient<IPEndPoint>(options, new IPEndPoint(IPAddress.Loopback, port), new Cryptography.SystemChance(), Now);
        _engine = client;
        return client;
    }

    public async Task UntilAsync(Func<bool> done, CancellationToken cancel)
    {
        while (true)
        {
            Drain();
            if (done())
                return;
            var wait = _engine.Deadline == Moment.Never ? Timeout.InfiniteTimeSpan : _engine.Deadline - Now.Elapsed;
            if (wait < TimeSpan.Zero && wait != Timeout.InfiniteTimeSpan)
                wait = TimeSpan.Zero;
            if (wait > TimeSpan.FromHours(1))
                wait = Timeout.InfiniteTimeSpan;
            using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            timer.CancelAfter(wait);
            try
            {
                var got = await _socket.ReceiveFromAsync(_buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), timer.Token);
                _engine.Receive(_buffer.AsSpan(0, got.ReceivedBytes), (IPEndPoint)got.RemoteEndPoint, Now, default);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                _engine.Tick(Now);
            }
            catch (SocketException)
            {
                // The peer's port is closed.
            }
        }
    }

    private void Drain()
    {
        while (_engine.TryEvent(out var happened))
        {
            switch (happened.Kind)
            {
                case DtlsEventKind.Connected:
                    Connected++;
                    Session = happened.Session;
                    break;
                case DtlsEventKind.Data:
                    Data.Add(Encoding.ASCII.GetString(happened.Data.Span));
                    break;
                case DtlsEventKind.Closed:
                    Closed++;
                    break;
                case DtlsEventKind.Failed:
                    Failures.Add(happened.Failure!);
                    break;
            }
        }
        while (_engine.TryTransmit(_buffer, out var transmit))
            _socket.SendTo(_buffer.AsSpan(0, transmit.Length), transmit.Path);
    }

    /// <summary>Connected, or it says why not.</summary>
    public async Task ConnectedAsync(CancellationToken cancel, int times = 1)
    {
        await UntilAsync(() => Connected >= times || Failures.Count > 0, cancel);
        Assert.Empty(Failures);
    }

    public Task ReceivedAsync(string text, CancellationToken cancel) => UntilAsync(() => string.Concat(Data).Contains(text, StringComparison.Ordinal), cancel);

    public void Send(string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        Assert.Equal(Accepted.Yes, _engine switch
        {
            DtlsServer<IPEndPoint> server => server.Send(Session!, bytes, default, Now),
            var client => ((DtlsClient<IPEndPoint>)client).Send(bytes, default, Now),
        });
        Drain();
    }

    public void Close()
    {
        if (_engine is DtlsServer<IPEndPoint> server)
            server.Close(Session!, Now);
        else
            ((DtlsClient<IPEndPoint>)_engine).Close(Now);
        Drain();
    }

    public void Dispose()
    {
        (_engine as IDisposable)?.Dispose();
        _socket.Dispose();
    }

    /// <summary>A port that nobody has now; for peers that cannot choose one themselves and say which.</summary>
    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
