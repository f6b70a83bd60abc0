using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>65 to 71 as they stand on the wire. Parsed in two stages: that it is one encrypted item is known at the door, what is in it when the
/// machine that holds the session keys has opened it; from then on it names what it contains.</summary>
public sealed record SealedMessage : FdoMessage
{
    private readonly StepKind _kind;
    private FdoMessage? _content;

    private SealedMessage(StepKind kind) => _kind = kind;

    public override StepKind Kind => _kind;
    public override Protection Protection => Protection.Full;

    /// <summary>What is inside; null until opened.</summary>
    public FdoMessage? Content => _content;

    public override void Identify(ref Correlators into) => _content?.Identify(ref into);

    public static bool IsSealed(int type) => type is >= 65 and <= 71;

    public static SealedMessage Parse(int type, ReadOnlyMemory<byte> body)
    {
        var kind = FdoSteps.OfType(type);
        if (!IsSealed(type) || kind is null)
            throw new ArgumentOutOfRangeException(nameof(type), type, "Not sent encrypted.");
        var reader = WireReading.Door(body, kind.Name);
        if (!reader.TryTag(kind.Name, CoseEncrypt0.Tag))
            reader.TryTag(kind.Name, 17);
        if (!reader.IsArray(kind.Name))
            throw reader.Wrong(kind.Name, "neither a COSE_Encrypt0 nor a COSE_Mac0.");
        reader.Raw(kind.Name);
        reader.End(kind.Name);
        return new SealedMessage(kind) { Received = body };
    }

    /// <summary>Decrypts and parses. The container is the one that the session's suite prescribes; another is refused.</summary>
    /// <exception cref="FdoException">100: does not decrypt, or the content is wrong.</exception>
    public FdoMessage Open(SessionKeys keys)
    {
        var plain = keys.Open(Raw, Kind.Name);
        return _content = FdoCodec.ParseContent(Type, plain);
    }

    /// <inheritdoc cref="Open(SessionKeys)"/>
    /// <exception cref="FdoException">101: another message than expected.</exception>
    public T Open<T>(SessionKeys keys) where T : FdoMessage =>
        Open(keys) as T ?? throw FdoException.Invalid(Kind.Name, "not the message that is due.");

    public static SealedMessage Seal(FdoMessage content, SessionKeys keys, Chance chance)
    {
        if (!IsSealed(content.Type))
            throw new ArgumentException($"{content.Kind.Name} is not sent encrypted.", nameof(content));
        return new SealedMessage(content.Kind) { Received = keys.Seal(content.Raw.Span, fromOwner: content.Type % 2 != 0, chance), _content = content };
    }

    private protected override void Write(CborWriter writer) => throw new InvalidOperationException("A sealed message has its bytes from the start.");
}
