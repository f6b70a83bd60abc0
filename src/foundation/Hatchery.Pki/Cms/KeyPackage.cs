using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>A private key that a server generated, signed by the generator and encrypted to the device: AsymmetricKeyPackage in SignedData in EnvelopedData
/// (RFC 5958; RFC 7030, section 4.4.2).</summary>
public static class KeyPackage
{
    /// <param name="pkcs8">OneAsymmetricKey.</param>
    /// <param name="certificates">DER; the generator's first.</param>
    /// <returns>ContentInfo of EnvelopedData.</returns>
    public static ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> pkcs8, SignatureKey generator, ImmutableArray<ReadOnlyMemory<byte>> certificates, EnvelopeRecipient recipient, Chance chance,
        string cipher = Oids.Aes256Cbc)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
            writer.WriteEncodedValue(pkcs8);
        byte[] package = writer.Encode();
        writer.Reset();
        byte[] signed = SignedData.Sign(Oids.KeyPackage, package, generator, certificates, chance, bare: true, use: "CMS.keyPackage").ToArray();
        try
        {
            return EnvelopedData.Encrypt(Oids.SignedData, signed, [recipient], chance, cipher);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(package);
            CryptographicOperations.ZeroMemory(signed);
        }
    }

    /// <summary>Verifies the generator's signature, and reads the key.</summary>
    /// <param name="signed">What came out of EnvelopedData: SignedData with or without ContentInfo.</param>
    /// <returns>OneAsymmetricKey, DER; what PrivateKeyInfo readers take.</returns>
    /// <exception cref="PkiException">Not a package of one key, not signed, or by somebody without a path to an anchor.</exception>
    public static SecretBytes Open(SecretBytes signed, TrustStore generators, PathOptions options)
    {
        byte[] copy = signed.Reveal().ToArray();
        try
        {
            var data = SignedData.Parse(copy);
            if (data.ContentType != Oids.KeyPackage)
                throw new PkiException("eContentType", "not an asymmetric key package.");
            data.Verify(generators, options);
            return Der.Read(data.Content!.Value, "AsymmetricKeyPackage", CertsOnly.MaxBytes, all =>
            {
                var keys = all.ReadSequence();
                var key = new SecretBytes(keys.ReadEncodedValue().Span);
                keys.ThrowIfNotEmpty();
                return key;
            });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
        }
    }
}
