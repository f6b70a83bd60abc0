using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>An EST server (RFC 7030) under any carrier: messages hold DER, the caller says what the channel proved.</summary>
public sealed class EstService : IService
{
    private readonly IRecordStore _store;
    private readonly EstServerOptions _options;
    private readonly Identification _identification;
    private readonly EnrollmentDesk _desk;
    private readonly KeyGenerationDesk _keys;
    private readonly CmcDesk _cmc;

    public EstService(IRecordStore store, IAdmission admission, Chance chance, EstServerOptions options)
    {
        if (!options.Labels.ContainsKey(""))
            throw new ArgumentException("There is no default CA, with the label \"\".", nameof(options));
        foreach (string label in options.Labels.Keys)
            if (label.Length > 0 && !Transport.EstHttp.IsLabel(label))
                throw new ArgumentException($"{label} cannot be a label.", nameof(options));
        (_store, _options) = (store, options);
        _identification = new Identification(store, new HttpAuthenticator(store, options, chance));
        _desk = new EnrollmentDesk(store, admission, options);
        _keys = new KeyGenerationDesk(_desk, chance);
        _cmc = new CmcDesk(store, _identification, _desk, chance);
    }

    public async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel)
    {
        var asked = (EstRequest)request;
        ClientIdentity? identity = null;
        try
        {
            if (!_options.Labels.TryGetValue(asked.Label, out var label))
                throw new EstException(404, "label", $"there is no CA with the label {asked.Label} here.");
            if (asked.Operation == EstOperation.CaCerts)
                return new(new CaCertsResponse(CertsOnly.Encode((await label.Authority.CertificatesAsync(_store.Begin(caller), cancel)).Select(c => c.Encoded))));
            if (asked.Operation == EstOperation.CsrAttrs)
                return new(new CsrAttrsResponse(label.Attributes.Elements.IsEmpty ? default : label.Attributes.Encode()));
            if (asked.Operation == EstOperation.FullCmc && label.FullCmc is null || asked.Operation == EstOperation.ServerKeyGen && label.KeyGeneration is null)
                throw new EstException(501, "operation", $"{asked.Operation.Name()} is not offered here.");
            if (asked.Operation == EstOperation.FullCmc)
            {
                // A CMC request may prove by itself whose it is (RFC 7030, section 4.3).
                bool bySelf = caller.ClientChain.IsEmpty && asked.Credentials is null && caller.SecretName is null;
                identity = bySelf ? null : await _identification.OfAsync(asked, label, caller, cancel);
                return Answer(await _cmc.HandleAsync(asked, label, identity, caller, cancel));
            }
            identity = await _identification.OfAsync(asked, label, caller, cancel);
            return asked.Operation switch
            {
                EstOperation.ServerKeyGen => Answer(await _keys.HandleAsync(asked, label, identity, caller, cancel)),
                _ => Answer(await EnrollAsync(asked, label, identity, caller, cancel)),
            };
        }
        catch (PkiException e)
        {
            var fault = EstException.Of(e);
            await AuditAsync(fault, identity, caller, cancel);
            throw fault;
        }
        catch (EstException fault) when (fault.Status is 400 or 403 or 415 or 429 || fault.Status == 401 && asked.Credentials is not null)
        {
            await AuditAsync(fault, identity, caller, cancel);
            throw;
        }
    }

    private static Reply Answer(EstResponse response) => new(response);

    private async ValueTask<EstResponse> EnrollAsync(EstRequest request, EstLabel label, ClientIdentity identity, Caller caller, CancellationToken cancel)
    {
        var csr = Pkcs10.Parse(request.Body, _options.Tolerance.Sha1Requests ? label.Keys with { Sha1 = true } : label.Keys);
        bool renews = request.Operation == EstOperation.SimpleReenroll;
        var answer = await _desk.HandleAsync(Check(request, label, identity, csr, renews, caller), () => csr.Key, caller, cancel);
        return answer.Certificate is { } certificate ? new CertificateResponse(request.Operation, CertsOnly.Encode([certificate.Encoded]))
            : new PendingResponse(request.Operation, answer.AskAgain, "The request waits for a decision.");
    }

    internal static CheckedRequest Check(EstRequest request, EstLabel label, ClientIdentity identity, Pkcs10 csr, bool renews, Caller caller)
    {
        RequestRules.Linking(csr, identity, label, caller);
        RequestRules.Demands(csr, identity, label);
        var subject = renews ? RequestRules.RenewedNames(csr, identity, label, caller.Wall) : RequestRules.FirstNames(csr, identity, label);
        return new CheckedRequest(request, request.Label, label, identity, csr, subject, renews && !identity.IsAuthority ? identity.Certificate : null);
    }

    /// <summary>What was refused is in the audit log, with the reason that the client was given.</summary>
    private async ValueTask AuditAsync(EstException fault, ClientIdentity? identity, Caller caller, CancellationToken cancel)
    {
        var unit = _store.Begin(caller);
        var subject = identity?.Identifiers(true).FirstOrDefault() ?? new Identifier("address", Address(caller.Remote));
        unit.Report(new Fact.Refused(subject, fault.Error, fault.FieldName, fault.Message));
        await unit.CommitAsync(cancel);
    }

    /// <summary>Without the port, which changes with every connection.</summary>
    private static string Address(string? remote) => remote is null ? "unknown" : System.Net.IPEndPoint.TryParse(remote, out var point) ? point.Address.ToString() : remote;

    /// <summary>Requests that wait for a decision, for an operator.</summary>
    public ValueTask<ImmutableArray<Stored<Enrollment>>> WaitingAsync(string label, Caller caller, CancellationToken cancel) => _desk.WaitingAsync(label, caller, cancel);

    /// <summary>Whether a client's certificate is one of this CA's and good: for services of the domain.</summary>
    internal async ValueTask<bool> IsOwnAsync(Caller caller, CancellationToken cancel)
    {
        if (caller.ClientChain.IsEmpty)
            return false;
        foreach (var label in _options.Labels.Values)
            if ((await _identification.JudgeAsync(label, caller, cancel)).Verdict.Source == TrustSource.Explicit)
                return true;
        return false;
    }
}

/// <summary>A service of the domain: for devices with a certificate of one of the server's CAs.</summary>
public sealed class DomainService(EstService est) : IService
{
    public async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel) => new(new ServiceAccept(await est.IsOwnAsync(caller, cancel)));
}
