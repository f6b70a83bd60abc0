using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Numerics;

namespace Hatchery.Pki;

/// <summary>Controls of CMC by name, and their values (RFC 5272, section 6; RFC 6402).</summary>
public static class CmcControls
{
    private const string Arc = "1.3.6.1.5.5.7.7.";
    public const string StatusInfo = Arc + "1", Identification = Arc + "2", IdentityProof = Arc + "3", DataReturn = Arc + "4", TransactionId = Arc + "5", SenderNonce = Arc + "6", RecipientNonce = Arc + "7";
    public const string AddExtensions = Arc + "8", EncryptedPop = Arc + "9", DecryptedPop = Arc + "10", LraPopWitness = Arc + "11", GetCert = Arc + "15", GetCrl = Arc + "16", RevokeRequest = Arc + "17";
    public const string RegInfo = Arc + "18", ResponseInfo = Arc + "19", QueryPending = Arc + "21", PopLinkRandom = Arc + "22", PopLinkWitness = Arc + "23", ConfirmCertAcceptance = Arc + "24";
    public const string StatusInfoV2 = Arc + "25", TrustedAnchors = Arc + "26", AuthData = Arc + "27", BatchRequests = Arc + "28", BatchResponses = Arc + "29", PublishCert = Arc + "30", ModCertTemplate = Arc + "31";
    public const string ControlProcessed = Arc + "32", PopLinkWitnessV2 = Arc + "33", IdentityProofV2 = Arc + "34", RaIdentityWitness = Arc + "35", ChangeSubjectName = Arc + "36", ResponseBody = Arc + "37";

    public static ReadOnlyMemory<byte> Octets(ReadOnlySpan<byte> value)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteOctetString(value);
        return writer.Encode();
    }

    public static ReadOnlyMemory<byte> Integer(BigInteger value) => Der.Write(w => w.WriteInteger(value));
    public static ReadOnlyMemory<byte> Text(string value) => Der.Write(w => w.WriteCharacterString(UniversalTagNumber.UTF8String, value));

    /// <exception cref="PkiException">Not an OCTET STRING of at most 4 KiB.</exception>
    public static byte[] ReadOctets(ReadOnlyMemory<byte> value, string field) => Der.Read(value, field, 4100, r => r.ReadOctetString(), AsnEncodingRules.BER);
    public static BigInteger ReadInteger(ReadOnlyMemory<byte> value, string field) => Der.Read(value, field, 64, r => r.ReadInteger(), AsnEncodingRules.BER);
    public static string ReadText(ReadOnlyMemory<byte> value, string field) => Der.Read(value, field, 1024, r => r.ReadCharacterString(UniversalTagNumber.UTF8String), AsnEncodingRules.BER);
}

/// <summary>GetCRL (RFC 5272, section 6.10).</summary>
/// <param name="Issuer">DER of a Name.</param>
/// <param name="Since">The requester wants no list that is older.</param>
public sealed record CmcGetCrl(ReadOnlyMemory<byte> Issuer, DateTimeOffset? Since = null)
{
    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            w.WriteEncodedValue(Issuer.Span);
            if (Since is { } since)
                w.WriteGeneralizedTime(since, omitFractionalSeconds: true);
        }
    });

    /// <exception cref="PkiException">Cannot be read.</exception>
    public static CmcGetCrl Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "getCRL", 4096, all =>
    {
        var content = all.ReadSequence();
        var issuer = content.ReadEncodedValue();
        DirectoryName.Read(issuer, "getCRL");
        if (content.HasData && content.PeekTag().TagClass == TagClass.ContextSpecific)
            content.ReadEncodedValue();
        DateTimeOffset? since = content.HasData && content.PeekTag() == Asn1Tag.GeneralizedTime ? content.ReadGeneralizedTime() : null;
        return new CmcGetCrl(issuer, since);
    }, AsnEncodingRules.BER);
}

/// <summary>GetCert (RFC 5272, section 6.9).</summary>
/// <param name="Issuer">GeneralName.</param>
public sealed record CmcGetCert(GeneralName Issuer, ReadOnlyMemory<byte> SerialNumber)
{
    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            w.WriteEncodedValue(Issuer.Encoded.Span);
            w.WriteInteger(SerialNumber.Span);
        }
    });

    /// <exception cref="PkiException">Cannot be read.</exception>
    public static CmcGetCert Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "getCert", 4096, all =>
    {
        var content = all.ReadSequence();
        var tag = content.PeekTag();
        if (tag.TagClass != TagClass.ContextSpecific || tag.TagValue > 8)
            throw new PkiException("getCert", "the issuer is no GeneralName.");
        var read = new CmcGetCert(new((GeneralNameKind)tag.TagValue, content.ReadEncodedValue()), content.ReadIntegerBytes());
        content.ThrowIfNotEmpty();
        return read;
    });
}

