using System.Collections.Concurrent;

namespace Hatchery.Fdo.Tests.Ceremonies;

/// <summary>A store whose sessions are written and read between any two requests, as where several processes share them.</summary>
internal sealed class WrittenSessions(IRecordStore inner) : IRecordStore, ISessions
{
    private readonly ConcurrentDictionary<(string, string), byte[]> _sessions = new();

    /// <summary>How often a session came back from bytes.</summary>
    public int Read { get; private set; }
    public ISessions Sessions => this;
    public ILeases Leases => inner.Leases;
    public IRegistry Registry => inner.Registry;
    public IUnitOfWork Begin(Caller caller) => inner.Begin(caller);
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    public ValueTask<T?> TakeAsync<T>(string kind, string key, CancellationToken cancel) where T : class, ISessionState<T>
    {
        if (!_sessions.TryRemove((kind, key), out var bytes))
            return new((T?)null);
        Read++;
        return new(T.Read(bytes));
    }

    public ValueTask PutAsync<T>(string kind, string key, T value, TimeSpan life, CancellationToken cancel) where T : class, ISessionState<T>
    {
        _sessions[(kind, key)] = value.Write();
        return default;
    }

    public ValueTask DropAsync(string kind, string key, CancellationToken cancel)
    {
        _sessions.TryRemove((kind, key), out _);
        return default;
    }
}
