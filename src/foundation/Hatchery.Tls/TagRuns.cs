namespace Hatchery.Tls;

/// <summary>Which tag the bytes of a queue belong to, in order.</summary>
internal sealed class TagRuns
{
    private readonly Queue<(Tag Tag, int Length)> _runs = new();
    private (Tag Tag, int Length) _first, _last;

    public int Total { get; private set; }

    public void Add(Tag tag, int length)
    {
        if (length <= 0)
            return;
        Total += length;
        if (_last.Length > 0 && _last.Tag == tag)
        {
            _last.Length += length;
            return;
        }
        if (_last.Length > 0)
            _runs.Enqueue(_last);
        _last = (tag, length);
    }

    /// <summary>Takes up to so many bytes of one tag; 0: there are none.</summary>
    public int Take(int atMost, out Tag tag)
    {
        if (_first.Length == 0 && !_runs.TryDequeue(out _first))
            (_first, _last) = (_last, default);
        tag = _first.Tag;
        int length = Math.Min(atMost, _first.Length);
        _first.Length -= length;
        Total -= length;
        return length;
    }
}
