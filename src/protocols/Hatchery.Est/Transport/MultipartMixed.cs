using System.Text;

namespace Hatchery.Est.Transport;

/// <summary>multipart/mixed with base64 parts, as /serverkeygen answers (RFC 7030, section 4.4.2; RFC 2046, section 5.1).</summary>
internal static class MultipartMixed
{
    private const int MaxParts = 4;

    public readonly record struct Part(string ContentType, ReadOnlyMemory<byte> Body);

    /// <param name="boundary">No character of base64's alphabet may follow a line break and two hyphens: base64 has no hyphen.</param>
    public static byte[] Encode(string boundary, params ReadOnlySpan<(string ContentType, ReadOnlyMemory<byte> Der)> parts)
    {
        using var body = new MemoryStream();
        foreach (var (type, der) in parts)
        {
            body.Write(Encoding.ASCII.GetBytes($"--{boundary}\r\nContent-Type: {type}\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
            body.Write(EstBody.Encode(der.Span, endLine: false));
            body.Write("\r\n"u8);
        }
        body.Write(Encoding.ASCII.GetBytes($"--{boundary}--\r\n"));
        return body.ToArray();
    }

    /// <summary>Lines may end in LF alone; preamble and epilogue are passed over.</summary>
    /// <exception cref="EstException">Not of this form.</exception>
    public static List<Part> Parse(string? contentType, ReadOnlyMemory<byte> body, EstTolerance tolerance)
    {
        string boundary = MediaTypes.Parameter(contentType, "boundary") is { Length: > 0 and <= 70 } given ? given
            : throw EstException.Malformed("boundary", "multipart/mixed without a boundary.");
        byte[] delimiter = Encoding.ASCII.GetBytes("--" + boundary);
        var parts = new List<Part>();
        int partStart = -1, at = 0;
        bool closed = false;
        while (at < body.Length && !closed)
        {
            int lineEnd = body.Span[at..].IndexOf((byte)'\n');
            int next = lineEnd < 0 ? body.Length : at + lineEnd + 1;
            var line = body.Span[at..next].TrimEnd(" \t\r\n"u8);
            if (line.StartsWith(delimiter) && (line.Length == delimiter.Length || line[delimiter.Length..].SequenceEqual("--"u8)))
            {
                closed = line.Length > delimiter.Length;
                if (partStart >= 0)
                    parts.Add(ReadPart(body[partStart..at]));
                if (parts.Count > MaxParts)
                    throw EstException.Malformed("multipart", $"more than {MaxParts} parts.");
                partStart = next;
            }
            at = next;
        }
        if (!closed)
        {
            if (!tolerance.OpenMultipart)
                throw EstException.Malformed("multipart", "the closing delimiter is missing.");
            if (partStart >= 0)
                parts.Add(ReadPart(body[partStart..]));
        }
        return parts;
    }

    private static Part ReadPart(ReadOnlyMemory<byte> part)
    {
        string type = "";
        while (true)
        {
            int end = part.Span.IndexOf((byte)'\n');
            if (end < 0)
                throw EstException.Malformed("multipart", "a part without an end of its header.");
            string line = Encoding.ASCII.GetString(part.Span[..end]).TrimEnd('\r');
            part = part[(end + 1)..];
            if (line.Length == 0)
                return new Part(type, part);
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).Trim().Equals("Content-Type", StringComparison.OrdinalIgnoreCase))
                type = line[(colon + 1)..].Trim();
        }
    }
}
