using System.Collections.Immutable;

namespace Hatchery;

/// <summary>What a database must do to be a record store; <see cref="RecordStore"/> does the rest. Documents are opaque here: JSON, secrets sealed inside.</summary>
public interface IRecordBackend : IAsyncDisposable
{
    /// <summary>Expired documents are not found.</summary>
    ValueTask<StoredDocument?> ReadAsync(string schema, string key, CancellationToken cancel);
    ValueTask<ImmutableArray<StoredDocument>> FindAsync(string schema, string index, string value, int limit, CancellationToken cancel);
    ValueTask<ImmutableArray<StoredDocument>> ListAsync(string schema, string? after, int limit, CancellationToken cancel);
    /// <summary>All or nothing, with registry and audit log from the facts in the same transaction; throws <see cref="ConflictException"/>; durable on return.</summary>
    ValueTask CommitAsync(CommitBatch batch, CancellationToken cancel);
    ISessions Sessions { get; }
    ILeases Leases { get; }
    IRegistry Registry { get; }
}

public readonly record struct StoredDocument(string Key, ReadOnlyMemory<byte> Json, long Version);

/// <param name="Expected">Version that must be there; 0: the key must be absent (insert).</param>
/// <param name="Json">Empty: delete.</param>
/// <param name="Indexes">Index name and value.</param>
public sealed record RecordWrite(string Schema, string Key, long Expected, ReadOnlyMemory<byte> Json, ImmutableArray<(string Name, string Value)> Indexes, DateTimeOffset? Expires);

/// <param name="At">Wall time, for the audit log and for expiry.</param>
public sealed record CommitBatch(ImmutableArray<RecordWrite> Writes, ImmutableArray<Fact> Facts, DateTimeOffset At, string Listener, string? Remote);

/// <summary>Schemas, sealing, overlay of own writes and reporting over an <see cref="IRecordBackend"/>; the same for all databases.</summary>
public sealed class RecordStore(IRecordBackend backend, ISealer sealer) : IRecordStore
{
    public ISessions Sessions => backend.Sessions;
    public ILeases Leases => backend.Leases;
    public IRegistry Registry => backend.Registry;
    public IUnitOfWork Begin(Caller caller) => new UnitOfWork(backend, sealer, caller);
    public ValueTask DisposeAsync() => backend.DisposeAsync();
}

internal sealed class UnitOfWork(IRecordBackend backend, ISealer sealer, Caller caller) : IUnitOfWork
{
    private readonly List<RecordWrite> _writes = [];
    private readonly List<Fact> _facts = [];
    private bool _committed;

    public async ValueTask<Stored<T>?> GetAsync<T>(Schema<T> schema, RecordKey key, CancellationToken cancel) where T : class
    {
        for (int i = _writes.Count - 1; i >= 0; i--)
            if (_writes[i].Schema == schema.Name && _writes[i].Key == key.Value)
                return _writes[i].Json.IsEmpty ? null : new Stored<T>(key, schema.Read(_writes[i].Json, sealer, key), _writes[i].Expected + 1);
        var found = await backend.ReadAsync(schema.Name, key.Value, cancel);
        return found is { } document ? new Stored<T>(key, schema.Read(document.Json, sealer, key), document.Version) : null;
    }

    public async ValueTask<ImmutableArray<Stored<T>>> FindAsync<T>(Schema<T> schema, string index, string value, int limit, CancellationToken cancel) where T : class
    {
        if (!schema.Indexes.Any(i => i.Name == index))
            throw new ArgumentException($"{schema.Name} has no index {index}.", nameof(index));
        // Own deletes and replaces may take rows out of the answer: read that many more.
        var found = await backend.FindAsync(schema.Name, index, value, limit + _writes.Count, cancel);
        return Overlay(schema, found, limit, w => w.Indexes.Contains((index, value)));
    }

    public async ValueTask<ImmutableArray<Stored<T>>> ListAsync<T>(Schema<T> schema, RecordKey? after, int limit, CancellationToken cancel) where T : class
    {
        var found = await backend.ListAsync(schema.Name, after?.Value, limit + _writes.Count, cancel);
        return Overlay(schema, found, limit, w => after is null || string.CompareOrdinal(w.Key, after.Value.Value) > 0);
    }

    private ImmutableArray<Stored<T>> Overlay<T>(Schema<T> schema, ImmutableArray<StoredDocument> found, int limit, Func<RecordWrite, bool> belongs) where T : class
    {
        var own = new Dictionary<string, RecordWrite>();
        foreach (var write in _writes)
            if (write.Schema == schema.Name)
                own[write.Key] = write;
        return [.. found.Where(d => !own.ContainsKey(d.Key))
            .Concat(own.Values.Where(w => !w.Json.IsEmpty && belongs(w)).Select(w => new StoredDocument(w.Key, w.Json, w.Expected + 1)))
            .OrderBy(d => d.Key, StringComparer.Ordinal).Take(limit)
            .Select(d => new Stored<T>(new(d.Key), schema.Read(d.Json, sealer, new(d.Key)), d.Version))];
    }

    public void Insert<T>(Schema<T> schema, RecordKey key, T value, DateTimeOffset? expires = null) where T : class => Put(schema, key, value, 0, expires);

    public void Replace<T>(Schema<T> schema, RecordKey key, T value, long version, DateTimeOffset? expires = null) where T : class
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        Put(schema, key, value, version, expires);
    }

    public void Delete<T>(Schema<T> schema, RecordKey key, long version) where T : class
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        Add(new RecordWrite(schema.Name, key.Value, version, default, [], null));
    }

    private void Put<T>(Schema<T> schema, RecordKey key, T value, long version, DateTimeOffset? expires) where T : class
    {
        var indexes = ImmutableArray.CreateBuilder<(string, string)>(schema.Indexes.Count);
        foreach (var (name, get) in schema.Indexes)
            if (get(value) is { } indexed)
                indexes.Add((name, indexed));
        Add(new RecordWrite(schema.Name, key.Value, version, schema.Write(value, sealer, key), indexes.ToImmutable(), expires));
    }

    private void Add(RecordWrite write)
    {
        ObjectDisposedException.ThrowIf(_committed, this);
        if (_writes.Any(w => w.Schema == write.Schema && w.Key == write.Key))
            throw new InvalidOperationException($"{write.Schema} {write.Key} is written twice in one unit of work.");
        _writes.Add(write);
    }

    public void Report(Fact fact) => _facts.Add(fact);

    public async ValueTask CommitAsync(CancellationToken cancel)
    {
        ObjectDisposedException.ThrowIf(_committed, this);
        _committed = true;
        if (_writes.Count == 0 && _facts.Count == 0)
            return;
        ImmutableArray<Fact> facts = [.. _facts];
        await backend.CommitAsync(new CommitBatch([.. _writes], facts, caller.Wall, caller.Listener, caller.Remote), cancel);
        caller.Committed(facts);
    }
}
