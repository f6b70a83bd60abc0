using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

/// <summary>Proof of possession by every kind of key, and keys that are refused, as openssl makes them.</summary>
public sealed class KeyTests
{
    public static TheoryData<string, string, string> Requests() => new()
    {
        { "rsa:2048", "", "" }, { "rsa:3072", "-sha384", "" }, { "rsa:2048", "-sha512", "" },
        { "rsa:2048", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest", "" },
        { "rsa:2048", "-sha384 -sigopt rsa_padding_mode:pss", "" },
        { "rsa-pss", "", "" },
        { "ec:P-256", "", "" }, { "ec:P-384", "-sha384", "" }, { "ec:P-521", "-sha512", "" }, { "ec:P-256", "-sha512", "" },
        { "ed25519", "", "" },
        { "rsa:1024", "", "subjectPublicKeyInfo" },
        { "ec:secp256k1", "", "subjectPublicKeyInfo" }, { "ec:brainpoolP256r1", "", "subjectPublicKeyInfo" }, { "ed448", "", "subjectPublicKeyInfo" },
        { "rsa:2048", "-sha1", "signatureAlgorithm" }, { "ec:P-256", "-sha1", "signatureAlgorithm" },
    };

    [Theory, MemberData(nameof(Requests))]
    public void Requests_of_openssl(string kind, string how, string refusedField)
    {
        using var openssl = new OpenSsl();
        string[] key = kind switch
        {
            _ when kind.StartsWith("ec:", StringComparison.Ordinal) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + kind[3..]],
            "rsa-pss" => ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
            _ => ["-newkey", kind],
        };
        var made = openssl.Run(["req", "-new", .. key, "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=device", .. how.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.True(made.Code == 0, made.Output);
        byte[] der = PemFile.Read(openssl.Get("csr.pem"), "CERTIFICATE REQUEST");
        if (refusedField.Length > 0)
        {
            Assert.Equal(refusedField, Assert.Throws<PkiException>(() => Pkcs10.Parse(der)).FieldName);
            return;
        }
        var request = Pkcs10.Parse(der);
        Assert.Equal("CN=device", DirectoryName.ToText(request.SubjectName));
        // One bit anywhere in the signature, or in what is signed.
        foreach (int at in new[] { der.Length - 1, der.Length - 20, der.AsSpan().IndexOf("device"u8) })
        {
            der[at] ^= 1;
            Assert.Equal("signature", Assert.Throws<PkiException>(() => Pkcs10.Parse(der)).FieldName);
            der[at] ^= 1;
        }
    }

    public static TheoryData<string> OwnKeys() => new("P-256", "P-384", "P-521", "rsa", "pss");

    [Theory, MemberData(nameof(OwnKeys))]
    public void Our_requests_are_verified_by_openssl(string kind)
    {
        using AsymmetricAlgorithm key = kind switch
        {
            "P-256" => SigningKeys.Generate(ECCurve.NamedCurves.nistP256),
            "P-384" => SigningKeys.Generate(ECCurve.NamedCurves.nistP384),
            "P-521" => SigningKeys.Generate(ECCurve.NamedCurves.nistP521),
            _ => RSA.Create(2048),
        };
        var signer = key is ECDsa ecdsa ? new SignatureKey(ecdsa) : new SignatureKey((RSA)key, pss: kind == "pss");
        var der = new Pkcs10Builder
        {
            Subject = DirectoryName.FromText("CN=device,O=Example"),
            ChallengePassword = "kaXKJBwEDx4wfbx3",
            Extensions = [CertificateExtension.SubjectAltName([GeneralName.Dns("device.example"), GeneralName.Ip(System.Net.IPAddress.IPv6Loopback)])],
            Attributes = [RequestAttribute.ChangeSubjectName(new(DirectoryName.FromText("CN=other"), [GeneralName.Dns("other.example")]))],
        }.Sign(signer, new SystemChance());
        using var openssl = new OpenSsl();
        openssl.Put("csr.der", der.Span);
        var (code, output) = openssl.Run("req", "-in", "csr.der", "-inform", "DER", "-verify", "-noout", "-text");
        Assert.True(code == 0 && output.Contains("verify OK", StringComparison.OrdinalIgnoreCase), output);
        foreach (string part in new[] { "challengePassword", "kaXKJBwEDx4wfbx3", "DNS:device.example", "IP Address:0:0:0:0:0:0:0:1" })
            Assert.Contains(part, output, StringComparison.Ordinal);
        var request = Pkcs10.Parse(der);
        Assert.Equal("kaXKJBwEDx4wfbx3", request.ChallengePassword);
        Assert.Equal("CN=other", DirectoryName.ToText(request.ChangeSubjectName!.Subject!.Value));
        Assert.Equal("other.example", request.ChangeSubjectName.SubjectAlt.Single().AsText());
    }

    [Fact]
    public void A_change_of_names_may_be_of_one_kind_only()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        Pkcs10 Made(ChangeSubjectName names) => Pkcs10.Parse(new Pkcs10Builder { Attributes = [RequestAttribute.ChangeSubjectName(names)] }.Sign(key, new SystemChance()));
        Assert.Null(Made(new(null, [GeneralName.Dns("a")])).ChangeSubjectName!.Subject);
        Assert.Empty(Made(new(DirectoryName.FromText("CN=a"), [])).ChangeSubjectName!.SubjectAlt);
        Assert.Equal("changeSubjectName", Assert.Throws<PkiException>(() => Made(new(null, []))).FieldName);
    }

    [Fact]
    public void An_attribute_or_extension_that_stands_twice_is_refused()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var chance = new SystemChance();
        var name = CertificateExtension.SubjectAltName([GeneralName.Dns("a")]);
        Assert.Equal("extensions", Assert.Throws<PkiException>(() => Pkcs10.Parse(new Pkcs10Builder { Extensions = [name, name] }.Sign(key, chance))).FieldName);
        var id = RequestAttribute.DecryptKeyId(new byte[] { 1 });
        Assert.Equal("attributes", Assert.Throws<PkiException>(() => Pkcs10.Parse(new Pkcs10Builder { Attributes = [id, id] }.Sign(key, chance))).FieldName);
        var two = new RequestAttribute(Oids.ChallengePassword, [id.Values[0], id.Values[0]]);
        Assert.Equal("challengePassword", Assert.Throws<PkiException>(() => Pkcs10.Parse(new Pkcs10Builder { Attributes = [two] }.Sign(key, chance))).FieldName);
        Assert.Equal("challengePassword", Assert.Throws<PkiException>(() => Pkcs10.Parse(new Pkcs10Builder { ChallengePassword = new string('a', 256) }.Sign(key, chance))).FieldName);
    }

