namespace Hatchery;

/// <summary>Monotonic time since an arbitrary origin, for deadlines; wall time for validity periods, null on a device without a clock.</summary>
public readonly record struct Moment(TimeSpan Elapsed, DateTimeOffset? Wall)
{
    /// <summary>No deadline.</summary>
    public static readonly TimeSpan Never = TimeSpan.MaxValue;
}
