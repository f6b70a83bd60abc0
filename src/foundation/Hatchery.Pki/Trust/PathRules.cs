using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>The rules of RFC 5280, section 6.1, for a path whose signatures and names were found to fit.</summary>
internal static class PathRules
{
    private static readonly HashSet<string> s_understood =
    [
        Oids.BasicConstraints, Oids.KeyUsage, Oids.ExtendedKeyUsage, Oids.SubjectAltName, Oids.SubjectKeyIdentifier, Oids.AuthorityKeyIdentifier,
        // Without an initial policy set every policy is as good as another (section 6.1.1 (c)).
        Oids.CertificatePolicies, Oids.NameConstraints,
    ];

    public static void Check(TrustPath path, PathOptions options)
    {
        Certificate leaf = path.Certificates[0];
        Period(path.Anchor, options, isLeaf: leaf.Equals(path.Anchor));
        int below = 0;
        for (int i = 0; i < path.Certificates.Length; i++)
        {
            var certificate = path.Certificates[i];
            Period(certificate, options, isLeaf: i == 0);
            options.Keys.Check(certificate.Key);
            foreach (var extension in certificate.Extensions)
                if (extension.Critical && !s_understood.Contains(extension.Oid))
                    throw new PkiException("extensions", $"{certificate.SubjectText}: the critical extension {extension.Oid} is unknown here.");
            if (options.Revoked?.Invoke(certificate) is { } reason)
                throw new PkiException("revocation", $"{certificate} is revoked: {reason}.");
            if (i > 0)
                Issuer(certificate, below);
            if (i > 0 && !certificate.IsSelfIssued)
                below++;
            Purpose(certificate, options);
        }
        if (!leaf.Equals(path.Anchor))
            Issuer(path.Anchor, below);
        if (leaf.KeyUsage is { } usage && (usage & options.KeyUsage) != options.KeyUsage)
            throw new PkiException("keyUsage", $"{leaf.SubjectText}: the key may not be used for {options.KeyUsage}.");
        NameConstraintRules.Check(path);
    }

    private static void Period(Certificate certificate, PathOptions options, bool isLeaf)
    {
        if (options.At is not { } at)
            return;
        if (at < certificate.NotBefore)
            throw new PkiException("validity", $"{certificate.SubjectText}: not valid before {certificate.NotBefore:u}.");
        // notAfter is the last second that is still valid.
        if (at >= certificate.NotAfter.AddSeconds(certificate.NotAfter < DateTimeOffset.MaxValue.AddSeconds(-1) ? 1 : 0) && !(isLeaf && options.AllowExpired))
            throw new PkiException("validity", $"{certificate.SubjectText}: expired at {certificate.NotAfter:u}.");
    }

    private static void Issuer(Certificate issuer, int below)
    {
        if (!issuer.IsAuthority)
            throw new PkiException("basicConstraints", $"{issuer.SubjectText}: not a certificate authority's certificate.");
        if (issuer.KeyUsage is { } usage && !usage.HasFlag(X509KeyUsageFlags.KeyCertSign))
            throw new PkiException("keyUsage", $"{issuer.SubjectText}: the key may not sign certificates.");
        if (issuer.PathLength is { } length && below > length)
            throw new PkiException("basicConstraints", $"{issuer.SubjectText}: allows {length} certificate authorities below itself, and there are {below}.");
    }

    private static void Purpose(Certificate certificate, PathOptions options)
    {
        if (options.Purpose is { } purpose && !certificate.Allows(purpose))
            throw new PkiException("extendedKeyUsage", $"{certificate.SubjectText}: not for the purpose {purpose}.");
    }
}
