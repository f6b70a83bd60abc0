using System.Collections.Immutable;

namespace Hatchery.Simulation;

/// <summary>A durable store as one life of a process sees it: may be killed before and after every commit; sessions and leases are in its memory and end with it.
/// Calls of a killed process never return.</summary>
/// <param name="durable">Shared by all lives.</param>
public sealed class CrashingBackend(IRecordBackend durable, SimulatedProcess process) : IRecordBackend
{
    private readonly int _life = process.Life;

    public ISessions Sessions { get; } = new MemorySessions(process.Loop.Time);
    public ILeases Leases => durable.Leases;
    public IRegistry Registry => durable.Registry;
    private bool IsDead => !process.IsAlive || process.Life != _life;

    public ValueTask<StoredDocument?> ReadAsync(string schema, string key, CancellationToken cancel) =>
        IsDead ? Never<StoredDocument?>() : durable.ReadAsync(schema, key, cancel);

    public ValueTask<ImmutableArray<StoredDocument>> FindAsync(string schema, string index, string value, int limit, CancellationToken cancel) =>
        IsDead ? Never<ImmutableArray<StoredDocument>>() : durable.FindAsync(schema, index, value, limit, cancel);

    public ValueTask<ImmutableArray<StoredDocument>> ListAsync(string schema, string? after, int limit, CancellationToken cancel) =>
        IsDead ? Never<ImmutableArray<StoredDocument>>() : durable.ListAsync(schema, after, limit, cancel);

    public async ValueTask CommitAsync(CommitBatch batch, CancellationToken cancel)
    {
        if (IsDead || process.Dies($"{process.Name} commit before"))
            await Never<bool>();
        await durable.CommitAsync(batch, cancel);
        if (process.Dies($"{process.Name} commit after"))
            await Never<bool>();
    }

    /// <summary>The durable store lives on.</summary>
    public ValueTask DisposeAsync() => default;

    private ValueTask<T> Never<T>()
    {
        process.Loop.Abandon();
        return new(new TaskCompletionSource<T>().Task);
    }
}
