using System.Text;

namespace Hatchery.Est.Transport;

/// <summary>Bodies of EST over HTTP: base64 of DER (RFC 8951, section 3.1).</summary>
internal static class EstBody
{
    /// <summary>One line. A client ends it: libest's server finds no end of the body otherwise; strongSwan's client until 5.9.10 takes no line break inside.</summary>
    public static byte[] Encode(ReadOnlySpan<byte> der, bool endLine)
    {
        string text = Convert.ToBase64String(der);
        byte[] bytes = new byte[text.Length + (endLine ? 1 : 0)];
        Encoding.ASCII.GetBytes(text, bytes);
        if (endLine)
            bytes[^1] = (byte)'\n';
        return bytes;
    }

    /// <param name="field">What is decoded, for the fault.</param>
    /// <exception cref="EstException">Not base64, or not a DER element that fills it.</exception>
    public static ReadOnlyMemory<byte> Decode(ReadOnlyMemory<byte> body, string field, EstTolerance tolerance)
    {
        if (body.IsEmpty)
            throw EstException.Malformed(field, $"the body is empty where base64 of {field} is expected.");
        if (tolerance.RawDer && IsDer(body.Span))
            return body;
        var text = body.Span;
        if (tolerance.Pem && text.TrimStart(" \r\n\t"u8).StartsWith("-----BEGIN"u8))
            return DecodePem(text, field);
        byte[] packed = new byte[text.Length + 3];
        int length = 0;
        foreach (byte octet in text)
            if (octet is not ((byte)'\r' or (byte)'\n' or (byte)' ' or (byte)'\t' or (byte)'\f' or (byte)'\v'))
                packed[length++] = octet;
        if (packed.AsSpan(0, length).IndexOf((byte)'=') < 0)
            while (length % 4 != 0)
                packed[length++] = (byte)'=';
        var decoded = new byte[length / 4 * 3];
        if (System.Buffers.Text.Base64.DecodeFromUtf8(packed.AsSpan(0, length), decoded, out int consumed, out int written) != System.Buffers.OperationStatus.Done || consumed != length)
            throw EstException.Malformed(field, $"the body is not base64 of {field}.");
        var der = decoded.AsMemory(0, written);
        return IsDer(der.Span) ? der : throw EstException.Malformed(field, $"the base64 holds no {field}: not exactly one DER SEQUENCE.");
    }

    private static byte[] DecodePem(ReadOnlySpan<byte> text, string field)
    {
        string pem = Encoding.ASCII.GetString(text);
        if (System.Security.Cryptography.PemEncoding.TryFind(pem, out var found) && pem[found.Label] is "CERTIFICATE REQUEST" or "NEW CERTIFICATE REQUEST")
        {
            byte[] der = Convert.FromBase64String(pem[found.Base64Data]);
            if (IsDer(der))
                return der;
        }
        throw EstException.Malformed(field, $"the PEM text holds no {field}.");
    }

    /// <summary>One SEQUENCE that fills it; BER's indefinite length is taken, certs-only may come with it.</summary>
    private static bool IsDer(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 2 || bytes[0] != 0x30)
            return false;
        int first = bytes[1];
        if (first < 0x80)
            return bytes.Length == 2 + first;
        if (first == 0x80)
            return bytes.EndsWith("\0\0"u8);
        int count = first & 0x7F;
        if (count > 4 || bytes.Length < 2 + count)
            return false;
        long length = 0;
        for (int i = 0; i < count; i++)
            length = length << 8 | bytes[2 + i];
        return bytes.Length == 2 + count + length;
    }
}

/// <summary>Media types of RFC 7030, section 3.2.4, by type and subtype.</summary>
internal static class MediaTypes
{
    public const string Pkcs10 = "application/pkcs10", Pkcs7 = "application/pkcs7-mime", CsrAttrs = "application/csrattrs", Pkcs8 = "application/pkcs8", Multipart = "multipart/mixed", Text = "text/plain";
    public const string CertsOnly = Pkcs7 + "; smime-type=certs-only", CmcRequest = Pkcs7 + "; smime-type=CMC-request", CmcResponse = Pkcs7 + "; smime-type=CMC-response",
        ServerKey = Pkcs7 + "; smime-type=server-generated-key", PlainText = Text + "; charset=utf-8";

    public static bool Is(string? header, string type)
    {
        if (header is null)
            return false;
        int semicolon = header.IndexOf(';', StringComparison.Ordinal);
        return (semicolon < 0 ? header : header[..semicolon]).AsSpan().Trim().Equals(type, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Without quotes; null if absent.</summary>
    public static string? Parameter(string? header, string name)
    {
        foreach (string part in (header ?? "").Split(';').Skip(1))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && part.AsSpan(0, equals).Trim().Equals(name, StringComparison.OrdinalIgnoreCase))
                return part[(equals + 1)..].Trim().Trim('"');
        }
        return null;
    }
}
