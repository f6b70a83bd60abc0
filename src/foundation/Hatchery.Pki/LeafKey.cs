using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>The public key of a certificate without the cost of an X509Certificate2. Nothing is verified.</summary>
public static class LeafKey
{
    private static readonly Asn1Tag s_version = new(TagClass.ContextSpecific, 0, true);

    /// <param name="certificate">DER (RFC 5280, section 4.1).</param>
    /// <returns>DER; a part of the certificate's own bytes.</returns>
    /// <exception cref="PkiException">Not a certificate.</exception>
    public static ReadOnlyMemory<byte> SubjectPublicKeyInfo(ReadOnlyMemory<byte> certificate)
    {
        string field = "Certificate";
        try
        {
            var all = new AsnReader(certificate, AsnEncodingRules.DER);
            var signed = all.ReadSequence();
            all.ThrowIfNotEmpty();
            field = "tbsCertificate";
            var content = signed.ReadSequence();
            field = "version";
            if (content.HasData && content.PeekTag() == s_version)
                content.ReadEncodedValue();
            field = "serialNumber";
            content.ReadIntegerBytes();
            field = "signature";
            content.ReadSequence();
            field = "issuer";
            content.ReadSequence();
            field = "validity";
            content.ReadSequence();
            field = "subject";
            content.ReadSequence();
            field = "subjectPublicKeyInfo";
            var key = content.PeekEncodedValue();
            content.ReadSequence();
            field = "signatureAlgorithm";
            signed.ReadSequence();
            field = "signatureValue";
            signed.ReadBitString(out _);
            signed.ThrowIfNotEmpty();
            return key;
        }
        catch (AsnContentException e)
        {
            throw new PkiException(field, $"the certificate's {field} cannot be read.", e);
        }
    }
}
