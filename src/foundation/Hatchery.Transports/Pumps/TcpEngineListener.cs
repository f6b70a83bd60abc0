using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Hatchery.Transports;

/// <summary>Accepts connections, and runs what the caller makes of each.</summary>
public sealed class TcpEngineListener : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly Func<Socket, CancellationToken, Task> _serve;
    private readonly Action<Exception> _failed;
    private readonly int _maxConnections;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, bool> _running = new();
    private readonly Task _accepting;

    /// <param name="serve">Runs one connection to its end (a <see cref="TcpEnginePump{TEvent}"/>); the socket is disposed behind it.</param>
    /// <param name="failed">Takes what a connection's task throws, but for cancellation.</param>
    /// <param name="maxConnections">Further ones are closed at once.</param>
    public TcpEngineListener(IPEndPoint at, Func<Socket, CancellationToken, Task> serve, Action<Exception> failed, int maxConnections = 1024)
    {
        (_serve, _failed, _maxConnections) = (serve, failed, maxConnections);
        _socket = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            _socket.Bind(at);
            _socket.Listen();
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
        EndPoint = (IPEndPoint)_socket.LocalEndPoint!;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>As bound.</summary>
    public IPEndPoint EndPoint { get; }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _socket.AcceptAsync(_stop.Token);
            }
            catch (SocketException e) when (!_stop.IsCancellationRequested)
            {
                // The peer gave up before it was accepted, or descriptors have run out: the next one may do.
                _failed(e);
                await Task.Yield();
                continue;
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
            if (_running.Count >= _maxConnections)
            {
                socket.Dispose();
                continue;
            }
            var task = ServeAsync(socket);
            _running.TryAdd(task, true);
            _ = task.ContinueWith((t, all) => ((ConcurrentDictionary<Task, bool>)all!).TryRemove(t, out var _), _running, CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            await _serve(socket, _stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Shutdown.
        }
        catch (Exception e)
        {
            _failed(e);
        }
        finally
        {
            socket.Dispose();
        }
    }

    /// <summary>Ends all connections.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _socket.Dispose();
        await _accepting;
        await Task.WhenAll(_running.Keys);
        _stop.Dispose();
    }
}
