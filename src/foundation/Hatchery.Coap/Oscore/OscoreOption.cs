namespace Hatchery.Coap.Oscore;

/// <summary>The value of the OSCORE option (RFC 8613 section 6.1).</summary>
/// <param name="PartialIv">0 to 5 bytes; empty: absent.</param>
/// <param name="Kid">Null: absent.</param>
/// <param name="KidContext">Null: absent.</param>
internal readonly record struct OscoreOption(ReadOnlyMemory<byte> PartialIv, ReadOnlyMemory<byte>? Kid, ReadOnlyMemory<byte>? KidContext)
{
    private const byte KidFlag = 0x08, ContextFlag = 0x10, Reserved = 0xe0;

    public byte[] Encode()
    {
        int flags = PartialIv.Length | (Kid is null ? 0 : KidFlag) | (KidContext is null ? 0 : ContextFlag);
        if (flags == 0)
            return [];
        using var bytes = new MemoryStream();
        bytes.WriteByte((byte)flags);
        bytes.Write(PartialIv.Span);
        if (KidContext is { } context)
        {
            bytes.WriteByte((byte)context.Length);
            bytes.Write(context.Span);
        }
        if (Kid is { } kid)
            bytes.Write(kid.Span);
        return bytes.ToArray();
    }

    /// <exception cref="CoapException">4.02.</exception>
    public static OscoreOption Parse(ReadOnlyMemory<byte> value)
    {
        if (value.IsEmpty)
            return default;
        byte flags = value.Span[0];
        int ivLength = flags & 7;
        if ((flags & Reserved) != 0 || ivLength > 5 || flags == 0 || value.Length < 1 + ivLength)
            throw Wrong("the flags are not those of RFC 8613, or the Partial IV is cut short.");
        var iv = value.Slice(1, ivLength);
        // A Partial IV has no leading zeros, but for the one byte of number 0.
        if (ivLength > 1 && iv.Span[0] == 0)
            throw Wrong("the Partial IV has leading zeros.");
        var rest = value[(1 + ivLength)..];
        ReadOnlyMemory<byte>? context = null;
        if ((flags & ContextFlag) != 0)
        {
            if (rest.IsEmpty || rest.Length < 1 + rest.Span[0])
                throw Wrong("the kid context is cut short.");
            context = rest.Slice(1, rest.Span[0]);
            rest = rest[(1 + rest.Span[0])..];
        }
        if ((flags & KidFlag) == 0 && !rest.IsEmpty)
            throw Wrong("bytes follow behind its end.");
        return new OscoreOption(iv, (flags & KidFlag) != 0 ? rest : null, context);
    }

    private static CoapException Wrong(string sentence) => new("4.02", "OSCORE", $"OSCORE option: {sentence}");

    /// <summary>The shortest form; one byte for 0.</summary>
    public static byte[] Iv(ulong sequence)
    {
        Span<byte> bytes = stackalloc byte[8];
        int length = CoapOption.WriteUInt(bytes, sequence);
        return length == 0 ? [0] : bytes[..length].ToArray();
    }
}
