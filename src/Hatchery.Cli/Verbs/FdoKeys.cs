using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Fdo;

namespace Hatchery.Cli.Verbs;

/// <summary>Kinds of keys as the command line names them.</summary>
internal static class FdoKeys
{
    public static PublicKeyType TypeOf(string name) => name switch
    {
        "p256" => PublicKeyType.Secp256R1,
        "p384" => PublicKeyType.Secp384R1,
        "rsa2048restr" or "rsa2048" => PublicKeyType.Rsa2048Restr,
        "rsapkcs" or "rsa3072" => PublicKeyType.RsaPkcs,
        _ => PublicKeyType.RsaPss,
    };

    public static FdoPrivateKey New(string name) => FdoPrivateKey.Generate(TypeOf(name), new SystemChance(), "key");

    /// <summary>A new attestation key (PKCS#8), its SubjectPublicKeyInfo and a request for its certificate.</summary>
    public static (SecretBytes Key, byte[] Spki, byte[] Csr) NewDeviceKey(string name, string serial)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(serial);
        if (name.StartsWith("rsa", StringComparison.Ordinal))
        {
            using var rsa = RSA.Create(name == "rsa2048" ? 2048 : 3072);
            return (new SecretBytes(rsa.ExportPkcs8PrivateKey()), rsa.ExportSubjectPublicKeyInfo(),
                new CertificateRequest(subject.Build(), rsa, rsa.KeySize > 2048 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest());
        }
        using var key = ECDsa.Create(name == "p384" ? ECCurve.NamedCurves.nistP384 : ECCurve.NamedCurves.nistP256);
        return (new SecretBytes(key.ExportPkcs8PrivateKey()), key.ExportSubjectPublicKeyInfo(),
            new CertificateRequest(subject.Build(), key, key.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256).CreateSigningRequest());
    }
}

/// <summary>How a device speaks in TO2.</summary>
internal sealed class FdoSuiteOptions
{
    private static readonly Dictionary<string, CipherSuiteName> s_ciphers = new()
    {
        ["A128GCM"] = CipherSuiteName.A128Gcm,
        ["A192GCM"] = CipherSuiteName.A192Gcm,
        ["A256GCM"] = CipherSuiteName.A256Gcm,
        ["AES-CCM-16-128-128"] = CipherSuiteName.AesCcm16_128_128,
        ["AES-CCM-16-128-256"] = CipherSuiteName.AesCcm16_128_256,
        ["AES-CCM-64-128-128"] = CipherSuiteName.AesCcm64_128_128,
        ["AES-CCM-64-128-256"] = CipherSuiteName.AesCcm64_128_256,
        ["COSEAES128CBC"] = CipherSuiteName.CoseAes128Cbc,
        ["COSEAES128CTR"] = CipherSuiteName.CoseAes128Ctr,
        ["COSEAES256CBC"] = CipherSuiteName.CoseAes256Cbc,
        ["COSEAES256CTR"] = CipherSuiteName.CoseAes256Ctr,
    };

    private readonly Option<string> _cipher = new("--cipher") { Description = "The cipher suite to propose.", DefaultValueFactory = _ => "A256GCM" };
    private readonly Option<string?> _kex = new("--kex") { Description = "The key exchange to propose; by default what fits the owners' keys, with RSA keys Diffie-Hellman." };
    private readonly Option<string?> _profile = new("--encrypt-then-mac") { Description = "How COSEAES… messages are read: strict, go-fdo, java or conformance-tool; by default found out from the owner." };
    private readonly Option<bool> _reuse = new("--accept-reuse") { Description = "Keep the credential if the owner wishes it. Then the owner may onboard the device as often as it likes." };

    public void AddTo(Command command)
    {
        _cipher.AcceptOnlyFromAmong([.. s_ciphers.Keys]);
        _kex.AcceptOnlyFromAmong([.. KeyExchangeSuite.Names]);
        _profile.AcceptOnlyFromAmong("strict", "go-fdo", "java", "conformance-tool");
        command.Add(_cipher);
        command.Add(_kex);
        command.Add(_profile);
        command.Add(_reuse);
    }

    public CipherSuite Cipher(ParseResult result) => CipherSuite.Require((int)s_ciphers[result.GetRequiredValue(_cipher)]);
    public KeyExchangeSuite? KeyExchange(ParseResult result) => result.GetValue(_kex) is { } name ? KeyExchangeSuite.Require(name) : null;
    public bool AcceptReuse(ParseResult result) => result.GetValue(_reuse);

    public EncryptThenMacProfile? Profile(ParseResult result) => result.GetValue(_profile) switch
    {
        "strict" => EncryptThenMacProfile.Strict,
        "go-fdo" => EncryptThenMacProfile.GoFdo,
        "java" => EncryptThenMacProfile.Java,
        "conformance-tool" => EncryptThenMacProfile.ConformanceTool,
        _ => null,
    };
}
