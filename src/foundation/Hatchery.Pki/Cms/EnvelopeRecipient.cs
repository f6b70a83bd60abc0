using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>Whom to encrypt to (RFC 5652, section 6.2).</summary>
public abstract class EnvelopeRecipient
{
    private protected EnvelopeRecipient() { }

    /// <summary>kekri: a symmetric key that both have, AES of 16, 24 or 32 bytes.</summary>
    public static EnvelopeRecipient Kek(ReadOnlyMemory<byte> identifier, SecretBytes key) => new KekRecipient(identifier, key);

    /// <summary>ktri, for RSA: OAEP with SHA-256, or PKCS#1 v1.5 for those who know nothing else.</summary>
    /// <param name="identifier">Of the key, as the recipient named it.</param>
    public static EnvelopeRecipient Rsa(ReadOnlyMemory<byte> identifier, PublicKeyInfo key, bool oaep = true) => new TransportRecipient(identifier, key, oaep);

    /// <summary>kari, for P-256, P-384 and P-521: ephemeral-static ECDH with the KDF of X9.63 over SHA-256 and AES key wrap (RFC 5753).</summary>
    /// <param name="wrap">OID of an AES key wrap.</param>
    public static EnvelopeRecipient Ec(ReadOnlyMemory<byte> identifier, PublicKeyInfo key, string wrap = Oids.Aes256Wrap) => new AgreementRecipient(identifier, key, wrap);

    /// <summary>Writes the RecipientInfo.</summary>
    internal abstract void Write(AsnWriter writer, ReadOnlySpan<byte> cek, Chance chance);

    /// <summary>RFC 5753, section 7.2.</summary>
    /// <param name="wrap">The key wrap's AlgorithmIdentifier as it stands in the message.</param>
    internal static byte[] SharedInfo(ReadOnlySpan<byte> wrap, ReadOnlySpan<byte> ukm, int keyLength)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(wrap);
            if (!ukm.IsEmpty)
                using (writer.PushSequence(Der.Context0))
                    writer.WriteOctetString(ukm);
            using (writer.PushSequence(Der.Context2))
                writer.WriteOctetString([0, 0, (byte)(keyLength * 8 >> 8), (byte)(keyLength * 8)]);
        }
        return writer.Encode();
    }

    private static void WriteAlgorithm(AsnWriter writer, string oid)
    {
        using (writer.PushSequence())
            writer.WriteObjectIdentifier(oid);
    }

    private sealed class KekRecipient(ReadOnlyMemory<byte> identifier, SecretBytes key) : EnvelopeRecipient
    {
        internal override void Write(AsnWriter writer, ReadOnlySpan<byte> cek, Chance chance)
        {
            string wrap = key.Length switch
            {
                16 => Oids.Aes128Wrap,
                24 => Oids.Aes192Wrap,
                32 => Oids.Aes256Wrap,
                _ => throw new PkiException("kek", $"a key of {key.Length} bytes is none of AES."),
            };
            using (writer.PushSequence(Der.Context2))
            {
                writer.WriteInteger(4);
                using (writer.PushSequence())
                    writer.WriteOctetString(identifier.Span);
                WriteAlgorithm(writer, wrap);
                writer.WriteOctetString(KeyWrap.Wrap(key.Reveal(), cek));
            }
        }
    }

    private sealed class TransportRecipient(ReadOnlyMemory<byte> identifier, PublicKeyInfo key, bool oaep) : EnvelopeRecipient
    {
        internal override void Write(AsnWriter writer, ReadOnlySpan<byte> cek, Chance chance)
        {
            byte[] encrypted = key.Encrypt(cek, oaep ? RSAEncryptionPadding.OaepSHA256 : RSAEncryptionPadding.Pkcs1);
            using (writer.PushSequence())
            {
                writer.WriteInteger(2);
                writer.WriteOctetString(identifier.Span, new Asn1Tag(TagClass.ContextSpecific, 0));
                if (oaep)
                    WriteOaep(writer);
                else
                    using (writer.PushSequence())
                    {
                        writer.WriteObjectIdentifier(Oids.RsaEncryption);
                        writer.WriteNull();
                    }
                writer.WriteOctetString(encrypted);
            }
        }

        /// <summary>RFC 4055, section 4.1.</summary>
        private static void WriteOaep(AsnWriter writer)
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Oids.RsaEsOaep);
                using (writer.PushSequence())
                {
                    using (writer.PushSequence(Der.Context0))
                        WriteAlgorithm(writer, Oids.Sha256);
                    using (writer.PushSequence(Der.Context1))
                    using (writer.PushSequence())
                    {
                        writer.WriteObjectIdentifier(Oids.Mgf1);
                        WriteAlgorithm(writer, Oids.Sha256);
                    }
                }
            }
        }
    }

    private sealed class AgreementRecipient(ReadOnlyMemory<byte> identifier, PublicKeyInfo key, string wrap) : EnvelopeRecipient
    {
        internal override void Write(AsnWriter writer, ReadOnlySpan<byte> cek, Chance chance)
        {
            var curve = key.Curve switch
            {
                Oids.P256 => ECCurve.NamedCurves.nistP256,
                Oids.P384 => ECCurve.NamedCurves.nistP384,
                Oids.P521 => ECCurve.NamedCurves.nistP521,
                _ => throw new PkiException("subjectPublicKeyInfo", "not a key of P-256, P-384 or P-521."),
            };
            using var ephemeral = chance.NewAgreementKey(curve, "CMS.originatorKey");
            byte[] shared = Agree(ephemeral);
            var algorithm = Der.Write(w => WriteAlgorithm(w, wrap));
            byte[] kek = KeyWrap.X963(HashAlgorithmName.SHA256, shared, SharedInfo(algorithm.Span, [], KeyWrap.KeyLength(wrap)), KeyWrap.KeyLength(wrap));
            byte[] encrypted = KeyWrap.Wrap(kek, cek);
            CryptographicOperations.ZeroMemory(shared);
            CryptographicOperations.ZeroMemory(kek);
            using (writer.PushSequence(Der.Context1))
            {
                writer.WriteInteger(3);
                using (writer.PushSequence(Der.Context0))
                using (writer.PushSequence(Der.Context1))
                {
                    WriteAlgorithm(writer, Oids.EcPublicKey);
                    writer.WriteBitString(ephemeral.PublicPoint.Span);
                }
                using (writer.PushSequence())
                {
                    writer.WriteObjectIdentifier(Oids.EcdhSha256Kdf);
                    writer.WriteEncodedValue(algorithm.Span);
                }
                using (writer.PushSequence())
                using (writer.PushSequence())
                {
                    using (writer.PushSequence(Der.Context0))
                        writer.WriteOctetString(identifier.Span);
                    writer.WriteOctetString(encrypted);
                }
            }
        }

        private byte[] Agree(AgreementKey ephemeral)
        {
            try
            {
                return ephemeral.Agree(key.RawKey.Span);
            }
            catch (CryptographicException e)
            {
                throw new PkiException("subjectPublicKeyInfo", "the recipient's key is no point of its curve.", e);
            }
        }
    }
}
