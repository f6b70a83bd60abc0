using System.Collections.Concurrent;

namespace Hatchery.Simulation;

/// <summary>Virtual time: events in the order of (time, order of scheduling), on the thread that calls <see cref="RunUntil"/>. Nothing here waits for real
/// time or uses the thread pool. Continuations of asynchronous calls made from an event come back as events.</summary>
public sealed class SimulationLoop
{
    private readonly PriorityQueue<SimulatedTimer, (TimeSpan, long)> _events = new();
    private readonly ConcurrentQueue<string> _foreign = new();
    private readonly LoopContext _context;
    private readonly DateTimeOffset _start;
    private TimeSpan _elapsed;
    private long _number;
    private int _thread, _waiting;

    /// <param name="start">Wall time at elapsed time zero; by default 2026-01-01.</param>
    public SimulationLoop(DateTimeOffset? start = null)
    {
        _start = start ?? new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        _context = new LoopContext(this);
        Time = new VirtualClock(this);
    }

    public Moment Now => new(_elapsed, _start + _elapsed);
    /// <summary>The same time for stores and services; its timers are events of this loop.</summary>
    public TimeProvider Time { get; }
    /// <summary>Events carried out.</summary>
    public long Executed { get; private set; }
    /// <summary>Permits <see cref="Await"/> to block on work that goes on outside the simulation (a database on threads of its own). Virtual time stands still meanwhile;
    /// runs repeat only as far as that work's results do.</summary>
    public bool MayBlock { get; init; }
    /// <summary>Bound against machines that never rest.</summary>
    public long EventLimit { get; init; } = 50_000_000;

    public SimulatedTimer At(TimeSpan elapsed, Action action)
    {
        var timer = new SimulatedTimer(elapsed < _elapsed ? _elapsed : elapsed, action);
        _events.Enqueue(timer, (timer.Due, ++_number));
        return timer;
    }

    public SimulatedTimer After(TimeSpan delay, Action action) =>
        At(delay >= TimeSpan.MaxValue - _elapsed ? TimeSpan.MaxValue : _elapsed + delay, action);

    /// <summary>Behind everything that is due now.</summary>
    public void Post(Action action) => At(_elapsed, action);

    /// <summary>Until nothing is left to do, or the time has come. True: nothing is left.</summary>
    public bool Run(TimeSpan limit) => RunUntil(() => false, limit) || _events.Count == 0;

