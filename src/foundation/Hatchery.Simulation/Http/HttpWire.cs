using System.Globalization;
using System.Text;

namespace Hatchery.Simulation;

/// <summary>Bytes that are no HTTP/1.1 as written and read here.</summary>
public sealed class HttpFormatException(int status, string sentence) : Exception(sentence)
{
    /// <summary>What a server answers.</summary>
    public int Status => status;
}

/// <summary>HTTP/1.1 (RFC 9112) with Content-Length only: what both simulated ends write.</summary>
internal static class HttpWire
{
    public static byte[] Write(PlainHttpRequest request, string host)
    {
        var head = new StringBuilder();
        if (request.Path.Length == 0 || request.Path[0] != '/' || request.Path.Any(c => c is <= ' ' or > '~'))
            throw new ArgumentException($"The path {request.Path} is no request target.", nameof(request));
        head.Append(request.Method).Append(' ').Append(request.Path).Append(" HTTP/1.1\r\n");
        if (request.Header("Host") is null)
            Header(head, "Host", host);
        return Finish(head, request.Headers, request.Body, request.Body.Length > 0 || request.Method is "POST" or "PUT");
    }

    public static byte[] Write(PlainHttpResponse response)
    {
        var head = new StringBuilder().Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {response.Status} {Reason(response.Status)}\r\n");
        return Finish(head, response.Headers, response.Body, response.Status is not (204 or 304));
    }

    private static byte[] Finish(StringBuilder head, IReadOnlyList<KeyValuePair<string, string>> headers, ReadOnlyMemory<byte> body, bool sized)
    {
        foreach (var (name, value) in headers)
            if (!string.Equals(name, "Content-Length", StringComparison.OrdinalIgnoreCase))
                Header(head, name, value);
        if (sized)
            Header(head, "Content-Length", body.Length.ToString(CultureInfo.InvariantCulture));
        head.Append("\r\n");
        return [.. Encoding.Latin1.GetBytes(head.ToString()), .. body.Span];
    }

    private static void Header(StringBuilder head, string name, string value)
    {
        if (!HttpReader.IsToken(name) || value.AsSpan().IndexOfAny("\r\n\0") >= 0)
            throw new ArgumentException($"The header {name} cannot be written.", nameof(name));
        head.Append(name).Append(": ").Append(value).Append("\r\n");
    }

    private static string Reason(int status) => status switch
    {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    };
}

/// <summary>The head of a message: three parts of its first line, and its headers.</summary>
internal sealed record HttpHead(string First, string Second, string Third, List<KeyValuePair<string, string>> Headers)
{
    public string? Header(string name) => Headers.FirstOrDefault(h => string.Equals(h.Key, name, StringComparison.OrdinalIgnoreCase)).Value;
    public bool Closes => string.Equals(Header("Connection"), "close", StringComparison.OrdinalIgnoreCase);
}

/// <summary>Reads one direction of a connection, message by message.</summary>
/// <param name="maxBody">Given the head, bytes; may throw <see cref="HttpFormatException"/> to refuse before the body is read.</param>
internal sealed class HttpReader(bool requests, Func<HttpHead, int> maxBody)
{
    private const int MaxHead = 16 * 1024, MaxHeaders = 64;
    private readonly List<byte> _bytes = [];
    private HttpHead? _head;
    private int _length;

    public bool IsEmpty => _bytes.Count == 0 && _head is null;

    public void Add(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    /// <summary>Throws <see cref="HttpFormatException"/>; the connection is of no use then.</summary>
    public bool TryRead(out HttpHead head, out byte[] body)
    {
        (head, body) = (null!, []);
        if (_head is null && !TryReadHead())
            return false;
        if (_bytes.Count < _length)
            return false;
        (head, body) = (_head!, _bytes.GetRange(0, _length).ToArray());
        _bytes.RemoveRange(0, _length);
        _head = null;
        return true;
    }

    private bool TryReadHead()
    {
        int end = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes).IndexOf("\r\n\r\n"u8);
        if (end < 0 ? _bytes.Count > MaxHead : end > MaxHead)
            throw new HttpFormatException(431, $"The head is longer than {MaxHead} bytes.");
        if (end < 0)
            return false;
        var lines = Encoding.Latin1.GetString([.. _bytes.GetRange(0, end)]).Split("\r\n");
        _bytes.RemoveRange(0, end + 4);
        var first = lines[0].Split(' ', 3);
        if (requests ? first.Length != 3 || !IsToken(first[0]) || first[1].Length == 0 || first[1][0] != '/' : first.Length < 2)
            throw new HttpFormatException(400, "The first line is malformed.");
        if ((requests ? first[2] : first[0]) is not "HTTP/1.1")
            throw new HttpFormatException(505, "The version is not HTTP/1.1.");
        if (!requests && (first[1].Length != 3 || !first[1].All(char.IsAsciiDigit)))
            throw new HttpFormatException(400, "The status is not a number of three digits.");
        if (lines.Length - 1 > MaxHeaders)
            throw new HttpFormatException(431, $"There are more than {MaxHeaders} headers.");
        var headers = new List<KeyValuePair<string, string>>(lines.Length - 1);
        foreach (var line in lines.AsSpan(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || !IsToken(line[..colon]) || line.AsSpan().IndexOfAny("\r\n\0") >= 0)
                throw new HttpFormatException(400, "A header is malformed.");
            headers.Add(new(line[..colon], line[(colon + 1)..].Trim(' ', '\t')));
        }
        var head = new HttpHead(first[0], first[1], first.Length > 2 ? first[2] : "", headers);
        int length = Length(head);
        if (length > maxBody(head))
            throw new HttpFormatException(413, "The body is too large.");
        (_head, _length) = (head, length);
        return true;
    }

    private int Length(HttpHead head)
    {
        if (head.Header("Transfer-Encoding") is not null)
            throw new HttpFormatException(411, "Only bodies with Content-Length are read.");
        var lengths = head.Headers.Where(h => string.Equals(h.Key, "Content-Length", StringComparison.OrdinalIgnoreCase)).Select(h => h.Value).ToList();
        if (lengths.Count == 0)
            return requests || head.Second is "204" or "304" ? 0 : throw new HttpFormatException(411, "The answer has no Content-Length.");
        if (lengths.Count > 1 || lengths[0].Length is 0 or > 9 || !lengths[0].All(char.IsAsciiDigit))
            throw new HttpFormatException(400, "Content-Length is not one number.");
        return int.Parse(lengths[0], NumberStyles.None, CultureInfo.InvariantCulture);
    }

    public static bool IsToken(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c));
}
