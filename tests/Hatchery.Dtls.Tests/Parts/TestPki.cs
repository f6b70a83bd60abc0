using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;

namespace Hatchery.Dtls.Tests;

/// <summary>A root and leaves of it.</summary>
internal static class TestPki
{
    public static readonly DateTimeOffset Today = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly ECDsa s_rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    public static readonly X509Certificate2 Root = MakeRoot();
    public static readonly SecretBytes Key = new(Convert.FromHexString("00112233445566778899aabbccddeeff"));
    public static readonly DtlsPsk Psk = new("Client_identity", Key);

    private static X509Certificate2 MakeRoot()
    {
        var request = new CertificateRequest("CN=Root", s_rootKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(Today.AddYears(-1), Today.AddYears(5));
    }

    public static (DtlsIdentity Identity, ECDsa Key, X509Certificate2 Certificate) Leaf(string name, ECCurve? curve = null, DateTimeOffset? expires = null, int padding = 0)
    {
        var key = ECDsa.Create(curve ?? ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        for (int i = 0; i < padding; i++)
            names.AddDnsName($"alternative-name-{i:d6}.{name}");
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.Create(Root.SubjectName, X509SignatureGenerator.CreateForECDsa(s_rootKey), Today.AddMonths(-6), expires ?? Today.AddYears(4), RandomNumberGenerator.GetBytes(8) is var serial ? [0x11, .. serial] : []);
        return (DtlsIdentity.FromChain([certificate.RawData], key), key, certificate);
    }

    public static DtlsTrust Trust => DtlsTrusts.Anchors(Root.RawData);

    public static DtlsClientOptions PskClient(params DtlsCipherSuite[] suites) => new() { Psk = Psk, Suites = [.. suites] };
    public static DtlsServerOptions PskServer(params DtlsCipherSuite[] suites) => new() { PskOf = id => id.Span.SequenceEqual("Client_identity"u8) ? Key : null, Suites = [.. suites] };
}
