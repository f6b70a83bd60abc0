using System.Globalization;
using Npgsql;

namespace Hatchery.Storage;

/// <summary>Connections of one store, and what goes wrong with them in sentences.</summary>
internal sealed class PostgresConnections : IAsyncDisposable
{
    private readonly NpgsqlDataSource _source;
    private readonly string _where;

    public PostgresConnections(string connectionString)
    {
        NpgsqlConnectionStringBuilder settings;
        try
        {
            // Statements used again are prepared on their connection.
            settings = new NpgsqlConnectionStringBuilder(connectionString) { MaxAutoPrepare = 64, AutoPrepareMinUsages = 2 };
        }
        catch (ArgumentException)
        {
            // Its message may quote a part of the string, and so a password.
            throw new StorageException("The connection string for PostgreSQL cannot be read; it has the form \"Host=…;Database=…;Username=…\".");
        }
        _where = string.Create(CultureInfo.InvariantCulture, $"{settings.Database ?? settings.Username} on {settings.Host}:{settings.Port}");
        _source = NpgsqlDataSource.Create(settings);
    }

    /// <summary>Does something on a connection; failures of database and connection become <see cref="StorageException"/>.</summary>
    /// <param name="conflict">Where two units of work met, if this is one.</param>
    public async ValueTask<T> UseAsync<T>(Func<NpgsqlConnection, ValueTask<T>> act, CancellationToken cancel, Func<Exception>? conflict = null)
    {
        try
        {
            await using var connection = await _source.OpenConnectionAsync(cancel);
            return await act(connection);
        }
        catch (PostgresException e) when (conflict is not null && e.SqlState is PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected
            or PostgresErrorCodes.UniqueViolation)
        {
            throw conflict!();
        }
        catch (PostgresException e) when (!e.IsTransient)
        {
            throw new StorageException($"PostgreSQL ({_where}) refused: {e.MessageText} ({e.SqlState}).", e);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or System.Net.Sockets.SocketException or TimeoutException)
        {
            throw new StorageException($"The connection to PostgreSQL ({_where}) failed: {e.Message}" +
                (conflict is null ? "" : " If a commit was under way, it is not known whether it was made."), e, isTransient: true);
        }
    }

    /// <summary>One process migrates, others that start at the same time wait.</summary>
    public ValueTask<int> MigrateAsync(IReadOnlyList<Migration> all, CancellationToken cancel) => UseAsync(async connection =>
    {
        const long migrationLock = 0x4861746368657279; // "Hatchery"
        await ExecuteAsync(connection, $"SELECT pg_advisory_lock({migrationLock})", cancel);
        try
        {
            await ExecuteAsync(connection, "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())", cancel);
            await using var last = new NpgsqlCommand("SELECT coalesce(max(number), 0) FROM schema_migrations", connection);
            int applied = (int)(await last.ExecuteScalarAsync(cancel))!;
            foreach (var migration in Migration.Missing(all, applied, $"The database {_where}"))
            {
                await using var transaction = await connection.BeginTransactionAsync(cancel);
                await ExecuteAsync(connection, migration.Sql, cancel);
                await ExecuteAsync(connection, $"INSERT INTO schema_migrations (number) VALUES ({migration.Number})", cancel);
                await transaction.CommitAsync(cancel);
                applied = migration.Number;
            }
            return applied;
        }
        finally
        {
            await ExecuteAsync(connection, $"SELECT pg_advisory_unlock({migrationLock})", CancellationToken.None);
        }
    }, cancel);

    private static async ValueTask ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancel);
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();
}
