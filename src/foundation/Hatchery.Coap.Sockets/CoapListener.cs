using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Hatchery.Transports;

namespace Hatchery.Coap.Sockets;

/// <summary>A server on TCP: one application for all connections.</summary>
public sealed class CoapListener : IAsyncDisposable
{
    private readonly TcpEngineListener _listener;
    private readonly ConcurrentDictionary<CoapConnection, bool> _open = new();

    /// <param name="secure">Makes a TLS stream of an accepted one (ALPN "coap"): coaps+tcp. Null: coap+tcp.</param>
    /// <param name="failed">Takes what handlers and connections throw and no peer is to see.</param>
    public CoapListener(IPEndPoint at, CoapApp app, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null,
        Func<Stream, CancellationToken, Task<Stream>>? secure = null) => _listener = new TcpEngineListener(at, async (socket, cancel) =>
    {
        await using var connection = new CoapConnection(app, settings, options, failed);
        _open.TryAdd(connection, true);
        try
        {
            await connection.RunAsync(socket, secure, cancel);
        }
        finally
        {
            _open.TryRemove(connection, out _);
        }
    }, e => failed?.Invoke(e));

    /// <summary>As bound.</summary>
    public IPEndPoint EndPoint => _listener.EndPoint;
    public int Connections => _open.Count;
    /// <summary>What peers observe, on all connections.</summary>
    public int Observations => _open.Keys.Sum(c => c.Host.Engine.Observations);

    /// <summary>As <see cref="CoapHost{TPath}.Changed"/>, for the observers of all connections.</summary>
    public void Changed(string path)
    {
        foreach (var connection in _open.Keys)
            connection.Host.Changed(path);
    }

    /// <summary>Ends all connections.</summary>
    public ValueTask DisposeAsync() => _listener.DisposeAsync();
}
