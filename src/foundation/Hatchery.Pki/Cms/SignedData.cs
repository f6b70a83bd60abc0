using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>CMS SignedData with its content inside (RFC 5652, section 5). Reading verifies nothing; <see cref="Verify(TrustStore, PathOptions)"/> does.</summary>
public sealed class SignedData
{
    private SignedData(AsnReader content)
    {
        content.ReadInteger();
        content.ReadSetOf(skipSortOrderValidation: true);
        var encapsulated = content.ReadSequence();
        ContentType = encapsulated.ReadObjectIdentifier();
        if (encapsulated.HasData)
        {
            var wrapped = encapsulated.ReadSequence(Der.Context0);
            Content = wrapped.TryReadPrimitiveOctetString(out var octets) ? octets : wrapped.ReadOctetString();
            wrapped.ThrowIfNotEmpty();
        }
        encapsulated.ThrowIfNotEmpty();
        (Certificates, Lists) = CertsOnly.ReadBags(content);
        var signers = ImmutableArray.CreateBuilder<SignerInfo>();
        for (var set = content.ReadSetOf(skipSortOrderValidation: true); set.HasData;)
            signers.Add(signers.Count < 8 ? new SignerInfo(set.ReadSequence()) : throw new PkiException("signerInfos", "more than 8 signers."));
        Signers = signers.ToImmutable();
        content.ThrowIfNotEmpty();
    }

    /// <summary>OID.</summary>
    public string ContentType { get; }
    /// <summary>Null: the content is elsewhere, or there is none (certs-only).</summary>
    public ReadOnlyMemory<byte>? Content { get; }
    /// <summary>DER of each.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Certificates { get; }
    /// <summary>DER of each CRL.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Lists { get; }
    public ImmutableArray<SignerInfo> Signers { get; }

    /// <param name="encoded">ContentInfo, or SignedData alone, or what stands inside its tag and length, as older readings of PKCS#7 have it within other CMS; BER or DER.</param>
    /// <exception cref="PkiException">None of these.</exception>
    public static SignedData Parse(ReadOnlyMemory<byte> encoded)
    {
        if (encoded.Length > 0 && encoded.Span[0] == 0x02)
            encoded = Enclose(encoded.Span);
        return Der.Read(encoded, "SignedData", CertsOnly.MaxBytes, all =>
        {
            var outer = all.ReadSequence();
            if (outer.PeekTag() == Asn1Tag.Integer)
                return new SignedData(outer);
            if (outer.ReadObjectIdentifier() != Oids.SignedData)
                throw new PkiException("contentType", "not SignedData.");
            var wrapped = outer.ReadSequence(Der.Context0);
            outer.ThrowIfNotEmpty();
            var content = wrapped.ReadSequence();
            wrapped.ThrowIfNotEmpty();
            return new SignedData(content);
        }, AsnEncodingRules.BER);
    }

    /// <summary>The contents may be several values, which a writer would not take as one.</summary>
    private static byte[] Enclose(ReadOnlySpan<byte> contents)
    {
        Span<byte> head = stackalloc byte[6];
        int length = 2;
        head[0] = 0x30;
        if (contents.Length < 0x80)
            head[1] = (byte)contents.Length;
        else
        {
            head[1] = 0x84;
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(head[2..], contents.Length);
            length = 6;
        }
        return [.. head[..length], .. contents];
    }

    /// <summary>The certificate of a signer whose signature is right and who has a path to the store's anchors.</summary>
    /// <exception cref="PkiException">Field "signature": no signer's is right; else as <see cref="TrustStore.Verify(ImmutableArray{Certificate}, PathOptions)"/>.</exception>
    public Certificate Verify(TrustStore store, PathOptions options)
    {
        var (_, certificate) = VerifySignature();
        store.Verify([certificate, .. ReadCertificates().Where(c => !c.Equals(certificate))], options);
        return certificate;
    }

    /// <summary>The first signer whose certificate is here, and whose signature is right. Whether the certificate is trusted is another question.</summary>
    /// <exception cref="PkiException">No signer, no certificate, or a wrong signature.</exception>
    public (SignerInfo Signer, Certificate Certificate) VerifySignature()
    {
        var certificates = ReadCertificates();
        foreach (var signer in Signers)
            if (certificates.FirstOrDefault(signer.IsBy) is { } certificate)
            {
                signer.Verify(this, certificate.Key);
                return (signer, certificate);
            }
        throw new PkiException("signerInfos", Signers.IsEmpty ? "nobody signed." : "the certificate of no signer is there.");
    }

