using System.Buffers.Binary;

namespace Hatchery.Dpp.Transport;

/// <summary>DPP over TCP: a length of four bytes, big endian, then a public action frame without its category (DPP §8.4). Any segmentation will do.</summary>
public sealed class DppTcp
{
    public const int Port = 8908;
    /// <summary>Of a message; more is refused.</summary>
    public const int MaxMessage = 65535;
    private const int Head = 4;
    private byte[] _buffer = new byte[1024];
    private int _start, _end;

    /// <exception cref="DppException">More waits than a message may have.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_end - _start + bytes.Length > 2 * (MaxMessage + Head))
            throw DppException.Malformed("stream", "more arrived than can be waiting.");
        if (_buffer.Length - _end < bytes.Length)
        {
            byte[] room = _end - _start + bytes.Length > _buffer.Length ? new byte[Math.Max(2 * _buffer.Length, _end - _start + bytes.Length)] : _buffer;
            _buffer.AsSpan(_start, _end - _start).CopyTo(room);
            (_buffer, _start, _end) = (room, 0, _end - _start);
        }
        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>The next message's body, copied.</summary>
    /// <exception cref="DppException">The length is 0 or too large, or too small for what it carries.</exception>
    public bool TryTake(out byte[] body)
    {
        body = [];
        if (_end - _start < Head)
            return false;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start));
        if (length is 0 or > MaxMessage)
            throw DppException.Malformed("length", $"{length} is out of bounds.");
        if (_end - _start - Head < length)
            return false;
        body = _buffer.AsSpan(_start + Head, (int)length).ToArray();
        _start += Head + (int)length;
        return true;
    }

    public static byte[] Encode(DppMessage message)
    {
        var body = message.Body.Span;
        byte[] bytes = new byte[Head + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, body.Length);
        body.CopyTo(bytes.AsSpan(Head));
        return bytes;
    }
}

/// <summary>What leaves on a stream, in pieces as the carrier takes it.</summary>
internal sealed class OutgoingBytes
{
    private readonly Queue<(byte[] Bytes, Tag Tag)> _waiting = new();
    private int _sent;

    public bool IsEmpty => _waiting.Count == 0;
    public void Add(byte[] bytes, Tag tag) => _waiting.Enqueue((bytes, tag));

    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit)
    {
        transmit = default;
        if (!_waiting.TryPeek(out var next))
            return false;
        int count = Math.Min(into.Length, next.Bytes.Length - _sent);
        next.Bytes.AsSpan(_sent, count).CopyTo(into);
        _sent += count;
        transmit = new Transmit<StreamPath>(count, default, next.Tag, false);
        if (_sent == next.Bytes.Length)
        {
            _waiting.Dequeue();
            _sent = 0;
        }
        return true;
    }
}
