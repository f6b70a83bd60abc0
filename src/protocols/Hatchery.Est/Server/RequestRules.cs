using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>What a request must satisfy before anybody decides on it (RFC 7030, sections 3.5, 4.2.1, 4.2.2).</summary>
internal static class RequestRules
{
    /// <summary>Linking of identity and proof of possession. What is there is compared even where it is not asked for.</summary>
    public static void Linking(Pkcs10 request, ClientIdentity identity, EstLabel label, Caller caller)
    {
        if (request.ChallengePassword is { } given)
        {
            // An RA's session is not the one that its client linked to; the RA has checked.
            if (identity.IsAuthority)
                return;
            var binding = ChannelBinding.Of(caller.TlsUnique, caller.TlsExporter);
            if (binding.IsEmpty && !label.Demands.ChallengePassword)
                throw EstException.Forbidden("challengePassword", "linking of identity and proof of possession is not possible on this TLS version; leave challengePassword out, or use TLS 1.2.");
            if (!ChannelBinding.Matches(given, binding))
                throw EstException.Forbidden("challengePassword", "linking of identity and proof of possession failed: challengePassword is not the channel binding of this TLS session.");
        }
        else if (label.Demands.ChallengePassword && !identity.IsAuthority)
            throw EstException.Malformed("challengePassword", "linking of identity and proof of possession is required: challengePassword must hold the channel binding.");
    }

    /// <summary>What /csrattrs announced.</summary>
    public static void Demands(Pkcs10 request, ClientIdentity identity, EstLabel label)
    {
        var demands = identity.IsAuthority ? label.Demands with { ChallengePassword = false } : label.Demands;
        var missing = demands.Missing(request);
        if (!missing.IsEmpty)
            throw EstException.Malformed("CSR", $"the request lacks what /csrattrs asks for: {string.Join("; ", missing)}.");
    }

    /// <summary>A first certificate's names.</summary>
    /// <returns>DER of the subject to certify.</returns>
    public static ReadOnlyMemory<byte> FirstNames(Pkcs10 request, ClientIdentity identity, EstLabel label)
    {
        foreach (var name in request.AlternativeNames)
            if (name.Kind == GeneralNameKind.DnsName && label.Names == EstNames.Proven && !identity.IsAuthority && !IsAllowed(name.AsText() ?? "", label.DnsNames))
                throw EstException.Forbidden("subjectAltName", $"the DNS name {name.AsText()} is not given out here.");
        if (label.Names == EstNames.AsRequested || identity.IsAuthority)
            return request.SubjectName;
        string?[] asked = [DirectoryName.Find(request.SubjectName, Oids.SerialNumber), DirectoryName.Find(request.SubjectName, Oids.CommonName)];
        if (identity.SerialNumber is { } serial && asked[0] is { } other && other != serial)
            throw EstException.Forbidden("subject", $"serialNumber in the subject must be {serial}, as in the client certificate.");
        var names = identity.Names.ToList();
        if (!asked.Any(a => a is not null && names.Contains(a)))
            throw EstException.Forbidden("subject", $"the subject must name what the client has proven: serialNumber or CN is to be {string.Join(" or ", names)}.");
        return request.SubjectName;
    }

    private static bool IsAllowed(string name, ImmutableArray<string> allowed) => allowed.Any(a =>
        a.StartsWith("*.", StringComparison.Ordinal) ? name.Length > a.Length - 1 && name.EndsWith(a[1..], StringComparison.OrdinalIgnoreCase) && !name.Contains('*', StringComparison.Ordinal)
            : name.Equals(a, StringComparison.OrdinalIgnoreCase));

    /// <summary>Renew and rekey: the TLS client certificate, its names, its time.</summary>
    /// <returns>DER of the subject to certify.</returns>
    public static ReadOnlyMemory<byte> RenewedNames(Pkcs10 request, ClientIdentity identity, EstLabel label, DateTimeOffset now)
    {
        if (identity.IsAuthority)
            return request.SubjectName;
        if (identity.Source != TrustSource.Explicit)
            throw EstException.Forbidden("client certificate", "re-enrollment needs the certificate of this CA that is to be renewed, in the TLS handshake.");
        var old = identity.Certificate!;
        if (!DirectoryName.AreEqual(request.SubjectName, old.Subject))
            throw EstException.Forbidden("subject", $"the subject must be that of the certificate to be renewed: {old.SubjectText}.");
        if (!SameNames(request.AlternativeNames, old.AlternativeNames))
            throw EstException.Forbidden("subjectAltName", "the subjectAltName must be that of the certificate to be renewed.");
        if (request.ChangeSubjectName is not null && !label.NameChanges)
            throw EstException.Forbidden("changeSubjectName", "names are not changed here; enroll anew.");
        var window = (old.NotAfter - old.NotBefore) * label.RenewalWindow;
        if (now < old.NotAfter - window)
            throw EstException.Forbidden("validity", $"the certificate is renewed from {old.NotAfter - window:u} on.");
        return request.ChangeSubjectName?.Subject ?? request.SubjectName;
    }

    private static bool SameNames(ImmutableArray<GeneralName> a, ImmutableArray<GeneralName> b) => a.Length == b.Length && a.All(b.Contains);
}
