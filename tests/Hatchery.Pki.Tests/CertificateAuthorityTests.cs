using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki.Tests;

public sealed class CertificateAuthorityTests
{
    internal static readonly DateTimeOffset Now = new(2030, 6, 1, 12, 0, 0, TimeSpan.Zero);
    internal static readonly Chance Chance = new SystemChance();
    private static readonly TimeSpan s_year = TimeSpan.FromDays(365);

    internal static CertificateAuthority Root(string name = "Device CA", ECCurve? curve = null) =>
        CertificateAuthority.CreateRoot("CN=" + name, SigningKeys.Generate(curve ?? ECCurve.NamedCurves.nistP256), Now.AddDays(-1), 10 * s_year, Chance);

    internal static byte[] Csr(ECDsa key, string subject = "CN=device") =>
        new CertificateRequest(subject, key, HashAlgorithmName.SHA256).CreateSigningRequest();

    /// <summary>Repeats: draws by name, signatures that are the same for the same bytes.</summary>
    private sealed class Repeating : Chance
    {
        public List<string> Signed { get; } = [];
        public override void Fill(Span<byte> destination, string use) => SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(use)).AsSpan(0, destination.Length).CopyTo(destination);
        public override AgreementKey NewAgreementKey(ECCurve curve, string use) => throw new NotSupportedException(use);
        public override ECDsa NewSigningKey(ECCurve curve, string use) => throw new NotSupportedException(use);
        public override ECDsa Signer(ECDsa key, string use)
        {
            Signed.Add(use);
            return key;
        }
    }

    [Theory, InlineData("nistP256"), InlineData("nistP384"), InlineData("nistP521")]
    public void What_is_issued_is_accepted_by_base_library_and_openssl(string curve)
    {
        var ca = Root(curve: ECCurve.CreateFromFriendlyName(curve));
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var request = Pkcs10.Parse(Csr(key));
        Assert.Equal("CN=device", request.Subject.Name);
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), request.SubjectPublicKeyInfo.ToArray());
        var der = ca.Issue(request, CertificateProfile.Device("SN-0001"), Now, s_year, Chance);

        using var leaf = X509CertificateLoader.LoadCertificate(der.Span);
        Assert.Equal("SERIALNUMBER=SN-0001", leaf.Subject);
        Assert.Equal("CN=Device CA", leaf.Issuer);
        Assert.Equal(20, leaf.SerialNumberBytes.Length);
        Assert.True(leaf.SerialNumberBytes.Span[0] is > 0 and < 0x80);
        Assert.Equal(Now.AddMinutes(-5).UtcDateTime, leaf.NotBefore.ToUniversalTime());
        Assert.Equal(Now.Add(s_year).UtcDateTime, leaf.NotAfter.ToUniversalTime());
        Assert.False(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
        Assert.Equal(X509KeyUsageFlags.DigitalSignature, leaf.Extensions.OfType<X509KeyUsageExtension>().Single().KeyUsages);
        using var root = X509CertificateLoader.LoadCertificate(ca.Chain[0].Span);
        Assert.Equal(root.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Single().SubjectKeyIdentifierBytes.ToArray(),
            leaf.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().Single().KeyIdentifier!.Value.ToArray());
        Assert.Single(leaf.Extensions.OfType<X509SubjectKeyIdentifierExtension>());
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), LeafKey.SubjectPublicKeyInfo(der).ToArray());
        CertificateChains.Verify([der], ca.Chain, Now);

        using var openssl = new OpenSsl();
        openssl.Put("root.pem", PemFile.Write("CERTIFICATE", ca.Chain[0].Span));
        openssl.Put("leaf.pem", PemFile.Write("CERTIFICATE", der.Span));
        string at = Now.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal((0, "leaf.pem: OK\n"), openssl.Run("verify", "-x509_strict", "-attime", at, "-CAfile", "root.pem", "leaf.pem"));
        openssl.Put("other.pem", PemFile.Write("CERTIFICATE", Root().Chain[0].Span));
        Assert.NotEqual(0, openssl.Run("verify", "-x509_strict", "-attime", at, "-CAfile", "other.pem", "leaf.pem").Code);
    }

    [Fact]
    public void A_request_of_openssl_is_read_and_ours_is_accepted_by_openssl()
    {
        using var openssl = new OpenSsl();
        var made = openssl.Run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=from openssl/serialNumber=7");
        Assert.True(made.Code == 0, made.Output);
        var request = Pkcs10.Parse(PemFile.Read(openssl.Get("csr.pem"), "CERTIFICATE REQUEST"));
        using var key = SigningKeys.FromPem(openssl.Get("key.pem"));
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), request.SubjectPublicKeyInfo.ToArray());
        Assert.Contains("CN=from openssl", request.Subject.Name, StringComparison.Ordinal);
        openssl.Put("ours.pem", PemFile.Write("CERTIFICATE REQUEST", Csr(key)));
        var judged = openssl.Run("req", "-in", "ours.pem", "-verify", "-noout");
        Assert.True(judged.Code == 0 && judged.Output.Contains("verify OK", StringComparison.OrdinalIgnoreCase), judged.Output);
    }

    [Fact]
    public void A_request_that_the_key_did_not_sign_is_refused()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        byte[] csr = Csr(key);
        int subject = csr.AsSpan().IndexOf("device"u8);
        csr[subject] = (byte)'D';
        Assert.Equal("signature", Assert.Throws<PkiException>(() => Pkcs10.Parse(csr)).FieldName);
        csr[subject] = (byte)'d';
        Pkcs10.Parse(csr);
        Assert.Throws<PkiException>(() => Pkcs10.Parse((byte[])[.. csr, 0]));
        Assert.Throws<PkiException>(() => Pkcs10.Parse(new byte[20000]));
    }

    [Fact]
    public void With_the_same_draws_the_same_is_signed()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var ca = Root();
        var request = Pkcs10.Parse(Csr(key));
        var first = new Repeating();
        byte[] a = Signed(ca.Issue(request, CertificateProfile.Device("1"), Now, s_year, first)), b = Signed(ca.Issue(request, CertificateProfile.Device("1"), Now, s_year, new Repeating()));
        Assert.Equal(a, b);
        Assert.Equal(["CA.signature"], first.Signed);
        Assert.NotEqual(a, Signed(ca.Issue(request, CertificateProfile.Device("1"), Now, s_year, Chance)));

        static byte[] Signed(ReadOnlyMemory<byte> der) =>
            new System.Formats.Asn1.AsnReader(der, System.Formats.Asn1.AsnEncodingRules.DER).ReadSequence().ReadEncodedValue().ToArray();
    }

    [Fact]
    public void No_certificate_outlives_its_issuer()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var ca = Root();
        var request = Pkcs10.Parse(Csr(key));
        using var leaf = X509CertificateLoader.LoadCertificate(ca.Issue(request, CertificateProfile.Device("1"), Now, TimeSpan.MaxValue, Chance).Span);
        using var root = X509CertificateLoader.LoadCertificate(ca.Chain[0].Span);
        Assert.Equal(root.NotAfter, leaf.NotAfter);
        Assert.Equal("validity", Assert.Throws<PkiException>(() => ca.Issue(request, CertificateProfile.Device("1"), Now + 10 * s_year, s_year, Chance)).FieldName);
        Assert.Equal("validity", Assert.Throws<PkiException>(() => ca.Issue(request, CertificateProfile.Device("1"), Now - s_year, s_year, Chance)).FieldName);
    }

    [Theory]
    [InlineData("A-1/2 (x)", 0x13)]
    [InlineData("Gerät_7", 0x0C)]
    public void Serial_numbers_are_printable_strings_where_they_can_be(string serial, int tag)
    {
        byte[] name = CertificateProfile.Device(serial).Subject!.RawData;
        byte[] text = System.Text.Encoding.UTF8.GetBytes(serial);
        Assert.True(name.AsSpan().EndsWith((byte[])[(byte)tag, (byte)text.Length, .. text]));
    }

    [Fact]
    public void Serial_numbers_that_cannot_be_written_are_named()
    {
        foreach (string serial in new[] { "", new string('1', 257), "a" + (char)0xD800 })
            Assert.Equal("serialNumber", Assert.Throws<PkiException>(() => CertificateProfile.Device(serial)).FieldName);
    }

    [Fact]
    public void A_CA_needs_a_CA_s_certificate_of_its_own_key()
    {
        var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var ca = CertificateAuthority.CreateRoot("CN=a", key, Now, s_year, Chance);
        Assert.Equal("subjectPublicKeyInfo", Assert.Throws<PkiException>(() => new CertificateAuthority(SigningKeys.Generate(ECCurve.NamedCurves.nistP256), ca.Chain)).FieldName);
        var leaf = ca.Issue(Pkcs10.Parse(Csr(key)), CertificateProfile.Device("1"), Now, s_year, Chance);
        Assert.Equal("basicConstraints", Assert.Throws<PkiException>(() => new CertificateAuthority(key, [leaf])).FieldName);
        Assert.Throws<PkiException>(() => new CertificateAuthority(key, []));
        Assert.Throws<PkiException>(() => new CertificateAuthority(key, [new byte[] { 0x30, 0 }]));
        Assert.Equal(ca.Chain, new CertificateAuthority(key, ca.Chain).Chain);
    }
}
