namespace Hatchery.Simulation;

/// <summary>How a link or a radio treats what is sent over it, one way. Probabilities are per packet or frame, from 0 to 1.</summary>
public sealed record LinkConditions
{
    /// <summary>Delivers everything at once and in order.</summary>
    public static readonly LinkConditions Perfect = new();

    /// <summary>One way.</summary>
    public TimeSpan Delay { get; init; }
    /// <summary>Evenly distributed, on top of <see cref="Delay"/>; may reorder.</summary>
    public TimeSpan Jitter { get; init; }
    public double Loss { get; init; }
    public double Duplication { get; init; }
    /// <summary>Of being held back by <see cref="ReorderBy"/>, so that later packets pass.</summary>
    public double Reordering { get; init; }
    public TimeSpan ReorderBy { get; init; } = TimeSpan.FromMilliseconds(20);
    /// <summary>Of one bit changed. TCP's checksum finds it and the segment is dropped; datagrams and radio frames arrive changed.</summary>
    public double Corruption { get; init; }
    /// <summary>Packets queue behind each other; null: no limit.</summary>
    public long? BitsPerSecond { get; init; }
}

/// <summary>One direction of a link: its own numbers, so that traffic elsewhere does not change what happens here.</summary>
internal sealed class LinkState(string seed)
{
    private readonly SeededNumbers _numbers = new(seed);
    private TimeSpan _free;

    /// <summary>The delays after which copies of the packet arrive, each with a bit to flip or -1; empty: lost.</summary>
    public List<(TimeSpan Delay, int FlipBit)> Decide(LinkConditions c, TimeSpan now, int bytes, int firstCorruptible)
    {
        var copies = new List<(TimeSpan, int)>(1);
        TimeSpan queued = TimeSpan.Zero;
        if (c.BitsPerSecond is { } rate)
        {
            _free = (_free > now ? _free : now) + TimeSpan.FromSeconds(bytes * 8.0 / rate);
            queued = _free - now;
        }
        if (_numbers.Happens(c.Loss))
            return copies;
        int count = _numbers.Happens(c.Duplication) ? 2 : 1;
        for (int i = 0; i < count; i++)
        {
            var delay = queued + c.Delay + c.Jitter * (c.Jitter > TimeSpan.Zero ? _numbers.Fraction() : 0);
            if (_numbers.Happens(c.Reordering))
                delay += c.ReorderBy;
            int flip = bytes > firstCorruptible && _numbers.Happens(c.Corruption) ? firstCorruptible * 8 + _numbers.Below((bytes - firstCorruptible) * 8) : -1;
            copies.Add((delay, flip));
        }
        return copies;
    }
}
