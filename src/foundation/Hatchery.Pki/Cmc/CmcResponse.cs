using System.Collections.Immutable;
using System.Numerics;

namespace Hatchery.Pki;

/// <summary>A PKI Response as a client receives it: Full (SignedData over PKIResponse) or Simple (certs-only).</summary>
public sealed class CmcResponse
{
    private CmcResponse(SignedData signed, CmcMessage data)
    {
        (Signed, Data) = (signed, data);
        Statuses = [.. data.Controls.Where(c => c.Oid is CmcControls.StatusInfoV2 or CmcControls.StatusInfo).SelectMany(c => c.Values).Select(CmcStatusInfo.Parse)];
        Certificates = Certificate.ParseAll(signed.Certificates);
        _ = (TransactionId, SenderNonce, RecipientNonce, TrustedAnchors);
    }

    public SignedData Signed { get; }
    public CmcMessage Data { get; }
    /// <summary>No status was given, because none is needed: the certificates are the answer.</summary>
    public bool IsSimple => Signed.Signers.IsEmpty;
    /// <summary>In their order; a part of the request is named by its body part id.</summary>
    public ImmutableArray<CmcStatusInfo> Statuses { get; }
    public ImmutableArray<Certificate> Certificates { get; }
    /// <summary>DER of CRLs.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Lists => Signed.Lists;
    public BigInteger? TransactionId => Data.Single(CmcControls.TransactionId) is { } value ? CmcControls.ReadInteger(value, "transactionId") : null;
    public byte[]? SenderNonce => Data.Single(CmcControls.SenderNonce) is { } value ? CmcControls.ReadOctets(value, "senderNonce") : null;
    public byte[]? RecipientNonce => Data.Single(CmcControls.RecipientNonce) is { } value ? CmcControls.ReadOctets(value, "recipientNonce") : null;
    public CmcTrustAnchors? TrustedAnchors => Data.Single(CmcControls.TrustedAnchors) is { } value ? CmcTrustAnchors.Parse(value) : null;
    public CmcStatusInfo? Failure => Statuses.FirstOrDefault(s => s.Status is not (CmcStatus.Success or CmcStatus.Pending));

    /// <param name="encoded">ContentInfo; BER or DER, up to 64 KiB.</param>
    /// <exception cref="PkiException">Neither form.</exception>
    public static CmcResponse Parse(ReadOnlyMemory<byte> encoded)
    {
        var signed = SignedData.Parse(encoded);
        if (signed.Signers.IsEmpty)
            return new(signed, new CmcMessage { IsResponse = true });
        if (signed.ContentType != Oids.PkiResponse || signed.Content is not { } content)
            throw new PkiException("eContentType", "not a PKIResponse.");
        return new(signed, CmcMessage.Parse(content, isResponse: true));
    }

    /// <summary>The signer has a path to an anchor, and the answer is to our request. A simple response says neither: its certificates speak for themselves.</summary>
    /// <param name="senderNonce">Of the request.</param>
    /// <exception cref="PkiException">Not so.</exception>
    public Certificate? Verify(TrustStore store, PathOptions options, ReadOnlySpan<byte> senderNonce, BigInteger? transactionId)
    {
        if (IsSimple)
            return null;
        var signer = Signed.Verify(store, options);
        if (RecipientNonce is not { } nonce || !nonce.AsSpan().SequenceEqual(senderNonce))
            throw new PkiException("recipientNonce", "the answer is to another request.");
        if (transactionId is not null && TransactionId != transactionId)
            throw new PkiException("transactionId", "the answer belongs to another transaction.");
        return signer;
    }
}

/// <summary>A Full PKI Response as a server makes it.</summary>
public sealed record CmcResponseBuilder
{
    /// <summary>What it answers: transaction and nonce are echoed, data are returned. Null: the request could not be read.</summary>
    public CmcRequest? Request { get; init; }
    public ImmutableArray<CmcStatusInfo> Statuses { get; init; } = [];
    /// <summary>DER: those issued, and what leads to the root.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Certificates { get; init; } = [];
    /// <summary>DER of CRLs.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Lists { get; init; } = [];
    /// <summary>What the client is to trust; the certificates themselves are to be among <see cref="Certificates"/>.</summary>
    public CmcTrustAnchors? TrustedAnchors { get; init; }
    public ImmutableArray<(string Oid, ReadOnlyMemory<byte> Value)> Controls { get; init; } = [];

    /// <param name="chain">DER, the signer's certificate first.</param>
    /// <returns>ContentInfo.</returns>
    public ReadOnlyMemory<byte> Sign(SignatureKey key, ImmutableArray<ReadOnlyMemory<byte>> chain, Chance chance, DateTimeOffset? at)
    {
        uint id = 0;
        var controls = ImmutableArray.CreateBuilder<CmcControl>();
        // Who speaks only version 1 of the other controls is told the status in version 1 too.
        bool old = Request is { } to && to.Data.Find(CmcControls.IdentityProof) is not null;
        foreach (var status in Statuses)
        {
            Add(CmcControls.StatusInfoV2, status.Encode());
            if (old)
                Add(CmcControls.StatusInfo, status.Encode());
        }
        if (Request?.Data.Find(CmcControls.TransactionId) is { Values: [var transaction] })
            Add(CmcControls.TransactionId, transaction);
        if (Request?.Data.Find(CmcControls.DataReturn) is { Values: [var data] })
            Add(CmcControls.DataReturn, data);
        Add(CmcControls.SenderNonce, CmcControls.Octets(chance.Bytes(16, "CMC.senderNonce")));
        if (Request?.Data.Find(CmcControls.SenderNonce) is { Values: [var nonce] })
            Add(CmcControls.RecipientNonce, nonce);
        if (TrustedAnchors is { } anchors)
            Add(CmcControls.TrustedAnchors, anchors.Encode());
        foreach (var (oid, value) in Controls)
            Add(oid, value);
        ImmutableArray<ReadOnlyMemory<byte>> certificates = [.. chain, .. Certificates.Where(c => !chain.Any(s => s.Span.SequenceEqual(c.Span)))];
        var message = new CmcMessage { IsResponse = true, Controls = controls.ToImmutable() };
        return SignedData.Sign(Oids.PkiResponse, message.Encode(), key, certificates, chance, at, lists: Lists, use: "CMC.signature");

        void Add(string oid, ReadOnlyMemory<byte> value) => controls.Add(new(++id, oid, [value]));
    }
}
