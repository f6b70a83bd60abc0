using System.Collections.Immutable;

namespace Hatchery;

/// <summary>The witness of a process: turns what drivers report into <see cref="Observation"/>s and hands them to its sinks.</summary>
/// <param name="sessions">Makes session ids: random in production, counted in a seeded run.</param>
public sealed class Witness(WitnessKey key, Watch watching, Func<SessionId> sessions, params ReadOnlySpan<IObservationSink> sinks) : IWitness
{
    private readonly IObservationSink[] _sinks = sinks.ToArray();
    private long _number, _tag;

    public Watch Watching => watching;
    public WitnessKey Key => key;
    public SessionId NewSession() => sessions();
    public Tag NewTag() => new(Interlocked.Increment(ref _tag));

    public void Saw(in Sighting s)
    {
        if ((watching & Watch.Steps) == 0)
            return;
        var names = new List<string>();
        if (s.Message is { } message)
        {
            var into = new Correlators(key, names);
            message.Identify(ref into);
        }
        Emit(new Observation.Seen(Next(), s.Session, s.At, s.Kind, s.Way, s.Here, s.Peer, s.Medium, s.Layers, [.. s.Frames], [.. names],
            s.Bytes.Length, s.Bytes.IsEmpty ? "" : key.Fingerprint("message", s.Bytes), s.EntropyBits));
    }

    public void Link(SessionId a, SessionId b)
    {
        if (watching != Watch.None && a != b && a != default && b != default)
            Emit(new Observation.Linked(Next(), a, default, b));
    }

    public void Captured(in Frame f)
    {
        if ((watching & Watch.Frames) != 0)
            Emit(new Observation.FrameCaptured(Next(), f.Session, f.At, f.Tag, f.Way, f.Medium, f.From, f.To, f.Repeats, f.Bytes.ToArray()));
    }

    public void Reported(SessionId session, Fact fact, Moment at)
    {
        if ((watching & Watch.Steps) != 0)
            Emit(new Observation.FactReported(Next(), session, at, fact));
    }

    public void Changed(SessionId session, Actor holder, ImmutableArray<Belief> before, ImmutableArray<Belief> after, Moment at)
    {
        if ((watching & Watch.Steps) != 0)
            Emit(new Observation.BeliefsChanged(Next(), session, at, holder, before, after));
    }

    public void Spent(SessionId session, Actor here, IReadOnlyDictionary<string, int> operations, Moment at)
    {
        if ((watching & Watch.Costs) != 0 && operations.Count > 0)
            Emit(new Observation.OperationsSpent(Next(), session, at, here, operations.ToImmutableDictionary()));
    }

    public void Close(SessionId session, Outcome outcome, Moment at)
    {
        if (watching != Watch.None)
            Emit(new Observation.Closed(Next(), session, at, outcome));
    }

    private long Next() => Interlocked.Increment(ref _number);

    private void Emit(Observation observation)
    {
        foreach (var sink in _sinks)
            sink.Add(observation);
    }

    /// <summary>Watches nothing.</summary>
    public static IWitness None { get; } = new Witness(new WitnessKey(new byte[32]), Watch.None, () => default);
}

/// <summary>Keeps the newest observations; older ones are dropped a quarter at a time. Thread-safe.</summary>
public sealed class ObservationLog(int capacity = int.MaxValue) : IObservationSink
{
    private readonly List<Observation> _all = [];
    private readonly Lock _lock = new();

    /// <summary>After each addition, outside the lock, on the thread of the work.</summary>
    public event Action<Observation>? Added;

    public void Add(Observation observation)
    {
        lock (_lock)
        {
            if (_all.Count >= capacity)
                _all.RemoveRange(0, Math.Max(1, capacity / 4));
            _all.Add(observation);
        }
        Added?.Invoke(observation);
    }

    public ImmutableArray<Observation> Snapshot()
    {
        lock (_lock)
            return [.. _all];
    }
}
