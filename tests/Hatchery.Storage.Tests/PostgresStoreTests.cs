namespace Hatchery.Storage.Tests;

public sealed class PostgresStoreTests(PostgresServer server) : StoreTests, IClassFixture<PostgresServer>
{
    private string? _schema;

    protected override async ValueTask<IRecordBackend> OpenAsync() =>
        await PostgresBackend.OpenAsync(_schema ??= await server.NewSchemaAsync(), Sealer, Clock);

    protected override ValueTask CloseAsync() => default;

    private Task<List<string>> TextsAsync(string sql) => PostgresServer.TextsAsync(_schema!, sql);
    private async Task<string> TextAsync(string sql) => Assert.Single(await TextsAsync(sql));

    protected override async Task<long?> FirstBrokenAfterAlteringAsync(long number)
    {
        await PostgresServer.ExecuteAsync(_schema!, $"UPDATE audit SET subject = 'serial:other' WHERE number = {number}");
        return (await AuditChain.VerifyAsync(Store.Registry, Cancel)).FirstBroken;
    }

    [Fact]
    public Task A_taken_session_stays_taken() => A_taken_session_that_is_not_put_back_is_null_in_the_end();

    [Fact]
    public Task The_store_does_what_the_store_in_memory_does() => SameAsMemory.CheckAsync(Backend, Clock, "", 60);

    [Fact]
    public async Task Two_processes_share_records_sessions_and_leases()
    {
        await using var second = await PostgresStore.OpenAsync(_schema!, Sealer, Clock);
        await InsertAsync("a", new Gadget("lamp"));
        Assert.NotNull(await second.Begin(Caller).GetAsync(Gadget.Schema, new("a"), Cancel));
        await Store.Sessions.PutAsync("talk", "s", new Talk(1, "x"), TimeSpan.FromMinutes(1), Cancel);
        Assert.Equal(new Talk(1, "x"), await second.Sessions.TakeAsync<Talk>("talk", "s", Cancel));
        var waiting = Store.Sessions.TakeAsync<Talk>("talk", "s", Cancel);
        await second.Sessions.PutAsync("talk", "s", new Talk(2, "x"), TimeSpan.FromMinutes(1), Cancel);
        Assert.Equal(2, (await waiting)!.Round);
        Assert.Equal(1, await Store.Leases.TryHoldAsync("job", "p1", TimeSpan.FromMinutes(1), Cancel));
        Assert.Null(await second.Leases.TryHoldAsync("job", "p2", TimeSpan.FromMinutes(1), Cancel));
    }

    [Fact]
    public async Task The_database_s_clock_decides_about_leases_when_none_is_brought()
    {
        await using var real = await PostgresStore.OpenAsync(_schema!, Sealer, TimeProvider.System);
        Assert.Equal(1, await real.Leases.TryHoldAsync("job", "p1", TimeSpan.FromDays(1), Cancel));
        Assert.Null(await real.Leases.TryHoldAsync("job", "p2", TimeSpan.FromDays(1), Cancel));
        Assert.Equal("t", await TextAsync("SELECT (until > now())::text::char FROM leases"));
    }

