namespace Hatchery;

/// <summary>No room for another ceremony in flight; the peer may come again later.</summary>
public sealed class TooManySessionsException(int limit) : Exception($"{limit} sessions are open, which is the limit.")
{
    public int Limit => limit;
}

/// <summary>Sessions of one process; the object itself is kept. Who asks for a session that is taken waits in line and gets it when it is put
/// back, in the order of asking. Without patience nothing here starts a timer or uses the thread pool: a waiter goes on within the call that puts the session
/// back, drops it or finds it expired. With patience a waiter goes on elsewhere, with null once its patience ends.</summary>
/// <param name="limit">Sessions at once; expired ones make room, then <see cref="TooManySessionsException"/>.</param>
public sealed class MemorySessions(TimeProvider time, int limit = 65536, TimeSpan? patience = null) : ISessions
{
    /// <summary>For one session; who comes later is told at once that it stays taken.</summary>
    private const int MaxWaiters = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Kind, string Key), Entry> _all = [];
    /// <summary>When to look at an entry next, which is never after it expires: putting a session back moves nothing here. Removed entries stay until their time,
    /// or until they are the most.</summary>
    private PriorityQueue<Entry, DateTimeOffset> _look = new();

    private sealed class Entry(string kind, string key)
    {
        public string Kind => kind;
        public string Key => key;
        public object? Value;
        public DateTimeOffset Expires, Look;
        public bool Removed;
        public bool Taken;
        public LinkedList<TaskCompletionSource<object?>>? Waiters;
    }

    public ValueTask<T?> TakeAsync<T>(string kind, string key, CancellationToken cancel) where T : class, ISessionState<T>
    {
        if (cancel.IsCancellationRequested)
            return ValueTask.FromCanceled<T?>(cancel);
        TaskCompletionSource<object?> waiter;
        List<TaskCompletionSource<object?>>? inVain = null;
        try
        {
            lock (_lock)
            {
                RemoveExpired(ref inVain);
                if (!_all.TryGetValue((kind, key), out var entry))
                    return default;
                if (!entry.Taken)
                {
                    var value = (T)entry.Value!;
                    (entry.Taken, entry.Value) = (true, null);
                    return new(value);
                }
                var waiters = entry.Waiters ??= [];
                for (var node = waiters.First; node is not null;)
                {
                    var next = node.Next;
                    if (node.Value.Task.IsCompleted)
                        waiters.Remove(node);
                    node = next;
                }
                if (waiters.Count >= MaxWaiters)
                    return default;
                waiter = new(patience is null ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
                waiters.AddLast(waiter);
            }
        }
        finally
        {
            EndInVain(inVain);
        }
        return WaitAsync<T>(waiter, cancel);
    }

    private async ValueTask<T?> WaitAsync<T>(TaskCompletionSource<object?> waiter, CancellationToken cancel) where T : class
    {
        using var cancelled = cancel.UnsafeRegister(static (w, token) => ((TaskCompletionSource<object?>)w!).TrySetCanceled(token), waiter);
        using var impatient = patience is { } most
            ? time.CreateTimer(static w => ((TaskCompletionSource<object?>)w!).TrySetResult(null), waiter, most, Timeout.InfiniteTimeSpan) : null;
        return (T?)await waiter.Task;
    }

    public ValueTask PutAsync<T>(string kind, string key, T value, TimeSpan life, CancellationToken cancel) where T : class, ISessionState<T>
    {
        cancel.ThrowIfCancellationRequested();
        List<TaskCompletionSource<object?>>? inVain = null;
        try
        {
            while (true)
            {
                TaskCompletionSource<object?> next;
                lock (_lock)
                {
                    RemoveExpired(ref inVain);
                    var entry = Enter(kind, key, time.GetUtcNow() + life);
                    if (entry.Waiters is not { First: { } first })
                    {
                        (entry.Taken, entry.Value) = (false, value);
                        return default;
                    }
                    entry.Waiters.Remove(first);
                    entry.Taken = true;
                    next = first.Value;
                }
                // Handed over while it stays taken; a waiter that gave up meanwhile is passed over.
                if (next.TrySetResult(value))
                    return default;
            }
        }
        finally
        {
            EndInVain(inVain);
        }
    }

    public ValueTask DropAsync(string kind, string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        List<TaskCompletionSource<object?>>? inVain = null;
        lock (_lock)
        {
            RemoveExpired(ref inVain);
            if (_all.TryGetValue((kind, key), out var entry))
                Remove(entry, ref inVain);
        }
        EndInVain(inVain);
        return default;
    }

    private Entry Enter(string kind, string key, DateTimeOffset expires)
    {
        if (!_all.TryGetValue((kind, key), out var entry))
        {
            if (_all.Count >= limit)
                throw new TooManySessionsException(limit);
            entry = new Entry(kind, key) { Look = DateTimeOffset.MaxValue };
            _all.Add((kind, key), entry);
        }
        entry.Expires = expires;
        if (expires < entry.Look)
        {
            entry.Look = expires;
            _look.Enqueue(entry, expires);
        }
        return entry;
    }

    private void RemoveExpired(ref List<TaskCompletionSource<object?>>? inVain)
    {
        var now = time.GetUtcNow();
        while (_look.TryPeek(out var entry, out var at) && at <= now)
        {
            _look.Dequeue();
            // Looked at earlier than thought when the entry was queued, or removed meanwhile.
            if (entry.Removed || entry.Look != at)
                continue;
            if (entry.Expires <= now)
                Remove(entry, ref inVain);
            else
                _look.Enqueue(entry, entry.Look = entry.Expires);
        }
        if (_look.Count > 2 * _all.Count + 1024)
            _look = new(_all.Values.Select(e => (e, e.Look)));
    }

    private void Remove(Entry entry, ref List<TaskCompletionSource<object?>>? inVain)
    {
        _all.Remove((entry.Kind, entry.Key));
        entry.Removed = true;
        if (entry.Waiters is { Count: > 0 } waiters)
            (inVain ??= []).AddRange(waiters);
    }

    /// <summary>Outside the lock: what waits goes on within this call.</summary>
    private static void EndInVain(List<TaskCompletionSource<object?>>? waiters)
    {
        foreach (var waiter in waiters ?? [])
            waiter.TrySetResult(null);
    }
}
