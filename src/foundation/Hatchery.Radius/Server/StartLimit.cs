namespace Hatchery.Radius.Server;

/// <summary>Counts by name within a minute. Thread-safe; what it remembers has a bound.</summary>
internal sealed class StartLimit(int perMinute)
{
    private const int MaxNames = 65536;
    private readonly Dictionary<string, int> _counts = [];
    private readonly Lock _lock = new();
    private TimeSpan _windowEnds;

    public bool Allows(string name, Moment now)
    {
        if (perMinute <= 0)
            return true;
        lock (_lock)
        {
            if (now.Elapsed >= _windowEnds || _counts.Count >= MaxNames)
            {
                _counts.Clear();
                _windowEnds = now.Elapsed + TimeSpan.FromMinutes(1);
            }
            int count = _counts.GetValueOrDefault(name) + 1;
            _counts[name] = count;
            return count <= perMinute;
        }
    }
}
