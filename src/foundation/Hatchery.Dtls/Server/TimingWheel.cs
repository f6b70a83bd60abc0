using System.Numerics;

namespace Hatchery.Dtls;

/// <summary>What stands in a wheel; the links are its own, so that arming a timer allocates nothing.</summary>
internal interface IWheelItem<T> where T : class, IWheelItem<T>
{
    /// <summary>The wheel's; -1: in none.</summary>
    int Slot { get; set; }
    /// <summary>When the slot's turn comes.</summary>
    TimeSpan ArmedAt { get; set; }
    T? Before { get; set; }
    T? After { get; set; }
}

/// <summary>Timers of many sessions: adding, removing and the next deadline cost the same however many there are. Two wheels: 10 ms and 80 s for handshakes, 16 s and 36 h for
/// what idles; from the second one items are put into the first when their time is near. A timer is never early, and late by one slot at most.</summary>
internal sealed class TimingWheel<T> where T : class, IWheelItem<T>
{
    private const int Slots = 8192;
    private static readonly long s_near = TimeSpan.FromMilliseconds(10).Ticks, s_far = TimeSpan.FromSeconds(16).Ticks;
    private readonly T?[] _heads = new T?[2 * Slots];
    private readonly ulong[] _used = new ulong[2 * Slots / 64];
    private long _nearNow, _farNow;

    public TimingWheel(TimeSpan now) => (_nearNow, _farNow) = (now.Ticks / s_near, now.Ticks / s_far);

    public void Add(T item, TimeSpan deadline)
    {
        Remove(item);
        if (deadline == Moment.Never)
            return;
        long near = Math.Max(_nearNow + 1, Ceiling(deadline.Ticks, s_near));
        if (near - _nearNow < Slots - 1)
            Put(item, (int)(near % Slots), near * s_near);
        else
        {
            // Early rather than late: what is taken out of here is armed again for its real time.
            long far = Math.Clamp(deadline.Ticks / s_far, _farNow + 1, _farNow + Slots - 1);
            Put(item, Slots + (int)(far % Slots), far * s_far);
        }
    }

    private static long Ceiling(long ticks, long unit) => ticks / unit + (ticks % unit == 0 ? 0 : 1);

    private void Put(T item, int slot, long ticks)
    {
        (item.Slot, item.ArmedAt) = (slot, new TimeSpan(ticks));
        item.Before = null;
        item.After = _heads[slot];
        if (item.After is { } after)
            after.Before = item;
        _heads[slot] = item;
        _used[slot / 64] |= 1UL << slot % 64;
    }

    public void Remove(T item)
    {
        if (item.Slot < 0)
            return;
        if (item.Before is { } before)
            before.After = item.After;
        else
        {
            _heads[item.Slot] = item.After;
            if (item.After is null)
                _used[item.Slot / 64] &= ~(1UL << item.Slot % 64);
        }
        if (item.After is { } after)
            after.Before = item.Before;
        (item.Slot, item.Before, item.After) = (-1, null, null);
    }

    /// <summary>When <c>TryExpire</c> will give something, or move it nearer.</summary>
    public TimeSpan Deadline
    {
        get
        {
            long near = Next(0, _nearNow) is >= 0 and var n ? n * s_near : long.MaxValue;
            long far = Next(Slots, _farNow) is >= 0 and var f ? f * s_far : long.MaxValue;
            return new TimeSpan(Math.Min(near, far));
        }
    }

    /// <summary>The number of the next slot in use, counted as time; -1: none.</summary>
    private long Next(int from, long now)
    {
        int start = (int)((now + 1) % Slots);
        for (int step = 0; step <= Slots / 64; step++)
        {
            int word = (start / 64 + step) % (Slots / 64);
            ulong bits = _used[from / 64 + word];
            if (step == 0)
                bits &= ulong.MaxValue << start % 64;
            else if (step == Slots / 64)
                bits &= ~(ulong.MaxValue << start % 64);
            if (bits != 0)
            {
                int slot = word * 64 + BitOperations.TrailingZeroCount(bits);
                return now + 1 + (slot - start + Slots) % Slots;
            }
        }
        return -1;
    }

    /// <summary>Takes out one item whose slot's time has come; it is to be added again if its own deadline is later.</summary>
    public bool TryExpire(TimeSpan now, out T item)
    {
        item = null!;
        return TryExpire(0, ref _nearNow, now.Ticks / s_near, ref item) || TryExpire(Slots, ref _farNow, now.Ticks / s_far, ref item);
    }

    private bool TryExpire(int from, ref long at, long until, ref T item)
    {
        while (at < until || _heads[from + (int)(at % Slots)] is not null && at <= until)
        {
            if (_heads[from + (int)(at % Slots)] is { } head && head.ArmedAt.Ticks <= at * (from == 0 ? s_near : s_far))
            {
                Remove(head);
                item = head;
                return true;
            }
            if (at >= until)
                return false;
            long next = Next(from, at);
            at = next < 0 || next > until ? until : next;
        }
        return false;
    }
}
