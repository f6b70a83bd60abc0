using System.Text;

namespace Hatchery.Est;

/// <summary>The header Authorization, read but not verified.</summary>
public abstract record HttpCredentials
{
    private const int MaxLength = 4096;

    /// <summary>RFC 7617. UTF-8.</summary>
    public sealed record Basic(string User, SecretText Password) : HttpCredentials;

    /// <summary>RFC 7616.</summary>
    public sealed record Digest(string User, string Realm, string Nonce, string Uri, string Response, string Algorithm, string? Qop, string? NonceCount, string? ClientNonce) : HttpCredentials;

    /// <summary>RFC 6750.</summary>
    public sealed record Bearer(SecretText Token) : HttpCredentials;

    /// <returns>Null: no header, or a scheme or form that we do not take; the client gets the challenge again.</returns>
    public static HttpCredentials? Parse(string? header)
    {
        if (header is null || header.Length > MaxLength)
            return null;
        int space = header.IndexOf(' ', StringComparison.Ordinal);
        if (space < 0)
            return null;
        string scheme = header[..space], rest = header[(space + 1)..].Trim();
        if (scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase))
            return ParseBasic(rest);
        if (scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            return rest.Length > 0 ? new Bearer(new(rest)) : null;
        return scheme.Equals("Digest", StringComparison.OrdinalIgnoreCase) && AuthParameters.Parse(rest) is { } parameters ? ParseDigest(parameters) : null;
    }

    private static Basic? ParseBasic(string encoded)
    {
        Span<byte> bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, bytes, out int length))
            return null;
        string text = Encoding.UTF8.GetString(bytes[..length]);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : new Basic(text[..colon], new(text[(colon + 1)..]));
    }

    private static Digest? ParseDigest(Dictionary<string, string> given)
    {
        string? Get(string name) => given.GetValueOrDefault(name);
        return Get("username") is { } user && Get("realm") is { } realm && Get("nonce") is { } nonce && Get("uri") is { } uri && Get("response") is { } response
            ? new Digest(user, realm, nonce, uri, response, Get("algorithm") ?? "MD5", Get("qop"), Get("nc"), Get("cnonce")) : null;
    }
}

/// <summary>name=value pairs, the values tokens or quoted (RFC 9110, section 11.2).</summary>
internal static class AuthParameters
{
    /// <returns>Null: not of this form, or a name stands twice.</returns>
    public static Dictionary<string, string>? Parse(ReadOnlySpan<char> text)
    {
        var found = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (true)
        {
            text = text.TrimStart(" \t,");
            if (text.IsEmpty)
                return found;
            int equals = text.IndexOf('=');
            if (equals <= 0 || found.Count == 32)
                return null;
            string name = text[..equals].Trim().ToString();
            text = text[(equals + 1)..].TrimStart(" \t");
            string? value = text.StartsWith("\"") ? Quoted(ref text) : Token(ref text);
            if (value is null || !found.TryAdd(name, value))
                return null;
        }
    }

    private static string? Token(ref ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAny(" \t,");
        var value = end < 0 ? text : text[..end];
        text = text[value.Length..];
        return value.IsEmpty ? null : value.ToString();
    }

    private static string? Quoted(ref ReadOnlySpan<char> text)
    {
        var value = new StringBuilder();
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == '"')
            {
                text = text[(i + 1)..];
                return value.ToString();
            }
            if (text[i] == '\\' && ++i == text.Length)
                return null;
            value.Append(text[i]);
        }
        return null;
    }
}
