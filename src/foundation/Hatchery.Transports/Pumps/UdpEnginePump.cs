using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Hatchery.Transports;

/// <summary>What serves one UDP socket, as its owner sees it.</summary>
public interface IUdpPump : IAsyncDisposable
{
    /// <summary>As bound.</summary>
    IPEndPoint EndPoint { get; }

    /// <summary>Ends when the pump was disposed; faulted if the socket or a handler failed.</summary>
    Task Completion { get; }

    void Start();
}

/// <summary>Runs an engine on one UDP socket, by one thread that blocks in the socket; allocates nothing per datagram. Datagrams without content
/// are dropped: the pump wakes itself with them.</summary>
public sealed class UdpEnginePump<TEvent> : IUdpPump where TEvent : struct
{
    private const int MaxDatagram = 65535, MaxFaults = 100;
    private readonly IEngine<UdpPath, TEvent> _engine;
    private readonly EngineEventHandler<TEvent> _happened;
    private readonly PumpOptions _options;
    private readonly Socket _socket;
    private readonly Socket _waker;
    private readonly IPEndPoint _wakeUp;
    private readonly ConcurrentQueue<Action> _mail = new();
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SocketAddress _from, _to;
    private readonly byte[] _input = GC.AllocateArray<byte>(MaxDatagram, pinned: true), _output = GC.AllocateArray<byte>(MaxDatagram, pinned: true);
    private int _waking;
    private volatile bool _stop, _started;

    /// <param name="at">Port 0: one that is free.</param>
    public UdpEnginePump(IPEndPoint at, IEngine<UdpPath, TEvent> engine, EngineEventHandler<TEvent> happened, PumpOptions? options = null)
    {
        (_engine, _happened, _options) = (engine, happened, options ?? new());
        _socket = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        _waker = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            // Bursts beyond the platform's default are dropped without a sign.
            _socket.ReceiveBufferSize = 1024 * 1024;
            _socket.Bind(at);
        }
        catch
        {
            _socket.Dispose();
            _waker.Dispose();
            throw;
        }
        EndPoint = (IPEndPoint)_socket.LocalEndPoint!;
        _wakeUp = new IPEndPoint(EndPoint.Address.Equals(IPAddress.Any) ? IPAddress.Loopback
            : EndPoint.Address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : EndPoint.Address, EndPoint.Port);
        (_from, _to) = (UdpPath.NewAddress(at.AddressFamily), UdpPath.NewAddress(at.AddressFamily));
    }

    /// <summary>As bound.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Ends when the pump was disposed; faulted if the socket or the handler failed.</summary>
    public Task Completion => _done.Task;

    public void Start()
    {
        ObjectDisposedException.ThrowIf(_stop, this);
        _started = true;
        new Thread(Run) { IsBackground = true, Name = $"UDP {EndPoint}" }.Start();
    }

    /// <summary>Runs something on the pump's thread (an <c>engine.Send</c>, say); from any thread.</summary>
    public void Post(Action action)
    {
        _mail.Enqueue(action);
        Wake();
    }

    private void Wake()
    {
        if (Interlocked.Exchange(ref _waking, 1) != 0)
            return;
        try
        {
            _waker.SendTo([], SocketFlags.None, _wakeUp);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Full buffers wake the pump too; closed sockets end it.
            Volatile.Write(ref _waking, 0);
        }
    }

    private void Run()
    {
        int faults = 0;
        bool stuck = false;
        try
        {
            Drain();
            while (!_stop)
            {
                try
                {
                    if (Wait(stuck))
                        Receive();
                    faults = 0;
                }
                catch (SocketException) when (!_stop && ++faults < MaxFaults)
                {
                    // A peer's "port unreachable", and the like, is no fault of this socket.
                }
                RunMail();
                var due = _engine.Deadline;
                if (due <= _options.Clock.Elapsed)
                    _engine.Tick(_options.Clock.Now);
                Drain();
                stuck = due <= _options.Clock.Elapsed && _engine.Deadline == due;
            }
            _done.SetResult();
        }
        catch (Exception e) when (_stop && e is SocketException or ObjectDisposedException)
        {
            _done.TrySetResult();
        }
        catch (Exception e)
        {
            _done.TrySetException(e);
        }
    }

    /// <summary>Until a datagram is there, or it is time.</summary>
    /// <param name="stuck">The engine did not move a deadline that has passed: a millisecond keeps that from becoming a busy loop.</param>
    private bool Wait(bool stuck)
    {
        var wait = _mail.IsEmpty ? _options.Clock.Until(_engine.Deadline) : TimeSpan.Zero;
        if (stuck && _mail.IsEmpty)
            wait = TimeSpan.FromMilliseconds(1);
        // Rounded up to what Poll can wait, milliseconds: a wait that ends before the deadline would be followed by many short ones.
        int microseconds = wait == Timeout.InfiniteTimeSpan ? -1 : (int)Math.Min(int.MaxValue / 1000, Math.Ceiling(wait.TotalMilliseconds)) * 1000;
        return _socket.Poll(microseconds, SelectMode.SelectRead);
    }

    private void Receive()
    {
        _from.Size = _from.Family == AddressFamily.InterNetworkV6 ? 28 : 16;
        int length = _socket.ReceiveFrom(_input, SocketFlags.None, _from);
        if (length == 0)
            return;
        var path = UdpPath.From(_from);
        var now = _options.Clock.Now;
        var datagram = _input.AsSpan(0, length);
        var tag = default(Tag);
        if ((_options.Witness.Watching & Watch.Frames) != 0)
        {
            tag = _options.Witness.NewTag();
            Report(datagram, path, Way.Received, tag, false);
        }
        _engine.Receive(datagram, in path, now, tag);
    }

    private void RunMail()
    {
        Volatile.Write(ref _waking, 0);
        while (_mail.TryDequeue(out var action))
            action();
    }

    private void Drain()
    {
        while (_engine.TryEvent(out var what))
            _happened(in what);
        while (_engine.TryTransmit(_output, out var piece))
        {
            var bytes = _output.AsSpan(0, piece.Length);
            if ((_options.Witness.Watching & Watch.Frames) != 0)
                Report(bytes, piece.Path, Way.Sent, piece.Tag, piece.Repeats);
            piece.Path.CopyTo(_to);
            try
            {
                _socket.SendTo(bytes, SocketFlags.None, _to);
            }
            catch (SocketException)
            {
                // As if the network had lost it: unreachable, filtered, too long for the path.
            }
        }
    }

    private void Report(ReadOnlySpan<byte> bytes, UdpPath peer, Way way, Tag tag, bool repeats) =>
        new CapturePoint(_options.Witness, _options.Clock, _options.Session, $"{EndPoint}", $"{peer}").Report(bytes, way, tag, Medium.Udp, repeats);

    public async ValueTask DisposeAsync()
    {
        if (!_stop)
        {
            _stop = true;
            Volatile.Write(ref _waking, 0);
            Wake();
            if (_started)
                await _done.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            else
                _done.TrySetResult();
        }
        _socket.Dispose();
        _waker.Dispose();
    }
}
