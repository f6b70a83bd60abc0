namespace Hatchery.Storage.Tests;

public sealed class MemoryStoreTests : StoreTests
{
    protected override ValueTask<IRecordBackend> OpenAsync() => new(new MemoryBackend(Clock, sessionLimit: 3));
    protected override ValueTask CloseAsync() => default;

    protected override async Task<long?> FirstBrokenAfterAlteringAsync(long number) =>
        AuditChain.FirstBroken(AuditHead.Empty, (await AuditAsync()).Select(e => e.Number == number ? e with { Subject = "serial:other" } : e));

    [Fact]
    public async Task Sessions_are_limited_and_expired_ones_make_room()
    {
        foreach (var key in (string[])["a", "b", "c"])
            await Store.Sessions.PutAsync("talk", key, new Talk(1, ""), TimeSpan.FromMinutes(1), Cancel);
        await Store.Sessions.PutAsync("talk", "c", new Talk(2, ""), TimeSpan.FromMinutes(2), Cancel);
        await Assert.ThrowsAsync<TooManySessionsException>(async () => await Store.Sessions.PutAsync("talk", "d", new Talk(1, ""), TimeSpan.FromMinutes(1), Cancel));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await Store.Sessions.PutAsync("talk", "d", new Talk(1, ""), TimeSpan.FromMinutes(1), Cancel);
        Assert.Equal(2, (await Store.Sessions.TakeAsync<Talk>("talk", "c", Cancel))!.Round);
    }

    [Fact]
    public void Everything_completes_within_the_call_and_who_waits_goes_on_within_the_put()
    {
        // On a thread of its own: a test's thread may have a context that continuations are posted to.
        var cancel = Cancel;
        Exception? fault = null;
        var thread = new System.Threading.Thread(() => fault = Record.Exception(() =>
        {
            var unit = Begin();
            unit.Insert(Gadget.Schema, new("a"), new Gadget("lamp", Pin: new SecretText("1")));
            unit.Report(Facts.Seen("a", ["a"]));
            Assert.True(unit.CommitAsync(cancel).IsCompletedSuccessfully);
            Assert.True(Begin().GetAsync(Gadget.Schema, new("a"), cancel).IsCompletedSuccessfully);
            Assert.True(Store.Sessions.PutAsync("talk", "a", new Talk(1, ""), TimeSpan.FromMinutes(1), cancel).IsCompletedSuccessfully);
            Assert.True(Store.Sessions.TakeAsync<Talk>("talk", "a", cancel).IsCompletedSuccessfully);
            var second = Store.Sessions.TakeAsync<Talk>("talk", "a", cancel);
            Assert.False(second.IsCompleted);
            _ = Store.Sessions.PutAsync("talk", "a", new Talk(2, ""), TimeSpan.FromMinutes(1), cancel);
            Assert.True(second.IsCompletedSuccessfully);
        }));
        thread.Start();
        thread.Join();
        Assert.Null(fault);
    }
}
