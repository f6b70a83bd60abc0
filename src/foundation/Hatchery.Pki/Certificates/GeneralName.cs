using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Net;

namespace Hatchery.Pki;

/// <summary>The alternatives of GeneralName, by their tags (RFC 5280, section 4.2.1.6).</summary>
public enum GeneralNameKind { OtherName, Rfc822Name, DnsName, X400Address, DirectoryName, EdiPartyName, Uri, IpAddress, RegisteredId }

/// <param name="Encoded">DER with the tag of its alternative.</param>
public readonly record struct GeneralName(GeneralNameKind Kind, ReadOnlyMemory<byte> Encoded) : IEquatable<GeneralName>
{
    public static GeneralName Dns(string name) => Text(GeneralNameKind.DnsName, name);
    public static GeneralName Email(string name) => Text(GeneralNameKind.Rfc822Name, name);
    public static GeneralName OfUri(string uri) => Text(GeneralNameKind.Uri, uri);
    public static GeneralName Ip(IPAddress address) => new(GeneralNameKind.IpAddress, Der.Write(w => w.WriteOctetString(address.GetAddressBytes(), Tag(GeneralNameKind.IpAddress))));

    /// <param name="name">DER of a Name.</param>
    public static GeneralName Directory(ReadOnlyMemory<byte> name) => new(GeneralNameKind.DirectoryName, Der.Write(w =>
    {
        using (w.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 4, true)))
            w.WriteEncodedValue(name.Span);
    }));

    /// <param name="value">DER of the value: hardwareModuleName of IEEE 802.1AR (1.3.6.1.5.5.7.8.4) and others.</param>
    public static GeneralName Other(string oid, ReadOnlyMemory<byte> value) => new(GeneralNameKind.OtherName, Der.Write(w =>
    {
        using (w.PushSequence(Der.Context0))
        {
            w.WriteObjectIdentifier(oid);
            using (w.PushSequence(Der.Context0))
                w.WriteEncodedValue(value.Span);
        }
    }));

    /// <summary>Text of dNSName, rfc822Name and URI, an address in its usual form; null for the others and for what cannot be read.</summary>
    public string? AsText()
    {
        var contents = Contents.Span;
        if (Kind == GeneralNameKind.IpAddress)
            return contents.Length is 4 or 16 ? new IPAddress(contents).ToString() : null;
        return Kind is GeneralNameKind.DnsName or GeneralNameKind.Rfc822Name or GeneralNameKind.Uri && System.Text.Ascii.IsValid(contents)
            ? System.Text.Encoding.ASCII.GetString(contents) : null;
    }

    /// <summary>Without tag and length.</summary>
    public ReadOnlyMemory<byte> Contents
    {
        get
        {
            AsnDecoder.ReadEncodedValue(Encoded.Span, AsnEncodingRules.DER, out int offset, out int length, out _);
            return Encoded.Slice(offset, length);
        }
    }

    public bool Equals(GeneralName other) => Encoded.Span.SequenceEqual(other.Encoded.Span);
    public override int GetHashCode() => HashCode.Combine(Kind, Encoded.Length);

    private static GeneralName Text(GeneralNameKind kind, string text) => new(kind, Der.Write(w => w.WriteCharacterString(UniversalTagNumber.IA5String, text, Tag(kind))));
    private static Asn1Tag Tag(GeneralNameKind kind) => new(TagClass.ContextSpecific, (int)kind);

    /// <param name="encoded">GeneralNames.</param>
    /// <exception cref="PkiException">Cannot be read, empty, or more than 64.</exception>
    public static ImmutableArray<GeneralName> ParseAll(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "subjectAltName", 65536, all => ReadAll(all.ReadSequence()));

    internal static ImmutableArray<GeneralName> ReadAll(AsnReader sequence)
    {
        var names = ImmutableArray.CreateBuilder<GeneralName>();
        while (sequence.HasData)
        {
            var tag = sequence.PeekTag();
            if (tag.TagClass != TagClass.ContextSpecific || tag.TagValue > 8 || names.Count == 64)
                throw new PkiException("subjectAltName", "not a list of up to 64 GeneralNames.");
            names.Add(new((GeneralNameKind)tag.TagValue, sequence.ReadEncodedValue()));
        }
        return names.Count > 0 ? names.ToImmutable() : throw new PkiException("subjectAltName", "an empty list of names.");
    }

    internal static ReadOnlyMemory<byte> EncodeAll(ImmutableArray<GeneralName> names) => Der.Write(w =>
    {
        using (w.PushSequence())
            foreach (var name in names)
                w.WriteEncodedValue(name.Encoded.Span);
    });
}
