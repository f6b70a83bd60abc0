using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using System.Threading.Channels;

namespace Hatchery.Server;

/// <summary>What this process has seen lately, as ceremonies; tells the page when something is new.</summary>
public sealed class Observatory : IObservationSink, IDisposable
{
    private const int Kept = 20_000, Remembered = 2_000;
    private static readonly Meter s_meter = new("Hatchery");
    private static readonly Counter<long> s_messages = s_meter.CreateCounter<long>("hatchery.messages", description: "Messages seen, by kind and way.");
    private static readonly Counter<long> s_refusals = s_meter.CreateCounter<long>("hatchery.refusals", description: "Requests refused with a protocol's own error.");

    private readonly ObservationLog _log = new(Kept);
    private readonly CeremonyAssembler _assembler;
    private readonly HashSet<Channel<bool>> _listeners = [];
    private readonly Lock _lock = new();

    public Observatory(IReadOnlyList<Protocol> protocols) => _assembler = new CeremonyAssembler(protocols);

    public ImmutableArray<Observation> Observations => _log.Snapshot();

    /// <summary>The newest last.</summary>
    public ImmutableArray<Ceremony> Ceremonies()
    {
        var all = _log.Snapshot();
        return _assembler.Assemble(all.Length > Remembered ? [.. all.Skip(all.Length - Remembered)] : all);
    }

    public void Add(Observation observation)
    {
        _log.Add(observation);
        if (observation is Observation.Seen seen)
            s_messages.Add(1, new("kind", seen.Kind.Name), new("way", seen.Way.ToString()));
        lock (_lock)
            foreach (var listener in _listeners)
                listener.Writer.TryWrite(true);
    }

    public void Refused(string protocolError) => s_refusals.Add(1, new KeyValuePair<string, object?>("error", protocolError));

    /// <summary>Yields when something was seen since the last time.</summary>
    public async IAsyncEnumerable<bool> ChangesAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        var channel = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        lock (_lock)
            _listeners.Add(channel);
        try
        {
            await foreach (bool change in channel.Reader.ReadAllAsync(cancel))
                yield return change;
        }
        finally
        {
            lock (_lock)
                _listeners.Remove(channel);
        }
    }

    public void Dispose()
    {
        lock (_lock)
            foreach (var listener in _listeners)
                listener.Writer.TryComplete();
    }
}
