using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>AttrOrOID: a bare OID, or an attribute with values.</summary>
/// <param name="Values">DER of each; default: a bare OID.</param>
public sealed record CsrElement(string Oid, ImmutableArray<ReadOnlyMemory<byte>> Values = default)
{
    public bool IsBare => Values.IsDefault;
}

/// <summary>CsrAttrs: what a server wants to see in requests (RFC 7030, section 4.5.2, as updated by RFC 9908). What it means is in <see cref="Demands"/>.</summary>
public sealed record CsrAttributes(ImmutableArray<CsrElement> Elements)
{
    private const int MaxBytes = 65536;

    /// <summary>No demands; the same as an answer 204 or 404.</summary>
    public static CsrAttributes None { get; } = new([]);

    /// <summary>The meaning for a client that knows templates: a template stands alone.</summary>
    /// <exception cref="PkiException">Elements that contradict each other.</exception>
    public CsrDemands Demands() => Elements.FirstOrDefault(e => e.Oid == Oids.CertificationRequestInfoTemplate && !e.IsBare) is { } template
        ? RequestTemplate.Parse(Only(template)).Demands() : CsrDemands.OfList(Elements);

    /// <summary>The meaning of the list for a client that knows no templates.</summary>
    /// <inheritdoc cref="Demands"/>
    public CsrDemands ListDemands() => CsrDemands.OfList(Elements);

    /// <param name="encoded">DER, up to 64 KiB.</param>
    /// <exception cref="PkiException">Not CsrAttrs.</exception>
    public static CsrAttributes Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "CsrAttrs", MaxBytes, all =>
    {
        var elements = ImmutableArray.CreateBuilder<CsrElement>();
        for (var content = all.ReadSequence(); content.HasData;)
        {
            if (elements.Count == 128)
                throw new PkiException("CsrAttrs", "more than 128 elements.");
            if (content.PeekTag() == Asn1Tag.ObjectIdentifier)
            {
                elements.Add(new(content.ReadObjectIdentifier()));
                continue;
            }
            var attribute = RequestAttribute.Read(content);
            elements.Add(new(attribute.Oid, attribute.Values));
        }
        return new CsrAttributes(elements.ToImmutable());
    });

    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
            foreach (var element in Elements)
                if (element.IsBare)
                    w.WriteObjectIdentifier(element.Oid);
                else
                    new RequestAttribute(element.Oid, element.Values).Write(w);
    });

    /// <summary>The list that says these demands to clients that know no templates, and behind it the template, where the list cannot say all.</summary>
    public static CsrAttributes Of(CsrDemands demands, bool withTemplate)
    {
        var elements = demands.ToList();
        if (withTemplate)
            elements.Add(new(Oids.CertificationRequestInfoTemplate, [RequestTemplate.Of(demands).Encode()]));
        return new([.. elements]);
    }

    private static ReadOnlyMemory<byte> Only(CsrElement element) =>
        element.Values.Length == 1 ? element.Values[0] : throw new PkiException("certificationRequestInfoTemplate", "not exactly one template.");
}
