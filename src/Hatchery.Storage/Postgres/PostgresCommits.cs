using System.Collections.Immutable;
using Npgsql;
using NpgsqlTypes;
using static Hatchery.Storage.PostgresBackend;

namespace Hatchery.Storage;

/// <summary>Commits: records first, in the order of their keys, then the row of the audit log's head, so that two commits never wait for each other in a
/// circle. Three round trips with facts, two without.</summary>
internal sealed class PostgresCommits(PostgresConnections connections, TimeProvider time)
{
    /// <summary>Expired records removed at once.</summary>
    private const int SweepStep = 64;
    private long _nextSweep;

    public async ValueTask CommitAsync(CommitBatch batch, CancellationToken cancel)
    {
        var writes = batch.Writes.Sort((a, b) => string.CompareOrdinal(a.Schema, b.Schema) is var s && s != 0 ? s : string.CompareOrdinal(a.Key, b.Key));
        await connections.UseAsync(async connection =>
        {
            await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.ReadCommitted, cancel);
            var (head, known) = await WriteAsync(connection, writes, batch, cancel);
            if (!batch.Facts.IsEmpty)
                await RecordAsync(connection, RegistryRules.Apply(known, head, batch), cancel);
            await transaction.CommitAsync(cancel);
            return true;
        }, cancel, () => writes.IsEmpty ? new ConflictException("registry", batch.Facts[0].Subject.Value) : new ConflictException(writes[0].Schema, writes[0].Key));
    }

    private async ValueTask<(AuditHead, IEnumerable<RegistryDevice>)> WriteAsync(NpgsqlConnection connection, ImmutableArray<RecordWrite> writes, CommitBatch batch, CancellationToken cancel)
    {
        await using var commands = new NpgsqlBatch(connection);
        var deciding = writes.Select(write => Add(commands, write, batch.At)).ToArray();
        if (SweepIsDue(out var now))
            Add(commands, "DELETE FROM records WHERE (schema, key) IN (SELECT schema, key FROM records WHERE expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
                Time(now), new NpgsqlParameter<int> { TypedValue = SweepStep });
        if (!batch.Facts.IsEmpty)
        {
            // Each statement of the batch sees what was committed before it began: the devices are read under the lock of the head.
            var mentioned = RegistryRules.Mentioned(batch.Facts);
            Add(commands, "SELECT number, chain FROM audit_head FOR UPDATE");
            Add(commands, PostgresRegistry.Devices("WHERE id IN (SELECT f.device FROM device_identifiers f JOIN unnest($1, $2) m (kind, value) " +
                "ON f.kind = m.kind AND f.value = m.value WHERE f.standing > 0)"), Texts(mentioned.Select(m => m.Kind)), Texts(mentioned.Select(m => m.Value)));
        }
        var head = AuditHead.Empty;
        var rows = new List<PostgresRegistry.Row>();
        if (commands.BatchCommands.Count > 0)
            await using (var reader = await commands.ExecuteReaderAsync(cancel))
                if (!batch.Facts.IsEmpty)
                {
                    await reader.ReadAsync(cancel);
                    head = new(reader.GetInt64(0), reader.GetString(1));
                    await reader.NextResultAsync(cancel);
                    while (await reader.ReadAsync(cancel))
                        rows.Add(PostgresRegistry.Row.Read(reader));
                }
        for (int i = 0; i < deciding.Length; i++)
            if (deciding[i].RecordsAffected != 1)
                throw new ConflictException(writes[i].Schema, writes[i].Key);
        return (head, PostgresRegistry.Group(rows));
    }

    /// <summary>Returns the command that changes one row, or none if somebody else was faster.</summary>
    private static NpgsqlBatchCommand Add(NpgsqlBatch commands, RecordWrite write, DateTimeOffset at)
    {
        if (write.Json.IsEmpty)
            return Add(commands, "DELETE FROM records WHERE schema = $1 AND key = $2 AND version = $3 AND (expires IS NULL OR expires > $4)",
                Text(write.Schema), Text(write.Key), Number(write.Expected), Time(at));
        // A string would be decoded and encoded again; Npgsql takes UTF-8 bytes for json as they are.
        var json = new NpgsqlParameter { Value = write.Json.ToArray(), NpgsqlDbType = NpgsqlDbType.Json };
        var command = write.Expected == 0
            ? Add(commands, "INSERT INTO records (schema, key, version, json, expires) VALUES ($1, $2, 1, $3, $4) ON CONFLICT (schema, key) DO UPDATE " +
                "SET version = 1, json = excluded.json, expires = excluded.expires WHERE records.expires <= $5",
                Text(write.Schema), Text(write.Key), json, Time(write.Expires), Time(at))
            : Add(commands, "UPDATE records SET version = version + 1, json = $3, expires = $4 " +
                "WHERE schema = $1 AND key = $2 AND version = $6 AND (expires IS NULL OR expires > $5)",
                Text(write.Schema), Text(write.Key), json, Time(write.Expires), Time(at), Number(write.Expected));
        Add(commands, "DELETE FROM record_indexes WHERE schema = $1 AND key = $2", Text(write.Schema), Text(write.Key));
        // Where the command found no record, the foreign key must not speak before the conflict does.
        if (!write.Indexes.IsEmpty)
            Add(commands, "INSERT INTO record_indexes (schema, key, name, value) SELECT r.schema, r.key, t.n, t.v FROM records r, unnest($3, $4) t (n, v) " +
                "WHERE r.schema = $1 AND r.key = $2 ON CONFLICT DO NOTHING",
                Text(write.Schema), Text(write.Key), Texts(write.Indexes.Select(i => i.Name)), Texts(write.Indexes.Select(i => i.Value)));
        return command;
    }

    private static async ValueTask RecordAsync(NpgsqlConnection connection, RegistryChanges changes, CancellationToken cancel)
    {
        await using var commands = new NpgsqlBatch(connection);
        foreach (var (device, _) in changes.Devices)
            Add(commands, "INSERT INTO devices (id, first_seen, last_seen, last_protocol, owner, profile, state) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE " +
                "SET last_seen = excluded.last_seen, last_protocol = excluded.last_protocol, owner = excluded.owner, profile = excluded.profile, state = excluded.state",
                Id(device.Id), Time(device.FirstSeen), Time(device.LastSeen), Text(device.LastProtocol), Text(device.Owner), Text(device.Profile), Text(device.State));
        foreach (var (device, name, standing) in changes.Names)
            Add(commands, "INSERT INTO device_identifiers (device, kind, value, standing) VALUES ($1, $2, $3, $4) ON CONFLICT (device, kind, value) DO UPDATE SET standing = excluded.standing",
                Id(device), Text(name.Kind), Text(name.Value), new NpgsqlParameter<short> { TypedValue = (short)standing });
        foreach (var entry in changes.Audit)
            Add(commands, "INSERT INTO audit (number, at, kind, device, subject, listener, remote, detail, chain) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                Number(entry.Number), Time(entry.At), Text(entry.Kind), Id(entry.Device), Text(entry.Subject), Text(entry.Listener), Text(entry.Remote),
                new NpgsqlParameter<string> { TypedValue = entry.Detail, NpgsqlDbType = NpgsqlDbType.Json }, Text(entry.Chain));
        Add(commands, "UPDATE audit_head SET number = $1, chain = $2", Number(changes.Head.Number), Text(changes.Head.Chain));
        await commands.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Once a second per process.</summary>
    private bool SweepIsDue(out DateTimeOffset now)
    {
        now = time.GetUtcNow();
        long due = Interlocked.Read(ref _nextSweep);
        return now.UtcTicks >= due && Interlocked.CompareExchange(ref _nextSweep, now.UtcTicks + TimeSpan.TicksPerSecond, due) == due;
    }

    private static NpgsqlBatchCommand Add(NpgsqlBatch commands, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        commands.BatchCommands.Add(command);
        return command;
    }

    private static NpgsqlParameter Number(long number) => new NpgsqlParameter<long> { TypedValue = number };
    private static NpgsqlParameter Id(Guid? id) => new NpgsqlParameter<Guid?> { TypedValue = id, NpgsqlDbType = NpgsqlDbType.Uuid };
    private static NpgsqlParameter Texts(IEnumerable<string> texts) => new NpgsqlParameter<string[]> { TypedValue = [.. texts], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}
