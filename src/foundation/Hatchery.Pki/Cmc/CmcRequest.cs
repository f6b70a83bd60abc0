using System.Collections.Immutable;
using System.Numerics;

namespace Hatchery.Pki;

/// <summary>One certificate that a CMC request asks for, its proof of possession verified.</summary>
/// <param name="SubjectName">DER of a Name.</param>
/// <param name="Request">Null: the request was a CRMF.</param>
public sealed record CmcEnrollment(uint BodyPartId, ReadOnlyMemory<byte> SubjectName, PublicKeyInfo Key, ImmutableArray<CertificateExtension> Extensions, Pkcs10? Request);

/// <summary>A Full PKI Request as a server receives it (RFC 5272, section 3.2): SignedData over PKIData. Reading checks the form only; then <see cref="Authenticate"/>,
/// <see cref="Prove"/> for each request, and <see cref="VerifyIdentity"/>.</summary>
public sealed class CmcRequest
{
    private CmcRequest(SignedData signed, CmcMessage data) => (Signed, Data) = (signed, data);

    public SignedData Signed { get; }
    public CmcMessage Data { get; }

    public string? Identification => Data.Single(CmcControls.Identification) is { } value ? CmcControls.ReadText(value, "identification") : null;
    public BigInteger? TransactionId => Data.Single(CmcControls.TransactionId) is { } value ? CmcControls.ReadInteger(value, "transactionId") : null;
    public byte[]? SenderNonce => Data.Single(CmcControls.SenderNonce) is { } value ? CmcControls.ReadOctets(value, "senderNonce") : null;
    public CmcGetCrl? GetCrl => Data.Single(CmcControls.GetCrl) is { } value ? CmcGetCrl.Parse(value) : null;
    public ImmutableArray<(uint BodyPartId, CmcRevokeRequest Request)> Revocations =>
        [.. Data.Controls.Where(c => c.Oid == CmcControls.RevokeRequest).SelectMany(c => c.Values.Select(v => (c.BodyPartId, CmcRevokeRequest.Parse(v))))];
    /// <summary>The token of a request that is pending, given back.</summary>
    public byte[]? QueryPending => Data.Single(CmcControls.QueryPending) is { } value ? CmcControls.ReadOctets(value, "queryPending") : null;
    public ChangeSubjectName? ChangeSubjectName => Data.Single(CmcControls.ChangeSubjectName) is { } value ? ChangeSubjectName.Parse(value) : null;
    /// <summary>Free text for the authority.</summary>
    public ReadOnlyMemory<byte>? RegInfo => Data.Single(CmcControls.RegInfo);

    /// <summary>Controls that a server must understand to answer rightly and that are not understood here: the answer is status noSupport or failInfo badRequest.</summary>
    public ImmutableArray<CmcControl> NotUnderstood => [.. Data.Controls.Where(c => !s_understood.Contains(c.Oid))];

    private static readonly HashSet<string> s_understood =
    [
        CmcControls.Identification, CmcControls.IdentityProof, CmcControls.IdentityProofV2, CmcControls.TransactionId, CmcControls.SenderNonce, CmcControls.RecipientNonce,
        CmcControls.DataReturn, CmcControls.GetCrl, CmcControls.GetCert, CmcControls.RevokeRequest, CmcControls.QueryPending, CmcControls.PopLinkRandom, CmcControls.PopLinkWitness, CmcControls.PopLinkWitnessV2,
        CmcControls.ChangeSubjectName, CmcControls.RegInfo, CmcControls.ConfirmCertAcceptance,
    ];

    /// <param name="encoded">ContentInfo; BER or DER, up to 64 KiB.</param>
    /// <exception cref="PkiException">Not a signed PKIData, or controls that cannot be read.</exception>
    public static CmcRequest Parse(ReadOnlyMemory<byte> encoded)
    {
        var signed = SignedData.Parse(encoded);
        if (signed.ContentType != Oids.PkiData || signed.Content is not { } content)
            throw new PkiException("eContentType", "not PKIData.");
        var request = new CmcRequest(signed, CmcMessage.Parse(content, isResponse: false));
        // What is read later is read here once, so that it cannot fail there.
        _ = (request.Identification, request.TransactionId, request.SenderNonce, request.GetCrl, request.Revocations, request.QueryPending, request.ChangeSubjectName);
        return request;
    }

