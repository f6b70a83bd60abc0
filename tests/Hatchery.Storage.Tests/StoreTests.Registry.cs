using System.Collections.Immutable;
using System.Text.Json;
using static Hatchery.Storage.Tests.Facts;

namespace Hatchery.Storage.Tests;

public abstract partial class StoreTests
{
    private async Task<RegisteredDevice?> FindAsync(string name) => await Store.Registry.FindAsync(Id(name), Cancel);

    [Fact]
    public async Task A_proven_name_finds_its_device_again()
    {
        await ReportAsync(Seen("a", ["a"], "label"));
        Clock.Advance(TimeSpan.FromHours(1));
        await ReportAsync(new Fact.Seen(Id("a"), "est", [Id("b"), Id("a")], []));
        var device = (await FindAsync("b"))!;
        Assert.Equal(Clock.GetUtcNow(), device.LastSeen);
        Assert.Equal(Clock.GetUtcNow() - TimeSpan.FromHours(1), device.FirstSeen);
        Assert.Equal(("est", "seen", null, null), (device.LastProtocol, device.State, device.Owner, device.Profile));
        Assert.Equal([new(Id("a"), true), new(Id("b"), true), new(Id("label"), false)], device.Identifiers);
        Assert.Equal(device.Id, (await FindAsync("a"))!.Id);
        Assert.Equal(device.Id, (await Store.Registry.GetAsync(device.Id, Cancel))!.Id);
        Assert.Null(await FindAsync("label"));
        Assert.Equal([device.Id, device.Id], (await Store.Registry.AuditAsync(0, 10, device.Id, Cancel)).Select(e => e.Device!.Value));
    }

    [Fact]
    public async Task Two_devices_with_proven_names_are_never_merged_and_the_audit_log_says_so()
    {
        await ReportAsync(Seen("a", ["a"]), Seen("b", ["b"]));
        var (a, b) = ((await FindAsync("a"))!, (await FindAsync("b"))!);
        await ReportAsync(Seen("b", ["a", "b", "c"]));
        Assert.Equal((a.Id, b.Id, b.Id), ((await FindAsync("a"))!.Id, (await FindAsync("b"))!.Id, (await FindAsync("c"))!.Id));
        var entry = (await AuditAsync())[^1];
        Assert.Equal(b.Id, entry.Device);
        var others = JsonDocument.Parse(entry.Detail).RootElement.GetProperty("belongsToOthers");
        Assert.Equal(("serial:a", a.Id), (others[0].GetProperty("name").GetString(), others[0].GetProperty("device").GetGuid()));
        Assert.Equal(1, others.GetArrayLength());
    }

    [Fact]
    public async Task A_claim_finds_no_device_and_changes_none_that_has_proven_the_name()
    {
        await ReportAsync(Seen("a", ["a"]), Admitted("a", "factory"));
        var before = (await FindAsync("a"))!;
        Clock.Advance(TimeSpan.FromHours(1));
        await ReportAsync(Seen("a", [], "a"), new Fact.Decided(Id("a"), new Decision.Refuse("unknown"), []));
        await ReportAsync(Seen("x", ["x"], "a"));
        Assert.Equal(before with { Identifiers = [] }, (await FindAsync("a"))! with { Identifiers = [] });
        var devices = await Store.Registry.ListAsync(null, 10, Cancel);
        Assert.Equal(3, devices.Length);
        Assert.Equal("refused", devices.Single(d => d.Identifiers.All(i => !i.Proven)).State);
        Assert.NotEqual(before.Id, (await FindAsync("x"))!.Id);
    }

    [Fact]
    public async Task Who_has_proven_nothing_is_found_by_its_subject_only_and_is_taken_up_when_it_proves_it()
    {
        await ReportAsync(Seen("w", [], "label"), new Fact.Decided(Id("w"), new Decision.Hold(TimeSpan.FromMinutes(1)), []));
        await ReportAsync(Seen("w", [], "label"));
        await ReportAsync(Seen("v", [], "label"));
        var waiting = (await FindAsync("w"))!;
        Assert.Equal("held", waiting.State);
        Assert.Equal([false, false], waiting.Identifiers.Select(i => i.Proven));
        Assert.NotEqual(waiting.Id, (await FindAsync("v"))!.Id);
        Assert.Null(await FindAsync("label"));
        await ReportAsync(new Fact.Renamed(Id("w"), Id("w2")));
        Assert.Equal(waiting.Id, (await FindAsync("w2"))!.Id);

        await ReportAsync(Seen("w", ["w"]), Admitted("w", "factory"));
        Assert.Equal((waiting.Id, "admitted", "factory"), await FindAsync("w") is { } d ? (d.Id, d.State, d.Profile) : default);
        Assert.Null(await FindAsync("w2"));
        Assert.Equal(2, (await Store.Registry.ListAsync(null, 10, Cancel)).Length);
    }

    [Fact]
    public async Task Who_proves_one_name_does_not_get_the_entry_of_another_that_it_only_says()
    {
        await ReportAsync(Seen("w", []), Admitted("w", "factory"));
        var waiting = (await FindAsync("w"))!;
        await ReportAsync(Seen("w", ["p"], "w"));
        Assert.Equal((waiting.Id, "admitted"), await FindAsync("w") is { } w ? (w.Id, w.State) : default);
        Assert.Equal((false, "seen"), await FindAsync("p") is { } p ? (p.Id == waiting.Id, p.State) : default);
        // A waiting entry is taken up by whichever of its names is proven, also if that is not the subject.
        await ReportAsync(Seen("q", [], "x"), Seen("x", ["x", "q"]));
        Assert.Equal((await FindAsync("q"))!.Id, (await FindAsync("x"))!.Id);
        Assert.Equal(3, (await Store.Registry.ListAsync(null, 10, Cancel)).Length);
    }

