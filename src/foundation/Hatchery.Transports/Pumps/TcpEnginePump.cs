using System.Net.Sockets;
using System.Threading.Channels;

namespace Hatchery.Transports;

/// <summary>Runs an engine on one byte stream. The engine is called by one thread at a time. Reading goes on while a write waits for the peer, and the
/// engine is asked for the next piece only when the last one has left.</summary>
public sealed class TcpEnginePump<TEvent>(IEngine<StreamPath, TEvent> engine, EngineEventHandler<TEvent> happened, PumpOptions? options = null) where TEvent : struct
{
    private readonly PumpOptions _options = options ?? new();
    private readonly Channel<Action> _mail = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private bool _closing;

    /// <summary>Runs something on the pump's thread (an <c>engine.Send</c>, say); from any thread, also before the pump runs.</summary>
    public void Post(Action action) => _mail.Writer.TryWrite(action);

    /// <summary>From any thread: sends what the engine still has, then ends.</summary>
    public void Close() => Post(() => _closing = true);

    /// <summary>On a connected socket, which it then owns.</summary>
    public async Task<PumpEnd> RunAsync(Socket socket, CancellationToken cancel)
    {
        var point = new CapturePoint(_options.Witness, _options.Clock, _options.Session, $"{socket.LocalEndPoint}", $"{socket.RemoteEndPoint}");
        socket.NoDelay = true;
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        if (!point.IsOn)
            return await RunAsync(stream, cancel);
        await using var capture = new CaptureStream(stream, point);
        return await RunAsync(capture, cancel);
    }

    /// <summary>On any stream, which stays open.</summary>
    public async Task<PumpEnd> RunAsync(Stream stream, CancellationToken cancel)
    {
        var clock = _options.Clock;
        var capture = stream as CaptureStream;
        var input = new byte[_options.ReceiveBuffer];
        var output = new byte[_options.SendBuffer];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        await using var timer = clock.Provider.CreateTimer(static p => ((TcpEnginePump<TEvent>)p!).Post(static () => { }), this,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Task<int>? read = null;
        Task? write = null, mail = null;
        var received = default(Tag);
        var active = clock.Elapsed;
        var ticked = Moment.Never;
        bool ended = false;
        try
        {
            while (true)
            {
                while (engine.TryEvent(out var what))
                    happened(in what);
                if (write is { IsCompleted: true })
                {
                    await write;
                    write = null;
                    active = clock.Elapsed;
                }
                if (write is null && Fill(output, capture) is > 0 and var length)
                {
                    write = stream.WriteAsync(output.AsMemory(0, length), stop.Token).AsTask();
                    continue;
                }
                if (write is null && (ended || _closing))
                    return ended ? PumpEnd.PeerClosed : PumpEnd.Closed;
                var idleAt = active + _options.IdleTimeout;
                if (clock.Elapsed >= idleAt)
                    return PumpEnd.Idle;
                var due = engine.Deadline;
                if (due <= clock.Elapsed && due != ticked)
                {
                    ticked = due;
                    engine.Tick(clock.Now);
                    continue;
                }
                // An engine that did not move its deadline is waiting for something else, such as room to transmit.
                timer.Change(clock.Until(due < idleAt && due != ticked ? due : idleAt), Timeout.InfiniteTimeSpan);
                if (read is null && !ended)
                {
                    received = capture is null ? default : _options.Witness.NewTag();
                    if (capture is not null)
                        capture.Receiving = received;
                    read = stream.ReadAsync(input, stop.Token).AsTask();
                }
                mail ??= _mail.Reader.WaitToReadAsync(stop.Token).AsTask();
                await Task.WhenAny(read ?? mail, write ?? mail, mail);
                cancel.ThrowIfCancellationRequested();
                if (read is { IsCompleted: true })
                {
                    int n = await read;
                    read = null;
                    active = clock.Elapsed;
                    if (n == 0)
                        ended = true;
                    else
                        engine.Receive(input.AsSpan(0, n), default, clock.Now, received);
                    while (engine.TryEvent(out var what))
                        happened(in what);
                }
                if (mail.IsCompleted)
                {
                    mail = null;
                    while (_mail.Reader.TryRead(out var action))
                        action();
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException && !cancel.IsCancellationRequested)
        {
            return PumpEnd.Broken;
        }
        finally
        {
            await stop.CancelAsync();
            await Settle(read);
            await Settle(write);
            await Settle(mail);
        }
    }

    /// <summary>As many pieces as fit. With capture on, one: each piece's bytes go under its own tag.</summary>
    private int Fill(byte[] output, CaptureStream? capture)
    {
        int length = 0;
        while (length < output.Length && engine.TryTransmit(output.AsSpan(length), out var piece))
        {
            length += piece.Length;
            if (capture is not null)
            {
                capture.Sending = piece.Tag;
                break;
            }
        }
        return length;
    }

    /// <summary>The buffers belong to the platform until it lets go of them.</summary>
    private static async Task Settle(Task? task)
    {
        if (task is not null)
            await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
