using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>The parts of EnvelopedData, read.</summary>
internal static class EnvelopeReading
{
    private static readonly Asn1Tag s_identifier = new(TagClass.ContextSpecific, 0);

    public static void Recipient(AsnReader set, ImmutableArray<EnvelopedRecipient>.Builder into)
    {
        var tag = set.PeekTag();
        if (into.Count >= 16)
            throw new PkiException("recipientInfos", "more than 16 recipients.");
        if (tag == Asn1Tag.Sequence)
            into.Add(Transport(set.ReadSequence()));
        else if (tag == Der.Context1)
            Agreement(set.ReadSequence(Der.Context1), into);
        else if (tag == Der.Context2)
            into.Add(Kek(set.ReadSequence(Der.Context2)));
        else
        {
            set.ReadEncodedValue();
            into.Add(new(RecipientKind.Other, default, default));
        }
    }

    private static EnvelopedRecipient Transport(AsnReader info)
    {
        info.ReadInteger();
        var (identifier, serial) = Name(info, inSequence: false);
        var recipient = new EnvelopedRecipient(RecipientKind.KeyTransport, identifier, serial) { Algorithm = info.ReadEncodedValue(), EncryptedKey = info.ReadOctetString() };
        info.ThrowIfNotEmpty();
        return recipient;
    }

    private static void Agreement(AsnReader info, ImmutableArray<EnvelopedRecipient>.Builder into)
    {
        info.ReadInteger();
        ReadOnlyMemory<byte> point = default, ukm = default;
        var originator = info.ReadSequence(Der.Context0);
        if (originator.PeekTag() == Der.Context1)
        {
            var key = originator.ReadSequence(Der.Context1);
            key.ReadSequence();
            point = key.ReadBitString(out _);
            key.ThrowIfNotEmpty();
        }
        if (info.PeekTag() == Der.Context1)
            ukm = info.ReadSequence(Der.Context1).ReadOctetString();
        var algorithm = info.ReadEncodedValue();
        for (var keys = info.ReadSequence(); keys.HasData;)
        {
            var key = keys.ReadSequence();
            var (identifier, serial) = Name(key, inSequence: true);
            if (into.Count >= 16)
                throw new PkiException("recipientInfos", "more than 16 recipients.");
            into.Add(new(RecipientKind.KeyAgreement, identifier, serial) { Algorithm = algorithm, OriginatorPoint = point, Ukm = ukm, EncryptedKey = key.ReadOctetString() });
            key.ThrowIfNotEmpty();
        }
        info.ThrowIfNotEmpty();
    }

    private static EnvelopedRecipient Kek(AsnReader info)
    {
        info.ReadInteger();
        ReadOnlyMemory<byte> identifier = info.ReadSequence().ReadOctetString();
        var recipient = new EnvelopedRecipient(RecipientKind.Kek, identifier, default) { Algorithm = info.ReadEncodedValue(), EncryptedKey = info.ReadOctetString() };
        info.ThrowIfNotEmpty();
        return recipient;
    }

    /// <param name="inSequence">RecipientKeyIdentifier of key agreement is a sequence; key transport's is the octets.</param>
    private static (ReadOnlyMemory<byte> Identifier, ReadOnlyMemory<byte> Serial) Name(AsnReader info, bool inSequence)
    {
        if (info.PeekTag().HasSameClassAndValue(s_identifier))
            return (inSequence ? info.ReadSequence(Der.Context0).ReadOctetString() : info.ReadOctetString(s_identifier), default);
        var name = info.ReadSequence();
        name.ReadSequence();
        return (default, name.ReadIntegerBytes());
    }

    public static string Oid(ReadOnlyMemory<byte> algorithm) => Der.Read(algorithm, "AlgorithmIdentifier", 512, r => r.ReadSequence().ReadObjectIdentifier(), AsnEncodingRules.BER);

    public static ReadOnlyMemory<byte> Nonce(string cipher, AsnReader algorithm, bool authenticated)
    {
        switch (cipher)
        {
            case Oids.Aes128Cbc or Oids.Aes192Cbc or Oids.Aes256Cbc when !authenticated:
                var iv = algorithm.ReadOctetString();
                return iv.Length == 16 ? iv : throw new PkiException("contentEncryptionAlgorithm", "an IV that has not 16 bytes.");
            case Oids.Aes128Gcm or Oids.Aes192Gcm or Oids.Aes256Gcm when authenticated:
                var nonce = algorithm.ReadSequence().ReadOctetString();
                return nonce.Length == 12 ? nonce : throw new PkiException("contentEncryptionAlgorithm", "a nonce that has not 12 bytes.");
            default:
                throw new PkiException("contentEncryptionAlgorithm", $"the algorithm {cipher} is unknown here.");
        }
    }

    public static byte[] AsSet(ReadOnlyMemory<byte> attributes)
    {
        byte[] set = attributes.ToArray();
        set[0] = 0x31;
        return set;
    }

    /// <summary>RSAES-PKCS1-v1_5, or OAEP with one hash for label and mask.</summary>
    public static RSAEncryptionPadding Padding(ReadOnlyMemory<byte> algorithm) => Der.Read(algorithm, "keyEncryptionAlgorithm", 512, all =>
    {
        var content = all.ReadSequence();
        string oid = content.ReadObjectIdentifier();
        if (oid == Oids.RsaEncryption)
            return RSAEncryptionPadding.Pkcs1;
        if (oid != Oids.RsaEsOaep)
            throw new PkiException("keyEncryptionAlgorithm", $"the algorithm {oid} is unknown here.");
        string hash = Oids.Sha1, mask = Oids.Sha1;
        if (content.HasData)
        {
            var parameters = content.ReadSequence();
            if (parameters.HasData && parameters.PeekTag() == Der.Context0)
                hash = parameters.ReadSequence(Der.Context0).ReadSequence().ReadObjectIdentifier();
            if (parameters.HasData && parameters.PeekTag() == Der.Context1)
            {
                var function = parameters.ReadSequence(Der.Context1).ReadSequence();
                function.ReadObjectIdentifier();
                mask = function.ReadSequence().ReadObjectIdentifier();
            }
        }
        return hash == mask ? RSAEncryptionPadding.CreateOaep(SignatureAlgorithm.HashOf(hash))
            : throw new PkiException("keyEncryptionAlgorithm", "OAEP with two different hashes.");
    }, AsnEncodingRules.BER);

    public static (HashAlgorithmName Hash, ReadOnlyMemory<byte> Wrap) Agreement(ReadOnlyMemory<byte> algorithm) => Der.Read(algorithm, "keyEncryptionAlgorithm", 512, all =>
    {
        var content = all.ReadSequence();
        string oid = content.ReadObjectIdentifier();
        HashAlgorithmName hash = oid switch
        {
            Oids.EcdhSha256Kdf => HashAlgorithmName.SHA256,
            Oids.EcdhSha384Kdf => HashAlgorithmName.SHA384,
            Oids.EcdhSha512Kdf => HashAlgorithmName.SHA512,
            // What openssl takes when told nothing.
            "1.3.133.16.840.63.0.2" => HashAlgorithmName.SHA1,
            _ => throw new PkiException("keyEncryptionAlgorithm", $"the algorithm {oid} is unknown here."),
        };
        var wrap = content.ReadEncodedValue();
        return KeyWrap.KeyLength(Oid(wrap)) > 0 ? (hash, wrap) : throw new PkiException("keyEncryptionAlgorithm", "a key wrap that is unknown here.");
    }, AsnEncodingRules.BER);
}
