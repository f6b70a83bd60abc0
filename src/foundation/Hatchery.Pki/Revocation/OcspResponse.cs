using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>A basic OCSP response (RFC 6960, section 4.2).</summary>
public sealed class OcspResponse
{
    private readonly ReadOnlyMemory<byte> _signed, _signature, _algorithm;

    private OcspResponse(AsnReader all)
    {
        var outer = all.ReadSequence();
        _signed = outer.PeekEncodedValue();
        var content = outer.ReadSequence();
        _algorithm = outer.ReadEncodedValue();
        _signature = outer.ReadBitString(out _);
        Certificates = outer.HasData ? Certificate.ParseAll(Der.Values(outer.ReadSequence(Der.Context0).ReadSequence(), "certs", 8)) : [];
        outer.ThrowIfNotEmpty();
        if (content.PeekTag() == Der.Context0)
            content.ReadEncodedValue();
        var responder = content.PeekTag();
        if (responder == Der.Context1)
            ResponderName = content.ReadSequence(Der.Context1).ReadEncodedValue();
        else
            ResponderKeyHash = content.ReadSequence(Der.Context2).ReadOctetString();
        ProducedAt = content.ReadGeneralizedTime();
        var singles = ImmutableArray.CreateBuilder<OcspSingle>();
        for (var list = content.ReadSequence(); list.HasData;)
            singles.Add(singles.Count < 64 ? ReadSingle(list.ReadSequence()) : throw new PkiException("responses", "more than 64 responses."));
        Responses = singles.ToImmutable();
        if (content.HasData)
            foreach (var extension in CertificateExtension.ReadAll(content.ReadSequence(Der.Context1).ReadSequence()))
                if (extension.Oid == Oids.OcspNonce)
                    Nonce = extension.Read<ReadOnlyMemory<byte>>("nonce", r => r.ReadOctetString());
        content.ThrowIfNotEmpty();
    }

    public ImmutableArray<OcspSingle> Responses { get; }
    public ImmutableArray<Certificate> Certificates { get; }
    public DateTimeOffset ProducedAt { get; }
    public ReadOnlyMemory<byte>? Nonce { get; }
    private ReadOnlyMemory<byte>? ResponderName { get; }
    private ReadOnlyMemory<byte>? ResponderKeyHash { get; }

    /// <param name="error">The responder's own error; null: there is a response.</param>
    /// <returns>Null with an error.</returns>
    /// <exception cref="PkiException">Not a response, or not a basic one.</exception>
    public static OcspResponse? Parse(ReadOnlyMemory<byte> encoded, out OcspError? error)
    {
        (var found, error) = Der.Read(encoded, "OCSPResponse", CertsOnly.MaxBytes, all =>
        {
            var outer = all.ReadSequence();
            var status = outer.ReadEnumeratedBytes();
            if (status.Length != 1)
                throw new PkiException("responseStatus", "not a status.");
            if (status.Span[0] != 0)
                return ((OcspResponse?)null, (OcspError?)status.Span[0]);
            var bytes = outer.ReadSequence(Der.Context0).ReadSequence();
            outer.ThrowIfNotEmpty();
            if (bytes.ReadObjectIdentifier() != Oids.OcspBasic)
                throw new PkiException("responseType", "not a basic response.");
            byte[] basic = bytes.ReadOctetString();
            bytes.ThrowIfNotEmpty();
            return (Der.Read<OcspResponse>(basic, "BasicOCSPResponse", CertsOnly.MaxBytes, r => new OcspResponse(r)), null);
        });
        return found;
    }

    /// <summary>What is said of a certificate, if the signer may say it: its issuer, or one to whom that issuer gave the purpose OCSPSigning.</summary>
    /// <param name="at">Within thisUpdate and nextUpdate, five minutes more on either side.</param>
    /// <exception cref="PkiException">A wrong signature, nobody who may say it, an answer that is too old, or none about this certificate.</exception>
    public OcspSingle Verify(Certificate certificate, Certificate issuer, DateTimeOffset at)
    {
        var signer = IsBy(issuer) ? issuer
            : Certificates.FirstOrDefault(c => IsBy(c) && c.Names(Oids.OcspSigning) && DirectoryName.AreEqual(c.Issuer, issuer.Subject) && c.IsSignedBy(issuer.Key) && c.NotBefore <= at && at <= c.NotAfter)
            ?? throw new PkiException("responderID", "the responder is neither the issuer nor authorized by it.");
        if (!signer.Key.Verify(SignatureAlgorithm.Parse(_algorithm), _signed.Span, _signature.Span))
            throw new PkiException("signature", "the response's signature is wrong.");
        var single = Responses.FirstOrDefault(r => r.Certificate.IsOf(issuer) && r.Certificate.SerialNumber.Span.SequenceEqual(certificate.SerialNumber.Span))
            ?? throw new PkiException("responses", "nothing is said of this certificate.");
        var slack = TimeSpan.FromMinutes(5);
        if (single.ThisUpdate - slack > at || single.NextUpdate + slack < at)
            throw new PkiException("nextUpdate", "the response is not of this time.");
        return single;
    }

