using System.Text;

namespace Hatchery.Simulation;

/// <summary>A device's state file in memory: holds bytes, so that what is read back went through the schema. Survives the death of its process.</summary>
/// <param name="sealer">Null only for states without secrets.</param>
public sealed class SimulatedStateFile<TState>(Schema<TState> schema, ISealer? sealer, string key = "state") where TState : class
{
    private byte[]? _bytes;
    private Dictionary<string, Origin> _origins = [];

    public Schema<TState> Schema => schema;
    /// <summary>As last made durable; null before the first time.</summary>
    public ReadOnlyMemory<byte>? Bytes => _bytes;
    public IReadOnlyDictionary<string, Origin> Origins => _origins;
    public int Writes { get; private set; }
    /// <summary>For the file as text, to be looked into by tests.</summary>
    public string Text => _bytes is null ? "" : Encoding.UTF8.GetString(_bytes);

    /// <summary>The blank state before the first write.</summary>
    public TState Read() => _bytes is null ? schema.Blank : schema.Read(_bytes, sealer, new RecordKey(key));

    public void Write(TState state, IReadOnlyDictionary<string, Origin>? origins = null)
    {
        var bytes = schema.Write(state, sealer, new RecordKey(key));
        _bytes = bytes;
        _origins = origins is null ? [] : new(origins);
        Writes++;
    }
}
