using System.Collections.Immutable;

namespace Hatchery;

/// <summary>Records, registry and audit log in memory, for tests, simulations and single ceremonies: everything is lost at the end of the process and
/// the audit log only grows. Every call but the wait for a taken session completes before it returns, so runs under virtual time repeat.</summary>
/// <param name="time">For expiry at reads, sessions and leases; commits carry their own.</param>
/// <param name="sessionLimit">See <see cref="MemorySessions"/>.</param>
public sealed class MemoryBackend(TimeProvider time, int sessionLimit = 65536) : IRecordBackend
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, SortedSet<Row>> _schemas = [];
    private readonly Dictionary<(string Schema, string Name, string Value), SortedSet<Row>> _indexes = [];
    private readonly PriorityQueue<Row, DateTimeOffset> _expiring = new();
    private readonly MemoryRegistry _registry = new();

    private sealed record Row(string Key, string Schema, ReadOnlyMemory<byte> Json, long Version, ImmutableArray<(string Name, string Value)> Indexes, DateTimeOffset? Expires)
    {
        public bool Lives(DateTimeOffset now) => !(Expires <= now);
    }

    private static readonly Comparer<Row> s_byKey = Comparer<Row>.Create((a, b) => string.CompareOrdinal(a.Key, b.Key));

    public ISessions Sessions { get; } = new MemorySessions(time, sessionLimit);
    public ILeases Leases { get; } = new MemoryLeases(time);
    public IRegistry Registry => _registry;

    public ValueTask<StoredDocument?> ReadAsync(string schema, string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
            return new(Held(schema, key) is { } row && row.Lives(time.GetUtcNow()) ? new StoredDocument(row.Key, row.Json, row.Version) : null);
    }

    public ValueTask<ImmutableArray<StoredDocument>> FindAsync(string schema, string index, string value, int limit, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
            return new(_indexes.TryGetValue((schema, index, value), out var rows) ? Documents(rows, limit) : []);
    }

    public ValueTask<ImmutableArray<StoredDocument>> ListAsync(string schema, string? after, int limit, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (!_schemas.TryGetValue(schema, out var rows) || rows.Count == 0)
                return new([]);
            if (after is null)
                return new(Documents(rows, limit));
            var from = Probe(after);
            return new(s_byKey.Compare(from, rows.Max) >= 0 ? [] : Documents(rows.GetViewBetween(from, rows.Max).Where(r => r.Key != after), limit));
        }
    }

    public ValueTask CommitAsync(CommitBatch batch, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        foreach (var write in batch.Writes)
            Storable.Check(write);
        lock (_lock)
        {
            foreach (var write in batch.Writes)
            {
                var row = Held(write.Schema, write.Key);
                if ((row is not null && row.Lives(batch.At) ? row.Version : 0) != write.Expected)
                    throw new ConflictException(write.Schema, write.Key);
            }
            _registry.Take(batch);
            foreach (var write in batch.Writes)
            {
                if (Held(write.Schema, write.Key) is { } before)
                    Remove(before);
                if (!write.Json.IsEmpty)
                    Add(new Row(write.Key, write.Schema, write.Json.ToArray(), write.Expected + 1, write.Indexes, write.Expires));
            }
            Sweep(batch.At);
        }
        return default;
    }

    public ValueTask DisposeAsync() => default;

    private ImmutableArray<StoredDocument> Documents(IEnumerable<Row> rows, int limit)
    {
        var now = time.GetUtcNow();
        return [.. rows.Where(r => r.Lives(now)).Take(limit).Select(r => new StoredDocument(r.Key, r.Json, r.Version))];
    }

    private static Row Probe(string key) => new(key, "", default, 0, [], null);

    private Row? Held(string schema, string key) => _schemas.TryGetValue(schema, out var rows) && rows.TryGetValue(Probe(key), out var row) ? row : null;

    private void Add(Row row)
    {
        Set(_schemas, row.Schema).Add(row);
        foreach (var (name, value) in row.Indexes)
            Set(_indexes, (row.Schema, name, value)).Add(row);
        if (row.Expires is { } expires)
            _expiring.Enqueue(row, expires);
    }

    private void Remove(Row row)
    {
        _schemas[row.Schema].Remove(row);
        foreach (var (name, value) in row.Indexes)
            if (_indexes.TryGetValue((row.Schema, name, value), out var rows) && rows.Remove(row) && rows.Count == 0)
                _indexes.Remove((row.Schema, name, value));
    }

    private void Sweep(DateTimeOffset now)
    {
        while (_expiring.TryPeek(out var row, out var expires) && expires <= now)
        {
            _expiring.Dequeue();
            if (ReferenceEquals(Held(row.Schema, row.Key), row))
                Remove(row);
        }
    }

    private static SortedSet<Row> Set<T>(Dictionary<T, SortedSet<Row>> of, T key) where T : notnull
    {
        if (!of.TryGetValue(key, out var set))
            of.Add(key, set = new SortedSet<Row>(s_byKey));
        return set;
    }
}

/// <summary>Registry and audit log in memory.</summary>
internal sealed class MemoryRegistry : IRegistry
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<Guid, RegistryDevice> _devices = [];
    private readonly Dictionary<Identifier, Guid> _proven = [], _named = [];
    private readonly List<AuditEntry> _audit = [];
    private AuditHead _head = AuditHead.Empty;

    public void Take(CommitBatch batch)
    {
        if (batch.Facts.IsEmpty)
            return;
        lock (_lock)
        {
            var ids = new HashSet<Guid>();
            foreach (var name in RegistryRules.Mentioned(batch.Facts))
            {
                if (_proven.TryGetValue(name, out var proven))
                    ids.Add(proven);
                if (_named.TryGetValue(name, out var named))
                    ids.Add(named);
            }
            var changes = RegistryRules.Apply(ids.Select(i => _devices[i]), _head, batch);
            foreach (var (device, _) in changes.Devices)
                _devices[device.Id] = device;
            foreach (var (device, name, standing) in changes.Names)
            {
                if (standing == Standing.Proven)
                    _proven[name] = device;
                if (standing == Standing.Named)
                    _named[name] = device;
                else if (_named.TryGetValue(name, out var wasNamed) && wasNamed == device)
                    _named.Remove(name);
            }
            _audit.AddRange(changes.Audit);
            _head = changes.Head;
        }
    }

    public ValueTask<RegisteredDevice?> FindAsync(Identifier identifier, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        identifier = Storable.Name(identifier);
        lock (_lock)
            return new(_proven.TryGetValue(identifier, out var id) || _named.TryGetValue(identifier, out id) ? _devices[id].ToRegistered() : null);
    }

    public ValueTask<RegisteredDevice?> GetAsync(Guid device, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
            return new(_devices.GetValueOrDefault(device)?.ToRegistered());
    }

    public ValueTask<ImmutableArray<RegisteredDevice>> ListAsync(Guid? after, int limit, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
            return new([.. _devices.Values.SkipWhile(d => after is { } last && d.Id.CompareTo(last) <= 0).Take(limit).Select(d => d.ToRegistered())]);
    }

    public ValueTask<ImmutableArray<AuditEntry>> AuditAsync(long after, int limit, Guid? device, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
            return new([.. _audit.Skip((int)Math.Min(after, int.MaxValue)).Where(e => device is null || e.Device == device).Take(limit)]);
    }
}
