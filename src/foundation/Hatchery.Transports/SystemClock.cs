namespace Hatchery.Transports;

/// <summary>The process's clock: monotonic time since the machine started, and wall time.</summary>
/// <param name="provider">The platform's by default.</param>
/// <param name="hasWallTime">False on a device that does not know the date.</param>
public sealed class SystemClock(TimeProvider? provider = null, bool hasWallTime = true)
{
    public TimeProvider Provider { get; } = provider ?? TimeProvider.System;

    public Moment Now => new(Elapsed, hasWallTime ? Provider.GetUtcNow() : null);

    /// <summary>As <see cref="Moment.Elapsed"/>.</summary>
    public TimeSpan Elapsed => Provider.GetElapsedTime(0, Provider.GetTimestamp());

    /// <summary>How long a timer may wait for a deadline: never negative, at most a day (timers have an upper limit), infinite for never.</summary>
    internal TimeSpan Until(TimeSpan deadline)
    {
        if (deadline == Moment.Never)
            return Timeout.InfiniteTimeSpan;
        var left = deadline - Elapsed;
        return left <= TimeSpan.Zero ? TimeSpan.Zero : left > s_longest ? s_longest : left;
    }

    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);
}
