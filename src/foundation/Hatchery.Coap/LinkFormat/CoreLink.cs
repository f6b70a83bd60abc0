using System.Collections.Immutable;
using System.Text;

namespace Hatchery.Coap;

/// <summary>A link of RFC 6690.</summary>
/// <param name="Target">A URI reference, as between the angle brackets.</param>
/// <param name="Attributes">In order; a value is null where there is no equals sign, and without its quotes.</param>
public sealed record CoreLink(string Target, ImmutableArray<KeyValuePair<string, string?>> Attributes)
{
    /// <summary>Of all links of one document.</summary>
    public const int MaxLinks = 4096;

    public CoreLink(string target) : this(target, []) { }

    /// <summary>The first attribute of that name; null if there is none or it has no value.</summary>
    public string? this[string name] => Attributes.FirstOrDefault(a => a.Key == name).Value;

    public CoreLink With(string name, string? value) => this with { Attributes = Attributes.Add(new(name, value)) };

    /// <exception cref="CoapException">Not link format.</exception>
    public static ImmutableArray<CoreLink> Parse(ReadOnlySpan<byte> utf8)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, true).GetString(utf8);
        }
        catch (DecoderFallbackException e)
        {
            throw new CoapException("4.00", "link-format", "Link format: not UTF-8.", e);
        }
        return Parse(text);
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{byte})"/>
    public static ImmutableArray<CoreLink> Parse(string text)
    {
        var links = ImmutableArray.CreateBuilder<CoreLink>();
        int at = 0;
        SkipSpace(text, ref at);
        while (at < text.Length)
        {
            if (links.Count == MaxLinks)
                throw Wrong($"more than {MaxLinks} links.");
            links.Add(One(text, ref at));
            SkipSpace(text, ref at);
            if (at == text.Length)
                break;
            if (text[at++] != ',')
                throw Wrong($"a comma is missing at {at - 1}.");
            SkipSpace(text, ref at);
            if (at == text.Length)
                throw Wrong("a link is missing behind the last comma.");
        }
        return links.ToImmutable();
    }

    private static CoreLink One(string text, ref int at)
    {
        if (at >= text.Length || text[at] != '<')
            throw Wrong($"a link does not begin with '<' at {at}.");
        int end = text.IndexOf('>', at);
        if (end < 0)
            throw Wrong("a target has no '>'.");
        string target = text[(at + 1)..end];
        at = end + 1;
        var attributes = ImmutableArray.CreateBuilder<KeyValuePair<string, string?>>();
        SkipSpace(text, ref at);
        while (at < text.Length && text[at] == ';')
        {
            at++;
            SkipSpace(text, ref at);
            int start = at;
            while (at < text.Length && IsNameChar(text[at]))
                at++;
            if (at == start)
                throw Wrong($"an attribute has no name at {at}.");
            string name = text[start..at];
            attributes.Add(new(name, Value(text, ref at)));
            SkipSpace(text, ref at);
        }
        return new CoreLink(target, attributes.ToImmutable());
    }

    private static string? Value(string text, ref int at)
    {
        if (at >= text.Length || text[at] != '=')
            return null;
        at++;
        if (at < text.Length && text[at] == '"')
        {
            var value = new StringBuilder();
            for (at++; at < text.Length && text[at] != '"'; at++)
            {
                if (text[at] == '\\' && at + 1 < text.Length)
                    at++;
                value.Append(text[at]);
            }
            if (at >= text.Length)
                throw Wrong("a quoted value has no end.");
            at++;
            return value.ToString();
        }
        int start = at;
        while (at < text.Length && text[at] is not (';' or ',' or ' ' or '\t' or '\r' or '\n'))
            at++;
        return text[start..at];
    }

    private static bool IsNameChar(char c) => char.IsAsciiLetterOrDigit(c) || "!#$&+-.^_`|~*'%".Contains(c, StringComparison.Ordinal);

    private static void SkipSpace(string text, ref int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\r' or '\n')
            at++;
    }

    private static CoapException Wrong(string sentence) => new("4.00", "link-format", $"Link format: {sentence}");

    /// <summary>As section 2 writes it: numbers bare, everything else quoted.</summary>
    public static string Format(IEnumerable<CoreLink> links) => string.Join(',', links);

    public override string ToString()
    {
        var text = new StringBuilder().Append('<').Append(Target).Append('>');
        foreach (var (name, value) in Attributes)
        {
            text.Append(';').Append(name);
            if (value is null)
                continue;
            text.Append('=');
            if (value.Length > 0 && value.All(char.IsAsciiDigit))
                text.Append(value);
            else
                text.Append('"').Append(value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"');
        }
        return text.ToString();
    }

    /// <summary>Section 4.1: "href=/a*", "rt=temperature", "rt=core.*"; of a value with several words, one.</summary>
    public bool Matches(string query)
    {
        int at = query.IndexOf('=', StringComparison.Ordinal);
        if (at < 0)
            return true;
        string name = query[..at], wanted = query[(at + 1)..];
        if (name == "href")
            return IsMatch(Target, wanted);
        foreach (var (key, value) in Attributes)
            if (key == name && (IsMatch(value ?? "", wanted) || (value ?? "").Split(' ').Any(word => IsMatch(word, wanted))))
                return true;
        return false;
    }

    private static bool IsMatch(string value, string wanted) =>
        wanted.EndsWith('*') ? value.StartsWith(wanted[..^1], StringComparison.Ordinal) : value == wanted;
}
