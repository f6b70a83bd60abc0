using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>Chains of DER certificates, leaf first, against private trust anchors: the system's are never asked, and nothing is fetched.</summary>
public static class CertificateChains
{
    private const int MaxLength = 10, MaxBytes = 16384;

    /// <summary>Signatures link by link up to an anchor, validity, basic constraints, path length and key usage of the issuers (RFC 5280, section 6).</summary>
    /// <param name="chain">Leaf first; the anchor itself may be left out.</param>
    /// <param name="anchors">Self-signed certificates.</param>
    /// <param name="at">Null: validity periods are not looked at, for a device without a clock.</param>
    /// <exception cref="PkiException">The chain does not lead to an anchor, or cannot be read.</exception>
    public static void Verify(ImmutableArray<ReadOnlyMemory<byte>> chain, ImmutableArray<ReadOnlyMemory<byte>> anchors, DateTimeOffset? at)
    {
        if (chain.IsDefaultOrEmpty)
            throw new PkiException("chain", "there is no certificate.");
        if (chain.Length > MaxLength)
            throw new PkiException("chain", $"a chain of {chain.Length} certificates; {MaxLength} are allowed.");
        if (anchors.IsDefaultOrEmpty)
            throw new PkiException("anchor", "there is no trust anchor.");
        var opened = new List<X509Certificate2>();
        try
        {
            foreach (var der in chain)
                opened.Add(Load(der, "certificate"));
            foreach (var der in anchors)
                opened.Add(Anchor(der));
            Build(opened[0], opened[1..chain.Length], opened[chain.Length..], at);
        }
        finally
        {
            foreach (var certificate in opened)
                certificate.Dispose();
        }
    }

    private static void Build(X509Certificate2 leaf, List<X509Certificate2> between, List<X509Certificate2> anchors, DateTimeOffset? at)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.AddRange(anchors.ToArray());
        policy.ExtraStore.AddRange(between.ToArray());
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.VerificationTimeIgnored = false;
        policy.VerificationTime = (at ?? new DateTimeOffset(leaf.NotBefore)).UtcDateTime;
        if (at is null)
            policy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        try
        {
            if (!chain.Build(leaf))
                throw new PkiException("chain", "not trusted: " + string.Join(", ", chain.ChainStatus.Select(s => s.Status).Distinct()) + ".");
        }
        catch (CryptographicException e)
        {
            throw new PkiException("chain", "cannot be built.", e);
        }
        finally
        {
            foreach (var element in chain.ChainElements)
                element.Certificate.Dispose();
        }
    }

    private static X509Certificate2 Anchor(ReadOnlyMemory<byte> der)
    {
        var anchor = Load(der, "anchor");
        if (anchor.SubjectName.RawData.AsSpan().SequenceEqual(anchor.IssuerName.RawData))
            return anchor;
        anchor.Dispose();
        throw new PkiException("anchor", "a trust anchor is not self-signed.");
    }

    internal static X509Certificate2 Load(ReadOnlyMemory<byte> der, string field)
    {
        if (der.Length > MaxBytes)
            throw new PkiException(field, $"a certificate of {der.Length} bytes; {MaxBytes} are allowed.");
        // The platform's loader would also take PEM, and bytes behind the certificate.
        LeafKey.SubjectPublicKeyInfo(der);
        try
        {
            return X509CertificateLoader.LoadCertificate(der.Span);
        }
        catch (CryptographicException e)
        {
            throw new PkiException(field, "not an X.509 certificate.", e);
        }
    }
}