    [Fact]
    public async Task Programs_that_start_together_migrate_once()
    {
        var schema = await server.NewSchemaAsync();
        var stores = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () => await PostgresStore.OpenAsync(schema, Sealer, Clock))));
        foreach (var store in stores)
            await store.DisposeAsync();
        Assert.Equal(["1"], await PostgresServer.TextsAsync(schema, "SELECT number::text FROM schema_migrations"));
    }

    [Fact]
    public async Task Migrations_are_applied_in_order_once_and_a_newer_database_is_refused()
    {
        var steps = Migration.All("Postgres").Append(new Migration(2, "CREATE TABLE later (x int)")).ToList();
        await (await PostgresBackend.OpenAsync(_schema!, Sealer, Clock, steps)).DisposeAsync();
        Assert.Equal(["1", "2"], await TextsAsync("SELECT number::text FROM schema_migrations ORDER BY number"));
        var refused = await Assert.ThrowsAsync<StorageException>(async () => await PostgresStore.OpenAsync(_schema!, Sealer, Clock));
        Assert.Contains("newer version", refused.Message, StringComparison.Ordinal);
        var broken = steps.Append(new Migration(3, "CREATE TABLE half (x int); CREATE TABLE later (x int)")).ToList();
        await Assert.ThrowsAsync<StorageException>(async () => await PostgresBackend.OpenAsync(_schema!, Sealer, Clock, broken));
        Assert.Equal("t", await TextAsync("SELECT (to_regclass('half') IS NULL)::text::char"));
    }

    [Fact]
    public async Task Secrets_are_in_no_row_in_clear()
    {
        await InsertAsync("a", new Gadget("lamp-in-clear", Pin: new SecretText("very-secret-pin")));
        await Store.Sessions.PutAsync("talk", "s", new Talk(1, "very-secret-key"), TimeSpan.FromMinutes(1), Cancel);
        var rows = string.Concat(await TextsAsync("SELECT records::text FROM records UNION ALL SELECT encode(state, 'escape') FROM sessions"));
        Assert.Contains("lamp-in-clear", rows, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", rows, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("very-secret-pin"u8), rows, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Documents_can_be_queried_with_SQL()
    {
        await InsertAsync("a", new Gadget("lamp", "ann", 7));
        Assert.Equal("a", await TextAsync("SELECT key FROM records WHERE schema = 'test.gadget' AND (json ->> 'count')::int = 7"));
    }

    [Fact]
    public async Task Expired_records_are_removed_in_small_steps()
    {
        for (int i = 0; i < 100; i++)
            await InsertAsync($"{i}", new Gadget("x", "ann"), TimeSpan.FromMinutes(1));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await InsertAsync("stays", new Gadget("x", "ann"));
        Assert.Equal("37", await TextAsync("SELECT count(*)::text FROM records"));
        Clock.Advance(TimeSpan.FromSeconds(1));
        await ReportAsync(Facts.Seen("a", ["a"]));
        Assert.Equal("1 1", await TextAsync("SELECT (SELECT count(*) FROM records) || ' ' || (SELECT count(*) FROM record_indexes)"));
    }

    [Fact]
    public async Task A_lost_connection_is_said_and_the_next_call_connects_again()
    {
        await InsertAsync("a", new Gadget("lamp"));
        // Only this test's connections: others run beside it. One of ours must be idle in the pool to be met dead.
        await PostgresServer.ExecuteAsync(server.ConnectionString,
            $"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{Application}' AND pid <> pg_backend_pid()");
        await using var named = await PostgresStore.OpenAsync($"{_schema};Application Name={Application};Maximum Pool Size=1", Sealer, Clock);
        await named.Begin(Caller).GetAsync(Gadget.Schema, new("a"), Cancel);
        Assert.Single(await PostgresServer.TextsAsync(server.ConnectionString, $"SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE application_name = '{Application}'"));
        var unit = named.Begin(Caller);
        unit.Insert(Gadget.Schema, new("b"), new Gadget("bell"));
        var lost = await Assert.ThrowsAsync<StorageException>(async () => await unit.CommitAsync(Cancel));
        Assert.True(lost.IsTransient);
        Assert.NotNull(await named.Begin(Caller).GetAsync(Gadget.Schema, new("a"), Cancel));
        Assert.Equal("a", await ListedAsync());
    }

    private const string Application = "to-be-cut-off";

    [Fact]
    public async Task A_server_that_is_not_there_is_said_without_the_password()
    {
        var refused = await Assert.ThrowsAsync<StorageException>(async () => await PostgresStore.OpenAsync("Host=/nonexistent;Username=u;Password=hush;Database=d", Sealer, Clock));
        Assert.DoesNotContain("hush", refused.ToString(), StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<StorageException>(async () => await PostgresStore.OpenAsync("Hots=x;Password=hush", Sealer, Clock));
        Assert.DoesNotContain("hush", refused.ToString(), StringComparison.Ordinal);
    }
}