/// <summary>RevokeRequest (RFC 5272, section 6.11).</summary>
/// <param name="Issuer">DER of a Name.</param>
/// <param name="Passphrase">A secret that was agreed for revocation; null: the message's signature authorizes.</param>
public sealed record CmcRevokeRequest(ReadOnlyMemory<byte> Issuer, ReadOnlyMemory<byte> SerialNumber, RevocationReason Reason, DateTimeOffset? InvalidityDate = null,
    SecretBytes? Passphrase = null, string? Comment = null)
{
    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            w.WriteEncodedValue(Issuer.Span);
            w.WriteInteger(SerialNumber.Span);
            w.WriteEncodedValue([0x0A, 1, (byte)Reason]);
            if (InvalidityDate is { } date)
                w.WriteGeneralizedTime(date, omitFractionalSeconds: true);
            if (Passphrase is { } passphrase)
                w.WriteOctetString(passphrase.Reveal());
            if (Comment is { } comment)
                w.WriteCharacterString(UniversalTagNumber.UTF8String, comment);
        }
    });

    /// <exception cref="PkiException">Cannot be read, or of an unknown reason.</exception>
    public static CmcRevokeRequest Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "revokeRequest", 4096, all =>
    {
        var content = all.ReadSequence();
        var issuer = content.ReadEncodedValue();
        DirectoryName.Read(issuer, "revokeRequest");
        var serial = content.ReadIntegerBytes();
        var reason = content.ReadEnumeratedBytes() is { Length: 1 } code && Enum.IsDefined((RevocationReason)code.Span[0]) ? (RevocationReason)code.Span[0]
            : throw new PkiException("revokeRequest", "an unknown reason.");
        DateTimeOffset? date = content.HasData && content.PeekTag() == Asn1Tag.GeneralizedTime ? content.ReadGeneralizedTime() : null;
        var passphrase = content.HasData && content.PeekTag().HasSameClassAndValue(Asn1Tag.PrimitiveOctetString) ? new SecretBytes(content.ReadOctetString()) : null;
        string? comment = content.HasData ? content.ReadCharacterString(UniversalTagNumber.UTF8String) : null;
        content.ThrowIfNotEmpty();
        return new CmcRevokeRequest(issuer, serial, reason, date, passphrase, comment);
    }, AsnEncodingRules.BER);
}

/// <summary>PublishTrustAnchors (RFC 5272, section 6.15): which self-signed certificates of the message the client is to trust. The list replaces lists of lower numbers.</summary>
/// <param name="Hashes">SHA-256 of each whole certificate.</param>
public sealed record CmcTrustAnchors(BigInteger SequenceNumber, ImmutableArray<ReadOnlyMemory<byte>> Hashes)
{
    public static CmcTrustAnchors Of(BigInteger sequenceNumber, IEnumerable<Certificate> anchors) => new(sequenceNumber, [.. anchors.Select(a => (ReadOnlyMemory<byte>)a.Sha256())]);

    /// <summary>Those certificates that the list names.</summary>
    public ImmutableArray<Certificate> Select(IEnumerable<Certificate> certificates) =>
        [.. certificates.Where(c => c.IsSelfIssued && Hashes.Any(h => h.Span.SequenceEqual(c.Sha256())))];

    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            w.WriteInteger(SequenceNumber);
            using (w.PushSequence())
                w.WriteObjectIdentifier(Oids.Sha256);
            using (w.PushSequence())
                foreach (var hash in Hashes)
                    w.WriteOctetString(hash.Span);
        }
    });

    /// <exception cref="PkiException">Cannot be read, or of a hash other than SHA-256.</exception>
    public static CmcTrustAnchors Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "trustedAnchors", 8192, all =>
    {
        var content = all.ReadSequence();
        var number = content.ReadInteger();
        if (content.ReadSequence().ReadObjectIdentifier() != Oids.Sha256)
            throw new PkiException("trustedAnchors", "a hash other than SHA-256.");
        var hashes = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        for (var sequence = content.ReadSequence(); sequence.HasData;)
            hashes.Add(sequence.ReadOctetString());
        content.ThrowIfNotEmpty();
        return new CmcTrustAnchors(number, hashes.ToImmutable());
    }, AsnEncodingRules.BER);
}
