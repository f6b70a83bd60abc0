using System.Net;
using System.Net.Sockets;
using Hatchery.Cryptography;
using Hatchery.Transports;

namespace Hatchery.Coap.Sockets;

/// <summary>CoAP on one connection (RFC 8323): coap+tcp, or coaps+tcp over a TLS stream that the caller brings (ALPN "coap"). Both sides may ask.</summary>
public sealed class CoapConnection : IAsyncDisposable
{
    private readonly TcpEnginePump<CoapEvent<StreamPath>> _pump;
    private readonly CoapStream _engine;
    private readonly SystemClock _clock;
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();

    internal CoapConnection(CoapApp? app, CoapSettings? settings, PumpOptions? options, Action<Exception>? failed)
    {
        _clock = (options ??= new()).Clock;
        _engine = new CoapStream(settings ?? new(), new SystemChance());
        TcpEnginePump<CoapEvent<StreamPath>>? pump = null;
        Host = new CoapHost<StreamPath>(_engine, action => pump!.Post(action), () => _clock.Now, app, failed);
        _pump = pump = new TcpEnginePump<CoapEvent<StreamPath>>(_engine, Handle, options);
    }

    public CoapHost<StreamPath> Host { get; }
    public CoapClient<StreamPath> Peer => Host.To(default);
    /// <summary>How the connection ended.</summary>
    public Task<PumpEnd> Completion { get; private set; } = Task.FromResult(PumpEnd.Closed);

    /// <summary>Connects, and waits for the peer's settings.</summary>
    /// <exception cref="SocketException">Nobody is there.</exception>
    /// <exception cref="CoapException">The peer does not speak CoAP.</exception>
    public static async Task<CoapConnection> ConnectAsync(IPEndPoint to, CoapApp? app = null, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null, CancellationToken cancel = default)
    {
        var socket = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(to, cancel);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        var connection = new CoapConnection(app, settings, options, failed);
        return await connection.StartAsync(c => connection._pump.RunAsync(socket, c), cancel);
    }

    /// <summary>On a stream, which stays open at the end.</summary>
    /// <inheritdoc cref="ConnectAsync" path="/exception"/>
    public static Task<CoapConnection> OpenAsync(Stream stream, CoapApp? app = null, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null, CancellationToken cancel = default)
    {
        var connection = new CoapConnection(app, settings, options, failed);
        return connection.StartAsync(c => connection._pump.RunAsync(stream, c), cancel);
    }

    /// <summary>Serves a stream to its end; a server's side.</summary>
    public static async Task<PumpEnd> ServeAsync(Stream stream, CoapApp app, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null, CancellationToken cancel = default)
    {
        await using var connection = new CoapConnection(app, settings, options, failed);
        return await connection._pump.RunAsync(stream, cancel);
    }

    internal async Task RunAsync(Socket socket, Func<Stream, CancellationToken, Task<Stream>>? secure, CancellationToken cancel)
    {
        if (secure is null)
        {
            await _pump.RunAsync(socket, cancel);
            return;
        }
        socket.NoDelay = true;
        await using var plain = new NetworkStream(socket, ownsSocket: false);
        await using var stream = await secure(plain, cancel);
        await _pump.RunAsync(stream, cancel);
    }

    private async Task<CoapConnection> StartAsync(Func<CancellationToken, Task<PumpEnd>> run, CancellationToken cancel)
    {
        Completion = RunAsync(run);
        try
        {
            await _connected.Task.WaitAsync(cancel);
            return this;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    private async Task<PumpEnd> RunAsync(Func<CancellationToken, Task<PumpEnd>> run)
    {
        try
        {
            return await run(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return PumpEnd.Closed;
        }
        finally
        {
            // The pump has ended: this thread is the engine's now.
            _engine.InputEnded(_clock.Now);
            while (_engine.TryEvent(out var happened))
                Handle(happened);
            _connected.TrySetException(new CoapException("Closed", "CSM", "The connection ended before the peer's settings came."));
        }
    }

    private void Handle(in CoapEvent<StreamPath> happened)
    {
        if (happened.Kind == CoapEventKind.Connected)
            _connected.TrySetResult();
        else if (happened.Kind == CoapEventKind.Closed)
            _pump.Close();
        Host.Handle(happened);
    }

    public async ValueTask DisposeAsync()
    {
        Host.Dispose();
        _pump.Close();
        await _stop.CancelAsync();
        await ((Task)Completion).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Whether or not anybody asked.
        _ = _connected.Task.Exception;
        _stop.Dispose();
    }
}
