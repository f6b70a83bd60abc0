using System.Formats.Asn1;

namespace Hatchery.Fdo;

/// <summary>Takes the SubjectPublicKeyInfo out of a certificate without building a certificate object: a device has no use for one, and a server no time.</summary>
internal static class CertificateKey
{
    /// <summary>Null if the bytes are no certificate.</summary>
    public static ReadOnlyMemory<byte>? SubjectPublicKeyInfo(ReadOnlyMemory<byte> certificate)
    {
        try
        {
            var outer = new AsnReader(certificate, AsnEncodingRules.DER);
            var signed = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var tbs = signed.ReadSequence();
            if (tbs.PeekTag().HasSameClassAndValue(new Asn1Tag(TagClass.ContextSpecific, 0)))
                tbs.ReadEncodedValue();
            for (int skip = 0; skip < 5; skip++)
                tbs.ReadEncodedValue();
            return tbs.ReadEncodedValue();
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
