using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class LoopTests
{
    [Fact]
    public void Events_come_by_time_and_then_by_order_and_time_does_not_run_in_between()
    {
        var loop = new SimulationLoop();
        var seen = new List<string>();
        loop.After(TimeSpan.FromHours(2), () => seen.Add($"c{loop.Now.Elapsed.TotalHours}"));
        loop.After(TimeSpan.FromHours(1), () => seen.Add("a"));
        loop.After(TimeSpan.FromHours(1), () => loop.Post(() => seen.Add("b2")));
        loop.After(TimeSpan.FromHours(1), () => seen.Add("b"));
        loop.After(TimeSpan.FromMinutes(30), () => seen.Add("never")).Cancel();
        Assert.True(loop.Run(TimeSpan.FromHours(3)));
        Assert.Equal(["a", "b", "b2", "c2"], seen);
        Assert.Equal(TimeSpan.FromHours(2), loop.Now.Elapsed);
    }

    [Fact]
    public void A_limit_stops_before_later_events()
    {
        var loop = new SimulationLoop();
        bool ran = false;
        loop.After(TimeSpan.FromSeconds(10), () => ran = true);
        Assert.False(loop.RunUntil(() => ran, TimeSpan.FromSeconds(9)));
        Assert.Equal(TimeSpan.FromSeconds(9), loop.Now.Elapsed);
        Assert.True(loop.RunUntil(() => ran, TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void Asynchronous_work_on_the_loops_clock_goes_on_within_the_loop()
    {
        var loop = new SimulationLoop();
        int thread = Environment.CurrentManagedThreadId;
        (TimeSpan At, int Thread)? done = null;
        async ValueTask<int> Work()
        {
            await Task.Delay(TimeSpan.FromMinutes(7), loop.Time, TestContext.Current.CancellationToken);
            return Environment.CurrentManagedThreadId;
        }
        loop.Post(() => loop.Await(Work, t => done = (loop.Now.Elapsed, t), e => throw e));
        loop.Run(TimeSpan.FromHours(1));
        Assert.Equal((TimeSpan.FromMinutes(7), thread), done);
    }

    [Fact]
    public void A_call_that_waits_for_the_outside_is_named_unless_permitted()
    {
        var never = new TaskCompletionSource<int>();
        var loop = new SimulationLoop();
        loop.Post(() => loop.Await(() => new ValueTask<int>(never.Task), _ => { }, _ => { }));
        Assert.Contains("outside the simulation", Assert.Throws<InvalidOperationException>(() => loop.Run(TimeSpan.FromHours(1))).Message, StringComparison.Ordinal);

        var patient = new SimulationLoop { MayBlock = true };
        int result = 0;
        patient.Post(() => patient.Await(() => new ValueTask<int>(Task.Run(() => 42)), r => result = r, e => throw e));
        patient.Run(TimeSpan.FromHours(1));
        Assert.Equal(42, result);
    }

    [Fact]
    public void A_machine_that_never_rests_is_stopped()
    {
        var loop = new SimulationLoop { EventLimit = 1000 };
        void Again() => loop.Post(Again);
        Again();
        Assert.Throws<InvalidOperationException>(() => loop.Run(TimeSpan.FromSeconds(1)));
    }
}
