using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>CMS SignedData without signers, which carries certificates and lists (RFC 5652, section 5.1; RFC 7030, section 4.1.3).</summary>
public static class CertsOnly
{
    public const int MaxBytes = 65536, MaxCertificates = 32;

    /// <param name="certificates">DER; written in this order, which some peers depend on.</param>
    /// <param name="lists">DER of CertificateLists.</param>
    public static ReadOnlyMemory<byte> Encode(IEnumerable<ReadOnlyMemory<byte>> certificates, IEnumerable<ReadOnlyMemory<byte>>? lists = null)
    {
        // A SET OF in the order given is BER; DER's writer would sort.
        var writer = new AsnWriter(AsnEncodingRules.BER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.SignedData);
            using (writer.PushSequence(Der.Context0))
            using (writer.PushSequence())
            {
                writer.WriteInteger(1);
                writer.PushSetOf().Dispose();
                using (writer.PushSequence())
                    writer.WriteObjectIdentifier(Oids.Data);
                using (writer.PushSequence(Der.Context0))
                    foreach (var certificate in certificates)
                        writer.WriteEncodedValue(certificate.Span);
                if (lists?.ToList() is { Count: > 0 } all)
                    using (writer.PushSequence(Der.Context1))
                        foreach (var list in all)
                            writer.WriteEncodedValue(list.Span);
                writer.PushSetOf().Dispose();
            }
        }
        return writer.Encode();
    }

    /// <summary>The certificates, in their order, each DER.</summary>
    /// <param name="encoded">BER or DER.</param>
    /// <exception cref="PkiException">Not SignedData, or more than 32 certificates or 64 KiB.</exception>
    public static ImmutableArray<ReadOnlyMemory<byte>> Parse(ReadOnlyMemory<byte> encoded) => Parse(encoded, out _);

    /// <param name="lists">The CRLs, each DER.</param>
    /// <inheritdoc cref="Parse(ReadOnlyMemory{byte})"/>
    public static ImmutableArray<ReadOnlyMemory<byte>> Parse(ReadOnlyMemory<byte> encoded, out ImmutableArray<ReadOnlyMemory<byte>> lists)
    {
        (var certificates, lists) = Der.Read(encoded, "SignedData", MaxBytes, all =>
        {
            var info = all.ReadSequence();
            if (info.ReadObjectIdentifier() != Oids.SignedData)
                throw new PkiException("contentType", "not SignedData.");
            var wrapped = info.ReadSequence(Der.Context0);
            info.ThrowIfNotEmpty();
            var content = wrapped.ReadSequence();
            wrapped.ThrowIfNotEmpty();
            content.ReadInteger();
            content.ReadSetOf(skipSortOrderValidation: true);
            content.ReadSequence();
            var bags = ReadBags(content);
            content.ReadSetOf(skipSortOrderValidation: true);
            content.ThrowIfNotEmpty();
            return bags;
        }, AsnEncodingRules.BER);
        return certificates;
    }

    /// <summary>certificates [0] and crls [1] of SignedData. What is no X.509 certificate or list (attribute certificates, other formats) is passed over.</summary>
    internal static (ImmutableArray<ReadOnlyMemory<byte>> Certificates, ImmutableArray<ReadOnlyMemory<byte>> Lists) ReadBags(AsnReader content)
    {
        ImmutableArray<ReadOnlyMemory<byte>> certificates = [], lists = [];
        if (content.HasData && content.PeekTag() == Der.Context0)
            certificates = Bag(content.ReadSetOf(skipSortOrderValidation: true, Der.Context0), "certificates");
        if (content.HasData && content.PeekTag() == Der.Context1)
            lists = Bag(content.ReadSetOf(skipSortOrderValidation: true, Der.Context1), "crls");
        return (certificates, lists);
    }

    private static ImmutableArray<ReadOnlyMemory<byte>> Bag(AsnReader set, string field) =>
        [.. Der.Values(set, field, MaxCertificates).Where(v => v.Span[0] == 0x30)];
}
