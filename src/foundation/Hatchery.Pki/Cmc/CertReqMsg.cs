using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>A CertReqMsg of CRMF (RFC 4211) as far as CMC's crm needs it: subject, key, extensions, and a proof of possession by signature.</summary>
public sealed class CertReqMsg
{
    private readonly ReadOnlyMemory<byte> _request, _signature;

    private CertReqMsg(AsnReader all)
    {
        var content = all.ReadSequence();
        _request = content.PeekEncodedValue();
        var request = content.ReadSequence();
        CertReqId = request.ReadInteger();
        ReadTemplate(request.ReadSequence());
        // Controls of the request are covered by its signature; none is needed here.
        if (request.HasData)
            request.ReadSequence();
        request.ThrowIfNotEmpty();
        if (content.HasData && content.PeekTag().HasSameClassAndValue(Der.Context0))
        {
            content.ReadEncodedValue();
            RaVerified = true;
        }
        else if (content.HasData && content.PeekTag() == Der.Context1)
        {
            var proof = content.ReadSequence(Der.Context1);
            if (proof.PeekTag() == Der.Context0)
                throw new PkiException("popo", "a proof over poposkInput, for a request without subject or key, is not understood here.");
            Algorithm = proof.ReadEncodedValue();
            _signature = proof.ReadBitString(out _);
            proof.ThrowIfNotEmpty();
        }
        else if (content.HasData && content.PeekTag().TagClass == TagClass.ContextSpecific)
            content.ReadEncodedValue();
        if (content.HasData)
            content.ReadSequence();
        content.ThrowIfNotEmpty();
    }

    public System.Numerics.BigInteger CertReqId { get; }
    /// <summary>DER of a Name.</summary>
    public ReadOnlyMemory<byte> SubjectName { get; private set; } = DirectoryName.Empty;
    public PublicKeyInfo Key { get; private set; } = null!;
    public ImmutableArray<CertificateExtension> Extensions { get; private set; } = [];
    /// <summary>A registration authority says that it has seen the proof; to be believed only of one.</summary>
    public bool RaVerified { get; }
    /// <summary>DER of the AlgorithmIdentifier of the proof; empty: there is no signature.</summary>
    public ReadOnlyMemory<byte> Algorithm { get; }

    /// <exception cref="PkiException">Cannot be read. The proof is not verified.</exception>
    public static CertReqMsg Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "CertReqMsg", 16384, all => new CertReqMsg(all), AsnEncodingRules.BER);

    /// <exception cref="PkiException">The key is not allowed, or the proof is missing or wrong (field "signature").</exception>
    public void Prove(KeyPolicy policy)
    {
        policy.Check(Key);
        if (Algorithm.IsEmpty)
            throw new PkiException("signature", "there is no proof of possession by signature.");
        var algorithm = SignatureAlgorithm.Parse(Algorithm);
        policy.Check(algorithm);
        if (!Key.Verify(algorithm, _request.Span, _signature.Span))
            throw new PkiException("signature", "the request is not signed by the key that it brings.");
    }

    internal static uint ReadId(ReadOnlyMemory<byte> encoded, HashSet<uint> ids)
    {
        var request = Der.Open(encoded, AsnEncodingRules.BER).ReadSequence().ReadSequence();
        return request.TryReadUInt32(out uint id) && CmcMessage.TryAdd(ids, id) ? id : throw new PkiException("bodyPartID", "a certReqId that is out of range or stands twice.");
    }

    private void ReadTemplate(AsnReader template)
    {
        while (template.HasData)
        {
            var tag = template.PeekTag();
            if (tag.TagClass != TagClass.ContextSpecific)
                throw new PkiException("certTemplate", "a field without a context tag.");
            switch (tag.TagValue)
            {
                case 5:
                    SubjectName = template.ReadSequence(tag).ReadEncodedValue();
                    DirectoryName.Read(SubjectName, "subject");
                    break;
                case 6:
                    byte[] key = template.ReadEncodedValue().ToArray();
                    key[0] = 0x30;
                    Key = PublicKeyInfo.Parse(key);
                    break;
                case 9:
                    Extensions = CertificateExtension.ReadAll(template.ReadSequence(tag));
                    break;
                default:
                    // Version, validity, issuer: wishes that the profile overrides.
                    template.ReadEncodedValue();
                    break;
            }
        }
        if (Key is null)
            throw new PkiException("publicKey", "the template has no key.");
    }

    /// <param name="id">Of the body part.</param>
    public static ReadOnlyMemory<byte> Make(uint id, Pkcs10Builder request, SignatureKey key, Chance chance)
    {
        byte[] spki = key.Public.Encoded.ToArray();
        spki[0] = 0xA6;
        var certReq = Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteInteger(id);
                using (w.PushSequence())
                {
                    using (w.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 5)))
                        w.WriteEncodedValue(request.Subject.Span);
                    w.WriteEncodedValue(spki);
                    if (!request.Extensions.IsEmpty)
                        using (w.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 9)))
                            foreach (var extension in request.Extensions)
                                extension.Write(w);
                }
            }
        });
        byte[] signature = key.Sign(certReq.Span, chance, "CRMF.signature");
        return Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteEncodedValue(certReq.Span);
                using (w.PushSequence(Der.Context1))
                {
                    key.Algorithm.Write(w);
                    w.WriteBitString(signature);
                }
            }
        });
    }
}
