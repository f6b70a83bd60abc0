using System.Formats.Cbor;

namespace Hatchery.Fdo.Transport;

/// <summary>What came over a stream.</summary>
/// <param name="Type">Message type.</param>
/// <param name="Token">From protocolInfo; null: none.</param>
/// <param name="Body">Valid until the engine's next call.</param>
/// <param name="Fault">Set where the framing broke; the stream is of no use after it.</param>
public readonly record struct FdoStreamEvent(int Type, string? Token, ReadOnlyMemory<byte> Body, FdoException? Fault);

/// <summary>FDO over TCP or TLS: each message framed as [length, msgType, protver, protocolInfo, body], length over the whole array
/// (FDO 1.1 §4.3). An engine for either end: bytes in, messages out.</summary>
public sealed class FdoStream : IEngine<StreamPath, FdoStreamEvent>
{
    /// <summary>The whole frame.</summary>
    public const int MaxFrame = ushort.MaxValue;

    /// <summary>Bytes that wait to be transmitted, beyond which nothing more is taken: a peer may ask and never read.</summary>
    private const int MaxWaiting = 4 * MaxFrame;

    private readonly Queue<(byte[] Frame, Tag Tag)> _out = new();
    private byte[] _in = new byte[4096];
    private int _have, _sent, _taken, _waiting;
    private FdoException? _fault;
    private bool _reported;

    public TimeSpan Deadline => Moment.Never;
    public void Tick(Moment now) { }

    public void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag) => Receive(datagram);

    /// <summary>The same without what a stream has no use for.</summary>
    internal void Receive(ReadOnlySpan<byte> datagram)
    {
        Compact();
        if (_fault is not null)
            return;
        // What one call brings may end a frame and hold many more; what is left between two calls is less than a frame.
        if (_have > MaxFrame)
        {
            _fault = Broken("length", "more than a frame may have.");
            return;
        }
        if (datagram.Length > _in.Length - _have)
            Array.Resize(ref _in, Math.Max(_have + datagram.Length, Math.Min(2 * _in.Length, MaxFrame)));
        datagram.CopyTo(_in.AsSpan(_have));
        _have += datagram.Length;
    }

    public bool TryEvent(out FdoStreamEvent happened)
    {
        Compact();
        happened = default;
        if (_fault is null && _have > 0)
        {
            try
            {
                int length = Length(_in.AsSpan(0, _have));
                if (length == 0 || length > _have)
                    return false;
                happened = Parse(_in.AsMemory(0, length));
                _taken = length;
                return true;
            }
            catch (Exception e) when (e is FdoException or CborContentException or InvalidOperationException or OverflowException)
            {
                _fault = e as FdoException ?? Broken("frame", "not an array of length, type, version, protocolInfo and body.", e);
            }
        }
        if (_fault is null || _reported)
            return false;
        _reported = true;
        happened = new FdoStreamEvent(-1, null, default, _fault);
        return true;
    }

    private static FdoException Broken(string field, string sentence, Exception? inner = null) =>
        new(FdoErrorCode.MessageBodyError, field, $"{field}: {sentence}", inner);

    /// <summary>Frames a message. <see cref="Accepted.TryLater"/>: too much waits for a peer that does not read.</summary>
    public Accepted Send(FdoMessage message, string? token, Tag tag)
    {
        var rest = new CborWriter(CborConformanceMode.Lax);
        rest.WriteStartArray(4);
        rest.WriteInt32(message.Type);
        rest.WriteInt32(FdoVersion.Protocol);
        rest.WriteStartMap(token is null ? 0 : 1);
        if (token is not null)
        {
            rest.WriteTextString("token");
            rest.WriteTextString(token);
        }
        rest.WriteEndMap();
        rest.WriteEncodedValue(message.Raw.Span);
        rest.WriteEndArray();
        byte[] inner = rest.Encode();
        // 85 19 hh ll, then the four elements without their own array head.
        int length = 4 + inner.Length - 1;
        if (length > MaxFrame)
            return Accepted.TooLarge;
        if (_waiting + length > MaxWaiting)
            return Accepted.TryLater;
        _waiting += length;
        var frame = new byte[length];
        (frame[0], frame[1], frame[2], frame[3]) = (0x85, 0x19, (byte)(length >> 8), (byte)length);
        inner.AsSpan(1).CopyTo(frame.AsSpan(4));
        _out.Enqueue((frame, tag));
        return Accepted.Yes;
    }

    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit)
    {
        transmit = default;
        if (!_out.TryPeek(out var next))
            return false;
        int count = Math.Min(into.Length, next.Frame.Length - _sent);
        next.Frame.AsSpan(_sent, count).CopyTo(into);
        _sent += count;
        if (_sent == next.Frame.Length)
        {
            _out.Dequeue();
            _waiting -= next.Frame.Length;
            _sent = 0;
        }
        transmit = new Transmit<StreamPath>(count, default, next.Tag, false);
        return true;
    }

    /// <summary>All that waits to be transmitted, as one piece.</summary>
    internal byte[] Drain()
    {
        var all = new byte[_waiting - _sent];
        int at = 0;
        while (TryTransmit(all.AsSpan(at), out var transmit))
            at += transmit.Length;
        return all;
    }

    private void Compact()
    {
        if (_taken == 0)
            return;
        _in.AsSpan(_taken, _have - _taken).CopyTo(_in);
        _have -= _taken;
        _taken = 0;
    }

    /// <summary>Of the frame at the start; 0: not all of its head is there. Any form of an integer is taken.</summary>
    private static int Length(ReadOnlySpan<byte> bytes)
    {
        if (bytes[0] != 0x85)
            throw Broken("frame", "does not begin as an array of 5.");
        if (bytes.Length < 2)
            return 0;
        int more = bytes[1] switch { < 24 => 0, 24 => 1, 25 => 2, 26 => 4, 27 => 8, _ => throw Broken("length", "no unsigned integer.") };
        if (bytes.Length < 2 + more)
            return 0;
        ulong length = more == 0 ? bytes[1] : 0UL;
        foreach (byte b in bytes.Slice(2, more))
            length = length << 8 | b;
        return length is >= 7 and <= MaxFrame ? (int)length : throw Broken("length", $"{length}; at most {MaxFrame} are allowed.");
    }

    private static FdoStreamEvent Parse(ReadOnlyMemory<byte> frame)
    {
        var reader = new CborReader(frame, CborConformanceMode.Lax);
        reader.ReadStartArray();
        reader.ReadUInt64();
        uint type = reader.ReadUInt32();
        uint version = reader.ReadUInt32();
        if (type > 255)
            throw Broken("msgType", $"{type} is none.");
        if (version != FdoVersion.Protocol)
            throw Broken("protver", $"{version} where {FdoVersion.Protocol} is spoken.");
        string? token = null;
        int? count = reader.ReadStartMap();
        for (int i = 0; count is null ? reader.PeekState() != CborReaderState.EndMap : i < count; i++)
        {
            if (reader.PeekState() == CborReaderState.TextString && reader.ReadTextString() == "token")
                token = reader.ReadTextString();
            else
                throw Broken("protocolInfo", "only a token is known.");
        }
        reader.ReadEndMap();
        var body = reader.ReadEncodedValue();
        reader.ReadEndArray();
        if (reader.BytesRemaining != 0)
            throw Broken("frame", "bytes follow behind its end.");
        return new FdoStreamEvent((int)type, token, body, null);
    }
}
