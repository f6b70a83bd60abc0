using System.Text;

namespace Hatchery.Radius.Eap;

/// <summary>A network access identifier (RFC 7542 §2.2): "user@realm", "@realm" or "user". Kept as written; realms compare without regard to the case of ASCII letters.</summary>
public readonly record struct Nai
{
    private static readonly UTF8Encoding s_strict = new(false, true);

    private Nai(string text, int at) => (Text, _at) = (text, at);

    private readonly int _at;
    public string Text { get; }
    /// <summary>In front of the last '@'; the whole where there is none.</summary>
    public string User => _at < 0 ? Text : Text[.._at];
    /// <summary>Null: there is none.</summary>
    public string? Realm => _at < 0 ? null : Text[(_at + 1)..];

    /// <summary>Of an EAP-Response/Identity, up to 253 bytes, or of User-Name.</summary>
    /// <exception cref="RadiusException">Not UTF-8, or not of RFC 7542's form.</exception>
    public static Nai Parse(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length is 0 or > 253)
            throw RadiusException.Discard("NAI", $"A NAI has 1 to 253 bytes, not {utf8.Length}.");
        string text;
        try
        {
            text = s_strict.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            throw RadiusException.Discard("NAI", "It is not UTF-8.");
        }
        return Parse(text);
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{byte})"/>
    public static Nai Parse(string text)
    {
        int at = text.LastIndexOf('@');
        var nai = new Nai(text, at);
        if (text.Length == 0 || !IsUser(nai.User, mayBeEmpty: at >= 0))
            throw RadiusException.Discard("NAI", "The part before '@' is no dot-string of RFC 7542.");
        if (nai.Realm is { } realm && !IsRealm(realm))
            throw RadiusException.Discard("NAI", "The realm is not of RFC 7542's form.");
        return nai;
    }

    /// <summary>A name, or ".name" for everything under it, or "*" for any realm; the empty string for no realm.</summary>
    public bool IsIn(string pattern)
    {
        if (Realm is not { } realm)
            return pattern.Length == 0;
        return pattern == "*" || (pattern.StartsWith('.') ? realm.EndsWith(pattern, StringComparison.OrdinalIgnoreCase)
            : realm.Equals(pattern, StringComparison.OrdinalIgnoreCase));
    }

    public override string ToString() => Text;

    private static bool IsUser(string user, bool mayBeEmpty)
    {
        if (user.Length == 0)
            return mayBeEmpty;
        bool dot = true;
        foreach (char c in user)
        {
            if (c == '.' && dot)
                return false;
            dot = c == '.';
            if (!(char.IsAsciiLetterOrDigit(c) || c >= 0x80 || ".!#$%&'*+-/=?^_`{|}~".Contains(c, StringComparison.Ordinal)))
                return false;
        }
        return !dot;
    }

    /// <summary>Labels of letters, digits, hyphens inside and anything beyond ASCII; at least two labels.</summary>
    private static bool IsRealm(string realm)
    {
        int labels = 0;
        foreach (var range in realm.AsSpan().Split('.'))
        {
            var label = realm.AsSpan(range);
            if (label.Length is 0 or > 63 || label[0] == '-' || label[^1] == '-')
                return false;
            foreach (char c in label)
                if (!(char.IsAsciiLetterOrDigit(c) || c == '-' || c >= 0x80))
                    return false;
            labels++;
        }
        return labels >= 2;
    }
}
