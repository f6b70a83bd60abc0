namespace Hatchery.Coap.Engine;

/// <summary>Something with one deadline.</summary>
internal abstract class Timed
{
    public TimeSpan Due { get; internal set; } = Moment.Never;
    public abstract void Expire(Moment now);
}

/// <summary>Deadlines in order. Those that were moved or dropped stay in the heap until they are half of it.</summary>
internal sealed class Timers
{
    private PriorityQueue<Timed, TimeSpan> _queue = new();
    private int _stale;

    public void Arm(Timed item, TimeSpan due)
    {
        Cancel(item);
        if (due == Moment.Never)
            return;
        item.Due = due;
        _queue.Enqueue(item, due);
    }

    public void Cancel(Timed item)
    {
        if (item.Due == Moment.Never)
            return;
        item.Due = Moment.Never;
        if (++_stale <= 64 || _stale * 2 <= _queue.Count)
            return;
        _queue = new PriorityQueue<Timed, TimeSpan>(_queue.UnorderedItems.Where(i => i.Element.Due == i.Priority));
        _stale = 0;
    }

    public TimeSpan Next
    {
        get
        {
            while (_queue.TryPeek(out var item, out var due))
            {
                if (item.Due == due)
                    return due;
                _queue.Dequeue();
                _stale--;
            }
            return Moment.Never;
        }
    }

    public void Run(Moment now)
    {
        while (Next <= now.Elapsed)
        {
            var item = _queue.Dequeue();
            item.Due = Moment.Never;
            item.Expire(now);
        }
    }
}

internal static class Later
{
    /// <summary>Without overflow.</summary>
    public static TimeSpan Plus(this TimeSpan at, TimeSpan by) => by >= Moment.Never - at ? Moment.Never : at + by;
}
