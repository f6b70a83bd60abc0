using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>The way to another EST server: one exchange over TLS, with the RA's certificate, to a server that is authorized as RFC 7030, section 3.6, says.</summary>
public interface IEstUpstream
{
    /// <exception cref="IOException">No answer.</exception>
    /// <exception cref="EstException">An answer that is no EST.</exception>
    ValueTask<EstResponse> AskAsync(EstRequest request, CancellationToken cancel);
}

/// <summary>The CA has not decided yet. The client is told to come again, as if our own policy held it.</summary>
public sealed class AuthorityPendingException(TimeSpan askAgain) : Exception("The certificate authority has not decided yet.")
{
    public TimeSpan AskAgain => askAgain;
}

/// <summary>A registration authority's CA: another EST server, to which requests go as their clients made them. What was checked here (identity, linking, names) is vouched for by
/// the RA's certificate with id-kp-cmcRA (RFC 7030, section 3.7).</summary>
/// <param name="label">At the other server.</param>
public sealed class UpstreamAuthority(IEstUpstream upstream, string label, Func<Moment> now) : IEstAuthority
{
    private static readonly TimeSpan s_anchorsFor = TimeSpan.FromMinutes(10), s_noRetryAfter = TimeSpan.FromSeconds(60), s_unreachable = TimeSpan.FromSeconds(30);
    private sealed record Known(ImmutableArray<Certificate> Certificates, TrustStore Trust, TimeSpan At);
    private volatile Known? _known;

    public async ValueTask<ImmutableArray<Certificate>> CertificatesAsync(IUnitOfWork unit, CancellationToken cancel) => (await KnowAsync(cancel)).Certificates;

    public async ValueTask<TrustStore> TrustAsync(IUnitOfWork unit, CancellationToken cancel) => (await KnowAsync(cancel)).Trust;

    private async ValueTask<Known> KnowAsync(CancellationToken cancel)
    {
        var at = now();
        if (_known is { } known && at.Elapsed < known.At + s_anchorsFor)
            return known;
        try
        {
            if (await AskAsync(EstOperation.CaCerts, default, cancel) is not CaCertsResponse response)
                throw Unavailable("the certificate authority does not tell its certificates");
            var certificates = Certificate.ParseAll(CertsOnly.Parse(response.Certificates));
            return _known = new Known(certificates, AnchorUpdate.First(certificates, null, at.Wall).Store, at.Elapsed);
        }
        catch (EstException) when (_known is not null)
        {
            return _known;
        }
        catch (PkiException e)
        {
            throw EstException.Of(e, 502);
        }
    }

    public async ValueTask<Certificate> IssueAsync(IUnitOfWork unit, CertificateOrder order, DateTimeOffset at, CancellationToken cancel)
    {
        if (!order.Request.SubjectPublicKeyInfo.Span.SequenceEqual(order.Key.Encoded.Span))
            throw new PkiException("operation", "a registration authority passes on requests of clients' own keys only.");
        switch (await AskAsync(order.Replaces is null ? EstOperation.SimpleEnroll : EstOperation.SimpleReenroll, order.Request.Encoded, cancel))
        {
            case CertificateResponse issued:
                return Certificate.ParseAll(CertsOnly.Parse(issued.Certificates)).FirstOrDefault(c => c.Key.Encoded.Span.SequenceEqual(order.Key.Encoded.Span))
                    ?? throw Unavailable("the certificate authority certified another key");
            case PendingResponse pending:
                throw new AuthorityPendingException(pending.RetryAfter ?? s_noRetryAfter);
            case RefusedResponse { Status: 400 or 403 } refused:
                throw new EstException(refused.Status, "certificate authority", $"the certificate authority says: {refused.Text}");
            case var other:
                throw Unavailable($"the certificate authority answers {(other as RefusedResponse)?.Status}");
        }
    }

    private async ValueTask<EstResponse> AskAsync(EstOperation operation, ReadOnlyMemory<byte> payload, CancellationToken cancel)
    {
        try
        {
            return await upstream.AskAsync(new EstRequest(operation, label, payload), cancel);
        }
        catch (Exception e) when (e is IOException or EstException)
        {
            throw Unavailable("the certificate authority does not answer", e);
        }
    }

    private static EstException Unavailable(string sentence, Exception? inner = null) => new(503, "certificate authority", sentence + ".", inner) { RetryAfter = s_unreachable };

    /// <summary>Whether it was revoked is the CA's knowledge: it looks itself when a renewal arrives.</summary>
    public ValueTask<string?> RefusalAsync(IUnitOfWork unit, Certificate certificate, CancellationToken cancel) => default;

    public ValueTask<bool> RevokeAsync(IUnitOfWork unit, ReadOnlyMemory<byte> serialNumber, RevocationReason reason, DateTimeOffset at, CancellationToken cancel) => new(false);

    public ValueTask<ReadOnlyMemory<byte>?> RevocationListAsync(Caller caller, CancellationToken cancel) => default;
}
