using System.Buffers.Binary;

namespace Hatchery.Dtls;

internal enum ContentType : byte { ChangeCipherSpec = 20, Alert = 21, Handshake = 22, ApplicationData = 23, ConnectionId = 25 }

/// <summary>DTLSPlaintext, DTLSCiphertext (RFC 6347, section 4.1; RFC 9146, section 4): type (1), version (2), epoch (2), sequence number (6), [connection id], length (2).</summary>
internal readonly ref struct RecordHeader(ContentType type, ushort version, ulong epochAndSequence, ReadOnlySpan<byte> connectionId, int headerLength, int fragmentLength)
{
    public const int PlainLength = 13, MaxFragment = 16384 + 2048;
    public const ushort Dtls12 = 0xFEFD, Dtls10 = 0xFEFF;
    public const ulong MaxSequence = (1UL << 48) - 1;

    public readonly ContentType Type = type;
    public readonly ushort Version = version;
    public readonly ulong EpochAndSequence = epochAndSequence;
    public readonly ReadOnlySpan<byte> ConnectionId = connectionId;
    public readonly int HeaderLength = headerLength, FragmentLength = fragmentLength;

    public ushort Epoch => (ushort)(EpochAndSequence >> 48);
    public ulong Sequence => EpochAndSequence & MaxSequence;
    public int Length => HeaderLength + FragmentLength;

    /// <summary>False: no record begins here, or it is longer than the datagram. Other types are given, for the caller to drop.</summary>
    /// <param name="connectionIdLength">Of ids in records to us.</param>
    public static bool TryRead(ReadOnlySpan<byte> datagram, int connectionIdLength, out RecordHeader header)
    {
        header = default;
        if (datagram.Length < PlainLength || datagram[1] != 0xFE)
            return false;
        int idLength = datagram[0] == (byte)ContentType.ConnectionId ? connectionIdLength : 0;
        int headerLength = PlainLength + idLength;
        if (datagram.Length < headerLength)
            return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[(headerLength - 2)..]);
        if (length > MaxFragment || length > datagram.Length - headerLength)
            return false;
        header = new((ContentType)datagram[0], BinaryPrimitives.ReadUInt16BigEndian(datagram[1..]), BinaryPrimitives.ReadUInt64BigEndian(datagram[3..]),
            datagram.Slice(PlainLength - 2, idLength), headerLength, length);
        return true;
    }

    /// <summary>All but the length, which the fragment decides.</summary>
    public static void Write(Span<byte> into, ContentType type, ulong epochAndSequence, ReadOnlySpan<byte> connectionId)
    {
        into[0] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(into[1..], Dtls12);
        BinaryPrimitives.WriteUInt64BigEndian(into[3..], epochAndSequence);
        connectionId.CopyTo(into[(PlainLength - 2)..]);
    }
}
