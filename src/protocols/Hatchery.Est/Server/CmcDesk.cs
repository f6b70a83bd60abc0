using System.Collections.Immutable;
using System.Formats.Asn1;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>Full CMC over EST (RFC 7030, section 4.3; RFC 5272). Who signs may be somebody else than who speaks TLS, and a shared secret may stand for both.</summary>
internal sealed class CmcDesk(IRecordStore store, Identification identification, EnrollmentDesk desk, Chance chance)
{
    private sealed record Part(uint Id, CmcStatusInfo? Failure, Certificate? Issued, TimeSpan? Wait);

    /// <param name="channel">What TLS and HTTP proved; null: nothing.</param>
    /// <exception cref="EstException">With a CMC response that says the same.</exception>
    public async ValueTask<EstResponse> HandleAsync(EstRequest request, EstLabel label, ClientIdentity? channel, Caller caller, CancellationToken cancel)
    {
        CmcRequest? cmc = null;
        try
        {
            cmc = CmcRequest.Parse(request.Body);
            if (cmc.NotUnderstood is [var strange, ..])
                throw Refused(label, cmc, Failed(CmcFailInfo.BadRequest, $"the control {strange.Oid} is not understood here", strange.BodyPartId), 400, caller);
            if (cmc.QueryPending is not null || cmc.Data.Find(CmcControls.GetCert) is not null)
                throw Refused(label, cmc, new CmcStatusInfo(CmcStatus.NoSupport, [0], "queries are not supported; repeat the request"), 400, caller);
            var (identity, linked) = await IdentifyAsync(cmc, label, channel, caller, cancel);
            return await AnswerAsync(request, cmc, label, identity, linked, caller, cancel);
        }
        catch (PkiException e)
        {
            var fail = CmcRequest.FailInfoOf(e);
            throw Refused(label, cmc, Failed(fail, $"{e.FieldName}: {e.Message}"), fail == CmcFailInfo.BadIdentity ? 403 : 400, caller, e.FieldName);
        }
        catch (EstException e) when (e.Cmc.IsEmpty && e.Status is 400 or 403)
        {
            bool pop = e.FieldName == "challengePassword";
            throw Refused(label, cmc, Failed(pop ? CmcFailInfo.PopFailed : e.Status == 403 ? CmcFailInfo.BadIdentity : CmcFailInfo.BadRequest, e.Message), e.Status, caller, e.FieldName);
        }
    }

    /// <summary>The signer's certificate counts as the channel's would; a proof of a shared secret names its owner and links the requests to him.</summary>
    private async ValueTask<(ClientIdentity Identity, bool Linked)> IdentifyAsync(CmcRequest cmc, EstLabel label, ClientIdentity? channel, Caller caller, CancellationToken cancel)
    {
        var identity = channel ?? new ClientIdentity();
        if (cmc.Authenticate() is { } signer)
        {
            var (verdict, leaf) = await identification.JudgeAsync(label, [signer.Encoded, .. cmc.Signed.Certificates], caller, cancel);
            if (verdict.Path is null)
                throw verdict.Refusal!;
            identity = identity with { Certificate = leaf, Source = verdict.Source };
        }
        bool? proof = cmc.VerifyIdentity(name => name is null ? null : label.FullCmc!.SecretOf?.Invoke(name));
        if (proof == false)
            throw EstException.Forbidden("identityProof", "the proof of identity is wrong, or nobody of this name has a secret here.");
        if (proof == true)
            identity = identity with { Secret = cmc.Identification };
        if (identity.Certificate is null && identity.User is null && identity.Secret is null)
            throw EstException.Forbidden("identity", "nobody has proven who he is: by TLS, by the signature, or by identityProof.");
        return (identity, proof == true);
    }

    private async ValueTask<EstResponse> AnswerAsync(EstRequest request, CmcRequest cmc, EstLabel label, ClientIdentity identity, bool linked, Caller caller, CancellationToken cancel)
    {
        var parts = new List<Part>();
        foreach (var tagged in cmc.Data.Requests)
            parts.Add(await EnrollAsync(request, cmc, tagged, label, identity, linked, caller, cancel));
        foreach (var (id, revoke) in cmc.Revocations)
            parts.Add(await RevokeAsync(id, revoke, label, identity, caller, cancel));
        // All that waits waits as in the simple operations: the same request again.
        if (parts.Count > 0 && parts.All(p => p.Wait is not null))
            return new PendingResponse(EstOperation.FullCmc, parts.Max(p => p.Wait), "The request waits for a decision.");
        ImmutableArray<ReadOnlyMemory<byte>> lists = [];
        if (cmc.GetCrl is not null && await label.Authority.RevocationListAsync(caller, cancel) is { } list)
            lists = [list];
        var published = await label.Authority.CertificatesAsync(store.Begin(caller), cancel);
        var statuses = ImmutableArray.CreateBuilder<CmcStatusInfo>();
        ImmutableArray<uint> done = [.. parts.Where(p => p.Failure is null && p.Wait is null).Select(p => p.Id)];
        if (!done.IsEmpty || parts.Count == 0)
            statuses.Add(new CmcStatusInfo(CmcStatus.Success, [.. done.DefaultIfEmpty(0u)]));
        statuses.AddRange(parts.Where(p => p.Failure is not null).Select(p => p.Failure!));
        if (parts.Where(p => p.Wait is not null).ToList() is { Count: > 0 } waiting)
            statuses.Add(new CmcStatusInfo(CmcStatus.Failed, [.. waiting.Select(p => p.Id)], "waits for a decision; repeat the request") { FailInfo = CmcFailInfo.TryLater });
        var answer = new CmcResponseBuilder
        {
            Request = cmc,
            Statuses = statuses.ToImmutable(),
            Certificates = [.. parts.Where(p => p.Issued is not null).Select(p => p.Issued!.Encoded), .. published.Select(c => c.Encoded)],
            Lists = lists,
            TrustedAnchors = CmcTrustAnchors.Of(caller.Wall.ToUnixTimeSeconds(), published.Where(c => c.IsSelfIssued)),
        };
        return new FullCmcResponse(answer.Sign(label.FullCmc!.Signer, label.FullCmc.SignerChain, chance, caller.Wall), IsCertsOnly: false)
        {
            Status = done.IsEmpty && parts.Count > 0 ? parts.Any(p => p.Failure?.FailInfo == CmcFailInfo.BadIdentity) ? 403 : 400 : 200,
        };
    }

