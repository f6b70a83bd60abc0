using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>The certificate that is asked about (RFC 6960, section 4.1.1): hashes of the issuer's name and key, and a serial number.</summary>
/// <param name="Hash">OID of the digest.</param>
/// <param name="Encoded">DER as received: a response repeats it.</param>
public sealed record OcspCertId(string Hash, ReadOnlyMemory<byte> IssuerNameHash, ReadOnlyMemory<byte> IssuerKeyHash, ReadOnlyMemory<byte> SerialNumber, ReadOnlyMemory<byte> Encoded)
{
    /// <param name="hash">OID; SHA-1 is what every responder knows, and identifies only.</param>
    public static OcspCertId Of(Certificate issuer, ReadOnlyMemory<byte> serialNumber, string hash = Oids.Sha1)
    {
        var name = SignatureAlgorithm.HashOf(hash);
        byte[] ofName = CryptographicOperations.HashData(name, issuer.Subject.Span), ofKey = CryptographicOperations.HashData(name, issuer.Key.RawKey.Span);
        return new(hash, ofName, ofKey, serialNumber, Der.Write(w =>
        {
            using (w.PushSequence())
            {
                using (w.PushSequence())
                {
                    w.WriteObjectIdentifier(hash);
                    w.WriteNull();
                }
                w.WriteOctetString(ofName);
                w.WriteOctetString(ofKey);
                w.WriteInteger(serialNumber.Span);
            }
        }));
    }

    public bool IsOf(Certificate issuer)
    {
        if (Hash is not (Oids.Sha1 or Oids.Sha256 or Oids.Sha384 or Oids.Sha512))
            return false;
        var name = SignatureAlgorithm.HashOf(Hash);
        return IssuerNameHash.Span.SequenceEqual(CryptographicOperations.HashData(name, issuer.Subject.Span))
            && IssuerKeyHash.Span.SequenceEqual(CryptographicOperations.HashData(name, issuer.Key.RawKey.Span));
    }

    internal static OcspCertId Read(AsnReader reader)
    {
        var encoded = reader.PeekEncodedValue();
        var content = reader.ReadSequence();
        string hash = content.ReadSequence().ReadObjectIdentifier();
        var read = new OcspCertId(hash, content.ReadOctetString(), content.ReadOctetString(), content.ReadIntegerBytes(), encoded);
        content.ThrowIfNotEmpty();
        return read;
    }
}

/// <summary>An OCSP request (RFC 6960, section 4.1).</summary>
/// <param name="Nonce">1 to 128 bytes; null: none.</param>
public sealed record OcspRequest(ImmutableArray<OcspCertId> Certificates, ReadOnlyMemory<byte>? Nonce)
{
    /// <param name="encoded">DER, up to 16 KiB and 64 certificates. A signature of the requester is not looked at.</param>
    /// <exception cref="PkiException">Not a request.</exception>
    public static OcspRequest Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "OCSPRequest", 16384, all =>
    {
        var outer = all.ReadSequence();
        var content = outer.ReadSequence();
        if (outer.HasData)
            outer.ReadEncodedValue();
        outer.ThrowIfNotEmpty();
        if (content.HasData && content.PeekTag() == Der.Context0)
            content.ReadEncodedValue();
        if (content.HasData && content.PeekTag() == Der.Context1)
            content.ReadEncodedValue();
        var ids = ImmutableArray.CreateBuilder<OcspCertId>();
        for (var list = content.ReadSequence(); list.HasData;)
        {
            var one = list.ReadSequence();
            ids.Add(ids.Count < 64 ? OcspCertId.Read(one) : throw new PkiException("requestList", "more than 64 certificates."));
            if (one.HasData)
                one.ReadEncodedValue();
            one.ThrowIfNotEmpty();
        }
        ReadOnlyMemory<byte>? nonce = null;
        if (content.HasData)
            foreach (var extension in CertificateExtension.ReadAll(content.ReadSequence(Der.Context2).ReadSequence()))
                if (extension.Oid == Oids.OcspNonce)
                    nonce = ReadNonce(extension);
                else if (extension.Critical)
                    throw new PkiException("requestExtensions", $"the critical extension {extension.Oid} is unknown here.");
        content.ThrowIfNotEmpty();
        return new OcspRequest(ids.ToImmutable(), nonce);
    });

    /// <summary>An OCTET STRING inside the extension; older clients put the bytes there as they are.</summary>
    private static ReadOnlyMemory<byte> ReadNonce(CertificateExtension extension)
    {
        var nonce = extension.Value;
        if (AsnDecoder.TryReadPrimitiveOctetString(nonce.Span, AsnEncodingRules.BER, out var inner, out int used) && used == nonce.Length)
            nonce = nonce[^inner.Length..];
        return nonce.Length is > 0 and <= 128 ? nonce : throw new PkiException("nonce", "a nonce of no or more than 128 bytes.");
    }

    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        using (w.PushSequence())
        {
            using (w.PushSequence())
                foreach (var id in Certificates)
                    using (w.PushSequence())
                        w.WriteEncodedValue(id.Encoded.Span);
            if (Nonce is { } nonce)
                using (w.PushSequence(Der.Context2))
                    CertificateExtension.WriteAll(w, [OcspResponse.NonceOf(nonce)]);
        }
    });
}

public enum OcspError { MalformedRequest = 1, InternalError = 2, TryLater = 3, SigRequired = 5, Unauthorized = 6 }

public enum OcspStatus { Good, Revoked, Unknown }

/// <param name="Revoked">With status revoked.</param>
/// <param name="Reason">With status revoked.</param>
public sealed record OcspSingle(OcspCertId Certificate, OcspStatus Status, DateTimeOffset ThisUpdate, DateTimeOffset? NextUpdate, DateTimeOffset? Revoked = null, RevocationReason Reason = default);
