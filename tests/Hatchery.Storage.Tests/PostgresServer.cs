using System.Diagnostics;
using Npgsql;

namespace Hatchery.Storage.Tests;

/// <summary>A PostgreSQL server of its own for a class of tests, on a Unix socket in a temporary directory; each test has a schema of its own.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hpg-").FullName;
    private string _bin = "";
    private bool _started;
    private int _schemas;

    private string Data => System.IO.Path.Combine(_directory, "d");
    public string ConnectionString => $"Host={_directory};Port=5432;Username=postgres;Database=postgres";

    public async ValueTask InitializeAsync()
    {
        _bin = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(d => System.IO.Path.Combine(d, "bin")).Where(d => File.Exists(System.IO.Path.Combine(d, "initdb"))).Max() ?? ""
            : "";
        if (_bin.Length == 0)
            throw new InvalidOperationException("PostgreSQL's initdb is not in /usr/lib/postgresql/*/bin. `./test` installs the package postgresql; or run: apt-get install postgresql");
        if (Environment.IsPrivilegedProcess)
            await RunAsync("chown", "postgres", _directory);
        await RunAsServerAsync("initdb", "-D", Data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C");
        await RunAsServerAsync("pg_ctl", "-D", Data, "-w", "-l", System.IO.Path.Combine(_directory, "log"), "-o",
            $"-c listen_addresses= -c unix_socket_directories={_directory} -c fsync=off -c max_connections=200", "start");
        _started = true;
    }

    public async Task<string> NewSchemaAsync()
    {
        string name = $"t{Interlocked.Increment(ref _schemas)}";
        await ExecuteAsync(ConnectionString, $"CREATE SCHEMA {name}");
        return $"{ConnectionString};Search Path={name}";
    }

    public static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public static async Task<List<string>> TextsAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var texts = new List<string>();
        while (await reader.ReadAsync())
            texts.Add(reader.GetString(0));
        return texts;
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (_started)
            await RunAsServerAsync("pg_ctl", "-D", Data, "-m", "immediate", "stop");
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>PostgreSQL does not run as root.</summary>
    private Task RunAsServerAsync(string program, params string[] arguments)
    {
        program = System.IO.Path.Combine(_bin, program);
        return Environment.IsPrivilegedProcess ? RunAsync("runuser", ["-u", "postgres", "--", program, .. arguments]) : RunAsync(program, arguments);
    }

    private async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = _directory, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed: {await output} {await error}");
    }
}
