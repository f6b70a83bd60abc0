using System.Diagnostics;
using Microsoft.Data.Sqlite;

namespace Hatchery.Storage.Tests;

public sealed class SqliteStoreTests : StoreTests
{
    private readonly TemporaryDirectory _directory = new();
    private string Path => _directory.File("hatchery.db");

    protected override async ValueTask<IRecordBackend> OpenAsync() => await SqliteBackend.OpenAsync(Path, Clock);

    protected override ValueTask CloseAsync()
    {
        _directory.Dispose();
        return default;
    }

    /// <summary>As an operator does it: beside the running store.</summary>
    private object? Sql(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    protected override async Task<long?> FirstBrokenAfterAlteringAsync(long number)
    {
        Sql($"UPDATE audit SET subject = 'serial:other' WHERE number = {number}");
        return (await AuditChain.VerifyAsync(Store.Registry, Cancel)).FirstBroken;
    }

    [Fact]
    public Task A_taken_session_stays_taken() => A_taken_session_that_is_not_put_back_is_null_in_the_end();

    [Fact]
    public Task The_store_does_what_the_store_in_memory_does() => SameAsMemory.CheckAsync(Backend, Clock, "", 150);

    [Fact]
    public async Task Everything_is_there_after_reopening()
    {
        await InsertAsync("a", new Gadget("lamp", "ann", Pin: new SecretText("1234")));
        await ReportAsync(Facts.Seen("a", ["a"]));
        Assert.Equal(1, await Store.Leases.TryHoldAsync("job", "p1", TimeSpan.FromMinutes(1), Cancel));
        await ReopenAsync();
        Assert.Equal("1234", (await GetAsync("a"))!.Value.Pin!.Reveal());
        await ReportAsync(Facts.Seen("a", ["a"]));
        Assert.Equal([1L, 2L], (await AuditAsync()).Select(e => e.Number));
        Assert.Null((await AuditChain.VerifyAsync(Store.Registry, Cancel)).FirstBroken);
        Assert.Single(await Store.Registry.ListAsync(null, 10, Cancel));
        Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(2, await Store.Leases.TryHoldAsync("job", "p2", TimeSpan.FromMinutes(1), Cancel));
    }

    [Fact]
    public async Task A_second_opener_is_refused_also_under_another_name()
    {
        var link = _directory.File("link.db");
        File.CreateSymbolicLink(link, Path);
        foreach (var path in (string[])[Path, link])
        {
            var refused = await Assert.ThrowsAsync<StorageException>(async () => await SqliteStore.OpenAsync(path, Sealer, Clock));
            Assert.Contains("in use by another process", refused.Message, StringComparison.Ordinal);
        }
        using var child = StartChild();
        Assert.Equal("", await child.StandardOutput.ReadToEndAsync(Cancel));
        await child.WaitForExitAsync(Cancel);
        Assert.NotEqual(0, child.ExitCode);
        await InsertAsync("a", new Gadget("lamp"));
    }

    [Fact]
    public async Task A_file_that_cannot_be_opened_is_refused_with_a_sentence()
    {
        await Assert.ThrowsAsync<StorageException>(async () => await SqliteStore.OpenAsync(_directory.File("no/such/file.db"), Sealer, Clock));
        var text = _directory.File("text.db");
        await File.WriteAllTextAsync(text, new string('x', 8192), Cancel);
        await Assert.ThrowsAsync<StorageException>(async () => await SqliteStore.OpenAsync(text, Sealer, Clock));
        // The lock is given back after a refusal.
        await Assert.ThrowsAsync<StorageException>(async () => await SqliteStore.OpenAsync(text, Sealer, Clock));
    }

    [Fact]
    public async Task Migrations_are_applied_in_order_once_and_a_newer_database_is_refused()
    {
        await Store.DisposeAsync();
        var all = Migration.All("Sqlite");
        var steps = all.Append(new Migration(all.Count + 1, "CREATE TABLE later (x INTEGER)")).ToList();
        await SqliteBackend.Open(Path, Clock, steps).DisposeAsync();
        await SqliteBackend.Open(Path, Clock, steps).DisposeAsync();
        Assert.Equal(string.Join(',', Enumerable.Range(1, steps.Count)), Sql("SELECT group_concat(number) FROM schema_migrations"));
        var refused = await Assert.ThrowsAsync<StorageException>(async () => await SqliteBackend.OpenAsync(Path, Clock));
        Assert.Contains("newer version", refused.Message, StringComparison.Ordinal);
        var broken = steps.Append(new Migration(steps.Count + 1, "CREATE TABLE half (x INTEGER); CREATE TABLE later (x INTEGER)")).ToList();
        Assert.Throws<StorageException>(() => SqliteBackend.Open(Path, Clock, broken));
        Assert.Equal(0L, Sql("SELECT count(*) FROM sqlite_master WHERE name = 'half'"));
    }

    [Fact]
    public async Task A_file_of_the_first_step_keeps_its_records_and_indexes()
    {
        await Store.DisposeAsync();
        File.Delete(Path);
        await using (var first = new SqliteConnection($"Data Source={Path};Pooling=False"))
        {
            first.Open();
            using var fill = first.CreateCommand();
            fill.CommandText = "CREATE TABLE schema_migrations (number INTEGER NOT NULL PRIMARY KEY, applied TEXT NOT NULL) STRICT; INSERT INTO schema_migrations VALUES (1, 'then'); " +
                Migration.All("Sqlite")[0].Sql +
                "INSERT INTO records (schema, key, version, json) VALUES ('test.gadget', 'a', 3, $json); INSERT INTO record_indexes VALUES ('test.gadget', 'owner', 'an \"n\"', 'a')";
            fill.Parameters.AddWithValue("$json", System.Text.Encoding.UTF8.GetString(Gadget.Schema.Write(new Gadget("lamp", "an \"n\""), Sealer, new("a"))));
            fill.ExecuteNonQuery();
        }
        await InitializeAsync();
        var found = Assert.Single(await Begin().FindAsync(Gadget.Schema, "owner", "an \"n\"", 10, Cancel));
        Assert.Equal(3, found.Version);
        await CommitAsync(u => u.Replace(Gadget.Schema, found.Key, found.Value with { Owner = "bob" }, found.Version));
        Assert.Empty(await Begin().FindAsync(Gadget.Schema, "owner", "an \"n\"", 10, Cancel));
        Assert.Single(await Begin().FindAsync(Gadget.Schema, "owner", "bob", 10, Cancel));
        Assert.Equal(1L, Sql("SELECT count(*) FROM record_indexes"));
    }

    [Fact]
    public async Task Secrets_are_nowhere_in_the_files_in_clear_and_the_files_are_the_owners()
    {
        await InsertAsync("a", new Gadget("lamp-in-clear", Pin: new SecretText("very-secret-pin")));
        var files = Directory.GetFiles(_directory.Path);
        var all = string.Concat(files.Where(f => !f.EndsWith(".lock", StringComparison.Ordinal)).Select(f =>
        {
            using var file = new FileStream(f, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(file, System.Text.Encoding.Latin1);
            return reader.ReadToEnd();
        }));
        Assert.Contains("lamp-in-clear", all, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret-pin", all, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("very-secret-pin"u8), all, StringComparison.Ordinal);
        Assert.Equal(0, new FileInfo(Path + ".lock").Length);
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
    }

    [Fact]
    public async Task Documents_can_be_queried_with_SQL()
    {
        await InsertAsync("a", new Gadget("lamp", "ann", 7));
        Assert.Equal("a", Sql("SELECT key FROM records WHERE schema = 'test.gadget' AND json ->> 'count' = 7"));
        Assert.Equal("a", Sql("SELECT key FROM record_indexes WHERE name = 'owner' AND value = 'ann'"));
    }

    [Fact]
    public async Task Expired_records_are_removed_in_small_steps()
    {
        for (int i = 0; i < 100; i++)
            await InsertAsync($"{i}", new Gadget("x", "ann"), TimeSpan.FromMinutes(1));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await InsertAsync("stays", new Gadget("x", "ann"));
        Assert.Equal(37L, Sql("SELECT count(*) FROM records"));
        await ReportAsync(Facts.Seen("a", ["a"]));
        Assert.Equal((1L, 1L), (Sql("SELECT count(*) FROM records"), Sql("SELECT count(*) FROM record_indexes")));
    }

    [Fact]
    public async Task In_a_shared_transaction_a_conflict_undoes_its_own_writes_only()
    {
        await InsertAsync("taken", new Gadget("x"));
        // Held up by a writer beside it, so that all of them wait together.
        using var other = new SqliteConnection($"Data Source={Path};Pooling=False");
        other.Open();
        Task[] commits;
        using (other.BeginTransaction())
            commits = [.. Enumerable.Range(0, 100).Select(i => CommitAsync(u =>
            {
                u.Insert(Gadget.Schema, new($"{i}"), new Gadget("x", "ann"));
                u.Report(Facts.Seen($"{i}", [$"{i}"]));
                if (i % 3 == 0)
                    u.Insert(Gadget.Schema, new("taken"), new Gadget("y"));
            }))];
        for (int i = 0; i < commits.Length; i++)
            if (i % 3 == 0)
                await Assert.ThrowsAsync<ConflictException>(() => commits[i]);
            else
                await commits[i];
        await ReopenAsync();
        Assert.Equal(66, (await Begin().FindAsync(Gadget.Schema, "owner", "ann", 1000, Cancel)).Length);
        Assert.Equal(66, (await Store.Registry.ListAsync(null, 1000, Cancel)).Length);
        Assert.Equal((66L, null), await AuditChain.VerifyAsync(Store.Registry, Cancel) is var (head, broken) ? (head.Number, broken) : default);
    }

    [Fact]
    public async Task A_closed_store_says_so_and_finishes_what_was_handed_in()
    {
        var last = InsertAsync("a", new Gadget("lamp"));
        await Store.DisposeAsync();
        await last;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => InsertAsync("b", new Gadget("lamp")));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => GetAsync("a"));
        await InitializeAsync();
        Assert.Equal("a", await ListedAsync());
    }

    private Process StartChild()
    {
        var program = System.IO.Path.Combine(AppContext.BaseDirectory, "Hatchery.Storage.Tests");
        return Process.Start(new ProcessStartInfo(program, [CrashChild.Argument, Path]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }

    [Fact]
    public async Task What_was_acknowledged_before_a_kill_is_there()
    {
        await Store.DisposeAsync();
        for (int kill = 0; kill < 3; kill++)
        {
            if (kill > 0)
                File.Delete(Path);
            using var child = StartChild();
            var acknowledged = new List<string>();
            while (acknowledged.Count < 300 + kill * 37)
                acknowledged.Add(await child.StandardOutput.ReadLineAsync(Cancel) ?? throw new InvalidOperationException(await child.StandardError.ReadToEndAsync(Cancel)));
            child.Kill();
            var rest = await child.StandardOutput.ReadToEndAsync(Cancel);
            // A line that the kill cut short acknowledges nothing.
            acknowledged.AddRange(rest[..(rest.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries));
            await child.WaitForExitAsync(Cancel);
            await InitializeAsync();
            var there = (await Begin().FindAsync(Gadget.Schema, "owner", "child", 1_000_000, Cancel)).Select(g => g.Key.Value).ToHashSet();
            Assert.DoesNotContain(acknowledged, k => !there.Contains(k));
            Assert.Equal((there.Count, null), await AuditChain.VerifyAsync(Store.Registry, Cancel) is var (head, broken) ? (head.Number, broken) : default);
            await Store.DisposeAsync();
        }
        await InitializeAsync();
    }
}
