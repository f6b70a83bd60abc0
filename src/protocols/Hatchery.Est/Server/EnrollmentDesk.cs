using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>A request that has been checked.</summary>
internal sealed record CheckedRequest(EstRequest Request, string LabelName, EstLabel Label, ClientIdentity Identity, Pkcs10 Csr, ReadOnlyMemory<byte> Subject, Certificate? Replaces)
{
    /// <summary>The device in question.</summary>
    public Identifier Device => Proven(false).First();

    /// <summary>The request's own key is proven by its signature, unless the server is to make another one.</summary>
    public IEnumerable<Identifier> Proven(bool shared)
    {
        foreach (var identifier in Identity.Identifiers(shared))
            yield return identifier;
        if (Request.Operation != EstOperation.ServerKeyGen)
            yield return new Identifier("spki-sha256", Convert.ToHexStringLower(SHA256.HashData(Csr.SubjectPublicKeyInfo.Span)));
        else if (!Identity.Identifiers(false).Any())
            yield return new Identifier("est.subject", DirectoryName.ToText(Subject));
    }

    public IEnumerable<Identifier> Claimed
    {
        get
        {
            if (DirectoryName.Find(Csr.SubjectName, Oids.SerialNumber) is { } serial && serial != Identity.SerialNumber)
                yield return new Identifier("serial", serial);
        }
    }
}

/// <summary>What came of a request: a certificate, or patience.</summary>
internal sealed record DeskAnswer(Certificate? Certificate, TimeSpan AskAgain);

/// <summary>Asks the policy and issues, once for each request however often it is repeated (RFC 7030, section 4.2.3).</summary>
internal sealed class EnrollmentDesk(IRecordStore store, IAdmission admission, EstServerOptions options)
{
    private const int MaxAttempts = 5;

    /// <param name="keyOf">The key to certify; called when the decision is to issue, and again after a conflict.</param>
    /// <exception cref="EstException">403: refused by the policy, or the one-time password is used up.</exception>
    public async ValueTask<DeskAnswer> HandleAsync(CheckedRequest request, Func<PublicKeyInfo> keyOf, Caller caller, CancellationToken cancel)
    {
        var key = Enrollment.Key(request.LabelName, request.Request.Operation, request.Identity, request.Csr);
        bool repeatable = request.Request.Operation != EstOperation.ServerKeyGen;
        for (int attempt = 1; ; attempt++)
        {
            var unit = store.Begin(caller);
            var known = await unit.GetAsync(Enrollment.Schema, key, cancel);
            if (repeatable && known is { Value.Certificate: { IsEmpty: false } issued })
            {
                var again = Certificate.Parse(issued);
                if (await request.Label.Authority.RefusalAsync(unit, again, cancel) is null)
                    return new(again, default);
            }
            var user = await PasswordAsync(unit, request, cancel);
            var decision = await admission.DecideAsync(new AdmissionRequest(EstProfile.Protocol, "est." + request.Request.Operation.Name(),
                [.. request.Proven(true)], [.. request.Claimed], request.Identity.Evidence), cancel);
            if (decision is Decision.Refuse refuse)
                throw EstException.Forbidden("policy", $"not admitted: {refuse.Reason}.");
            if (decision is Decision.Hold && known is not null)
                return new(null, ((Decision.Hold)decision).AskAgain);
            Certificate? certificate = null;
            try
            {
                certificate = decision is Decision.Admit admit ? await IssueAsync(unit, request, admit, keyOf(), caller, cancel) : null;
            }
            catch (AuthorityPendingException pending)
            {
                if (known is not null)
                    return new(null, pending.AskAgain);
                decision = new Decision.Hold(pending.AskAgain);
            }
            Remember(unit, key, known, request, certificate, caller);
            Report(unit, request, decision, certificate);
            if (user is { Value.Used: null } && certificate is not null)
                unit.Replace(EstUser.Schema, user.Key, user.Value with { Used = caller.Wall }, user.Version);
            try
            {
                await unit.CommitAsync(cancel);
                return new(certificate, (decision as Decision.Hold)?.AskAgain ?? default);
            }
            catch (ConflictException) when (attempt < MaxAttempts)
            {
                // The same request came twice at once, another took the password, or the serial number was taken: look again.
            }
        }
    }

    /// <summary>The one-time user to be used up with the certificate, as this unit of work sees it; null: none.</summary>
    private static async ValueTask<Stored<EstUser>?> PasswordAsync(IUnitOfWork unit, CheckedRequest request, CancellationToken cancel)
    {
        if (request.Identity.User is not { Value.OneTime: true } one)
            return null;
        var now = await unit.GetAsync(EstUser.Schema, one.Key, cancel);
        return now is { Value: { OneTime: true, Used: null } } ? now
            : throw EstException.Forbidden("Authorization", "this one-time password has been used for another certificate.");
    }

    private static ValueTask<Certificate> IssueAsync(IUnitOfWork unit, CheckedRequest request, Decision.Admit admit, PublicKeyInfo key, Caller caller, CancellationToken cancel)
    {
        bool named = request.Label.Profiles.TryGetValue(admit.Profile, out var profile);
        return request.Label.Authority.IssueAsync(unit, new CertificateOrder(key, request.Subject, request.Csr, named ? profile! : request.Label.Profile, named ? admit.Profile : "default",
            request.Label.Life, request.Device, request.Replaces), caller.Wall, cancel);
    }

    private void Remember(IUnitOfWork unit, RecordKey key, Stored<Enrollment>? known, CheckedRequest request, Certificate? certificate, Caller caller)
    {
        var record = new Enrollment(request.LabelName, request.Request.Operation.Name(), request.Device.ToString(), DirectoryName.ToText(request.Subject),
            known?.Value.Since ?? caller.Wall, certificate?.Encoded ?? default);
        var expires = caller.Wall + (certificate is null ? options.PendingKept : options.AnswersKept);
        if (known is null)
            unit.Insert(Enrollment.Schema, key, record, expires);
        else
            unit.Replace(Enrollment.Schema, key, record, known.Version, expires);
    }

    private static void Report(IUnitOfWork unit, CheckedRequest request, Decision decision, Certificate? certificate)
    {
        var device = request.Device;
        unit.Report(new Fact.Seen(device, EstProfile.Protocol.Id, [.. request.Proven(false)], [.. request.Claimed]));
        unit.Report(new Fact.Decided(device, decision, request.Identity.Evidence));
        if (certificate is not null)
            unit.Report(new Fact.Imparted(device, $"certificate {certificate.SerialText}", certificate.NotAfter));
    }

    /// <summary>Requests that wait for a decision.</summary>
    public async ValueTask<ImmutableArray<Stored<Enrollment>>> WaitingAsync(string label, Caller caller, CancellationToken cancel) =>
        await store.Begin(caller).FindAsync(Enrollment.Schema, "waiting", label, 1000, cancel);
}
