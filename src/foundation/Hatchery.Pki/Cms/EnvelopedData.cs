using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Pki;

public enum RecipientKind { KeyTransport, KeyAgreement, Kek, Other }

/// <summary>One recipient as it stands in a message.</summary>
/// <param name="Identifier">Key identifier; empty where the recipient is named by issuer and serial number.</param>
/// <param name="SerialNumber">Where the recipient is named by issuer and serial number.</param>
public sealed record EnvelopedRecipient(RecipientKind Kind, ReadOnlyMemory<byte> Identifier, ReadOnlyMemory<byte> SerialNumber)
{
    internal ReadOnlyMemory<byte> Algorithm { get; init; }
    internal ReadOnlyMemory<byte> EncryptedKey { get; init; }
    internal ReadOnlyMemory<byte> OriginatorPoint { get; init; }
    internal ReadOnlyMemory<byte> Ukm { get; init; }
}

/// <summary>CMS EnvelopedData (RFC 5652, section 6), and AuthEnvelopedData (RFC 5083) with AES-GCM. For RSA, for elliptic curves, and for symmetric keys.</summary>
public sealed class EnvelopedData
{
    private readonly string _cipher;
    private readonly ReadOnlyMemory<byte> _nonce, _encrypted, _tag, _authenticated;

    private EnvelopedData(AsnReader content, bool authenticated)
    {
        content.ReadInteger();
        if (content.PeekTag() == Der.Context0)
            content.ReadEncodedValue();
        var recipients = ImmutableArray.CreateBuilder<EnvelopedRecipient>();
        for (var set = content.ReadSetOf(skipSortOrderValidation: true); set.HasData;)
            EnvelopeReading.Recipient(set, recipients);
        Recipients = recipients.ToImmutable();
        var info = content.ReadSequence();
        ContentType = info.ReadObjectIdentifier();
        var algorithm = info.ReadSequence();
        _cipher = algorithm.ReadObjectIdentifier();
        _nonce = EnvelopeReading.Nonce(_cipher, algorithm, authenticated);
        var tag = new Asn1Tag(TagClass.ContextSpecific, 0);
        _encrypted = info.HasData ? info.ReadOctetString(tag) : throw new PkiException("encryptedContent", "the content is elsewhere.");
        info.ThrowIfNotEmpty();
        if (authenticated && content.HasData && content.PeekTag() == Der.Context1)
            _authenticated = EnvelopeReading.AsSet(content.ReadEncodedValue());
        if (authenticated)
            _tag = content.ReadOctetString();
        // Attributes that nothing protects.
        if (content.HasData)
            content.ReadEncodedValue();
        content.ThrowIfNotEmpty();
    }

    /// <summary>OID of what is inside.</summary>
    public string ContentType { get; }
    public ImmutableArray<EnvelopedRecipient> Recipients { get; }

