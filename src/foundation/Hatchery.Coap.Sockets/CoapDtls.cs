using System.Net;
using Hatchery.Cryptography;
using Hatchery.Dtls;
using Hatchery.Transports;

namespace Hatchery.Coap.Sockets;

/// <summary>coaps on one UDP socket: one session with a server, or a server with its sessions. Both sides may ask.</summary>
public sealed class CoapDtls : IAsyncDisposable
{
    private readonly UdpEnginePump<CoapEvent<DtlsSession<UdpPath>>> _pump;
    private readonly CoapsEngine<UdpPath> _engine;
    private readonly SystemClock _clock;
    private readonly TaskCompletionSource<DtlsConnection> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private CoapDtls(IPEndPoint at, CoapsEngine<UdpPath> engine, CoapApp? app, PumpOptions options, Action<Exception>? failed)
    {
        (_engine, _clock) = (engine, options.Clock);
        UdpEnginePump<CoapEvent<DtlsSession<UdpPath>>>? pump = null;
        Host = new CoapHost<DtlsSession<UdpPath>>(engine.Coap, action => pump!.Post(action), () => _clock.Now, app, failed);
        engine.SessionChanged = Changed;
        _pump = pump = new UdpEnginePump<CoapEvent<DtlsSession<UdpPath>>>(at, engine, Host.Handle, options);
    }

    public CoapHost<DtlsSession<UdpPath>> Host { get; }
    /// <summary>As bound.</summary>
    public IPEndPoint EndPoint => _pump.EndPoint;
    /// <summary>Faulted if the socket failed.</summary>
    public Task Completion => _pump.Completion;
    /// <summary>Of a client: what was negotiated.</summary>
    public DtlsConnection Connection => _connected.Task.Result;
    /// <summary>Of a client: its server.</summary>
    public CoapClient<DtlsSession<UdpPath>> Peer => Host.To(((CoapsClient<UdpPath>)_engine).Session);
    /// <summary>Sees sessions come and go; on the engine's thread.</summary>
    public event Action<DtlsEvent>? SessionChanged;

    public static CoapDtls Listen(IPEndPoint at, CoapApp app, DtlsServerOptions dtls, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null)
    {
        options ??= new();
        var engine = new CoapsServer<UdpPath>(dtls, settings ?? new(), new SystemChance(), options.Clock.Now);
        var server = new CoapDtls(at, engine, app, options, failed);
        server._pump.Start();
        return server;
    }

    /// <summary>Connects, and waits for the handshake's end.</summary>
    /// <exception cref="CoapException">"Closed": the handshake failed.</exception>
    public static async Task<CoapDtls> ConnectAsync(IPEndPoint to, DtlsClientOptions dtls, CoapApp? app = null, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null,
        CancellationToken cancel = default)
    {
        options ??= new();
        var engine = new CoapsClient<UdpPath>(dtls, UdpPath.From(to), settings ?? new(), new SystemChance(), options.Clock.Now);
        var any = new IPEndPoint(to.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        var client = new CoapDtls(any, engine, app, options, failed);
        client._pump.Start();
        try
        {
            await client._connected.Task.WaitAsync(cancel);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    private void Changed(DtlsEvent happened)
    {
        if (happened.Kind == DtlsEventKind.Connected)
            _connected.TrySetResult(happened.Session.Connection!);
        else if (happened.Kind is DtlsEventKind.Failed or DtlsEventKind.Closed)
            _connected.TrySetException(new CoapException("Closed", "DTLS", happened.Failure?.Sentence ?? "The peer closed the session."));
        SessionChanged?.Invoke(happened);
    }

    /// <summary>Closes the sessions in order.</summary>
    public async ValueTask DisposeAsync()
    {
        Host.Dispose();
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _pump.Post(() =>
        {
            (_engine as IDisposable)?.Dispose();
            closed.SetResult();
        });
        await Task.WhenAny(closed.Task, _pump.Completion);
        await _pump.DisposeAsync();
        _ = _connected.Task.Exception;
    }
}