    /// <summary>Verifies the signature over the whole.</summary>
    /// <returns>The signer's certificate, whose path is for the caller to judge; null: signed with the key of the only request.</returns>
    /// <exception cref="PkiException">A wrong signature, or a signer who cannot be found.</exception>
    public Certificate? Authenticate()
    {
        // Who signs with a new key may send other certificates along.
        if (Signed.HasSigner)
            return Signed.VerifySignature().Certificate;
        if (Data.Requests is not [var only] || only.Kind == CmcRequestKind.Other)
            throw new PkiException("signerInfos", "a signer without a certificate signs with the key of one request, and there is not one.");
        Signed.VerifySignature(only.Kind == CmcRequestKind.Pkcs10 ? Pkcs10.ParseUnproven(only.Encoded).Key : CertReqMsg.Parse(only.Encoded).Key);
        return null;
    }

    /// <param name="raVouches">The signer is a registration authority, whose "raVerified" counts as proof.</param>
    /// <exception cref="PkiException">Field "signature": the proof of possession fails. Others: the request cannot be read or its key is not allowed.</exception>
    public static CmcEnrollment Prove(CmcTaggedRequest tagged, KeyPolicy policy, bool raVouches)
    {
        switch (tagged.Kind)
        {
            case CmcRequestKind.Pkcs10:
                var request = Pkcs10.Parse(tagged.Encoded, policy);
                return new(tagged.BodyPartId, request.SubjectName, request.Key, request.Extensions, request);
            case CmcRequestKind.Crmf:
                var message = CertReqMsg.Parse(tagged.Encoded);
                if (message.RaVerified && raVouches)
                    policy.Check(message.Key);
                else
                    message.Prove(policy);
                return new(tagged.BodyPartId, message.SubjectName, message.Key, message.Extensions, null);
            default:
                throw new PkiException("reqSequence", "a request of a kind that is unknown here.");
        }
    }

    /// <summary>Checks identityProof, in either version, and popLinkWitness where popLinkRandom is there.</summary>
    /// <param name="secret">The shared secret of an identity; null: unknown.</param>
    /// <returns>Null: there is no proof. False: unknown, or a proof is wrong.</returns>
    public bool? VerifyIdentity(Func<string?, SecretText?> secret)
    {
        var (v1, v2) = (Data.Single(CmcControls.IdentityProof), Data.Single(CmcControls.IdentityProofV2));
        if (v1 is null && v2 is null)
            return null;
        string? identity = Identification;
        if (secret(identity) is not { } known)
            return false;
        bool right = v2 is { } proof ? CmcProofs.VerifyV2(proof, known, identity, Data.RequestSequence.Span) : CmcProofs.VerifyV1(v1!.Value, known, Data.RequestSequence.Span);
        return right && VerifyLink(known);
    }

    /// <summary>The witness is a control, or an attribute of each request.</summary>
    private bool VerifyLink(SecretText secret)
    {
        if (Data.Single(CmcControls.PopLinkRandom) is not { } encoded)
            return Data.Find(CmcControls.PopLinkWitness) is null && Data.Find(CmcControls.PopLinkWitnessV2) is null;
        byte[] random = CmcControls.ReadOctets(encoded, "popLinkRandom");
        if (Data.Single(CmcControls.PopLinkWitnessV2) is { } v2)
            return CmcProofs.VerifyV2(v2, secret, null, random);
        if (Data.Single(CmcControls.PopLinkWitness) is { } v1)
            return CmcProofs.VerifyV1(v1, secret, random);
        return Data.Requests.All(r => r.Kind == CmcRequestKind.Pkcs10 && VerifyLink(Pkcs10.ParseUnproven(r.Encoded), secret, random));
    }

