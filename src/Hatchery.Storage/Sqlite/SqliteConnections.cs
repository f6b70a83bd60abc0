using Microsoft.Data.Sqlite;

namespace Hatchery.Storage;

/// <summary>Opens connections to one file, each set up the same way.</summary>
internal static class SqliteConnections
{
    public static SqliteConnection Open(string path, bool forReading)
    {
        // Without pooling: connections are kept here, and the settings below belong to a connection, not to the file.
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, Mode = SqliteOpenMode.ReadWrite }.ToString());
        try
        {
            connection.Open();
            Execute(connection, "PRAGMA busy_timeout=10000");
            Execute(connection, "PRAGMA journal_mode=WAL");
            Execute(connection, "PRAGMA synchronous=FULL");
            // Pages that many commits touch go back to the file less often; a log of 32 MB is read back in a moment after a crash.
            Execute(connection, "PRAGMA wal_autocheckpoint=8000");
            Execute(connection, "PRAGMA mmap_size=268435456");
            Execute(connection, "PRAGMA temp_store=MEMORY");
            // Pages that commits touch are wanted again: 64 MB for the writer. Readers' pages are the platform's cache, by way of mmap.
            Execute(connection, forReading ? "PRAGMA query_only=ON" : "PRAGMA cache_size=-65536");
            return connection;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw new StorageException($"The database {path} cannot be opened: {e.Message}", e);
        }
    }

    public static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static void Migrate(SqliteConnection connection, string path, IReadOnlyList<Migration> all, TimeProvider time)
    {
        Execute(connection, "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER NOT NULL PRIMARY KEY, applied TEXT NOT NULL) STRICT");
        using var last = connection.CreateCommand();
        last.CommandText = "SELECT coalesce(max(number), 0) FROM schema_migrations";
        int applied = Convert.ToInt32(last.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
        foreach (var migration in Migration.Missing(all, applied, path))
        {
            using var transaction = connection.BeginTransaction();
            using var step = connection.CreateCommand();
            step.Transaction = transaction;
            step.CommandText = migration.Sql;
            step.ExecuteNonQuery();
            step.CommandText = "INSERT INTO schema_migrations VALUES (@number, @applied)";
            step.Parameters.AddWithValue("@number", migration.Number);
            step.Parameters.AddWithValue("@applied", SqliteTime.Write(time.GetUtcNow()));
            step.ExecuteNonQuery();
            transaction.Commit();
        }
    }
}

/// <summary>A file beside the database, locked by the operating system while this process has the database open: released however the process ends.</summary>
internal sealed class SqliteFileLock : IDisposable
{
    private readonly FileStream _file;

    private SqliteFileLock(FileStream file) => _file = file;

    public static SqliteFileLock Take(string path)
    {
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            return new(new FileStream(path + ".lock", options));
        }
        catch (Exception e) when (e is DirectoryNotFoundException or FileNotFoundException or UnauthorizedAccessException)
        {
            throw new StorageException($"The database {path} cannot be opened: {e.Message}", e);
        }
        catch (IOException e)
        {
            throw new StorageException($"The database {path} is in use by another process. SQLite serves one process; for several, use PostgreSQL.", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
