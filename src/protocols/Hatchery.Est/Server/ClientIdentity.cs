using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>Who sent a request, as far as it was proven.</summary>
internal sealed record ClientIdentity
{
    public Certificate? Certificate { get; init; }
    /// <summary>Which database validated the certificate.</summary>
    public TrustSource Source { get; init; }
    public Stored<EstUser>? User { get; init; }
    public string? Secret { get; init; }

    /// <summary>May bring other people's requests (RFC 7030, section 3.7).</summary>
    public bool IsAuthority => Source == TrustSource.Explicit && Certificate!.Names(Oids.CmcRa);

    /// <summary>Of the certificate: serialNumber, which IEEE 802.1AR puts there; null without.</summary>
    public string? SerialNumber => Certificate is null ? null : DirectoryName.Find(Certificate.Subject, Oids.SerialNumber);

    /// <summary>Names that a subject may use.</summary>
    public IEnumerable<string> Names
    {
        get
        {
            if (Certificate is not null)
            {
                if (SerialNumber is { } serial)
                    yield return serial;
                if (DirectoryName.Find(Certificate.Subject, Oids.CommonName) is { } name)
                    yield return name;
            }
            if (User is not null)
                yield return User.Value.Name;
            if (Secret is not null)
                yield return Secret;
        }
    }

    /// <summary>For the registry and the policy; a name that several devices share proves none of them.</summary>
    /// <param name="shared">With names that are shared: the policy may decide by them.</param>
    public IEnumerable<Identifier> Identifiers(bool shared)
    {
        if (SerialNumber is { } serial && !IsAuthority)
            yield return new Identifier("serial", serial);
        if (Certificate is not null && !IsAuthority)
            yield return new Identifier("spki-sha256", Convert.ToHexStringLower(SHA256.HashData(Certificate.Key.Encoded.Span)));
        if (User is { Value: var user } && (shared || user.OneTime))
            yield return new Identifier("est.user", user.Name);
        if (Secret is not null && shared)
            yield return new Identifier("est.secret", Secret);
        if (IsAuthority && shared)
            yield return new Identifier("est.ra", Certificate!.SubjectText);
    }

    public ImmutableArray<string> Evidence
    {
        get
        {
            var evidence = ImmutableArray.CreateBuilder<string>();
            if (Certificate is not null)
                evidence.Add(Source == TrustSource.Explicit ? $"certificate {Certificate.SerialText} of this CA: {Certificate.SubjectText}"
                    : $"certificate {Certificate.SerialText} of {Certificate.IssuerText}: {Certificate.SubjectText}");
            if (User is not null)
                evidence.Add($"password of {User.Value.Name}");
            if (Secret is not null)
                evidence.Add($"shared secret of {Secret} in the TLS handshake");
            return evidence.ToImmutable();
        }
    }

    /// <summary>Tells the requests of different clients apart.</summary>
    public string Text => $"{(Certificate is null ? "" : Convert.ToHexStringLower(Certificate.Sha256()))}|{User?.Value.Name}|{Secret}";
}

/// <summary>Finds out who a client is, in the order of RFC 7030, section 3.2.3 and 3.3: what the TLS handshake proved, then HTTP authentication.</summary>
internal sealed class Identification(IRecordStore store, HttpAuthenticator http)
{
    /// <exception cref="EstException">401 or 403.</exception>
    public async ValueTask<ClientIdentity> OfAsync(EstRequest request, EstLabel label, Caller caller, CancellationToken cancel)
    {
        var identity = new ClientIdentity();
        if (label.Secrets && caller.SecretName is { } secret)
        {
            // A one-time password is used up in the handshake as well.
            var user = await store.Begin(caller).GetAsync(EstUser.Schema, EstUser.Key(secret), cancel);
            identity = identity with { Secret = secret, User = user is { Value.OneTime: true } ? user : null };
        }
        if (!caller.ClientChain.IsEmpty)
        {
            var (verdict, leaf) = await JudgeAsync(label, caller, cancel);
            if (verdict.Path is not null)
                identity = identity with { Certificate = leaf, Source = verdict.Source };
            else if (verdict.Refusal!.FieldName != "anchor" || !label.Passwords || request.Credentials is null)
                throw EstException.Forbidden("client certificate", $"the client certificate is not accepted: {verdict.Refusal.FieldName}: {verdict.Refusal.Message}");
        }
        bool proven = identity.Certificate is not null || identity.Secret is not null;
        if (label.Passwords && (!proven || label.PasswordsToo || request.Credentials is not null) || label.PasswordsToo)
            return identity with { User = await http.AuthenticateAsync(request, caller, cancel) };
        return proven ? identity : throw EstException.Forbidden("client certificate", "a client certificate is needed, and none was shown.");
    }

    /// <summary>Whether the certificate is good at all, then whether we, who issued it, have revoked it.</summary>
    public ValueTask<(TrustVerdict Verdict, Certificate Leaf)> JudgeAsync(EstLabel label, Caller caller, CancellationToken cancel) =>
        JudgeAsync(label, caller.ClientChain.Select(c => (ReadOnlyMemory<byte>)c), caller, cancel);

    /// <inheritdoc cref="JudgeAsync(EstLabel, Caller, CancellationToken)"/>
    /// <param name="shown">DER, leaf first.</param>
    public async ValueTask<(TrustVerdict Verdict, Certificate Leaf)> JudgeAsync(EstLabel label, IEnumerable<ReadOnlyMemory<byte>> shown, Caller caller, CancellationToken cancel)
    {
        ImmutableArray<Certificate> chain;
        try
        {
            chain = Certificate.ParseAll(shown.Take(10));
        }
        catch (PkiException e)
        {
            throw EstException.Of(e, 403);
        }
        var unit = store.Begin(caller);
        var own = await label.Authority.TrustAsync(unit, cancel);
        var options = new PathOptions { At = caller.Wall, Purpose = Oids.ClientAuth, KeyUsage = X509KeyUsageFlags.DigitalSignature };
        var verdict = new TrustDatabases(own, TrustStore.Empty).Judge(chain, options);
        if (verdict.Path is null && !label.Implicit.IsEmpty)
        {
            var third = new TrustDatabases(TrustStore.Empty, label.Implicit).Judge(chain, options with { AllowExpired = label.ExpiredIdentities, Revoked = label.RevokedIdentities });
            if (third.Path is not null || verdict.Refusal?.FieldName == "anchor")
                verdict = third;
        }
        if (verdict.Source == TrustSource.Explicit && await label.Authority.RefusalAsync(unit, chain[0], cancel) is { } refusal)
            verdict = new TrustVerdict(TrustSource.None, null, new PkiException("revocation", refusal));
        return (verdict, chain[0]);
    }
}
