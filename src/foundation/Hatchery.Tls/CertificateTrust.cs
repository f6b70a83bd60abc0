using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Tls;

namespace Hatchery.Tls;

/// <summary>Judges the chain that a peer showed. Fetches nothing, asks nobody about revocation, knows only the anchors it is given.</summary>
internal static class CertificateTrust
{
    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1", ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>Null: trusted. Otherwise the alert and why.</summary>
    public static (short Alert, string Sentence)? JudgeServer(ImmutableArray<byte[]> shown, ChannelSecurity.Certificates wanted, string? name, Moment now)
    {
        if (wanted.Provisional)
            return null;
        if (wanted.IsPinned)
            return Pinned(shown, wanted, now);
        if (wanted.Anchors.IsDefaultOrEmpty)
            return (AlertDescription.unknown_ca, "There is no trust anchor for the server's certificate.");
        return Build(shown, wanted.Anchors, null, ServerAuthentication, name, now);
    }

    public static (short Alert, string Sentence)? JudgeClient(ImmutableArray<byte[]> shown, ImmutableArray<byte[]> anchors, Moment now) =>
        Build(shown, anchors, null, ClientAuthentication, null, now);

    private static (short, string)? Pinned(ImmutableArray<byte[]> shown, ChannelSecurity.Certificates wanted, Moment now)
    {
        if (wanted.Pins(shown[0]))
            return null;
        return shown.FirstOrDefault(wanted.Pins) is { } anchor ? Build(shown, [anchor], anchor, ServerAuthentication, null, now)
            : (AlertDescription.bad_certificate, "The pinned certificate is not in the server's chain.");
    }

    /// <param name="pinned">May be an intermediate: then the chain need not end in a self-signed certificate, but must pass through this one.</param>
    private static (short, string)? Build(ImmutableArray<byte[]> shown, ImmutableArray<byte[]> anchors, byte[]? pinned, string usage, string? name, Moment now)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.ApplicationPolicy.Add(new Oid(usage));
        if (now.Wall is { } wall)
            policy.VerificationTime = wall.UtcDateTime;
        else
            policy.VerificationFlags |= X509VerificationFlags.IgnoreNotTimeValid;
        var loaded = new List<X509Certificate2>();
        try
        {
            X509Certificate2 Load(byte[] der)
            {
                var certificate = X509CertificateLoader.LoadCertificate(der);
                loaded.Add(certificate);
                return certificate;
            }
            var leaf = Load(shown[0]);
            if (name is not null && !leaf.MatchesHostname(name, allowWildcards: true, allowCommonName: false))
                return (AlertDescription.bad_certificate, $"The server's certificate does not name {name}.");
            foreach (byte[] anchor in anchors)
                policy.CustomTrustStore.Add(Load(anchor));
            foreach (byte[] other in shown.Skip(1))
                policy.ExtraStore.Add(Load(other));
            if (chain.Build(leaf))
                return null;
            var faults = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, status) => all | status.Status);
            if (pinned is not null && (faults & ~X509ChainStatusFlags.PartialChain) == 0 && chain.ChainElements.Any(e => e.Certificate.RawDataMemory.Span.SequenceEqual(pinned)))
                return null;
            return (AlertOf(faults), $"The peer's certificate is not trusted: {faults}.");
        }
        catch (CryptographicException e)
        {
            return (AlertDescription.bad_certificate, $"The peer's certificate chain cannot be read: {e.Message}");
        }
        finally
        {
            foreach (var element in chain.ChainElements)
                element.Certificate.Dispose();
            foreach (var certificate in loaded)
                certificate.Dispose();
        }
    }

    private static short AlertOf(X509ChainStatusFlags faults) =>
        (faults & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot)) != 0 ? AlertDescription.unknown_ca
        : (faults & X509ChainStatusFlags.NotTimeValid) != 0 ? AlertDescription.certificate_expired
        : (faults & X509ChainStatusFlags.NotValidForUsage) != 0 ? AlertDescription.unsupported_certificate
        : AlertDescription.bad_certificate;
}
