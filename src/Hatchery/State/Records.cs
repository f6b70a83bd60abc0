using System.Collections.Immutable;

namespace Hatchery;

public readonly record struct RecordKey(string Value)
{
    public override string ToString() => Value;
}

/// <param name="Version">Counts replacements from 1; what a replace or delete must name.</param>
public sealed record Stored<T>(RecordKey Key, T Value, long Version);

/// <summary>Where protocols keep records. In memory here; SQLite and PostgreSQL in Hatchery.Storage.</summary>
public interface IRecordStore : IAsyncDisposable
{
    /// <param name="caller">Who caused it: named in the audit log, and told of the facts that were committed.</param>
    IUnitOfWork Begin(Caller caller);
    ISessions Sessions { get; }
    ILeases Leases { get; }
    IRegistry Registry { get; }
}

/// <summary>One transaction over protocol records, registry and audit log. Reads see what was committed, and this unit's own writes.
/// Writes are checked and made at <see cref="CommitAsync"/>.</summary>
public interface IUnitOfWork
{
    ValueTask<Stored<T>?> GetAsync<T>(Schema<T> schema, RecordKey key, CancellationToken cancel) where T : class;

    /// <summary>By an index of the schema; in the order of keys.</summary>
    ValueTask<ImmutableArray<Stored<T>>> FindAsync<T>(Schema<T> schema, string index, string value, int limit, CancellationToken cancel) where T : class;

    /// <summary>All records of the schema in the order of keys, from behind a key on; for operators' lists and jobs.</summary>
    ValueTask<ImmutableArray<Stored<T>>> ListAsync<T>(Schema<T> schema, RecordKey? after, int limit, CancellationToken cancel) where T : class;

    /// <summary>Fails at commit with <see cref="ConflictException"/> if the key is present: serial numbers, nonces, ledgers.</summary>
    /// <param name="expires">Wall time from which reads no longer find the record.</param>
    void Insert<T>(Schema<T> schema, RecordKey key, T value, DateTimeOffset? expires = null) where T : class;

    /// <summary>Fails at commit with <see cref="ConflictException"/> if the record has another version.</summary>
    void Replace<T>(Schema<T> schema, RecordKey key, T value, long version, DateTimeOffset? expires = null) where T : class;

    /// <inheritdoc cref="Replace"/>
    void Delete<T>(Schema<T> schema, RecordKey key, long version) where T : class;

    void Report(Fact fact);

    /// <summary>Returns when durable. A unit without writes and facts does nothing.</summary>
    ValueTask CommitAsync(CancellationToken cancel);
}

/// <summary>Somebody else changed what this unit of work read, or inserted the same key. The caller may run again.</summary>
public sealed class ConflictException(string schema, string key) : Exception($"{schema} {key} was changed or inserted by somebody else.")
{
    public string Schema => schema;
    public string Key => key;
}

/// <summary>State of a ceremony in flight: may be lost, expires, one writer at a time.</summary>
public interface ISessions
{
    /// <summary>Takes the session out; nobody else gets it until it is put back. Waits a little while another request has it; null if it
    /// does not exist, has expired, or stays taken.</summary>
    ValueTask<T?> TakeAsync<T>(string kind, string key, CancellationToken cancel) where T : class, ISessionState<T>;
    ValueTask PutAsync<T>(string kind, string key, T value, TimeSpan life, CancellationToken cancel) where T : class, ISessionState<T>;
    ValueTask DropAsync(string kind, string key, CancellationToken cancel);
}

/// <summary>A session's state. In memory the object itself is kept; a store shared by processes writes and reads it.</summary>
public interface ISessionState<TSelf> where TSelf : class
{
    byte[] Write();
    static abstract TSelf Read(ReadOnlyMemory<byte> bytes);
}

/// <summary>Jobs that must run once.</summary>
public interface ILeases
{
    /// <summary>The fencing number, larger at each change of holder; null: somebody else holds it. Holding again renews.</summary>
    ValueTask<long?> TryHoldAsync(string job, string holder, TimeSpan life, CancellationToken cancel);
    ValueTask ReleaseAsync(string job, string holder, CancellationToken cancel);
}

/// <summary>The device registry and the audit log, written from facts at commit; read here.</summary>
public interface IRegistry
{
    ValueTask<RegisteredDevice?> FindAsync(Identifier identifier, CancellationToken cancel);
    ValueTask<RegisteredDevice?> GetAsync(Guid device, CancellationToken cancel);
    /// <summary>In the order of ids, from behind one on.</summary>
    ValueTask<ImmutableArray<RegisteredDevice>> ListAsync(Guid? after, int limit, CancellationToken cancel);
    /// <summary>In the order written, from behind a number on; all devices or one.</summary>
    ValueTask<ImmutableArray<AuditEntry>> AuditAsync(long after, int limit, Guid? device, CancellationToken cancel);
}

public sealed record RegisteredDevice(Guid Id, DateTimeOffset FirstSeen, DateTimeOffset LastSeen, string LastProtocol, string? Owner,
    string? Profile, string State, ImmutableArray<RegisteredIdentifier> Identifiers);

public sealed record RegisteredIdentifier(Identifier Identifier, bool Proven);

/// <param name="Number">Gapless and ascending.</param>
/// <param name="Kind">The fact's: seen, decided, imparted, owner-changed, renamed, refused, administered.</param>
/// <param name="Detail">The fact as JSON.</param>
/// <param name="Chain">Hex SHA-256 over the previous entry's chain value and this entry: a removed or altered entry shows.</param>
public sealed record AuditEntry(long Number, DateTimeOffset At, string Kind, Guid? Device, string Subject, string Listener, string? Remote,
    string Detail, string Chain);
