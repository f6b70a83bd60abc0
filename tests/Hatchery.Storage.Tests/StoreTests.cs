using System.Collections.Immutable;

namespace Hatchery.Storage.Tests;

/// <summary>What every record store must do. One derived class per database.</summary>
public abstract partial class StoreTests : IAsyncLifetime
{
    protected static readonly byte[] MasterKey = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    protected Clock Clock { get; } = new();
    protected AesGcmSealer Sealer { get; } = new(MasterKey, new SystemDraws());
    protected IRecordBackend Backend { get; private set; } = null!;
    protected RecordStore Store { get; private set; } = null!;
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected abstract ValueTask<IRecordBackend> OpenAsync();
    protected abstract ValueTask CloseAsync();

    public async ValueTask InitializeAsync()
    {
        Backend = await OpenAsync();
        Store = new RecordStore(Backend, Sealer);
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        await CloseAsync();
        Sealer.Dispose();
        GC.SuppressFinalize(this);
    }

    protected async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        await InitializeAsync();
    }

    protected Caller Caller => Caller.Local("test", new Moment(TimeSpan.Zero, Clock.GetUtcNow()));
    protected IUnitOfWork Begin() => Store.Begin(Caller);

    protected async Task CommitAsync(Action<IUnitOfWork> act)
    {
        var unit = Begin();
        act(unit);
        await unit.CommitAsync(Cancel);
    }

    protected Task ReportAsync(params Fact[] facts) => CommitAsync(unit =>
    {
        foreach (var fact in facts)
            unit.Report(fact);
    });

    protected async Task<Stored<Gadget>?> GetAsync(string key) => await Begin().GetAsync(Gadget.Schema, new(key), Cancel);
    protected Task InsertAsync(string key, Gadget value, TimeSpan? life = null) =>
        CommitAsync(u => u.Insert(Gadget.Schema, new(key), value, life is { } span ? Clock.GetUtcNow() + span : null));
    protected async Task<string> FoundAsync(string owner, int limit = 10) =>
        string.Join(' ', (await Begin().FindAsync(Gadget.Schema, "owner", owner, limit, Cancel)).Select(g => g.Key));
    protected async Task<string> ListedAsync(string? after = null, int limit = 10) =>
        string.Join(' ', (await Begin().ListAsync(Gadget.Schema, after is null ? null : new RecordKey(after), limit, Cancel)).Select(g => g.Key));
    protected async Task<ImmutableArray<AuditEntry>> AuditAsync() => await Store.Registry.AuditAsync(0, 10_000, null, Cancel);

    [Fact]
    public async Task What_is_inserted_is_read_with_version_1()
    {
        await InsertAsync("a", new Gadget("lamp", "ann", 7, new SecretText("1234")));
        var stored = await GetAsync("a");
        Assert.Equal(1, stored!.Version);
        Assert.Equal(new Gadget("lamp", "ann", 7, new SecretText("1234")), stored.Value);
        Assert.Null(await GetAsync("b"));
    }

    [Fact]
    public async Task An_insert_over_a_record_conflicts()
    {
        await InsertAsync("a", new Gadget("lamp"));
        var conflict = await Assert.ThrowsAsync<ConflictException>(() => InsertAsync("a", new Gadget("other")));
        Assert.Equal(("test.gadget", "a"), (conflict.Schema, conflict.Key));
        Assert.Equal("lamp", (await GetAsync("a"))!.Value.Name);
    }

    [Fact]
    public async Task A_replace_needs_the_version_and_raises_it()
    {
        await InsertAsync("a", new Gadget("lamp"));
        await CommitAsync(u => u.Replace(Gadget.Schema, new("a"), new Gadget("lamp 2"), 1));
        Assert.Equal(2, (await GetAsync("a"))!.Version);
        await Assert.ThrowsAsync<ConflictException>(() => CommitAsync(u => u.Replace(Gadget.Schema, new("a"), new Gadget("lamp 3"), 1)));
        await Assert.ThrowsAsync<ConflictException>(() => CommitAsync(u => u.Replace(Gadget.Schema, new("b"), new Gadget("none"), 1)));
        Assert.Equal("lamp 2", (await GetAsync("a"))!.Value.Name);
    }

    [Fact]
    public async Task A_delete_needs_the_version_and_takes_the_record_out_of_index_and_list()
    {
        await InsertAsync("a", new Gadget("lamp", "ann"));
        await Assert.ThrowsAsync<ConflictException>(() => CommitAsync(u => u.Delete(Gadget.Schema, new("a"), 2)));
        await CommitAsync(u => u.Delete(Gadget.Schema, new("a"), 1));
        Assert.Null(await GetAsync("a"));
        Assert.Equal(("", ""), (await FoundAsync("ann"), await ListedAsync()));
        await Assert.ThrowsAsync<ConflictException>(() => CommitAsync(u => u.Delete(Gadget.Schema, new("a"), 1)));
        await InsertAsync("a", new Gadget("again"));
        Assert.Equal(1, (await GetAsync("a"))!.Version);
    }

    [Fact]
    public async Task A_unit_sees_its_own_writes_and_nobody_else_does()
    {
        await InsertAsync("a", new Gadget("lamp", "ann"));
        await InsertAsync("b", new Gadget("bell", "ann"));
        var unit = Begin();
        unit.Delete(Gadget.Schema, new("a"), 1);
        unit.Replace(Gadget.Schema, new("b"), new Gadget("bell 2", "bob"), 1);
        unit.Insert(Gadget.Schema, new("c"), new Gadget("door", "ann"));
        Assert.Null(await unit.GetAsync(Gadget.Schema, new("a"), Cancel));
        Assert.Equal(("bell 2", 2L), await unit.GetAsync(Gadget.Schema, new("b"), Cancel) is { } b ? (b.Value.Name, b.Version) : default);
        Assert.Equal(["c"], (await unit.FindAsync(Gadget.Schema, "owner", "ann", 5, Cancel)).Select(g => g.Key.Value));
        Assert.Equal(["b", "c"], (await unit.ListAsync(Gadget.Schema, null, 5, Cancel)).Select(g => g.Key.Value));
        Assert.Equal("a b", await ListedAsync());
        await unit.CommitAsync(Cancel);
        Assert.Equal(("b c", "c", "b"), (await ListedAsync(), await FoundAsync("ann"), await FoundAsync("bob")));
    }

    [Fact]
    public async Task Finds_and_lists_are_in_the_order_of_keys_and_limited()
    {
        foreach (var key in (string[])["d", "B", "a", "é", "c", "😀", "Z"])
            await InsertAsync(key, new Gadget(key, "ann"));
        Assert.Equal("B Z a c d é 😀", await ListedAsync());
        Assert.Equal("B Z a", await FoundAsync("ann", 3));
        Assert.Equal("c d", await ListedAsync("a", 2));
        Assert.Equal("c d é 😀", await ListedAsync("b"));
        Assert.Equal("", await ListedAsync("😀"));
        Assert.Equal("", await FoundAsync("bob"));
    }

    [Fact]
    public async Task An_expired_record_is_not_there()
    {
        await InsertAsync("a", new Gadget("lamp", "ann"), TimeSpan.FromMinutes(1));
        await InsertAsync("b", new Gadget("bell", "ann"));
        Clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal("a b", await FoundAsync("ann"));
        Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await GetAsync("a"));
        Assert.Equal(("b", "b"), (await FoundAsync("ann"), await ListedAsync()));
        await Assert.ThrowsAsync<ConflictException>(() => CommitAsync(u => u.Replace(Gadget.Schema, new("a"), new Gadget("x"), 1)));
        await Assert.ThrowsAsync<ConflictException>(() => CommitAsync(u => u.Delete(Gadget.Schema, new("a"), 1)));
    }

    [Fact]
    public async Task An_insert_over_an_expired_record_begins_anew()
    {
        await InsertAsync("a", new Gadget("lamp", "ann"), TimeSpan.FromMinutes(1));
        await CommitAsync(u => u.Replace(Gadget.Schema, new("a"), new Gadget("lamp", "ann"), 1, Clock.GetUtcNow() + TimeSpan.FromMinutes(1)));
        Clock.Advance(TimeSpan.FromMinutes(2));
        await InsertAsync("a", new Gadget("bell", "bob"));
        Assert.Equal(("bell", 1L), await GetAsync("a") is { } a ? (a.Value.Name, a.Version) : default);
        Assert.Equal(("", "a"), (await FoundAsync("ann"), await FoundAsync("bob")));
    }

    [Fact]
    public async Task A_unit_is_written_as_a_whole_or_not_at_all()
    {
        await InsertAsync("b", new Gadget("bell"));
        var unit = Begin();
        unit.Insert(Gadget.Schema, new("a"), new Gadget("lamp", "ann"));
        unit.Insert(Gadget.Schema, new("b"), new Gadget("conflict"));
        unit.Insert(Gadget.Schema, new("c"), new Gadget("door"));
        unit.Report(Facts.Seen("1", ["1"]));
        await Assert.ThrowsAsync<ConflictException>(async () => await unit.CommitAsync(Cancel));
        Assert.Equal(("b", ""), (await ListedAsync(), await FoundAsync("ann")));
        Assert.Empty(await AuditAsync());
        Assert.Null(await Store.Registry.FindAsync(Facts.Id("1"), Cancel));
        await ReportAsync(Facts.Seen("2", ["2"]));
        Assert.Equal(1, Assert.Single(await AuditAsync()).Number);
    }

    [Fact]
    public async Task Documents_of_an_older_version_are_upgraded_when_read()
    {
        await CommitAsync(u => u.Insert(OldGadget.Schema, new("a"), new OldGadget("lamp")));
        var stored = await GetAsync("a");
        Assert.Equal(new Gadget("lamp", Count: 1), stored!.Value);
        await CommitAsync(u => u.Replace(Gadget.Schema, new("a"), stored.Value with { Owner = "ann" }, stored.Version));
        Assert.Equal("a", await FoundAsync("ann"));
    }

    [Fact]
    public async Task No_text_breaks_a_store()
    {
        await InsertAsync("a", new Gadget("nul \0 and \u0001, quote ' \" and 😀", "o'neil; --"));
        Assert.Equal("nul \0 and \u0001, quote ' \" and 😀", (await GetAsync("a"))!.Value.Name);
        Assert.Equal("a", await FoundAsync("o'neil; --"));
        foreach (var bad in (string[])["\0", "\ud800", new string('x', 5000)])
        {
            await Assert.ThrowsAsync<ArgumentException>(() => InsertAsync(bad, new Gadget("x")));
            await Assert.ThrowsAsync<ArgumentException>(() => InsertAsync("k", new Gadget("x", bad)));
            Assert.Null(await GetAsync(bad));
            Assert.Equal("", await FoundAsync(bad));
            await ReportAsync(Facts.Seen(bad, [bad], bad + "2"), new Fact.Refused(Facts.Id(bad), bad, bad, bad), Facts.Admitted(bad, bad));
            Assert.Equal("admitted", (await Store.Registry.FindAsync(Facts.Id(bad), Cancel))!.State);
        }
        Assert.Equal(3, (await Store.Registry.ListAsync(null, 10, Cancel)).Length);
        Assert.Null((await AuditChain.VerifyAsync(Store.Registry, Cancel)).FirstBroken);
    }

    [Fact]
    public async Task No_update_is_lost_among_64_units_at_once()
    {
        const int workers = 64, rounds = 2;
        await InsertAsync("n", new Gadget("counter"));
        int conflicts = 0;
        await Task.WhenAll(Enumerable.Range(0, workers).Select(worker => Task.Run(async () =>
        {
            for (int done = 0; done < rounds;)
            {
                var unit = Begin();
                var counter = (await unit.GetAsync(Gadget.Schema, new("n"), Cancel))!;
                unit.Replace(Gadget.Schema, counter.Key, counter.Value with { Count = counter.Value.Count + 1 }, counter.Version);
                unit.Insert(Gadget.Schema, new($"{worker} {done}"), new Gadget("mark"));
                unit.Report(Facts.Seen($"{worker % 8}", [$"{worker % 8}"]));
                try
                {
                    await unit.CommitAsync(Cancel);
                    done++;
                }
                catch (ConflictException)
                {
                    Interlocked.Increment(ref conflicts);
                }
            }
        })));
        var result = (await GetAsync("n"))!;
        Assert.Equal((workers * rounds, workers * rounds + 1L), (result.Value.Count, result.Version));
        Assert.Equal(Enumerable.Range(1, workers * rounds).Select(i => (long)i), (await AuditAsync()).Select(e => e.Number));
        Assert.Null((await AuditChain.VerifyAsync(Store.Registry, Cancel)).FirstBroken);
        Assert.Equal(8, (await Store.Registry.ListAsync(null, 100, Cancel)).Length);
        Assert.Equal(workers * rounds + 1, (await Begin().ListAsync(Gadget.Schema, null, 1000, Cancel)).Length);
    }
}
