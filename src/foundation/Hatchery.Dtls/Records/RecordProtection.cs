using System.Buffers.Binary;

namespace Hatchery.Dtls;

/// <summary>Protects the records of one epoch in one direction. Works in place: the plaintext stands <see cref="Prefix"/> bytes behind the beginning of the fragment.</summary>
internal abstract class RecordProtection : IDisposable
{
    /// <summary>Longest associated data: that of RFC 9146 with an id of 255 bytes.</summary>
    protected const int MaxAssociated = 23 + 255;

    /// <summary>Bytes of the fragment before the plaintext.</summary>
    public abstract int Prefix { get; }

    /// <summary>Bytes of the fragment for so many of plaintext.</summary>
    public abstract int SealedLength(int plaintext);

    /// <param name="fragment">Exactly <see cref="SealedLength"/> bytes.</param>
    public abstract void Seal(Span<byte> fragment, int plaintextLength, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, Chance chance);

    /// <summary>False: not authentic; nothing says why.</summary>
    public abstract bool TryOpen(Span<byte> fragment, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, out int offset, out int length);

    public abstract void Dispose();

    /// <summary>epoch and sequence number (8), type (1), version (2), length (2); or, with a connection id, section 5 of RFC 9146.</summary>
    protected static int WriteAssociated(Span<byte> into, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, int length)
    {
        if (type != ContentType.ConnectionId)
        {
            BinaryPrimitives.WriteUInt64BigEndian(into, epochAndSequence);
            into[8] = (byte)type;
            BinaryPrimitives.WriteUInt16BigEndian(into[9..], RecordHeader.Dtls12);
            BinaryPrimitives.WriteUInt16BigEndian(into[11..], (ushort)length);
            return 13;
        }
        BinaryPrimitives.WriteUInt64BigEndian(into, ulong.MaxValue);
        into[8] = (byte)type;
        into[9] = (byte)connectionId.Length;
        into[10] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(into[11..], RecordHeader.Dtls12);
        BinaryPrimitives.WriteUInt64BigEndian(into[13..], epochAndSequence);
        connectionId.CopyTo(into[21..]);
        BinaryPrimitives.WriteUInt16BigEndian(into[(21 + connectionId.Length)..], (ushort)length);
        return 23 + connectionId.Length;
    }
}
