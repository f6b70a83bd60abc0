using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Hatchery.Pki;

/// <summary>X.501 names as DER: compared, read and shown.</summary>
public static class DirectoryName
{
    public static ReadOnlyMemory<byte> Empty { get; } = new byte[] { 0x30, 0 };

    /// <param name="text">RFC 4514: "CN=device,O=Example".</param>
    /// <exception cref="PkiException">Not a name.</exception>
    public static ReadOnlyMemory<byte> FromText(string text)
    {
        try
        {
            return new X500DistinguishedName(text).RawData;
        }
        catch (CryptographicException e)
        {
            throw new PkiException("name", $"'{text}' is not a distinguished name.", e);
        }
    }

    /// <summary>RFC 4514 in the order of the encoding; control characters and values that are no text show as hex.</summary>
    public static string ToText(ReadOnlyMemory<byte> name)
    {
        var text = new StringBuilder();
        foreach (var (type, value) in Read(name, "name"))
        {
            if (text.Length > 0)
                text.Append(',');
            string? shown = Text(value);
            text.Append(s_short.GetValueOrDefault(type, type)).Append('=')
                .Append(shown is null || shown.Any(char.IsControl) ? "#" + Convert.ToHexStringLower(value.Span) : Escape(shown));
        }
        return text.ToString();
    }

    /// <summary>The first value of this type as text; null: none.</summary>
    /// <param name="oid">"2.5.4.5" for serialNumber.</param>
    public static string? Find(ReadOnlyMemory<byte> name, string oid)
    {
        foreach (var (type, value) in Read(name, "name"))
            if (type == oid)
                return Text(value);
        return null;
    }

    /// <summary>Equal by RFC 5280, section 7.1: the kind of string, letter case and runs of spaces do not count.</summary>
    public static bool AreEqual(ReadOnlyMemory<byte> a, ReadOnlyMemory<byte> b) => a.Span.SequenceEqual(b.Span) || Canonical(a) == Canonical(b);

    /// <summary>Names that are equal have equal canonical forms.</summary>
    internal static string Canonical(ReadOnlyMemory<byte> name) => Der.Read(name, "name", 65536, all =>
    {
        var form = new StringBuilder();
        for (var rdns = all.ReadSequence(); rdns.HasData;)
        {
            var parts = new List<string>();
            for (var rdn = rdns.ReadSetOf(skipSortOrderValidation: true); rdn.HasData;)
            {
                var part = rdn.ReadSequence();
                string type = part.ReadObjectIdentifier();
                var value = part.ReadEncodedValue();
                parts.Add(type + "=" + (Text(value) is { } text ? Fold(text) : "#" + Convert.ToHexString(value.Span)));
            }
            parts.Sort(StringComparer.Ordinal);
            foreach (string part in parts)
                form.Append(part.Length).Append(':').Append(part);
            form.Append('/');
        }
        return form.ToString();
    });

    internal static List<(string Type, ReadOnlyMemory<byte> Value)> Read(ReadOnlyMemory<byte> name, string field) => Der.Read(name, field, 65536, all =>
    {
        var found = new List<(string, ReadOnlyMemory<byte>)>();
        for (var rdns = all.ReadSequence(); rdns.HasData;)
            for (var rdn = rdns.ReadSetOf(skipSortOrderValidation: true); rdn.HasData;)
            {
                var part = rdn.ReadSequence();
                found.Add((part.ReadObjectIdentifier(), part.ReadEncodedValue()));
                part.ThrowIfNotEmpty();
                if (found.Count > 64)
                    throw new PkiException(field, "more than 64 parts.");
            }
        return found;
    });

    /// <summary>One attribute value each; compared as in <see cref="AreEqual"/>.</summary>
    internal static bool SameValue(ReadOnlyMemory<byte> a, ReadOnlyMemory<byte> b) =>
        a.Span.SequenceEqual(b.Span) || Text(a) is { } x && Text(b) is { } y && Fold(x) == Fold(y);

    private static string? Text(ReadOnlyMemory<byte> value)
    {
        try
        {
            return Der.ReadText(Der.Open(value, AsnEncodingRules.BER));
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    private static string Fold(string text)
    {
        var folded = new StringBuilder(text.Length);
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            folded.Append(folded.Length > 0 ? " " : "").Append(word.ToLower(CultureInfo.InvariantCulture));
        return folded.ToString();
    }

    private static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool edge = text[i] == ' ' && (i == 0 || i == text.Length - 1) || text[i] == '#' && i == 0;
            if (edge || "\"+,;<>\\".Contains(text[i], StringComparison.Ordinal))
                escaped.Append('\\');
            escaped.Append(text[i]);
        }
        return escaped.ToString();
    }

    private static readonly Dictionary<string, string> s_short = new()
    {
        ["2.5.4.3"] = "CN", ["2.5.4.5"] = "serialNumber", ["2.5.4.6"] = "C", ["2.5.4.7"] = "L", ["2.5.4.8"] = "ST", ["2.5.4.10"] = "O", ["2.5.4.11"] = "OU",
        ["0.9.2342.19200300.100.1.25"] = "DC", ["0.9.2342.19200300.100.1.1"] = "UID",
    };
}
