using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>A message body: exactly one CBOR item. Encoded once; one that was received keeps the bytes that it came from.</summary>
public abstract record FdoMessage : IMessage
{
    private ReadOnlyMemory<byte> _raw;

    private protected FdoMessage() { }

    /// <summary>A changed copy has bytes of its own.</summary>
    protected FdoMessage(FdoMessage _) { }

    public abstract StepKind Kind { get; }
    public virtual Protection Protection => Protection.Clear;
    public virtual void Identify(ref Correlators into) { }

    /// <summary>The message type, which stands beside the body.</summary>
    public int Type => Kind.Code!.Value;

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Raw => _raw.IsEmpty ? _raw = Encode() : _raw;

    private protected ReadOnlyMemory<byte> Received { init => _raw = value; }

    private protected virtual int Capacity => 256;

    private protected abstract void Write(CborWriter writer);

    private protected virtual ReadOnlyMemory<byte> Encode()
    {
        var writer = WireReading.Writer(Capacity);
        Write(writer);
        return writer.Finish();
    }

    public sealed override string ToString() => Kind.Name;

    private protected static void AddGuid(ref Correlators into, Guid guid)
    {
        Span<byte> bytes = stackalloc byte[16];
        guid.TryWriteBytes(bytes, bigEndian: true, out _);
        into.Add("fdo.guid", bytes);
    }

    private protected static void AddNonce(ref Correlators into, Nonce nonce) => into.Add("fdo.nonce", nonce.Value.Span);
}
