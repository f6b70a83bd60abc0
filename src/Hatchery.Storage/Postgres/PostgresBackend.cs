using System.Collections.Immutable;
using Npgsql;
using NpgsqlTypes;

namespace Hatchery.Storage;

/// <summary>Opens PostgreSQL stores.</summary>
public static class PostgresStore
{
    /// <summary>Connects and brings the tables up to date. Throws <see cref="StorageException"/> with a sentence if it cannot, or if the database was
    /// written by a newer program.</summary>
    public static async ValueTask<IRecordStore> OpenAsync(string connectionString, ISealer sealer, TimeProvider time) =>
        new RecordStore(await PostgresBackend.OpenAsync(connectionString, sealer, time), sealer);
}

/// <summary>A PostgreSQL database, for any number of processes. Losing the connection surfaces as <see cref="StorageException"/>; nothing is retried
/// behind the caller's back, because a lost answer to a commit says nothing about the commit.</summary>
public sealed class PostgresBackend : IRecordBackend
{
    private readonly PostgresConnections _connections;
    private readonly PostgresCommits _commits;
    private readonly TimeProvider _time;

    private PostgresBackend(PostgresConnections connections, ISealer sealer, TimeProvider time)
    {
        (_connections, _time) = (connections, time);
        _commits = new PostgresCommits(connections, time);
        Sessions = new PostgresSessions(connections, sealer, time);
        Leases = new PostgresLeases(connections, time);
        Registry = new PostgresRegistry(connections);
    }

    public ISessions Sessions { get; }
    public ILeases Leases { get; }
    public IRegistry Registry { get; }

    /// <inheritdoc cref="PostgresStore.OpenAsync"/>
    /// <param name="sealer">For the state of sessions; records come sealed.</param>
    public static ValueTask<PostgresBackend> OpenAsync(string connectionString, ISealer sealer, TimeProvider time) =>
        OpenAsync(connectionString, sealer, time, Migration.All("Postgres"));

    internal static async ValueTask<PostgresBackend> OpenAsync(string connectionString, ISealer sealer, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        var connections = new PostgresConnections(connectionString);
        try
        {
            await connections.MigrateAsync(migrations, CancellationToken.None);
            return new(connections, sealer, time);
        }
        catch
        {
            await connections.DisposeAsync();
            throw;
        }
    }

    public ValueTask<StoredDocument?> ReadAsync(string schema, string key, CancellationToken cancel) => !Storable.Is(key) ? default : _connections.UseAsync(async connection =>
    {
        await using var command = new NpgsqlCommand("SELECT json, version FROM records WHERE schema = $1 AND key = $2 AND (expires IS NULL OR expires > $3)", connection)
        {
            Parameters = { Text(schema), Text(key), Time(_time.GetUtcNow()) },
        };
        await using var reader = await command.ExecuteReaderAsync(cancel);
        return await reader.ReadAsync(cancel) ? new StoredDocument(key, reader.GetFieldValue<byte[]>(0), reader.GetInt64(1)) : (StoredDocument?)null;
    }, cancel);

    public ValueTask<ImmutableArray<StoredDocument>> FindAsync(string schema, string index, string value, int limit, CancellationToken cancel) => !Storable.Is(value) ? new([])
        : AllAsync("SELECT r.key, r.json, r.version FROM record_indexes i JOIN records r ON r.schema = i.schema AND r.key = i.key " +
            "WHERE i.schema = $1 AND i.name = $4 AND i.value = $5 AND (r.expires IS NULL OR r.expires > $2) ORDER BY i.key LIMIT $3",
            schema, limit, cancel, index, value);

    public ValueTask<ImmutableArray<StoredDocument>> ListAsync(string schema, string? after, int limit, CancellationToken cancel) =>
        AllAsync("SELECT key, json, version FROM records WHERE schema = $1 AND key > $4 AND (expires IS NULL OR expires > $2) ORDER BY key LIMIT $3",
            schema, limit, cancel, after is null ? "" : Storable.Printable(after, Storable.MaxBytes));

    private ValueTask<ImmutableArray<StoredDocument>> AllAsync(string sql, string schema, int limit, CancellationToken cancel, params string[] more) => _connections.UseAsync(async connection =>
    {
        await using var command = new NpgsqlCommand(sql, connection) { Parameters = { Text(schema), Time(_time.GetUtcNow()), new NpgsqlParameter<int> { TypedValue = limit } } };
        foreach (var text in more)
            command.Parameters.Add(Text(text));
        var documents = ImmutableArray.CreateBuilder<StoredDocument>();
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel))
            documents.Add(new(reader.GetString(0), reader.GetFieldValue<byte[]>(1), reader.GetInt64(2)));
        return documents.ToImmutable();
    }, cancel);

    public ValueTask CommitAsync(CommitBatch batch, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        foreach (var write in batch.Writes)
            Storable.Check(write);
        return _commits.CommitAsync(batch, cancel);
    }

    public ValueTask DisposeAsync() => _connections.DisposeAsync();

    internal static NpgsqlParameter Text(string? text) => new NpgsqlParameter<string?> { TypedValue = text, NpgsqlDbType = NpgsqlDbType.Text };
    internal static NpgsqlParameter Time(DateTimeOffset? at) => new NpgsqlParameter<DateTime?> { TypedValue = at?.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
