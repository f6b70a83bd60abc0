using System.Buffers.Binary;

namespace Hatchery.Dpp.Transport;

/// <summary>A public action frame on radio (IEEE 802.11 §9.3.3.13): a MAC header of 24 bytes, category 4, then what TCP carries too.</summary>
/// <param name="Destination">6 bytes.</param>
/// <param name="Source">6 bytes.</param>
public readonly record struct DppRadioFrame(ReadOnlyMemory<byte> Destination, ReadOnlyMemory<byte> Source, ReadOnlyMemory<byte> Body)
{
    public const int Header = 24;
    /// <summary>With header; below 56 GHz.</summary>
    public const int MaxFrame = 1400;
    public static readonly byte[] Broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

    /// <param name="sequence">Number of the frame, 12 bits.</param>
    public byte[] Encode(int sequence = 0)
    {
        byte[] frame = new byte[Header + 1 + Body.Length];
        frame[0] = 0xd0;
        Destination.Span.CopyTo(frame.AsSpan(4));
        Source.Span.CopyTo(frame.AsSpan(10));
        Broadcast.CopyTo(frame.AsSpan(16));
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(22), (ushort)(sequence << 4));
        frame[Header] = 4;
        Body.Span.CopyTo(frame.AsSpan(Header + 1));
        return frame;
    }

    /// <summary>False: another kind of frame.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> frame, out DppRadioFrame parsed)
    {
        parsed = default;
        if (frame.Length < Header + 2 || frame.Span[0] != 0xd0 || frame.Span[Header] != 4)
            return false;
        parsed = new(frame.Slice(4, 6), frame.Slice(10, 6), frame[(Header + 1)..]);
        return true;
    }
}

/// <summary>The answering side of GAS on radio: a response that is too long for a frame waits here, and leaves in pieces as the other side comes back for them.</summary>
public sealed class GasFragments
{
    private const int Overhead = DppRadioFrame.Header + 1 + 2 + 5 + 10 + 2;
    private readonly int _piece;
    private ReadOnlyMemory<byte> _rest;
    private byte _token, _next;
    private bool _waiting;

    /// <param name="maxFrame">With header, bytes.</param>
    public GasFragments(int maxFrame = DppRadioFrame.MaxFrame) => _piece = maxFrame - Overhead;

    /// <summary>What to send in place of a response: itself if it fits, or that there is more to be fetched.</summary>
    public GasMessage Take(GasMessage response)
    {
        if (response.Content.Length <= _piece)
            return response;
        (_rest, _token, _next, _waiting) = (response.Content, response.DialogToken, 0, true);
        return response.Action == DppMessage.GasInitialResponse ? GasMessage.Response(_token, 1, default) : Next();
    }

    /// <summary>The next piece; false: nothing waits under this token.</summary>
    public bool TryAnswer(GasMessage comeback, out GasMessage? piece)
    {
        piece = null;
        if (!_waiting || comeback.Action != DppMessage.GasComebackRequest || comeback.DialogToken != _token)
            return false;
        piece = Next();
        return true;
    }

    private GasMessage Next()
    {
        var piece = _rest[..Math.Min(_piece, _rest.Length)];
        _rest = _rest[piece.Length..];
        _waiting = !_rest.IsEmpty;
        return GasMessage.ComebackAnswer(_token, 0, (byte)(_next++ & 0x7f | (_waiting ? 0x80 : 0)), piece);
    }
}