    private bool IsBy(Certificate certificate) => ResponderName is { } name ? DirectoryName.AreEqual(name, certificate.Subject)
        : ResponderKeyHash!.Value.Span.SequenceEqual(certificate.Key.KeyIdentifier());

    private static OcspSingle ReadSingle(AsnReader single)
    {
        var id = OcspCertId.Read(single);
        var tag = single.PeekTag();
        var status = (tag.TagClass, tag.TagValue) switch
        {
            (TagClass.ContextSpecific, 0) => OcspStatus.Good,
            (TagClass.ContextSpecific, 1) => OcspStatus.Revoked,
            (TagClass.ContextSpecific, 2) => OcspStatus.Unknown,
            _ => throw new PkiException("certStatus", "an unknown status."),
        };
        DateTimeOffset? revoked = null;
        var reason = RevocationReason.Unspecified;
        if (status == OcspStatus.Revoked)
        {
            var info = single.ReadSequence(Der.Context1);
            revoked = info.ReadGeneralizedTime();
            if (info.HasData)
                reason = (RevocationReason)(info.ReadSequence(Der.Context0).ReadEnumeratedBytes() is { Length: 1 } code ? code.Span[0] : throw new PkiException("revocationReason", "not a reason."));
        }
        else
            single.ReadEncodedValue();
        var thisUpdate = single.ReadGeneralizedTime();
        DateTimeOffset? nextUpdate = single.HasData && single.PeekTag() == Der.Context0 ? single.ReadSequence(Der.Context0).ReadGeneralizedTime() : null;
        if (single.HasData)
            single.ReadEncodedValue();
        single.ThrowIfNotEmpty();
        return new(id, status, thisUpdate, nextUpdate, revoked, reason);
    }

    internal static CertificateExtension NonceOf(ReadOnlyMemory<byte> nonce) => new(Oids.OcspNonce, false, CmcControls.Octets(nonce.Span));

    /// <summary>An answer that says only what went wrong; not signed.</summary>
    public static ReadOnlyMemory<byte> Make(OcspError error) => new byte[] { 0x30, 3, 0x0A, 1, (byte)error };

    /// <param name="certificates">DER, the signer's first; empty: the signer is the issuer itself.</param>
    /// <param name="nonce">Of the request.</param>
    public static ReadOnlyMemory<byte> Make(IEnumerable<OcspSingle> responses, SignatureKey signer, ImmutableArray<ReadOnlyMemory<byte>> certificates, DateTimeOffset at,
        ReadOnlyMemory<byte>? nonce, Chance chance)
    {
        var content = Der.Write(w =>
        {
            using (w.PushSequence())
            {
                using (w.PushSequence(Der.Context2))
                    w.WriteOctetString(signer.Public.KeyIdentifier());
                w.WriteGeneralizedTime(at, omitFractionalSeconds: true);
                using (w.PushSequence())
                    foreach (var response in responses)
                        Write(w, response);
                if (nonce is { } echoed)
                    using (w.PushSequence(Der.Context1))
                        CertificateExtension.WriteAll(w, [NonceOf(echoed)]);
            }
        });
        byte[] signature = signer.Sign(content.Span, chance, "OCSP.signature");
        var basic = Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteEncodedValue(content.Span);
                signer.Algorithm.Write(w);
                w.WriteBitString(signature);
                if (!certificates.IsEmpty)
                    using (w.PushSequence(Der.Context0))
                    using (w.PushSequence())
                        foreach (var certificate in certificates)
                            w.WriteEncodedValue(certificate.Span);
            }
        });
        return Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteEncodedValue([0x0A, 1, 0]);
                using (w.PushSequence(Der.Context0))
                using (w.PushSequence())
                {
                    w.WriteObjectIdentifier(Oids.OcspBasic);
                    w.WriteOctetString(basic.Span);
                }
            }
        });
    }

    private static void Write(AsnWriter w, OcspSingle response)
    {
        using (w.PushSequence())
        {
            w.WriteEncodedValue(response.Certificate.Encoded.Span);
            if (response.Status == OcspStatus.Revoked)
                using (w.PushSequence(Der.Context1))
                {
                    w.WriteGeneralizedTime(response.Revoked!.Value, omitFractionalSeconds: true);
                    if (response.Reason != RevocationReason.Unspecified)
                        using (w.PushSequence(Der.Context0))
                            w.WriteEncodedValue([0x0A, 1, (byte)response.Reason]);
                }
            else
                w.WriteNull(new Asn1Tag(TagClass.ContextSpecific, response.Status == OcspStatus.Good ? 0 : 2));
            w.WriteGeneralizedTime(response.ThisUpdate, omitFractionalSeconds: true);
            if (response.NextUpdate is { } next)
                using (w.PushSequence(Der.Context0))
                    w.WriteGeneralizedTime(next, omitFractionalSeconds: true);
        }
    }
}
