using System.Collections.Immutable;
using System.Net;

namespace Hatchery.Pki;

public enum TrustSource { None, Explicit, Implicit }

/// <param name="Path">Null where nothing validated.</param>
/// <param name="Refusal">Why not; null where something validated.</param>
public sealed record TrustVerdict(TrustSource Source, TrustPath? Path, PkiException? Refusal);

/// <summary>The two trust anchor databases of EST (RFC 7030, section 1.1): Explicit for the EST CA, Implicit for third parties.</summary>
/// <param name="ImplicitEnabled">A client disables it for a server whose CA it has learned.</param>
public sealed record TrustDatabases(TrustStore Explicit, TrustStore Implicit, bool ImplicitEnabled = true)
{
    public static TrustDatabases None { get; } = new(TrustStore.Empty, TrustStore.Empty);

    /// <summary>Which database validates the chain; Explicit is asked first.</summary>
    public TrustVerdict Judge(ImmutableArray<Certificate> chain, PathOptions options)
    {
        PkiException? refusal = null;
        foreach (var source in (ReadOnlySpan<TrustSource>)[TrustSource.Explicit, TrustSource.Implicit])
        {
            var store = source == TrustSource.Explicit ? Explicit : ImplicitEnabled ? Implicit : TrustStore.Empty;
            if (store.IsEmpty)
                continue;
            try
            {
                return new(source, store.Verify(chain, options), null);
            }
            catch (PkiException e)
            {
                // What is said of a path that was found tells more than that none was found.
                if (refusal is null || refusal.FieldName == "anchor")
                    refusal = e;
            }
        }
        return new(TrustSource.None, null, refusal ?? new PkiException("anchor", "there is no trust anchor."));
    }

    /// <summary>Whether a TLS server may act as this EST server (RFC 7030, section 3.6): by Explicit and the host's name or id-kp-cmcRA; by Implicit and the name only.</summary>
    /// <param name="host">Of the URI that was configured or redirected to last: a DNS name or an address.</param>
    public TrustVerdict AuthorizeServer(ImmutableArray<Certificate> chain, string host, PathOptions options)
    {
        // An RA's certificate need not be made for TLS servers: the purpose is looked at below.
        var verdict = Judge(chain, options with { Purpose = null });
        if (verdict.Path is null)
            return verdict;
        var leaf = chain[0];
        if (verdict.Source == TrustSource.Explicit && leaf.Names(Oids.CmcRa))
            return verdict;
        if (!leaf.Allows(Oids.ServerAuth))
            return Refused("extendedKeyUsage", $"{leaf.SubjectText}: not for TLS servers.");
        return HostNames.Match(leaf, host) ? verdict
            : Refused("subjectAltName", $"{leaf.SubjectText}: the certificate is not for {host}{(verdict.Source == TrustSource.Explicit ? ", and not a registration authority's" : "")}.");

        static TrustVerdict Refused(string field, string sentence) => new(TrustSource.None, null, new PkiException(field, sentence));
    }
}

/// <summary>Whether a certificate is for a host (RFC 9525): subjectAltName only, a wildcard as the whole first label.</summary>
public static class HostNames
{
    /// <param name="commonNameToo">For old servers: the subject's common name where there is no dNSName.</param>
    public static bool Match(Certificate certificate, string host, bool commonNameToo = false)
    {
        if (IPAddress.TryParse(host.Trim('[', ']'), out var address))
            return certificate.AlternativeNames.Any(n => n.Kind == GeneralNameKind.IpAddress && n.Contents.Span.SequenceEqual(address.GetAddressBytes()));
        host = host.TrimEnd('.');
        if (commonNameToo && certificate.AlternativeNames.All(n => n.Kind != GeneralNameKind.DnsName))
            return DirectoryName.Find(certificate.Subject, Oids.CommonName) is { } name && Matches(name, host);
        return certificate.AlternativeNames.Any(n => n.Kind == GeneralNameKind.DnsName && n.AsText() is { } pattern && Matches(pattern, host));
    }

    private static bool Matches(string pattern, string host)
    {
        pattern = pattern.TrimEnd('.');
        if (!pattern.StartsWith("*.", StringComparison.Ordinal))
            return pattern.Length > 0 && pattern.Equals(host, StringComparison.OrdinalIgnoreCase);
        int dot = host.IndexOf('.');
        return dot > 0 && pattern.IndexOf('.', 2) > 0 && host.AsSpan(dot).Equals(pattern.AsSpan(1), StringComparison.OrdinalIgnoreCase);
    }
}