    /// <summary>For a signer without a certificate, such as one who signs with the key that is to be certified.</summary>
    /// <exception cref="PkiException">No signer, or a wrong signature.</exception>
    public void VerifySignature(PublicKeyInfo key)
    {
        if (Signers is not [var signer])
            throw new PkiException("signerInfos", "not exactly one signer.");
        signer.Verify(this, key);
    }

    private List<Certificate> ReadCertificates()
    {
        var read = new List<Certificate>();
        foreach (var der in Certificates)
            read.Add(Certificate.Parse(der));
        return read;
    }

    /// <param name="contentType">OID.</param>
    /// <param name="certificates">DER; the signer's first. Empty: the signer is named by its key identifier.</param>
    /// <param name="at">signingTime; null: none.</param>
    /// <param name="bare">Without ContentInfo around it, for use as the content of other CMS.</param>
    public static ReadOnlyMemory<byte> Sign(string contentType, ReadOnlyMemory<byte> content, SignatureKey key, ImmutableArray<ReadOnlyMemory<byte>> certificates, Chance chance,
        DateTimeOffset? at = null, bool bare = false, ImmutableArray<ReadOnlyMemory<byte>> lists = default, string use = "CMS.signature")
    {
        var signer = SignerInfo.Make(contentType, content, key, certificates.IsEmpty ? null : Certificate.Parse(certificates[0]), chance, at, use);
        // A SET OF in the order given, the signer's certificate first.
        var writer = new AsnWriter(AsnEncodingRules.BER);
        if (bare)
        {
            Write(writer);
            return writer.Encode();
        }
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.SignedData);
            using (writer.PushSequence(Der.Context0))
                Write(writer);
        }
        return writer.Encode();

        void Write(AsnWriter writer)
        {
            using (writer.PushSequence())
            {
                // RFC 5652, section 5.1: 3 where the content is not id-data or a signer is named by key identifier.
                writer.WriteInteger(contentType == Oids.Data && !certificates.IsEmpty ? 1 : 3);
                using (writer.PushSetOf())
                using (writer.PushSequence())
                    writer.WriteObjectIdentifier(SignatureAlgorithm.OidOf(key.Algorithm.Hash));
                using (writer.PushSequence())
                {
                    writer.WriteObjectIdentifier(contentType);
                    using (writer.PushSequence(Der.Context0))
                        writer.WriteOctetString(content.Span);
                }
                Bag(writer, Der.Context0, certificates);
                Bag(writer, Der.Context1, lists);
                using (writer.PushSetOf())
                    writer.WriteEncodedValue(signer.Span);
            }
        }

        static void Bag(AsnWriter writer, Asn1Tag tag, ImmutableArray<ReadOnlyMemory<byte>> values)
        {
            if (values.IsDefaultOrEmpty)
                return;
            using (writer.PushSequence(tag))
                foreach (var value in values)
                    writer.WriteEncodedValue(value.Span);
        }
    }
}

/// <summary>One signature of <see cref="SignedData"/> (RFC 5652, section 5.3).</summary>
public sealed class SignerInfo
{
    private readonly ReadOnlyMemory<byte> _signedAttributes, _signature;
    private readonly SignatureAlgorithm _algorithm;
    private readonly HashAlgorithmName _digest;
    private readonly ReadOnlyMemory<byte>? _issuer, _serial;

    internal SignerInfo(AsnReader content)
    {
        content.ReadInteger();
        var tag = new Asn1Tag(TagClass.ContextSpecific, 0);
        if (content.PeekTag().HasSameClassAndValue(tag))
            KeyIdentifier = content.ReadOctetString(tag);
        else
        {
            var sid = content.ReadSequence();
            (_issuer, _serial) = (sid.ReadEncodedValue(), sid.ReadIntegerBytes());
            sid.ThrowIfNotEmpty();
            DirectoryName.Read(_issuer.Value, "issuer");
        }
        _digest = SignatureAlgorithm.HashOf(content.ReadSequence().ReadObjectIdentifier());
        Attributes = [];
        if (content.HasData && content.PeekTag() == Der.Context0)
        {
            _signedAttributes = content.PeekEncodedValue();
            Attributes = ReadAttributes(content.ReadSetOf(skipSortOrderValidation: true, Der.Context0));
        }
        _algorithm = SignatureAlgorithm.Parse(content.ReadEncodedValue());
        _signature = content.ReadOctetString();
        if (content.HasData)
            content.ReadSetOf(skipSortOrderValidation: true, Der.Context1);
        content.ThrowIfNotEmpty();
    }

    /// <summary>Null: the signer is named by issuer and serial number.</summary>
    public ReadOnlyMemory<byte>? KeyIdentifier { get; }
    /// <summary>The signed ones; each type once.</summary>
    public ImmutableArray<RequestAttribute> Attributes { get; }