    private static PublicKeyInfo Rsa(BigInteger modulus, BigInteger exponent) => PublicKeyInfo.Parse(Der.Write(w =>
    {
        using (w.PushSequence())
        {
            using (w.PushSequence())
            {
                w.WriteObjectIdentifier(Oids.RsaEncryption);
                w.WriteNull();
            }
            w.WriteBitString(Der.Write(k =>
            {
                using (k.PushSequence())
                {
                    k.WriteInteger(modulus);
                    k.WriteInteger(exponent);
                }
            }).Span);
        }
    }));

    private static string Refusal(BigInteger modulus, int exponent = 65537) => Assert.Throws<PkiException>(() => KeyPolicy.Default.Check(Rsa(modulus, exponent))).Message;

    private static BigInteger Random(int bits)
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(bits / 8);
        bytes[^1] |= 0xC0;
        bytes[0] |= 1;
        return new BigInteger(bytes, isUnsigned: true);
    }

    private static bool HasSmallFactor(BigInteger n) => Enumerable.Range(2, 254).Any(d => n % d == 0);

    [Fact]
    public void Moduli_that_are_known_to_be_weak_are_refused()
    {
        using var rsa = RSA.Create(2048);
        var good = new BigInteger(rsa.ExportParameters(false).Modulus, isUnsigned: true, isBigEndian: true);
        KeyPolicy.Default.Check(Rsa(good, 65537));
        Assert.Contains("exponent", Refusal(good, 3), StringComparison.Ordinal);
        Assert.Contains("exponent", Refusal(good, 65538), StringComparison.Ordinal);
        Assert.Contains("divisible by 3", Refusal((Random(2048) | 1) is var n && n % 3 == 0 ? n : n + (3 - n % 3) * 4), StringComparison.Ordinal);

        // CVE-2017-15361: a multiple of the primorial, and a power of 65537 modulo it.
        var primorial = Enumerable.Range(2, 166).Where(p => Enumerable.Range(2, p - 2).All(d => p % d != 0)).Aggregate(BigInteger.One, (a, p) => a * p);
        BigInteger roca;
        do
            roca = Random(2048) / primorial * primorial + BigInteger.ModPow(65537, Random(64), primorial);
        while (HasSmallFactor(roca) || roca.GetBitLength() != 2048);
        Assert.Contains("CVE-2017-15361", Refusal(roca), StringComparison.Ordinal);

        BigInteger p, q;
        do
            (p, q) = (Random(1024) is var r ? r : r, 0);
        while (HasSmallFactor(p) || HasSmallFactor(q = p + 2 * (Random(64) | 1)) || (p * q).GetBitLength() != 2048);
        Assert.Contains("close", Refusal(p * q), StringComparison.Ordinal);
        Assert.Contains("16384", Assert.Throws<PkiException>(() => KeyPolicy.Default.Check(Rsa(Random(16384), 65537))).Message, StringComparison.Ordinal);
        Assert.Equal("subjectPublicKeyInfo", Assert.Throws<PkiException>(() => Rsa(Random(16392), 65537)).FieldName);
    }

    [Fact]
    public void Operations_are_counted()
    {
        var chance = new SystemChance();
        var ledger = new Dictionary<string, int>();
        var before = OperationMeter.Charge(ledger);
        try
        {
            using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
            using var rsa = RSA.Create(2048);
            var ca = CertificateAuthority.CreateRoot("CN=a", rsa, CertificateAuthorityTests.Now, TimeSpan.FromDays(1), chance);
            ca.Issue(Pkcs10.Parse(new Pkcs10Builder().Sign(key, chance)), CertificateProfile.LDevId(), CertificateAuthorityTests.Now, TimeSpan.FromHours(1), chance);
        }
        finally
        {
            OperationMeter.Charge(before);
        }
        Assert.Equal(new Dictionary<string, int> { ["generate P-256"] = 1, ["sign P-256"] = 1, ["verify P-256"] = 1, ["sign RSA-2048"] = 2 }, ledger);
    }
}
