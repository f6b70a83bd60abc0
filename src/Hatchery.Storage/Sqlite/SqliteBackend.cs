using System.Collections.Immutable;

namespace Hatchery.Storage;

/// <summary>Opens SQLite stores.</summary>
public static class SqliteStore
{
    /// <summary>Opens or makes the file. Throws <see cref="StorageException"/> with a sentence if it cannot be, is in use by another process or
    /// was written by a newer program.</summary>
    public static async ValueTask<IRecordStore> OpenAsync(string path, ISealer sealer, TimeProvider time) =>
        new RecordStore(await SqliteBackend.OpenAsync(path, time), sealer);
}

/// <summary>A SQLite file, for one process. Durable when a commit returns (WAL, synchronous=FULL); commits that wait together share the cost. Sessions
/// are in memory.</summary>
public sealed class SqliteBackend : IRecordBackend
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);
    private readonly SqliteFileLock _lock;
    private readonly SqliteReaders _readers;
    private readonly SqliteWriter _writer;
    private readonly TimeProvider _time;
    private int _disposed;

    private SqliteBackend(SqliteFileLock @lock, SqliteReaders readers, SqliteWriter writer, TimeProvider time)
    {
        (_lock, _readers, _writer, _time) = (@lock, readers, writer, time);
        Sessions = new MemorySessions(time, patience: s_patience);
        Leases = new SqliteLeases(writer, time);
        Registry = new SqliteRegistry(readers);
    }

    public ISessions Sessions { get; }
    public ILeases Leases { get; }
    public IRegistry Registry { get; }

    /// <inheritdoc cref="SqliteStore.OpenAsync"/>
    public static ValueTask<SqliteBackend> OpenAsync(string path, TimeProvider time) => new(Open(path, time, Migration.All("Sqlite")));

    internal static SqliteBackend Open(string path, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        path = System.IO.Path.GetFullPath(path);
        // Two names of one file must meet at one lock.
        if (new FileInfo(path).LinkTarget is not null && File.ResolveLinkTarget(path, returnFinalTarget: true) is { } target)
            path = target.FullName;
        var fileLock = SqliteFileLock.Take(path);
        try
        {
            MakePrivate(path);
            var connection = SqliteConnections.Open(path, forReading: false);
            try
            {
                SqliteConnections.Migrate(connection, path, migrations, time);
                return new(fileLock, new SqliteReaders(path), new SqliteWriter(connection, path, time), time);
            }
            catch (Microsoft.Data.Sqlite.SqliteException e)
            {
                connection.Dispose();
                throw new StorageException($"The database {path} cannot be opened: {e.Message}", e);
            }
            catch
            {
                connection.Dispose();
                throw;
            }
        }
        catch
        {
            fileLock.Dispose();
            throw;
        }
    }

    /// <summary>A new file is its owner's only; SQLite gives its log the same mode.</summary>
    private static void MakePrivate(string path)
    {
        if (File.Exists(path) || OperatingSystem.IsWindows())
            return;
        new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }).Dispose();
    }

    public ValueTask<StoredDocument?> ReadAsync(string schema, string key, CancellationToken cancel) => Storable.Is(key)
        ? _readers.ReadAsync(r => r.Read(schema, key, _time.GetUtcNow()), cancel) : default;

    public ValueTask<ImmutableArray<StoredDocument>> FindAsync(string schema, string index, string value, int limit, CancellationToken cancel) => Storable.Is(value)
        ? _readers.ReadAsync(r => r.Find(schema, index, value, limit, _time.GetUtcNow()), cancel) : new([]);

    public ValueTask<ImmutableArray<StoredDocument>> ListAsync(string schema, string? after, int limit, CancellationToken cancel) =>
        _readers.ReadAsync(r => r.List(schema, after, limit, _time.GetUtcNow()), cancel);

    public ValueTask CommitAsync(CommitBatch batch, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        foreach (var write in batch.Writes)
            Storable.Check(write);
        return new(_writer.DoAsync(tables =>
        {
            tables.Commit(batch);
            return true;
        }));
    }

    /// <summary>Waits for commits that were handed in.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _writer.StopAsync();
        _readers.Dispose();
        _lock.Dispose();
    }
}

internal sealed class SqliteLeases(SqliteWriter writer, TimeProvider time) : ILeases
{
    public ValueTask<long?> TryHoldAsync(string job, string holder, TimeSpan life, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return new(writer.DoAsync(tables => tables.TryHold(job, holder, time.GetUtcNow(), life)));
    }

    public async ValueTask ReleaseAsync(string job, string holder, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        await writer.DoAsync(tables => tables.Release(job, holder));
    }
}
