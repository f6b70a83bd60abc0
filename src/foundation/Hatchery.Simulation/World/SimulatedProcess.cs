namespace Hatchery.Simulation;

/// <summary>Something that can be killed at any point and started again: all it had in memory is gone, what was durable stays.</summary>
/// <param name="start">Builds everything anew from what is durable.</param>
public sealed class SimulatedProcess(string name, SimulationLoop loop, Action<SimulatedProcess> start)
{
    public string Name => name;
    public SimulationLoop Loop => loop;
    public bool IsAlive { get; private set; }
    /// <summary>Counts starts, from 1.</summary>
    public int Life { get; private set; }
    /// <summary>Where a crash is planned; null: nowhere.</summary>
    public CrashPlan? Plan { get; set; }

    /// <summary>Sockets and radios go down with it.</summary>
    internal event Action? Died;

    public void Start()
    {
        if (IsAlive)
            throw new InvalidOperationException($"{name} runs already.");
        IsAlive = true;
        Life++;
        start(this);
    }

    public void Kill()
    {
        if (!IsAlive)
            return;
        IsAlive = false;
        Died?.Invoke();
    }

    /// <summary>Runs the action only if this life of the process still lasts.</summary>
    public Action Guard(Action action)
    {
        int life = Life;
        return () =>
        {
            if (IsAlive && Life == life)
                action();
        };
    }

    public Action<T> Guard<T>(Action<T> action)
    {
        int life = Life;
        return value =>
        {
            if (IsAlive && Life == life)
                action(value);
        };
    }

    /// <summary>A point at which a crash may be planned. True: the process was killed here and must not do anything more.</summary>
    public bool Dies(string point) => !IsAlive || (Plan?.Falls(this, point) ?? false);

    /// <summary>As <see cref="Dies"/>, for code that cannot just stop: unwinds to the loop.</summary>
    public void Point(string point)
    {
        if (Dies(point))
            throw new ProcessKilledException(name);
    }
}
