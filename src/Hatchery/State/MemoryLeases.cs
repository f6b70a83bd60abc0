namespace Hatchery;

/// <summary>Leases among the jobs of one process.</summary>
public sealed class MemoryLeases(TimeProvider time) : ILeases
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (string Holder, DateTimeOffset Until, long Number)> _all = [];

    public ValueTask<long?> TryHoldAsync(string job, string holder, TimeSpan life, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
        {
            var now = time.GetUtcNow();
            var lease = _all.GetValueOrDefault(job);
            bool held = lease.Holder is not null && lease.Until > now;
            if (held && lease.Holder != holder)
                return new((long?)null);
            // A lease that ran out is a change of holder even if the same one comes back: it cannot know what happened in between.
            long number = held ? lease.Number : lease.Number + 1;
            _all[job] = (holder, now + life, number);
            return new(number);
        }
    }

    public ValueTask ReleaseAsync(string job, string holder, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        lock (_lock)
            if (_all.TryGetValue(job, out var lease) && lease.Holder == holder)
                _all[job] = lease with { Until = DateTimeOffset.MinValue };
        return default;
    }
}