    internal bool IsBy(Certificate certificate) => KeyIdentifier is { } identifier
        ? (certificate.SubjectKeyIdentifier ?? certificate.Key.KeyIdentifier()).Span.SequenceEqual(identifier.Span)
        : certificate.SerialNumber.Span.SequenceEqual(_serial!.Value.Span) && DirectoryName.AreEqual(certificate.Issuer, _issuer!.Value);

    internal void Verify(SignedData over, PublicKeyInfo key)
    {
        if (over.Content is not { } content)
            throw new PkiException("eContent", "there is no content.");
        var signed = content;
        if (!_signedAttributes.IsEmpty)
        {
            if (!Single(Oids.ContentType, r => r.ReadObjectIdentifier()).Equals(over.ContentType, StringComparison.Ordinal))
                throw new PkiException("contentType", "the signed content type is another.");
            byte[] digest = CryptographicOperations.HashData(_digest, content.Span);
            if (!Single(Oids.MessageDigest, r => r.ReadOctetString()).AsSpan().SequenceEqual(digest))
                throw new PkiException("messageDigest", "the content is not what was signed.");
            // Signed with the tag of a SET (section 5.4).
            byte[] attributes = _signedAttributes.ToArray();
            attributes[0] = 0x31;
            signed = attributes;
        }
        else if (over.ContentType != Oids.Data)
            throw new PkiException("signedAttrs", "content other than id-data needs signed attributes.");
        var algorithm = _algorithm.Hash == default && _algorithm.Oid != Oids.Ed25519 ? _algorithm with { Hash = _digest } : _algorithm;
        if (algorithm.Hash != _digest && algorithm.Oid != Oids.Ed25519)
            throw new PkiException("signatureAlgorithm", "another digest than the signer's.");
        if (algorithm.IsSha1)
            throw new PkiException("signatureAlgorithm", "a signature over SHA-1 is not allowed.");
        if (!key.Verify(algorithm, signed.Span, _signature.Span))
            throw new PkiException("signature", "the signature is wrong.");
    }

    private T Single<T>(string oid, Func<AsnReader, T> read)
    {
        foreach (var attribute in Attributes)
            if (attribute.Oid == oid)
                return Der.Read(attribute.Single(oid), "signedAttrs", 4096, read);
        throw new PkiException("signedAttrs", $"the attribute {oid} is missing.");
    }

    private static ImmutableArray<RequestAttribute> ReadAttributes(AsnReader set)
    {
        var found = ImmutableArray.CreateBuilder<RequestAttribute>();
        while (set.HasData)
        {
            var attribute = RequestAttribute.Read(set);
            if (found.Count == 32 || found.Any(f => f.Oid == attribute.Oid))
                throw new PkiException("signedAttrs", $"more than 32 attributes, or {attribute.Oid} twice.");
            found.Add(attribute);
        }
        return found.ToImmutable();
    }

    internal static ReadOnlyMemory<byte> Make(string contentType, ReadOnlyMemory<byte> content, SignatureKey key, Certificate? certificate, Chance chance, DateTimeOffset? at, string use)
    {
        var attributes = new AsnWriter(AsnEncodingRules.DER);
        using (attributes.PushSetOf())
        {
            RequestAttribute.Of(Oids.ContentType, Der.Write(w => w.WriteObjectIdentifier(contentType))).Write(attributes);
            RequestAttribute.Of(Oids.MessageDigest, Der.Write(w => w.WriteOctetString(CryptographicOperations.HashData(key.Algorithm.Hash, content.Span)))).Write(attributes);
            if (at is { } time)
                RequestAttribute.Of(Oids.SigningTime, Der.Write(w => Der.WriteTime(w, time))).Write(attributes);
        }
        byte[] signed = attributes.Encode();
        byte[] signature = key.Sign(signed, chance, use);
        signed[0] = 0xA0;
        return Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteInteger(certificate is null ? 3 : 1);
                if (certificate is null)
                    w.WriteOctetString(key.Public.KeyIdentifier(), new Asn1Tag(TagClass.ContextSpecific, 0));
                else
                    using (w.PushSequence())
                    {
                        w.WriteEncodedValue(certificate.Issuer.Span);
                        w.WriteInteger(certificate.SerialNumber.Span);
                    }
                using (w.PushSequence())
                    w.WriteObjectIdentifier(SignatureAlgorithm.OidOf(key.Algorithm.Hash));
                w.WriteEncodedValue(signed);
                key.Algorithm.Write(w);
                w.WriteOctetString(signature);
            }
        });
    }
}
