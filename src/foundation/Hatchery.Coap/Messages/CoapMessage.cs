using System.Buffers.Binary;

namespace Hatchery.Coap;

/// <summary>A message of RFC 7252 section 3, or of RFC 8323 section 3.2, which has neither type nor id.</summary>
public sealed class CoapMessage
{
    public CoapType Type { get; init; }
    public CoapCode Code { get; init; }
    /// <summary>Message ID.</summary>
    public ushort Id { get; init; }
    public CoapToken Token { get; init; }
    public CoapOptions Options { get; init; }
    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <exception cref="CoapException">A message format error.</exception>
    public static CoapMessage ParseDatagram(ReadOnlyMemory<byte> datagram) =>
        TryParseDatagram(datagram, out var message) is { } wrong ? throw CoapException.Format("message", wrong) : message!;

    /// <summary>Null, or what is wrong. The message refers to the datagram's bytes.</summary>
    internal static string? TryParseDatagram(ReadOnlyMemory<byte> datagram, out CoapMessage? message)
    {
        message = null;
        var bytes = datagram.Span;
        if (bytes.Length < 4)
            return "fewer than 4 bytes.";
        if (bytes[0] >> 6 != 1)
            return "the version is not 1.";
        if (TryParseRest(datagram[4..], bytes[0] & 15, out var token, out var options, out var payload) is { } wrong)
            return wrong;
        var code = new CoapCode(bytes[1]);
        if (code == CoapCode.Empty && datagram.Length > 4)
            return "an Empty message has more than 4 bytes.";
        message = new CoapMessage
        {
            Type = (CoapType)(bytes[0] >> 4 & 3),
            Code = code,
            Id = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
            Token = token,
            Options = options,
            Payload = payload,
        };
        return null;
    }

    private static string? TryParseRest(ReadOnlyMemory<byte> rest, int tkl, out CoapToken token, out CoapOptions options, out ReadOnlyMemory<byte> payload)
    {
        (token, options, payload) = (default, default, default);
        int extension = CoapToken.ExtensionOf(tkl);
        if (extension < 0)
            return "a token length of 9 to 12, or 15.";
        if (rest.Length < extension)
            return "the token's length is cut short.";
        int length = CoapToken.LengthOf(tkl, rest.Span);
        rest = rest[extension..];
        if (rest.Length < length)
            return "the token is cut short.";
        token = new CoapToken(rest.Span[..length]);
        rest = rest[length..];
        if (CoapOptions.Measure(rest.Span, out int size) is { } wrong)
            return wrong;
        options = new CoapOptions(rest[..size]);
        if (rest.Length == size)
            return null;
        if (rest.Length == size + 1)
            return "a payload marker without a payload.";
        payload = rest[(size + 1)..];
        return null;
    }

    private int RestLength => Options.Wire.Length + (Payload.IsEmpty ? 0 : 1 + Payload.Length);

    private int WriteRest(Span<byte> into)
    {
        Options.Wire.Span.CopyTo(into);
        int at = Options.Wire.Length;
        if (Payload.IsEmpty)
            return at;
        into[at++] = 0xff;
        Payload.Span.CopyTo(into[at..]);
        return at + Payload.Length;
    }

    public byte[] ToDatagram()
    {
        var bytes = new byte[4 + Token.EncodedLength + RestLength];
        bytes[0] = (byte)(0x40 | (int)Type << 4 | Token.Nibble);
        bytes[1] = Code.Value;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), Id);
        int at = 4 + Token.Encode(bytes.AsSpan(4));
        WriteRest(bytes.AsSpan(at));
        return bytes;
    }

    /// <summary>RFC 8323 section 3.2: the length counts options, marker and payload.</summary>
    public byte[] ToFrame()
    {
        int length = RestLength;
        int extension = length < 13 ? 0 : length < 269 ? 1 : length < 65805 ? 2 : 4;
        var bytes = new byte[1 + extension + 1 + Token.EncodedLength + length];
        bytes[0] = (byte)((extension switch { 0 => length, 1 => 13, 2 => 14, _ => 15 }) << 4 | Token.Nibble);
        switch (extension)
        {
            case 1:
                bytes[1] = (byte)(length - 13);
                break;
            case 2:
                BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(1), (ushort)(length - 269));
                break;
            case 4:
                BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), (uint)(length - 65805));
                break;
        }
        int at = 1 + extension;
        bytes[at++] = Code.Value;
        at += Token.Encode(bytes.AsSpan(at));
        WriteRest(bytes.AsSpan(at));
        return bytes;
    }

    /// <summary>How many bytes the frame has that begins here; 0: too few bytes to tell; negative: a token length that is reserved.</summary>
    internal static long FrameLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return 0;
        int nibble = bytes[0] >> 4;
        int extension = nibble switch { < 13 => 0, 13 => 1, 14 => 2, _ => 4 };
        int tokenExtension = CoapToken.ExtensionOf(bytes[0] & 15);
        if (tokenExtension < 0)
            return -1;
        int head = 1 + extension + 1 + tokenExtension;
        if (bytes.Length < head)
            return 0;
        long length = nibble switch
        {
            13 => bytes[1] + 13,
            14 => BinaryPrimitives.ReadUInt16BigEndian(bytes[1..]) + 269,
            15 => (long)BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]) + 65805,
            _ => nibble,
        };
        return head + CoapToken.LengthOf(bytes[0] & 15, bytes[(2 + extension)..]) + length;
    }

    /// <param name="frame">One whole frame.</param>
    /// <exception cref="CoapException">A message format error.</exception>
    public static CoapMessage ParseFrame(ReadOnlyMemory<byte> frame) =>
        frame.IsEmpty || FrameLength(frame.Span) != frame.Length ? throw CoapException.Format("message", "not one whole frame.")
        : TryParseFrame(frame, out var message) is { } wrong ? throw CoapException.Format("message", wrong) : message!;

    internal static string? TryParseFrame(ReadOnlyMemory<byte> frame, out CoapMessage? message)
    {
        message = null;
        var bytes = frame.Span;
        int extension = (bytes[0] >> 4) switch { < 13 => 0, 13 => 1, 14 => 2, _ => 4 };
        if (TryParseRest(frame[(2 + extension)..], bytes[0] & 15, out var token, out var options, out var payload) is { } wrong)
            return wrong;
        message = new CoapMessage { Code = new CoapCode(bytes[1 + extension]), Token = token, Options = options, Payload = payload };
        return null;
    }
}