    [Fact]
    public async Task Facts_set_state_profile_owner_and_names()
    {
        await ReportAsync(Seen("a", ["a"]), Admitted("a", "factory"), new Fact.OwnerChanged(Id("a"), "", "ann"), new Fact.Renamed(Id("a"), Id("b")), Seen("c", ["c"]));
        var device = (await FindAsync("b"))!;
        Assert.Equal(("admitted", "factory", "ann"), (device.State, device.Profile, device.Owner));
        Assert.All(device.Identifiers, i => Assert.True(i.Proven));
        await ReportAsync(new Fact.Decided(Id("b"), new Decision.Hold(TimeSpan.Zero), []), new Fact.Renamed(Id("b"), Id("c")));
        Assert.Equal(("held", null), await FindAsync("a") is { } held ? (held.State, held.Profile) : default);
        Assert.NotEqual(device.Id, (await FindAsync("c"))!.Id);
        Assert.Contains("belongsToOthers", (await AuditAsync())[^1].Detail, StringComparison.Ordinal);
        await ReportAsync(new Fact.Decided(Id("a"), new Decision.Refuse("no"), ["it lies"]));
        Assert.Equal("refused", (await FindAsync("a"))!.State);
    }

    [Fact]
    public async Task Facts_about_unknown_subjects_are_only_in_the_audit_log()
    {
        await ReportAsync(Admitted("u", "p"), new Fact.Imparted(Id("u"), "certificate", null), new Fact.OwnerChanged(Id("u"), "a", "b"), new Fact.Renamed(Id("u"), Id("v")),
            new Fact.Refused(Id("u"), "100", "nonce", "The nonce is another one."), new Fact.Administered(Id("u"), "voucher imported", "ann"));
        Assert.Empty(await Store.Registry.ListAsync(null, 10, Cancel));
        var audit = await AuditAsync();
        Assert.Equal(["decided", "imparted", "owner-changed", "renamed", "refused", "administered"], audit.Select(e => e.Kind));
        Assert.All(audit, e => Assert.Equal((null, "serial:u", "test", null), (e.Device, e.Subject, e.Listener, e.Remote)));
        Assert.Equal("""{"error":"100","field":"nonce","sentence":"The nonce is another one."}""", audit[4].Detail);
        Assert.Equal(Clock.GetUtcNow(), audit[0].At);
    }

    [Fact]
    public async Task Facts_reported_at_once_never_conflict()
    {
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => Task.Run(() => ReportAsync(Seen($"{i % 10}", [$"{i % 10}"]), Admitted($"{i % 10}", "p")))));
        Assert.Equal((200L, null), await AuditChain.VerifyAsync(Store.Registry, Cancel) is var (head, broken) ? (head.Number, broken) : default);
        Assert.Equal(10, (await Store.Registry.ListAsync(null, 100, Cancel)).Length);
    }

    [Fact]
    public async Task Claims_of_a_device_are_limited()
    {
        await ReportAsync(Seen("a", ["a"], [.. Enumerable.Range(0, 100).Select(i => $"claim {i}")]));
        Assert.Equal(RegistryRules.MaxClaims + 1, (await FindAsync("a"))!.Identifiers.Length);
    }

    [Fact]
    public async Task Devices_and_audit_log_are_read_in_pages()
    {
        await ReportAsync([.. Enumerable.Range(0, 7).Select(i => Seen($"{i}", [$"{i}"]))]);
        var all = await Store.Registry.ListAsync(null, 10, Cancel);
        Assert.Equal(7, all.Length);
        Assert.Equal(all.Select(d => d.Id).Order(), all.Select(d => d.Id));
        Assert.Equal(all[3..6].Select(d => d.Id), (await Store.Registry.ListAsync(all[2].Id, 3, Cancel)).Select(d => d.Id));
        Assert.Equal([4L, 5L], (await Store.Registry.AuditAsync(3, 2, null, Cancel)).Select(e => e.Number));
    }

    /// <summary>Changes the entry where it is stored; for the store in memory, in a copy.</summary>
    protected abstract Task<long?> FirstBrokenAfterAlteringAsync(long number);

    [Fact]
    public async Task An_altered_audit_entry_shows()
    {
        await ReportAsync(Seen("a", ["a"]), Admitted("a", "p"), Seen("b", ["b"]));
        Assert.Equal((new AuditHead(3, (await AuditAsync())[^1].Chain), null), await AuditChain.VerifyAsync(Store.Registry, Cancel));
        Assert.Equal(2, await FirstBrokenAfterAlteringAsync(2));
    }

    [Fact]
    public async Task A_removed_or_moved_audit_entry_shows()
    {
        await ReportAsync(Seen("a", ["a"]), Admitted("a", "p"), Seen("b", ["b"]));
        var audit = await AuditAsync();
        Assert.Equal(3, AuditChain.FirstBroken(AuditHead.Empty, audit.RemoveAt(1)));
        Assert.Equal(2, AuditChain.FirstBroken(AuditHead.Empty, [audit[0], audit[2] with { Number = 2 }]));
        foreach (var forged in (AuditEntry[])[audit[1] with { At = audit[1].At.AddSeconds(1) }, audit[1] with { Kind = "seen" }, audit[1] with { Device = null },
            audit[1] with { Subject = "x" }, audit[1] with { Listener = "x" }, audit[1] with { Remote = "" }, audit[1] with { Detail = "{}" }])
            Assert.Equal(2, AuditChain.FirstBroken(AuditHead.Empty, audit.SetItem(1, forged)));
    }
}
