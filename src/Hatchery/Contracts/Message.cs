namespace Hatchery;

/// <summary>A typed message. What it says about itself here is the only line of observation in protocol code.</summary>
public interface IMessage
{
    StepKind Kind { get; }

    /// <summary>Applied by the message's own encoding, not by the channel under it.</summary>
    Protection Protection => Protection.Clear;

    /// <summary>Adds the names by which sessions of different processes are found to belong together. Called after the machine has handled a
    /// received message, so a sealed message that was opened meanwhile can name what it contains.</summary>
    void Identify(ref Correlators into) { }
}

/// <summary>Collects correlators; keeps keyed digests only.</summary>
public ref struct Correlators(WitnessKey key, List<string> into)
{
    private readonly WitnessKey? _key = key;
    private readonly List<string>? _into = into;

    public readonly void Add(string kind, ReadOnlySpan<byte> value) => _into?.Add(kind + "=" + _key!.Fingerprint(kind, value));

    public readonly void Add(string kind, string value) => Add(kind, System.Text.Encoding.UTF8.GetBytes(value));
}

/// <summary>Bad input from a peer, or a rule of the protocol that it broke. Each protocol derives one type.</summary>
/// <param name="error">The protocol's own error, in the standard's name or number.</param>
/// <param name="fieldName">The field at fault, in the standard's name.</param>
/// <param name="sentence">What is wrong with it, for a log; no secrets.</param>
public abstract class ProtocolException(string error, string fieldName, string sentence, Exception? inner = null) : Exception(sentence, inner)
{
    public string Error => error;
    public string FieldName => fieldName;
}
