using System.Collections.Immutable;

namespace Hatchery.Pki;

/// <summary>Names in a template's subjectAltName that are empty, for the client to fill (RFC 9908, section 3.4).</summary>
internal static class NameGaps
{
    public static bool Has(string oid, ReadOnlyMemory<byte> value) => oid == Oids.SubjectAltName && GeneralName.ParseAll(value).Any(IsGap);

    /// <summary>No contents, or a directoryName without parts.</summary>
    private static bool IsGap(GeneralName name) => name.Contents.Length == 0 || name.Kind == GeneralNameKind.DirectoryName && name.Contents.Span.SequenceEqual("\x30\0"u8);

    public static bool IsMet(ExtensionDemand demand, ReadOnlyMemory<byte> given)
    {
        if (demand.Value is not { } asked)
            return true;
        if (!Has(demand.Oid, asked))
            return asked.Span.SequenceEqual(given.Span);
        var left = GeneralName.ParseAll(given).ToList();
        foreach (var name in GeneralName.ParseAll(asked).OrderBy(IsGap))
        {
            int at = left.FindIndex(l => IsGap(name) ? l.Kind == name.Kind && !IsGap(l) : l.Equals(name));
            if (at < 0)
                return false;
            left.RemoveAt(at);
        }
        return left.Count == 0;
    }

    public static ReadOnlyMemory<byte> Fill(ExtensionDemand demand, ReadOnlyMemory<byte>? draft)
    {
        if (demand.Value is not { } asked)
            return draft ?? throw new PkiException("extensions", $"the server asks for the extension {demand.Oid}, and there is no value for it.");
        if (!Has(demand.Oid, asked))
            return asked;
        var supply = draft is { } given ? GeneralName.ParseAll(given).ToList() : [];
        var names = ImmutableArray.CreateBuilder<GeneralName>();
        foreach (var name in GeneralName.ParseAll(asked))
        {
            if (!IsGap(name))
            {
                names.Add(name);
                continue;
            }
            int at = supply.FindIndex(s => s.Kind == name.Kind && !IsGap(s));
            if (at < 0)
                throw new PkiException("subjectAltName", $"the server asks for a {name.Kind}, and there is none.");
            names.Add(supply[at]);
            supply.RemoveAt(at);
        }
        return GeneralName.EncodeAll(names.ToImmutable());
    }
}