    /// <summary>Until the condition holds after an event; false if nothing is left to do or <paramref name="limit"/> of virtual time has passed first.
    /// What an event throws comes out here, but for <see cref="ProcessKilledException"/>.</summary>
    public bool RunUntil(Func<bool> condition, TimeSpan limit)
    {
        var end = limit >= TimeSpan.MaxValue - _elapsed ? TimeSpan.MaxValue : _elapsed + limit;
        var before = SynchronizationContext.Current;
        _thread = Environment.CurrentManagedThreadId;
        SynchronizationContext.SetSynchronizationContext(_context);
        try
        {
            while (!condition())
            {
                if (_foreign.TryDequeue(out var stranger))
                    throw new InvalidOperationException(stranger);
                if (!_events.TryPeek(out var next, out _) || next.Due > end)
                {
                    if (_events.Count == 0 && _waiting > 0)
                        throw new InvalidOperationException("A call waits for something outside the simulation; only a loop with MayBlock may make it.");
                    if (end < TimeSpan.MaxValue && _events.Count > 0)
                        _elapsed = end;
                    return false;
                }
                _events.Dequeue();
                if (next.IsCancelled)
                    continue;
                if (++Executed > EventLimit)
                    throw new InvalidOperationException($"The simulation made {EventLimit} events without coming to an end.");
                _elapsed = next.Due;
                Invoke(next);
            }
            return true;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private static void Invoke(SimulatedTimer next)
    {
        try
        {
            next.Fire();
        }
        catch (ProcessKilledException)
        {
            // The process is gone; the world goes on.
        }
    }

    /// <summary>Makes an asynchronous call. What completes at once is reported at once; what goes on by timers of <see cref="Time"/> or by other events is reported
    /// when it completes. Anything else needs <see cref="MayBlock"/>.</summary>
    public void Await<T>(Func<ValueTask<T>> work, Action<T> done, Action<Exception> failed)
    {
        T result;
        try
        {
            if (MayBlock)
                result = Block(work);
            else
            {
                var task = work();
                if (!task.IsCompleted)
                {
                    Later(task.AsTask(), done, failed);
                    return;
                }
                result = task.GetAwaiter().GetResult();
            }
        }
        catch (Exception e) when (e is not ProcessKilledException)
        {
            failed(e);
            return;
        }
        done(result);
    }

    private void Later<T>(Task<T> task, Action<T> done, Action<Exception> failed)
    {
        _waiting++;
        task.ContinueWith(t =>
        {
            _context.Post(_ =>
            {
                _waiting--;
                if (t.IsCompletedSuccessfully)
                    done(t.Result);
                else
                    failed(t.Exception?.InnerException ?? new OperationCanceledException("The call was cancelled."));
            }, null);
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>A call that its killed process will never see the end of.</summary>
    internal void Abandon() => _waiting--;

    private static T Block<T>(Func<ValueTask<T>> work)
    {
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            return work().AsTask().GetAwaiter().GetResult();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    /// <summary>For set-up and inspection outside a run: an asynchronous call that completes at once (or, with <see cref="MayBlock"/>, blocks).</summary>
    public T Complete<T>(ValueTask<T> task)
    {
        if (!task.IsCompleted && !MayBlock)
        {
            var pending = task.AsTask();
            RunUntil(() => pending.IsCompleted, TimeSpan.MaxValue);
            if (!pending.IsCompleted)
                throw new InvalidOperationException("The call waits for something outside the simulation.");
            return pending.GetAwaiter().GetResult();
        }
        return task.AsTask().GetAwaiter().GetResult();
    }

    public void Complete(ValueTask task) => Complete(Value(task));

    private static async ValueTask<bool> Value(ValueTask task)
    {
        await task;
        return true;
    }

    private sealed class LoopContext(SimulationLoop loop) : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
            if (Environment.CurrentManagedThreadId == loop._thread)
                loop.Post(() => d(state));
            else
                loop._foreign.Enqueue("A call made in the simulation was continued by another thread; only a loop with MayBlock may make it.");
        }

        public override void Send(SendOrPostCallback d, object? state) => d(state);
        public override SynchronizationContext CreateCopy() => this;
    }
}

/// <summary>One event to come.</summary>
public sealed class SimulatedTimer
{
    private Action? _action;

    internal SimulatedTimer(TimeSpan due, Action action) => (Due, _action) = (due, action);

    public TimeSpan Due { get; }
    public bool IsCancelled => _action is null;
    public void Cancel() => _action = null;

    internal void Fire()
    {
        var action = _action;
        _action = null;
        action?.Invoke();
    }
}

/// <summary>Unwinds what a killed process was doing; caught by the loop alone.</summary>
public sealed class ProcessKilledException(string process) : Exception($"{process} was killed by its simulation.");

/// <summary>A loop's time as the platform's clock.</summary>
internal sealed class VirtualClock(SimulationLoop loop) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => loop.Now.Wall!.Value;
    public override long GetTimestamp() => loop.Now.Elapsed.Ticks;
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ClockTimer(loop, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ClockTimer(SimulationLoop loop, Action action) : ITimer
    {
        private SimulatedTimer? _next;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _next?.Cancel();
            _next = dueTime < TimeSpan.Zero ? null : loop.After(dueTime, () =>
            {
                if (period > TimeSpan.Zero)
                    Change(period, period);
                action();
            });
            return true;
        }

        public void Dispose() => _next?.Cancel();

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
