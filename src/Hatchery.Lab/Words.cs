using System.Globalization;
using System.Text;

namespace Hatchery.Lab;

/// <summary>Names of ours as people read them.</summary>
public static class Words
{
    /// <summary>"FirstContactReset" as "first contact reset".</summary>
    public static string Plain(Enum value) => Split(value.ToString(), ' ');

    /// <summary>An anchor: lower-case letters, digits, '-' and '.'.</summary>
    public static string Slug(string text)
    {
        var slug = new StringBuilder();
        foreach (char c in Split(text, '-'))
            if (char.IsAsciiLetterOrDigit(c) || c is '.')
                slug.Append(char.ToLowerInvariant(c));
            else if (slug.Length > 0 && slug[^1] != '-')
                slug.Append('-');
        return slug.ToString().TrimEnd('-');
    }

    public static string Time(TimeSpan time) => time switch
    {
        _ when time < TimeSpan.Zero => "-" + Time(-time),
        _ when time == TimeSpan.Zero => "0",
        _ when time < TimeSpan.FromSeconds(1) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.#} ms"),
        _ when time < TimeSpan.FromMinutes(2) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.##} s"),
        _ when time < TimeSpan.FromHours(2) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0.#} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h"),
    };

    public static string Share(double part, double whole) => whole <= 0 ? "0 %" : string.Create(CultureInfo.InvariantCulture, $"{100 * part / whole:0} %");

    public static string Number(long n) => n.ToString(CultureInfo.InvariantCulture);

    private static string Split(string camel, char with)
    {
        var text = new StringBuilder();
        for (int i = 0; i < camel.Length; i++)
        {
            bool starts = i > 0 && char.IsAsciiLetterUpper(camel[i]) && (char.IsAsciiLetterLower(camel[i - 1]) || (i + 1 < camel.Length && char.IsAsciiLetterLower(camel[i + 1]) && char.IsAsciiLetterUpper(camel[i - 1])));
            if (starts)
                text.Append(with);
            text.Append(char.ToLowerInvariant(camel[i]));
        }
        return text.ToString();
    }
}
