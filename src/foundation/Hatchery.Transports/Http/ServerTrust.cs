using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Transports;

/// <summary>Judges the certificate that a TLS server showed. Fetches nothing, asks nobody about revocation.</summary>
internal sealed class ServerTrust(ChannelSecurity security, string host, bool platformTrust, SystemClock clock)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private byte[]? _provisional;

    /// <summary>DER, leaf first, as shown by the server on the latest connection.</summary>
    public ImmutableArray<byte[]> Chain { get; private set; } = [];

    /// <summary>Why the server was refused; null: it was not.</summary>
    public string? Refusal { get; private set; }

    public bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null)
        {
            Refusal = "The server shows no certificate.";
            return false;
        }
        using var leaf = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        Chain = [leaf.RawData, .. chain?.ChainPolicy.ExtraStore.Select(c => c.RawData).Where(der => !der.AsSpan().SequenceEqual(leaf.RawData)) ?? []];
        Refusal = security switch
        {
            ChannelSecurity.None => null,
            ChannelSecurity.Certificates { Provisional: true } => Same(leaf.RawData),
            ChannelSecurity.Certificates c => Judge(leaf, c),
            _ => "This carrier offers no TLS with pre-shared keys.",
        };
        return Refusal is null;
    }

    /// <summary>What was accepted for now and is judged later must stay the same server when the connection is made anew.</summary>
    private string? Same(byte[] leaf)
    {
        _provisional ??= leaf;
        return _provisional.AsSpan().SequenceEqual(leaf) ? null : "The server shows another certificate than at first.";
    }

    private string? Judge(X509Certificate2 leaf, ChannelSecurity.Certificates wanted)
    {
        if (wanted.IsPinned)
            return Pinned(leaf, wanted);
        if (wanted.Anchors.IsDefaultOrEmpty && !platformTrust)
            return "There is no trust anchor for the server's certificate.";
        if (!leaf.MatchesHostname(host, allowWildcards: true, allowCommonName: false))
            return "The server's certificate does not name the host.";
        return wanted.Anchors.IsDefaultOrEmpty ? Build(leaf, [], null) : Build(leaf, wanted.Anchors, null);
    }

    private string? Pinned(X509Certificate2 leaf, ChannelSecurity.Certificates wanted)
    {
        if (wanted.Pins(leaf.RawData))
            return null;
        if (Chain.FirstOrDefault(wanted.Pins) is not { } anchor)
            return "The pinned certificate is not in the server's chain.";
        return Build(leaf, [anchor], anchor);
    }

    /// <param name="pinned">May be an intermediate: then the chain need not end in a self-signed certificate, but must pass through this one.</param>
    private string? Build(X509Certificate2 leaf, ImmutableArray<byte[]> anchors, byte[]? pinned)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        if (clock.Now.Wall is { } wall)
            policy.VerificationTime = wall.UtcDateTime;
        else
            policy.VerificationFlags |= X509VerificationFlags.IgnoreNotTimeValid;
        var loaded = new List<X509Certificate2>();
        try
        {
            if (!anchors.IsEmpty)
            {
                policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                Load(anchors, policy.CustomTrustStore, loaded);
            }
            Load(Chain.Skip(1), policy.ExtraStore, loaded);
            // A root above a pinned intermediate would be found, and found untrusted: the path ends at the pin or short of a root.
            if (pinned is not null)
                policy.ExtraStore.RemoveRange(policy.ExtraStore.Where(c => c.SubjectName.RawData.AsSpan().SequenceEqual(c.IssuerName.RawData)).ToArray());
            bool built = chain.Build(leaf);
            if (built)
                return null;
            var faults = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, status) => all | status.Status);
            if (pinned is not null && (faults & ~X509ChainStatusFlags.PartialChain) == 0
                && chain.ChainElements.Any(e => e.Certificate.RawData.AsSpan().SequenceEqual(pinned)))
                return null;
            return $"The server's certificate is not trusted: {faults}.";
        }
        catch (CryptographicException e)
        {
            return $"The server's certificate chain cannot be read: {e.Message}";
        }
        finally
        {
            foreach (var element in chain.ChainElements)
                element.Certificate.Dispose();
            foreach (var certificate in loaded)
                certificate.Dispose();
        }
    }

    private static void Load(IEnumerable<byte[]> certificates, X509Certificate2Collection into, List<X509Certificate2> loaded)
    {
        foreach (var der in certificates)
        {
            var certificate = X509CertificateLoader.LoadCertificate(der);
            loaded.Add(certificate);
            into.Add(certificate);
        }
    }
}
