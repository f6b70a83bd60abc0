namespace Hatchery.Simulation;

/// <summary>At which point of a run a process is killed. Points are counted as they are reached, over all processes of the plan.</summary>
public sealed class CrashPlan
{
    private readonly int _at;
    private readonly TimeSpan _pause;
    private readonly List<string> _reached = [];

    /// <param name="at">Number of the point, from 0; -1: none.</param>
    /// <param name="pause">From the death until the process is started again.</param>
    internal CrashPlan(int at, TimeSpan pause) => (_at, _pause) = (at, pause);

    /// <summary>Points reached so far, with their occurrence: "device save before #2".</summary>
    public IReadOnlyList<string> Reached => _reached;
    /// <summary>Where the process was killed; null: nowhere yet.</summary>
    public string? Fell { get; private set; }

    internal bool Falls(SimulatedProcess process, string point)
    {
        int before = _reached.Count(r => r.StartsWith(point + " #", StringComparison.Ordinal));
        _reached.Add($"{point} #{before + 1}");
        if (_reached.Count - 1 != _at)
            return false;
        Fell = _reached[^1];
        process.Kill();
        process.Loop.After(_pause, process.Start);
        return true;
    }
}
