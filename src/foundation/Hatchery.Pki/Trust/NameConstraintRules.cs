using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>Name constraints (RFC 5280, sections 4.2.1.10 and 6.1.4 (g)): dNSName, iPAddress, directoryName, rfc822Name and URI; of other kinds they refuse all names.</summary>
internal static class NameConstraintRules
{
    public static void Check(TrustPath path)
    {
        // The anchor's own constraints are honored too: who installs an anchor with constraints means them.
        var issuers = path.Certificates.Skip(1).Append(path.Anchor).ToList();
        for (int above = 0; above < issuers.Count; above++)
            if (issuers[above].Find(Oids.NameConstraints) is { } extension)
            {
                var (permitted, excluded) = extension.Read("nameConstraints", ReadBoth);
                // Everything below this issuer; those that are self-issued only at the end of the path.
                for (int below = 0; below <= above && below < path.Certificates.Length; below++)
                    if (below == 0 || !path.Certificates[below].IsSelfIssued)
                        Check(path.Certificates[below], permitted, excluded);
            }
    }

    private static void Check(Certificate certificate, ImmutableArray<GeneralName> permitted, ImmutableArray<GeneralName> excluded)
    {
        var names = certificate.AlternativeNames;
        if (certificate.Subject.Length > 2)
            names = names.Add(GeneralName.Directory(certificate.Subject));
        foreach (var name in names)
        {
            bool refused = excluded.Any(e => e.Kind == name.Kind && Within(name, e, unsure: true));
            bool free = permitted.All(p => p.Kind != name.Kind) || permitted.Any(p => p.Kind == name.Kind && Within(name, p, unsure: false));
            if (refused || !free)
                throw new PkiException("nameConstraints", $"{certificate.SubjectText}: a name of the kind {name.Kind} is outside of what the issuer may certify.");
        }
    }

    private static bool Within(GeneralName name, GeneralName of, bool unsure) => name.Kind switch
    {
        GeneralNameKind.DnsName => Domain(name.AsText(), Text(of), unsure),
        GeneralNameKind.Rfc822Name => Mailbox(name.AsText(), Text(of), unsure),
        GeneralNameKind.Uri => Uri.TryCreate(name.AsText(), UriKind.Absolute, out var uri) ? HostOrDomain(uri.Host, Text(of)) : unsure,
        GeneralNameKind.IpAddress => Address(name.Contents.Span, of.Contents.Span, unsure),
        GeneralNameKind.DirectoryName => Subtree(name, of),
        _ => unsure,
    };

    private static string Text(GeneralName name) => System.Text.Encoding.ASCII.GetString(name.Contents.Span);

    private static bool Domain(string? name, string of, bool unsure) =>
        name is null ? unsure : of.Length == 0 || name.Equals(of, StringComparison.OrdinalIgnoreCase) || name.EndsWith("." + of.TrimStart('.'), StringComparison.OrdinalIgnoreCase);

    /// <summary>".example" is everything below; "example" is that host only.</summary>
    private static bool HostOrDomain(string host, string of) =>
        of.StartsWith('.') ? host.EndsWith(of, StringComparison.OrdinalIgnoreCase) : host.Equals(of, StringComparison.OrdinalIgnoreCase);

    private static bool Mailbox(string? name, string of, bool unsure)
    {
        if (name is null || name.LastIndexOf('@') is var at && at < 0)
            return unsure;
        return of.Contains('@') ? name[..at] == of[..of.LastIndexOf('@')] && HostOrDomain(name[(at + 1)..], of[(of.LastIndexOf('@') + 1)..]) : HostOrDomain(name[(at + 1)..], of);
    }

    private static bool Address(ReadOnlySpan<byte> address, ReadOnlySpan<byte> of, bool unsure)
    {
        if (of.Length != 8 && of.Length != 32)
            return unsure;
        if (of.Length != 2 * address.Length)
            return false;
        for (int i = 0; i < address.Length; i++)
            if ((address[i] & of[address.Length + i]) != (of[i] & of[address.Length + i]))
                return false;
        return true;
    }

    private static bool Subtree(GeneralName name, GeneralName of)
    {
        var (parts, root) = (Rdns(name.Contents), Rdns(of.Contents));
        return root.Count <= parts.Count && !root.Where((r, i) => !DirectoryName.AreEqual(Single(r), Single(parts[i]))).Any();

        static List<ReadOnlyMemory<byte>> Rdns(ReadOnlyMemory<byte> directory) => Der.Read(directory, "nameConstraints", 65536, r =>
        {
            var found = new List<ReadOnlyMemory<byte>>();
            for (var sequence = r.ReadSequence(); sequence.HasData;)
                found.Add(sequence.ReadEncodedValue());
            return found;
        });

        static ReadOnlyMemory<byte> Single(ReadOnlyMemory<byte> rdn) => Der.Write(w =>
        {
            using (w.PushSequence())
                w.WriteEncodedValue(rdn.Span);
        });
    }

    private static (ImmutableArray<GeneralName>, ImmutableArray<GeneralName>) ReadBoth(AsnReader all)
    {
        var content = all.ReadSequence();
        ImmutableArray<GeneralName> permitted = [], excluded = [];
        if (content.HasData && content.PeekTag() == Der.Context0)
            permitted = ReadSubtrees(content.ReadSequence(Der.Context0));
        if (content.HasData && content.PeekTag() == Der.Context1)
            excluded = ReadSubtrees(content.ReadSequence(Der.Context1));
        content.ThrowIfNotEmpty();
        return (permitted, excluded);
    }

    private static ImmutableArray<GeneralName> ReadSubtrees(AsnReader sequence)
    {
        var found = ImmutableArray.CreateBuilder<GeneralName>();
        while (sequence.HasData)
        {
            var subtree = sequence.ReadSequence();
            var tag = subtree.PeekTag();
            if (tag.TagClass != TagClass.ContextSpecific || tag.TagValue > 8 || found.Count == 256)
                throw new PkiException("nameConstraints", "not a list of up to 256 GeneralSubtrees.");
            found.Add(new((GeneralNameKind)tag.TagValue, subtree.ReadEncodedValue()));
            // minimum and maximum, which must be at their defaults.
            subtree.ThrowIfNotEmpty();
        }
        return found.ToImmutable();
    }
}
