using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Dtls;

/// <summary>Why a peer is not trusted.</summary>
/// <param name="Sentence">For a log.</param>
public sealed record DtlsRefusal(DtlsAlert Alert, string Sentence);

/// <summary>Judges what a peer shows; null: trusted. That the peer holds the key is proven by the handshake, not here.</summary>
/// <param name="serverName">On a client <see cref="DtlsClientOptions.ServerName"/>; null on a server.</param>
public delegate DtlsRefusal? DtlsTrust(DtlsPeerCredential peer, string? serverName, Moment now);

/// <summary>The usual decisions. None fetches anything or asks about revocation.</summary>
public static class DtlsTrusts
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>Anybody: the role judges later.</summary>
    public static readonly DtlsTrust Anybody = static (_, _, _) => null;

    /// <summary>Exactly these keys, shown raw or in a certificate (LwM2M's raw public key and pinned certificate).</summary>
    /// <param name="subjectPublicKeyInfos">DER.</param>
    public static DtlsTrust Keys(params ImmutableArray<byte[]> subjectPublicKeyInfos) => (peer, _, _) =>
        subjectPublicKeyInfos.Any(key => CryptographicOperations.FixedTimeEquals(key, peer.PublicKey.Span)) ? null
            : new(DtlsAlert.BadCertificate, "The peer's key is not one of those expected.");

    /// <summary>Certificate chains up to one of these anchors (DER); raw keys are refused. A client's <c>serverName</c> must be among the leaf's alternative names, and then the
    /// leaf must be for servers; without a clock validity periods are not looked at.</summary>
    public static DtlsTrust Anchors(params ImmutableArray<byte[]> anchors) => (peer, serverName, now) =>
        peer.IsRawKey ? new(DtlsAlert.UnsupportedCertificate, "A certificate is needed, not a raw key.") : Judge(peer.Chain, anchors, serverName, now);

    private static DtlsRefusal? Judge(ImmutableArray<byte[]> shown, ImmutableArray<byte[]> anchors, string? name, Moment now)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        if (name is not null)
            policy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        policy.VerificationTimeIgnored = false;
        if (now.Wall is { } wall)
            policy.VerificationTime = wall.UtcDateTime;
        else
            policy.VerificationFlags |= X509VerificationFlags.IgnoreNotTimeValid;
        var loaded = new List<X509Certificate2>();
        try
        {
            foreach (byte[] der in shown)
                loaded.Add(X509CertificateLoader.LoadCertificate(der));
            if (now.Wall is null)
                policy.VerificationTime = loaded[0].NotBefore.ToUniversalTime();
            if (name is not null && !loaded[0].MatchesHostname(name, allowWildcards: true, allowCommonName: false))
                return new(DtlsAlert.BadCertificate, $"The server's certificate does not name {name}.");
            foreach (var between in loaded.Skip(1))
                policy.ExtraStore.Add(between);
            foreach (byte[] der in anchors)
            {
                var anchor = X509CertificateLoader.LoadCertificate(der);
                loaded.Add(anchor);
                policy.CustomTrustStore.Add(anchor);
            }
            if (chain.Build(loaded[0]))
                return WeakLink(chain);
            var faults = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, status) => all | status.Status);
            return new(AlertOf(faults), $"The peer's certificate is not trusted: {faults}.");
        }
        catch (CryptographicException e)
        {
            return new(DtlsAlert.BadCertificate, $"The peer's certificate chain cannot be read: {e.Message}");
        }
        finally
        {
            foreach (var element in chain.ChainElements)
                element.Certificate.Dispose();
            foreach (var certificate in loaded)
                certificate.Dispose();
        }
    }

    /// <summary>Signatures over MD5 or SHA-1 count for nothing; the anchor's own is not looked at.</summary>
    private static DtlsRefusal? WeakLink(X509Chain chain)
    {
        for (int i = 0; i < chain.ChainElements.Count - 1; i++)
        {
            // md5WithRSA, sha1WithRSA, ecdsa-with-SHA1.
            if (chain.ChainElements[i].Certificate.SignatureAlgorithm.Value is "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1")
                return new(DtlsAlert.BadCertificate, "A certificate is signed over a broken hash.");
        }
        return null;
    }

    private static DtlsAlert AlertOf(X509ChainStatusFlags faults) =>
        (faults & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot)) != 0 ? DtlsAlert.UnknownCa
        : (faults & X509ChainStatusFlags.NotTimeValid) != 0 ? DtlsAlert.CertificateExpired
        : (faults & X509ChainStatusFlags.NotValidForUsage) != 0 ? DtlsAlert.UnsupportedCertificate
        : DtlsAlert.BadCertificate;
}

internal static class LeafKeys
{
    /// <exception cref="CryptographicException">Not a certificate.</exception>
    public static byte[] SubjectPublicKeyInfo(byte[] certificate)
    {
        // The platform's loader would also take PEM and bytes behind the certificate: both are no DER.
        if (certificate.Length < 4 || certificate[0] != 0x30)
            throw new CryptographicException("Not a DER certificate.");
        using var loaded = X509CertificateLoader.LoadCertificate(certificate);
        return loaded.PublicKey.ExportSubjectPublicKeyInfo();
    }
}
