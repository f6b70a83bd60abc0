using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Tls.Tests;

/// <summary>A root, an intermediate, and leaves: the same bytes on every run.</summary>
internal sealed class TestPki
{
    public static readonly DateTimeOffset Today = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_from = Today.AddYears(-1), s_to = Today.AddYears(5);
    private readonly SeededChance _chance;
    private readonly ECDsa _intermediateKey;
    private readonly X509Certificate2 _intermediate;

    public TestPki(int seed)
    {
        _chance = new SeededChance(seed);
        var rootKey = _chance.NewSigningKey(ECCurve.NamedCurves.nistP384, "root");
        Root = Issue($"CN=Root {seed}", rootKey, null, rootKey, isCa: true, null, null);
        _intermediateKey = _chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "intermediate");
        _intermediate = Issue("CN=Intermediate", _intermediateKey, Root, rootKey, isCa: true, null, null);
    }

    public X509Certificate2 Root { get; }
    public byte[] Intermediate => _intermediate.RawData;

    public TlsIdentity Server(string name = "server.example", ECCurve? curve = null, DateTimeOffset? expires = null) => Leaf(name, "1.3.6.1.5.5.7.3.1", curve, expires).Identity;
    public TlsIdentity Client(string name = "client", ECCurve? curve = null) => Leaf(name, "1.3.6.1.5.5.7.3.2", curve, null).Identity;

    public (TlsIdentity Identity, ECDsa Key) Leaf(string name, string usage, ECCurve? curve, DateTimeOffset? expires)
    {
        var key = _chance.NewSigningKey(curve ?? ECCurve.NamedCurves.nistP256, name);
        using var leaf = Issue($"CN={name}", key, _intermediate, _intermediateKey, isCa: false, usage, expires);
        return (new TlsIdentity([leaf.RawData, Intermediate], key), key);
    }

    private X509Certificate2 Issue(string subject, ECDsa key, X509Certificate2? issuer, ECDsa issuerKey, bool isCa, string? usage, DateTimeOffset? expires)
    {
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isCa, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(isCa ? X509KeyUsageFlags.KeyCertSign : X509KeyUsageFlags.DigitalSignature, true));
        if (usage is not null)
        {
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(subject[3..]);
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
        }
        byte[] serial = _chance.Bytes(16, "serial");
        serial[0] = (byte)(serial[0] & 0x7F | 1);
        return request.Create(issuer?.SubjectName ?? request.SubjectName, X509SignatureGenerator.CreateForECDsa(new Rfc6979Key(issuerKey)), s_from, expires ?? s_to, serial);
    }

    public ChannelSecurity.Certificates Anchored => new(null, [Root.RawData], false, []);
    public static ChannelSecurity.Certificates Provisional => new(null, [], true, []);
    public static ChannelSecurity.Certificates Pinned(params byte[][] certificates) => new(null, [], false, [.. certificates.Select(SHA256.HashData)]);

    /// <summary>PEM files for OpenSSL.</summary>
    public string Write(string folder, string name, (TlsIdentity Identity, ECDsa Key) leaf)
    {
        string path = Path.Combine(folder, name + ".pem");
        File.WriteAllText(path, string.Join('\n', leaf.Identity.Chain.Select(der => PemEncoding.WriteString("CERTIFICATE", der)))
            + "\n" + leaf.Key.ExportPkcs8PrivateKeyPem() + "\n");
        File.WriteAllText(Path.Combine(folder, "root.pem"), Root.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "chain.pem"), PemEncoding.WriteString("CERTIFICATE", Intermediate));
        return path;
    }
}