    private static bool VerifyLink(Pkcs10 request, SecretText secret, byte[] random)
    {
        if (request.Find(CmcControls.PopLinkWitnessV2) is { } v2)
            return CmcProofs.VerifyV2(v2.Single("popLinkWitnessV2"), secret, null, random);
        return request.Find(CmcControls.PopLinkWitness) is { } v1 && CmcProofs.VerifyV1(v1.Single("popLinkWitness"), secret, random);
    }

    /// <summary>What to answer for what went wrong.</summary>
    public static CmcFailInfo FailInfoOf(PkiException fault) => fault.FieldName switch
    {
        "signature" => CmcFailInfo.PopFailed,
        "signatureAlgorithm" or "subjectPublicKeyInfo" or "digestAlgorithm" => CmcFailInfo.BadAlg,
        "messageDigest" or "signerInfos" or "contentType" => CmcFailInfo.BadMessageCheck,
        "extensions" or "keyUsage" or "extendedKeyUsage" => CmcFailInfo.UnsupportedExt,
        "anchor" or "validity" or "revocation" => CmcFailInfo.BadIdentity,
        _ => CmcFailInfo.BadRequest,
    };
}

/// <summary>A Full PKI Request as a client makes it.</summary>
public sealed record CmcRequestBuilder
{
    /// <summary>PKCS#10, DER; may be empty for requests that are controls only.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Requests { get; init; } = [];
    /// <summary>CertReqMsg, whose certReqIds are from 1000 on.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> CrmfRequests { get; init; } = [];
    public BigInteger? TransactionId { get; init; }
    public string? Identification { get; init; }
    /// <summary>Makes identityProofV2, popLinkRandom and popLinkWitnessV2; not for renewals.</summary>
    public SecretText? Secret { get; init; }
    /// <summary>OID and value of further controls.</summary>
    public ImmutableArray<(string Oid, ReadOnlyMemory<byte> Value)> Controls { get; init; } = [];

    /// <param name="key">Of the certificate, or the key of the only request.</param>
    /// <param name="certificates">DER, the signer's first; empty for the key of the only request.</param>
    /// <param name="senderNonce">16 bytes, to be compared with the answer's recipientNonce.</param>
    /// <returns>ContentInfo.</returns>
    public ReadOnlyMemory<byte> Sign(SignatureKey key, ImmutableArray<ReadOnlyMemory<byte>> certificates, Chance chance, DateTimeOffset? at, out byte[] senderNonce)
    {
        uint id = 0;
        var tagged = ImmutableArray.CreateBuilder<CmcTaggedRequest>();
        foreach (var request in Requests)
            tagged.Add(new(CmcRequestKind.Pkcs10, ++id, request));
        foreach (var request in CrmfRequests)
            tagged.Add(new(CmcRequestKind.Crmf, 0, request));
        var sequence = CmcMessage.EncodeRequests(tagged.ToImmutable());
        var controls = ImmutableArray.CreateBuilder<CmcControl>();
        senderNonce = chance.Bytes(16, "CMC.senderNonce");
        Add(CmcControls.SenderNonce, CmcControls.Octets(senderNonce));
        if (TransactionId is { } transaction)
            Add(CmcControls.TransactionId, CmcControls.Integer(transaction));
        if (Identification is { } identity)
            Add(CmcControls.Identification, CmcControls.Text(identity));
        if (Secret is { } secret)
        {
            byte[] random = chance.Bytes(64, "CMC.popLinkRandom");
            Add(CmcControls.IdentityProofV2, CmcProofs.IdentityProof(secret, Identification, sequence.Span));
            Add(CmcControls.PopLinkRandom, CmcControls.Octets(random));
            Add(CmcControls.PopLinkWitnessV2, CmcProofs.PopLinkWitness(secret, random));
        }
        foreach (var (oid, value) in Controls)
            Add(oid, value);
        var data = new CmcMessage { Controls = controls.ToImmutable(), RequestSequence = sequence };
        return SignedData.Sign(Oids.PkiData, data.Encode(), key, certificates, chance, at, use: "CMC.signature");

        void Add(string oid, ReadOnlyMemory<byte> value) => controls.Add(new(++id, oid, [value]));
    }
}
