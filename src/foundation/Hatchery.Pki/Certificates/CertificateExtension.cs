using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>An extension of a certificate, request or list (RFC 5280, section 4.2).</summary>
/// <param name="Value">DER inside extnValue.</param>
public sealed record CertificateExtension(string Oid, bool Critical, ReadOnlyMemory<byte> Value)
{
    public bool Equals(CertificateExtension? other) => other is not null && Oid == other.Oid && Critical == other.Critical && Value.Span.SequenceEqual(other.Value.Span);
    public override int GetHashCode() => HashCode.Combine(Oid, Critical, Value.Length);

    public static CertificateExtension BasicConstraints(bool ca, int? pathLength = null) => new(Oids.BasicConstraints, true, Der.Write(w =>
    {
        using (w.PushSequence())
        {
            if (ca)
                w.WriteBoolean(true);
            if (ca && pathLength is { } length)
                w.WriteInteger(length);
        }
    }));

    public static CertificateExtension KeyUsage(X509KeyUsageFlags usage) => new(Oids.KeyUsage, true, new X509KeyUsageExtension(usage, true).RawData);

    public static CertificateExtension ExtendedKeyUsage(params ReadOnlySpan<string> purposes)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
            foreach (string purpose in purposes)
                writer.WriteObjectIdentifier(purpose);
        return new(Oids.ExtendedKeyUsage, false, writer.Encode());
    }

    public static CertificateExtension SubjectKeyIdentifier(ReadOnlySpan<byte> identifier)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteOctetString(identifier);
        return new(Oids.SubjectKeyIdentifier, false, writer.Encode());
    }

    public static CertificateExtension AuthorityKeyIdentifier(ReadOnlySpan<byte> identifier)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
            writer.WriteOctetString(identifier, new Asn1Tag(TagClass.ContextSpecific, 0));
        return new(Oids.AuthorityKeyIdentifier, false, writer.Encode());
    }

    /// <param name="critical">Where the subject is empty (RFC 5280, section 4.2.1.6).</param>
    public static CertificateExtension SubjectAltName(ImmutableArray<GeneralName> names, bool critical = false) =>
        new(Oids.SubjectAltName, critical, GeneralName.EncodeAll(names));

    /// <param name="uri">Where the list is found.</param>
    public static CertificateExtension CrlDistributionPoint(string uri) => new(Oids.CrlDistributionPoints, false, Der.Write(w =>
    {
        using (w.PushSequence())
        using (w.PushSequence())
        using (w.PushSequence(Der.Context0))
        using (w.PushSequence(Der.Context0))
            w.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
    }));

    /// <param name="uri">Of the OCSP responder.</param>
    public static CertificateExtension OcspLocation(string uri) => new(Oids.AuthorityInfoAccess, false, Der.Write(w =>
    {
        using (w.PushSequence())
        using (w.PushSequence())
        {
            w.WriteObjectIdentifier(Oids.OcspBasic[..^2]);
            w.WriteCharacterString(UniversalTagNumber.IA5String, uri, new Asn1Tag(TagClass.ContextSpecific, 6));
        }
    }));

    internal void Write(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oid);
            if (Critical)
                writer.WriteBoolean(true);
            writer.WriteOctetString(Value.Span);
        }
    }

    internal static void WriteAll(AsnWriter writer, ImmutableArray<CertificateExtension> extensions)
    {
        using (writer.PushSequence())
            foreach (var extension in extensions)
                extension.Write(writer);
    }

    /// <summary>SEQUENCE OF Extension; one that stands twice is refused.</summary>
    internal static ImmutableArray<CertificateExtension> ReadAll(AsnReader sequence)
    {
        var found = ImmutableArray.CreateBuilder<CertificateExtension>();
        while (sequence.HasData)
        {
            var extension = sequence.ReadSequence();
            string oid = extension.ReadObjectIdentifier();
            // DER leaves FALSE out; some write it.
            bool critical = extension.HasData && extension.PeekTag() == Asn1Tag.Boolean && extension.ReadBoolean();
            ReadOnlyMemory<byte> value = extension.TryReadPrimitiveOctetString(out var contents) ? contents : extension.ReadOctetString();
            extension.ThrowIfNotEmpty();
            if (found.Count == 64)
                throw new PkiException("extensions", "more than 64 extensions.");
            foreach (var other in found)
                if (other.Oid == oid)
                    throw new PkiException("extensions", $"the extension {oid} stands twice.");
            found.Add(new(oid, critical, value));
        }
        return found.ToImmutable();
    }

    /// <exception cref="PkiException">Cannot be read.</exception>
    internal T Read<T>(string field, Func<AsnReader, T> read) => Der.Read(Value, field, 65536, read);
}
