using Npgsql;
using NpgsqlTypes;
using static Hatchery.Storage.PostgresBackend;

namespace Hatchery.Storage;

/// <summary>Sessions in an unlogged table, sealed. A taken session stays in the table, marked, until it is put back, dropped or expired: a process that dies
/// with it loses it, and two never have it. Time is the database's, which all processes share, unless a test brings its own.</summary>
/// <param name="limit">Sessions at once, over all processes; looked at once a second.</param>
internal sealed class PostgresSessions(PostgresConnections connections, ISealer sealer, TimeProvider time, int limit = 1_000_000) : ISessions
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2), s_shortest = TimeSpan.FromMilliseconds(5), s_longest = TimeSpan.FromMilliseconds(80);
    private long _nextSweep = long.MinValue;
    private volatile bool _full;

    private NpgsqlParameter Now => PostgresLeases.Now(time);

    public async ValueTask<T?> TakeAsync<T>(string kind, string key, CancellationToken cancel) where T : class, ISessionState<T>
    {
        string name = Storable.Name(key);
        long start = time.GetTimestamp();
        for (var pause = s_shortest; ; pause = pause * 2 < s_longest ? pause * 2 : s_longest)
        {
            var (exists, state) = await TryTakeAsync(kind, name, cancel);
            if (state is not null)
                return T.Read(sealer.Open(Context(kind, name), state));
            if (!exists || time.GetElapsedTime(start) >= s_patience)
                return null;
            await Task.Delay(pause, time, cancel);
        }
    }

    private ValueTask<(bool Exists, byte[]? State)> TryTakeAsync(string kind, string key, CancellationToken cancel) => connections.UseAsync<(bool, byte[]?)>(async connection =>
    {
        // The first sees whether there is a session; the update waits for a row lock and looks again, so one of two gets it.
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("SELECT count(*) FROM sessions WHERE kind = $1 AND key = $2 AND expires > coalesce($3, clock_timestamp())") { Parameters = { Text(kind), Text(key), Now } },
                new("UPDATE sessions SET taken = true WHERE kind = $1 AND key = $2 AND NOT taken AND expires > coalesce($3, clock_timestamp()) RETURNING state")
                    { Parameters = { Text(kind), Text(key), Now } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        bool exists = reader.GetInt64(0) > 0;
        await reader.NextResultAsync(cancel);
        return (exists, await reader.ReadAsync(cancel) ? reader.GetFieldValue<byte[]>(0) : null);
    }, cancel);

    public async ValueTask PutAsync<T>(string kind, string key, T value, TimeSpan life, CancellationToken cancel) where T : class, ISessionState<T>
    {
        string name = Storable.Name(key);
        var plain = value.Write();
        var state = sealer.Seal(Context(kind, name), plain);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(plain);
        bool sweep = SweepIsDue();
        await connections.UseAsync(async connection =>
        {
            if (sweep)
                _full = await SweepAsync(connection, cancel) >= limit;
            if (_full)
                throw new TooManySessionsException(limit);
            await using var put = new NpgsqlCommand("INSERT INTO sessions (kind, key, state, expires, taken) VALUES ($1, $2, $3, coalesce($4, clock_timestamp()) + $5, false) " +
                "ON CONFLICT (kind, key) DO UPDATE SET state = excluded.state, expires = excluded.expires, taken = false", connection)
            {
                Parameters = { Text(kind), Text(name), new NpgsqlParameter<byte[]> { TypedValue = state }, Now, new NpgsqlParameter<TimeSpan> { TypedValue = life, NpgsqlDbType = NpgsqlDbType.Interval } },
            };
            return await put.ExecuteNonQueryAsync(cancel);
        }, cancel);
    }

    public async ValueTask DropAsync(string kind, string key, CancellationToken cancel) => await connections.UseAsync(async connection =>
    {
        await using var drop = new NpgsqlCommand("DELETE FROM sessions WHERE kind = $1 AND key = $2", connection) { Parameters = { Text(kind), Text(Storable.Name(key)) } };
        return await drop.ExecuteNonQueryAsync(cancel);
    }, cancel);

    private bool SweepIsDue()
    {
        long now = time.GetUtcNow().UtcTicks, due = Interlocked.Read(ref _nextSweep);
        return now >= due && Interlocked.CompareExchange(ref _nextSweep, now + TimeSpan.TicksPerSecond, due) == due;
    }

    /// <summary>How many sessions are left.</summary>
    private async ValueTask<long> SweepAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("DELETE FROM sessions WHERE (kind, key) IN (SELECT kind, key FROM sessions WHERE expires <= coalesce($1, clock_timestamp()) LIMIT 10000 FOR UPDATE SKIP LOCKED)")
                    { Parameters = { Now } },
                new("SELECT count(*) FROM sessions"),
            },
        };
        return (long)(await batch.ExecuteScalarAsync(cancel))!;
    }

    private static string Context(string kind, string key) => $"session/{kind}/{key}";
}

/// <summary>Leases among processes. Time is the database's, so that a process whose clock is ahead does not take a lease early.</summary>
internal sealed class PostgresLeases(PostgresConnections connections, TimeProvider time) : ILeases
{
    /// <summary>Null, which stands for the database's clock, unless a test brings its own.</summary>
    public static NpgsqlParameter Now(TimeProvider time) => Time(ReferenceEquals(time, TimeProvider.System) ? null : time.GetUtcNow());

    public ValueTask<long?> TryHoldAsync(string job, string holder, TimeSpan life, CancellationToken cancel) => connections.UseAsync(async connection =>
    {
        // A lease that ran out is a change of holder even if the same one comes back.
        await using var hold = new NpgsqlCommand("INSERT INTO leases (job, holder, until, number) VALUES ($1, $2, coalesce($3, clock_timestamp()) + $4, 1) ON CONFLICT (job) DO UPDATE " +
            "SET holder = excluded.holder, until = excluded.until, number = leases.number + CASE WHEN leases.until > coalesce($3, clock_timestamp()) THEN 0 ELSE 1 END " +
            "WHERE leases.until <= coalesce($3, clock_timestamp()) OR leases.holder = excluded.holder RETURNING number", connection)
        {
            Parameters = { Text(job), Text(holder), Now(time), new NpgsqlParameter<TimeSpan> { TypedValue = life, NpgsqlDbType = NpgsqlDbType.Interval } },
        };
        return (long?)await hold.ExecuteScalarAsync(cancel);
    }, cancel);

    public async ValueTask ReleaseAsync(string job, string holder, CancellationToken cancel) => await connections.UseAsync(async connection =>
    {
        await using var release = new NpgsqlCommand("UPDATE leases SET until = '-infinity' WHERE job = $1 AND holder = $2", connection) { Parameters = { Text(job), Text(holder) } };
        return await release.ExecuteNonQueryAsync(cancel);
    }, cancel);
}