    private async ValueTask<Part> EnrollAsync(EstRequest request, CmcRequest cmc, CmcTaggedRequest tagged, EstLabel label, ClientIdentity identity, bool linked, Caller caller, CancellationToken cancel)
    {
        try
        {
            var enrollment = CmcRequest.Prove(tagged, label.Keys, identity.IsAuthority);
            var csr = enrollment.Request ?? AsPkcs10(enrollment);
            bool renews = identity is { Source: TrustSource.Explicit, IsAuthority: false, Secret: null };
            // The witness of popLink does here what the channel binding does in simple requests.
            var rules = linked ? label with { Demands = label.Demands with { ChallengePassword = false } } : label;
            var answer = await desk.HandleAsync(EstService.Check(request, rules, identity, csr, renews, caller), () => enrollment.Key, caller, cancel);
            return new Part(tagged.BodyPartId, null, answer.Certificate, answer.Certificate is null ? answer.AskAgain : null);
        }
        catch (PkiException e)
        {
            return new Part(tagged.BodyPartId, Failed(CmcRequest.FailInfoOf(e), $"{e.FieldName}: {e.Message}", tagged.BodyPartId), null, null);
        }
        catch (EstException e)
        {
            var fail = e.FieldName == "challengePassword" ? CmcFailInfo.PopFailed : e.Status == 403 ? CmcFailInfo.BadIdentity : CmcFailInfo.BadRequest;
            return new Part(tagged.BodyPartId, Failed(fail, e.Message, tagged.BodyPartId), null, null);
        }
    }

    /// <summary>A holder may revoke his own certificate, a registration authority anybody's.</summary>
    private async ValueTask<Part> RevokeAsync(uint id, CmcRevokeRequest revoke, EstLabel label, ClientIdentity identity, Caller caller, CancellationToken cancel)
    {
        bool own = identity is { Source: TrustSource.Explicit, Certificate: { } mine } && mine.SerialNumber.Span.SequenceEqual(revoke.SerialNumber.Span);
        if (!own && !identity.IsAuthority)
            return new Part(id, Failed(CmcFailInfo.BadIdentity, "only its holder or a registration authority may revoke a certificate", id), null, null);
        var unit = store.Begin(caller);
        if (!await label.Authority.RevokeAsync(unit, revoke.SerialNumber, revoke.Reason, caller.Wall, cancel))
            return new Part(id, Failed(CmcFailInfo.BadCertId, "there is no such certificate, or it is revoked already", id), null, null);
        unit.Report(new Fact.Administered(identity.Identifiers(true).First(), $"certificate {Convert.ToHexStringLower(revoke.SerialNumber.Span)} revoked: {revoke.Reason}", "its holder or a registration authority"));
        await unit.CommitAsync(cancel);
        return new Part(id, null, null, null);
    }

    private static CmcStatusInfo Failed(CmcFailInfo fail, string text, uint id = 0) => new(CmcStatus.Failed, [id], text, fail);

    private EstException Refused(EstLabel label, CmcRequest? cmc, CmcStatusInfo status, int http, Caller caller, string field = "CMC") =>
        new(http, field, status.Text ?? "the CMC request is refused")
        {
            Cmc = new CmcResponseBuilder { Request = cmc, Statuses = [status] }.Sign(label.FullCmc!.Signer, label.FullCmc.SignerChain, chance, caller.Wall),
        };

    /// <summary>The rules read PKCS#10: a CRMF whose proof was verified, in that form and without a signature.</summary>
    private static Pkcs10 AsPkcs10(CmcEnrollment enrollment)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteInteger(0);
                writer.WriteEncodedValue(enrollment.SubjectName.Span);
                writer.WriteEncodedValue(enrollment.Key.Encoded.Span);
                using (writer.PushSetOf(new Asn1Tag(TagClass.ContextSpecific, 0, true)))
                    if (!enrollment.Extensions.IsEmpty)
                    {
                        var attribute = RequestAttribute.ExtensionRequest(enrollment.Extensions);
                        using (writer.PushSequence())
                        {
                            writer.WriteObjectIdentifier(attribute.Oid);
                            using (writer.PushSetOf())
                                writer.WriteEncodedValue(attribute.Values[0].Span);
                        }
                    }
            }
            writer.WriteEncodedValue(SignatureAlgorithm.Ecdsa(System.Security.Cryptography.HashAlgorithmName.SHA256).Encode().Span);
            writer.WriteBitString([]);
        }
        return Pkcs10.ParseUnproven(writer.Encode());
    }
}