    /// <param name="encoded">ContentInfo; BER or DER, up to 64 KiB.</param>
    /// <exception cref="PkiException">Neither EnvelopedData nor AuthEnvelopedData, or of algorithms that are unknown here.</exception>
    public static EnvelopedData Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "EnvelopedData", CertsOnly.MaxBytes, all =>
    {
        var outer = all.ReadSequence();
        string type = outer.ReadObjectIdentifier();
        if (type is not (Oids.EnvelopedData or Oids.AuthEnvelopedData))
            throw new PkiException("contentType", "not EnvelopedData.");
        var wrapped = outer.ReadSequence(Der.Context0);
        outer.ThrowIfNotEmpty();
        var content = wrapped.ReadSequence();
        wrapped.ThrowIfNotEmpty();
        return new EnvelopedData(content, type == Oids.AuthEnvelopedData);
    }, AsnEncodingRules.BER);

    /// <summary>By a symmetric key.</summary>
    /// <param name="identifier">Of the key; another recipient's is not tried.</param>
    /// <exception cref="PkiException">There is no such recipient, or the key is wrong.</exception>
    public SecretBytes Decrypt(ReadOnlySpan<byte> identifier, SecretBytes kek)
    {
        foreach (var recipient in Recipients)
            if (recipient.Kind == RecipientKind.Kek && recipient.Identifier.Span.SequenceEqual(identifier) && KeyWrap.KeyLength(EnvelopeReading.Oid(recipient.Algorithm)) == kek.Length)
                return Open(KeyWrap.Unwrap(kek.Reveal(), recipient.EncryptedKey.Span));
        throw NotForUs();
    }

    /// <summary>By an RSA key. For PKCS#1 v1.5 a wrong padding shows only as a content that cannot be decrypted (RFC 3218).</summary>
    /// <param name="certificate">Of the key; recipients are found by its names. Null: the first recipient of this kind.</param>
    /// <inheritdoc cref="Decrypt(ReadOnlySpan{byte}, SecretBytes)"/>
    public SecretBytes Decrypt(RSA key, Certificate? certificate = null, ReadOnlyMemory<byte>? identifier = null)
    {
        foreach (var recipient in Recipients)
            if (recipient.Kind == RecipientKind.KeyTransport && IsFor(recipient, certificate, identifier))
                return Open(Transported(key, recipient));
        throw NotForUs();
    }

    /// <summary>By an elliptic-curve key.</summary>
    /// <inheritdoc cref="Decrypt(RSA, Certificate?, ReadOnlyMemory{byte}?)"/>
    public SecretBytes Decrypt(ECDsa key, Certificate? certificate = null, ReadOnlyMemory<byte>? identifier = null)
    {
        var parameters = key.ExportParameters(true);
        try
        {
            using var agreement = EcAgreement.FromPrivate(parameters.Curve, parameters.D);
            return Decrypt(agreement, certificate, identifier);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(parameters.D);
        }
    }

    /// <inheritdoc cref="Decrypt(RSA, Certificate?, ReadOnlyMemory{byte}?)"/>
    public SecretBytes Decrypt(AgreementKey key, Certificate? certificate = null, ReadOnlyMemory<byte>? identifier = null)
    {
        foreach (var recipient in Recipients)
            if (recipient.Kind == RecipientKind.KeyAgreement && IsFor(recipient, certificate, identifier))
                return Open(Agreed(key, recipient));
        throw NotForUs();
    }

    private static bool IsFor(EnvelopedRecipient recipient, Certificate? certificate, ReadOnlyMemory<byte>? identifier)
    {
        if (identifier is { } wanted && recipient.Identifier.Length > 0)
            return recipient.Identifier.Span.SequenceEqual(wanted.Span);
        if (certificate is null)
            return true;
        return recipient.Identifier.Length > 0 ? recipient.Identifier.Span.SequenceEqual((certificate.SubjectKeyIdentifier ?? certificate.Key.KeyIdentifier()).Span)
            : recipient.SerialNumber.Span.SequenceEqual(certificate.SerialNumber.Span);
    }

    private static PkiException NotForUs() => new("recipientInfos", "no recipient is this key.");

    private byte[]? Transported(RSA key, EnvelopedRecipient recipient)
    {
        OperationMeter.Count($"decrypt RSA-{key.KeySize}");
        var padding = EnvelopeReading.Padding(recipient.Algorithm);
        try
        {
            return key.Decrypt(recipient.EncryptedKey.Span, padding);
        }
        catch (CryptographicException) when (padding == RSAEncryptionPadding.Pkcs1)
        {
            // As if a key had come out, so that time and error say nothing of the padding.
            return new SystemChance().Bytes(KeyWrap.KeyLength(_cipher), "CMS.key-that-fits-nothing");
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static byte[]? Agreed(AgreementKey key, EnvelopedRecipient recipient)
    {
        var (hash, wrap) = EnvelopeReading.Agreement(recipient.Algorithm);
        int length = KeyWrap.KeyLength(EnvelopeReading.Oid(wrap));
        byte[] shared;
        try
        {
            shared = key.Agree(recipient.OriginatorPoint.Span);
        }
        catch (CryptographicException e)
        {
            throw new PkiException("originatorKey", "not a point of the recipient's curve.", e);
        }
        byte[] kek = KeyWrap.X963(hash, shared, EnvelopeRecipient.SharedInfo(wrap.Span, recipient.Ukm.Span, length), length);
        CryptographicOperations.ZeroMemory(shared);
        try
        {
            return KeyWrap.Unwrap(kek, recipient.EncryptedKey.Span);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(kek);
        }
    }

    private SecretBytes Open(byte[]? cek)
    {
        byte[]? plain = null;
        try
        {
            if (cek is null || cek.Length != KeyWrap.KeyLength(_cipher))
                throw new PkiException("encryptedKey", "the key that encrypts the content does not come out.");
            if (_tag.IsEmpty)
            {
                using var aes = Aes.Create();
                aes.SetKey(cek);
                plain = aes.DecryptCbc(_encrypted.Span, _nonce.Span);
            }
            else
            {
                using var gcm = new AesGcm(cek, _tag.Length);
                plain = new byte[_encrypted.Length];
                gcm.Decrypt(_nonce.Span, _encrypted.Span, _tag.Span, plain, _authenticated.Span);
            }
            return new SecretBytes(plain);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new PkiException("encryptedContent", "the content cannot be decrypted.", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(cek);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <param name="contentType">OID of what is inside.</param>
    /// <param name="cipher">OID of AES-CBC: EnvelopedData; of AES-GCM: AuthEnvelopedData.</param>
    /// <returns>ContentInfo, DER.</returns>
    /// <exception cref="PkiException">A recipient's key cannot be used so.</exception>
    public static ReadOnlyMemory<byte> Encrypt(string contentType, ReadOnlySpan<byte> plain, IEnumerable<EnvelopeRecipient> recipients, Chance chance, string cipher = Oids.Aes256Cbc)
    {
        bool gcm = cipher is Oids.Aes128Gcm or Oids.Aes192Gcm or Oids.Aes256Gcm;
        byte[] cek = chance.Bytes(KeyWrap.KeyLength(cipher) is > 0 and var length ? length : throw new ArgumentException("Not AES.", nameof(cipher)), "CMS.contentEncryptionKey");
        byte[] nonce = chance.Bytes(gcm ? 12 : 16, gcm ? "CMS.nonce" : "CMS.iv");
        byte[] tag = [];
        byte[] encrypted = gcm ? Seal(cek, nonce, plain, out tag) : Cbc(cek, nonce, plain);
        var infos = new AsnWriter(AsnEncodingRules.DER);
        using (infos.PushSetOf())
            foreach (var recipient in recipients)
                recipient.Write(infos, cek, chance);
        CryptographicOperations.ZeroMemory(cek);
        byte[] written = infos.Encode();
        return Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteObjectIdentifier(gcm ? Oids.AuthEnvelopedData : Oids.EnvelopedData);
                using (w.PushSequence(Der.Context0))
                using (w.PushSequence())
                {
                    // All recipients here have versions above 0 (RFC 5652, section 6.1); AuthEnvelopedData is 0.
                    w.WriteInteger(gcm ? 0 : 2);
                    w.WriteEncodedValue(written);
                    WriteContent(w, contentType, cipher, gcm, nonce, encrypted);
                    if (gcm)
                        w.WriteOctetString(tag);
                }
            }
        });
    }

    private static void WriteContent(AsnWriter w, string contentType, string cipher, bool gcm, byte[] nonce, byte[] encrypted)
    {
        using (w.PushSequence())
        {
            w.WriteObjectIdentifier(contentType);
            using (w.PushSequence())
            {
                w.WriteObjectIdentifier(cipher);
                if (gcm)
                    using (w.PushSequence())
                    {
                        w.WriteOctetString(nonce);
                        w.WriteInteger(16);
                    }
                else
                    w.WriteOctetString(nonce);
            }
            w.WriteOctetString(encrypted, new Asn1Tag(TagClass.ContextSpecific, 0));
        }
    }

    private static byte[] Cbc(byte[] cek, byte[] iv, ReadOnlySpan<byte> plain)
    {
        using var aes = Aes.Create();
        aes.SetKey(cek);
        return aes.EncryptCbc(plain, iv);
    }

    private static byte[] Seal(byte[] cek, byte[] nonce, ReadOnlySpan<byte> plain, out byte[] tag)
    {
        using var aes = new AesGcm(cek, 16);
        byte[] encrypted = new byte[plain.Length];
        tag = new byte[16];
        aes.Encrypt(nonce, plain, encrypted, tag);
        return encrypted;
    }
}
