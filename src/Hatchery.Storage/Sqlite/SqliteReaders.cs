using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Data.Sqlite;

namespace Hatchery.Storage;

/// <summary>A connection that only reads, on snapshots beside the writer's work.</summary>
internal sealed class SqliteReader(SqliteConnection connection) : IDisposable
{
    private readonly SqliteStatement _read = new(connection.Handle!,
        "SELECT json, version FROM records WHERE schema = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)");
    private readonly SqliteStatement _find = new(connection.Handle!,
        "SELECT r.key, r.json, r.version FROM record_indexes i JOIN records r ON r.schema = i.schema AND r.key = i.key " +
        "WHERE i.schema = ?1 AND i.name = ?2 AND i.value = ?3 AND (r.expires IS NULL OR r.expires > ?4) ORDER BY i.key LIMIT ?5");
    private readonly SqliteStatement _list = new(connection.Handle!,
        "SELECT key, json, version FROM records WHERE schema = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY key LIMIT ?3");
    private readonly SqliteStatement _listAfter = new(connection.Handle!,
        "SELECT key, json, version FROM records WHERE schema = ?1 AND key > ?4 AND (expires IS NULL OR expires > ?2) ORDER BY key LIMIT ?3");

    public SqliteConnection Connection => connection;

    public StoredDocument? Read(string schema, string key, DateTimeOffset now)
    {
        if (!_read.Bind(1, schema).Bind(2, key).Bind(3, SqliteTime.Write(now)).Step())
            return null;
        var document = new StoredDocument(key, _read.Bytes(0), _read.Number(1));
        _read.Reset();
        return document;
    }

    public ImmutableArray<StoredDocument> Find(string schema, string index, string value, int limit, DateTimeOffset now) =>
        All(_find.Bind(1, schema).Bind(2, index).Bind(3, value).Bind(4, SqliteTime.Write(now)).Bind(5, limit));

    public ImmutableArray<StoredDocument> List(string schema, string? after, int limit, DateTimeOffset now)
    {
        var statement = after is null ? _list : _listAfter.Bind(4, after);
        return All(statement.Bind(1, schema).Bind(2, SqliteTime.Write(now)).Bind(3, limit));
    }

    private static ImmutableArray<StoredDocument> All(SqliteStatement rows)
    {
        var documents = ImmutableArray.CreateBuilder<StoredDocument>();
        while (rows.Step())
            documents.Add(new(rows.Text(0), rows.Bytes(1), rows.Number(2)));
        return documents.ToImmutable();
    }

    public void Dispose()
    {
        _read.Dispose();
        _find.Dispose();
        _list.Dispose();
        _listAfter.Dispose();
        connection.Dispose();
    }
}

/// <summary>A few readers, opened when first needed; who comes when all are busy waits.</summary>
internal sealed class SqliteReaders(string path) : IDisposable
{
    private const int Most = 4;
    private readonly SemaphoreSlim _free = new(Most);
    private readonly ConcurrentBag<SqliteReader> _idle = [];
    private volatile bool _closed;

    /// <summary>A reader that failed is not used again.</summary>
    public async ValueTask<T> ReadAsync<T>(Func<SqliteReader, T> read, CancellationToken cancel)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        await _free.WaitAsync(cancel);
        SqliteReader? reader = null;
        try
        {
            if (!_idle.TryTake(out reader))
                reader = new SqliteReader(SqliteConnections.Open(path, forReading: true));
            var result = read(reader);
            if (_closed)
                reader.Dispose();
            else
                _idle.Add(reader);
            return result;
        }
        catch (SqliteException e)
        {
            reader?.Dispose();
            throw new StorageException($"The database {path} cannot be read: {e.Message}", e);
        }
        finally
        {
            _free.Release();
        }
    }

    public void Dispose()
    {
        _closed = true;
        while (_idle.TryTake(out var reader))
            reader.Dispose();
    }
}
