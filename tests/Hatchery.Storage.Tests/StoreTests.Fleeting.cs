namespace Hatchery.Storage.Tests;

public abstract partial class StoreTests
{
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);
    private async Task<Talk?> TakeAsync(string key) => await Store.Sessions.TakeAsync<Talk>("talk", key, Cancel);
    private async Task PutAsync(string key, Talk talk) => await Store.Sessions.PutAsync("talk", key, talk, s_minute, Cancel);

    [Fact]
    public async Task A_session_is_had_by_one_at_a_time()
    {
        Assert.Null(await TakeAsync("a"));
        await PutAsync("a", new Talk(1, "x"));
        await PutAsync("b", new Talk(9, "y"));
        Assert.Equal(new Talk(1, "x"), await TakeAsync("a"));
        var second = TakeAsync("a");
        var third = TakeAsync("a");
        Assert.False(second.IsCompleted || third.IsCompleted);
        await PutAsync("a", new Talk(2, "x"));
        var first = await Task.WhenAny(second, third);
        Assert.Equal(2, (await first)!.Round);
        await PutAsync("a", new Talk(3, "x"));
        Assert.Equal(3, (await (first == second ? third : second))!.Round);
        Assert.Equal(9, (await TakeAsync("b"))!.Round);
    }

    [Fact]
    public async Task A_session_that_was_dropped_or_has_expired_is_gone_also_for_who_waits()
    {
        await PutAsync("a", new Talk(1, ""));
        await TakeAsync("a");
        var waiting = TakeAsync("a");
        await Store.Sessions.DropAsync("talk", "a", Cancel);
        Assert.Null(await waiting);
        await PutAsync("b", new Talk(1, ""));
        Clock.Advance(s_minute);
        Assert.Null(await TakeAsync("b"));
        await PutAsync("b", new Talk(2, ""));
        Assert.Equal(2, (await TakeAsync("b"))!.Round);
    }

    [Fact]
    public async Task Who_waits_for_a_session_can_be_cancelled_and_does_not_take_it_along()
    {
        await PutAsync("a", new Talk(1, ""));
        await TakeAsync("a");
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var waiting = Store.Sessions.TakeAsync<Talk>("talk", "a", source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await PutAsync("a", new Talk(2, ""));
        Assert.Equal(2, (await TakeAsync("a"))!.Round);
    }

    [Fact]
    public async Task A_lease_has_one_holder_and_its_number_grows_with_each_change()
    {
        var leases = Store.Leases;
        Assert.Equal(1, await leases.TryHoldAsync("sweep", "p1", s_minute, Cancel));
        Assert.Null(await leases.TryHoldAsync("sweep", "p2", s_minute, Cancel));
        Assert.Equal(1, await leases.TryHoldAsync("other", "p2", s_minute, Cancel));
        Clock.Advance(s_minute / 2);
        Assert.Equal(1, await leases.TryHoldAsync("sweep", "p1", s_minute, Cancel));
        Clock.Advance(s_minute / 2);
        Assert.Null(await leases.TryHoldAsync("sweep", "p2", s_minute, Cancel));
        Clock.Advance(s_minute / 2);
        Assert.Equal(2, await leases.TryHoldAsync("sweep", "p2", s_minute, Cancel));
        await leases.ReleaseAsync("sweep", "p1", Cancel);
        Assert.Null(await leases.TryHoldAsync("sweep", "p1", s_minute, Cancel));
        await leases.ReleaseAsync("sweep", "p2", Cancel);
        Assert.Equal(3, await leases.TryHoldAsync("sweep", "p1", s_minute, Cancel));
        Clock.Advance(s_minute);
        Assert.Equal(4, await leases.TryHoldAsync("sweep", "p1", s_minute, Cancel));
    }

    [Fact]
    public async Task A_lease_goes_to_one_of_many()
    {
        var numbers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () => await Store.Leases.TryHoldAsync("job", $"p{i}", s_minute, Cancel))));
        Assert.Equal(1, Assert.Single(numbers, n => n is not null));
    }

    /// <summary>The store that shares nothing with timers waits for the caller's token instead.</summary>
    protected async Task A_taken_session_that_is_not_put_back_is_null_in_the_end()
    {
        await PutAsync("a", new Talk(1, ""));
        await TakeAsync("a");
        Clock.Leaps = true;
        Assert.Null(await TakeAsync("a"));
        Clock.Leaps = false;
        await PutAsync("a", new Talk(2, ""));
        Assert.Equal(2, (await TakeAsync("a"))!.Round);
    }
}
