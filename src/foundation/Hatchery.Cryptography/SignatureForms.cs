namespace Hatchery.Cryptography;

/// <summary>The two forms of an ECDSA signature: r and s side by side at fixed width (IEEE P1363, COSE, JOSE), and DER (RFC 3279).</summary>
internal static class SignatureForms
{
    /// <param name="der">As libcrypto made it: not input of a peer.</param>
    public static void ToP1363(ReadOnlySpan<byte> der, Span<byte> fixedWidth)
    {
        int width = fixedWidth.Length / 2;
        int at = der[1] < 0x80 ? 2 : 3;
        at += Integer(der[at..], fixedWidth[..width]);
        Integer(der[at..], fixedWidth[width..]);

        static int Integer(ReadOnlySpan<byte> der, Span<byte> into)
        {
            int end = 2 + der[1];
            var value = der[2..end].TrimStart((byte)0);
            into.Clear();
            value.CopyTo(into[^value.Length..]);
            return end;
        }
    }

    /// <returns>Bytes written.</returns>
    public static int ToDer(ReadOnlySpan<byte> fixedWidth, Span<byte> der)
    {
        int width = fixedWidth.Length / 2;
        int content = Length(fixedWidth[..width]) + Length(fixedWidth[width..]);
        int at = 0;
        der[at++] = 0x30;
        if (content >= 0x80)
            der[at++] = 0x81;
        der[at++] = (byte)content;
        at += Integer(fixedWidth[..width], der[at..]);
        return at + Integer(fixedWidth[width..], der[at..]);

        static int Integer(ReadOnlySpan<byte> value, Span<byte> into)
        {
            int length = Length(value);
            into[0] = 0x02;
            into[1] = (byte)(length - 2);
            into[2] = 0;
            value = Significant(value);
            value.CopyTo(into[(length - value.Length)..]);
            return length;
        }

        static int Length(ReadOnlySpan<byte> value)
        {
            value = Significant(value);
            return 2 + value.Length + (value[0] >> 7);
        }

        // Zero is one byte.
        static ReadOnlySpan<byte> Significant(ReadOnlySpan<byte> value) => value.TrimStart((byte)0) is { IsEmpty: false } some ? some : value[^1..];
    }
}
