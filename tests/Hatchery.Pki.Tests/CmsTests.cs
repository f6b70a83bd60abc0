using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

public sealed class CmsTests
{
    private static readonly Chance s_chance = new SystemChance();
    private static readonly PathOptions s_timeless = new();

    public static TheoryData<string, string> Envelopes()
    {
        var all = new TheoryData<string, string>();
        foreach (string kind in new[] { "kekri", "ktri", "kari" })
            foreach (string form in new[] { "enveloped_der_hex", "strict_enveloped_der_hex" })
                all.Add(kind, form);
        return all;
    }

    [Theory, MemberData(nameof(Envelopes))]
    public void Published_key_packages_are_opened(string kind, string form)
    {
        var vector = Vector.Load("serverkeygen-encrypted.json");
        var item = vector.List("items").Single(i => i.Text("name").StartsWith(kind, StringComparison.Ordinal));
        var enveloped = EnvelopedData.Parse(item.Hex(form));
        Assert.Equal(Oids.SignedData, enveloped.ContentType);
        using var signed = Decrypt(item, enveloped);
        var signer = Certificate.Parse(vector.Hex("signer_cert_der_hex"));
        using var key = KeyPackage.Open(signed, new TrustStore([signer]), s_timeless);
        Assert.Equal(vector.Hex("generated_private_key_pkcs8_hex").ToArray(), key.Reveal().ToArray());
        using var other = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var stranger = CertificateAuthority.CreateRoot("CN=EST key generator", other, DateTimeOffset.UtcNow, TimeSpan.FromDays(1), s_chance).Certificate;
        Assert.Throws<PkiException>(() => KeyPackage.Open(signed, new TrustStore([stranger]), s_timeless));

        static SecretBytes Decrypt(System.Text.Json.JsonElement item, EnvelopedData enveloped)
        {
            if (item.TryGetProperty("kek_hex", out _))
                return enveloped.Decrypt(item.Hex("kek_identifier_hex").Span, new SecretBytes(item.Hex("kek_hex").Span));
            var certificate = Certificate.Parse(item.Hex("recipient_cert_der_hex"));
            byte[] pkcs8 = item.Hex("recipient_private_key_pkcs8_hex").ToArray();
            if (!certificate.Key.IsRsa)
                return enveloped.Decrypt(SigningKeys.ImportPrivate(pkcs8), certificate);
            using var rsa = RSA.Create();
            rsa.ImportPkcs8PrivateKey(pkcs8, out _);
            return enveloped.Decrypt(rsa, certificate);
        }
    }

    [Fact]
    public void The_three_forms_of_a_signed_package_are_read()
    {
        var vector = Vector.Load("serverkeygen-encrypted.json");
        byte[] wrapped = vector.Hex("signed_data_der_hex").ToArray(), bare = vector.Hex("bare_signed_data_der_hex").ToArray();
        foreach (byte[] form in new[] { wrapped, bare, bare[4..] })
        {
            var data = SignedData.Parse(form);
            Assert.Equal(Oids.KeyPackage, data.ContentType);
            Assert.Equal(vector.Hex("asymmetric_key_package_hex").ToArray(), data.Content!.Value.ToArray());
            Assert.Equal(vector.Hex("signer_cert_der_hex").ToArray(), data.VerifySignature().Certificate.Encoded.ToArray());
        }
        int at = wrapped.AsSpan().IndexOf(vector.Hex("generated_private_key_pkcs8_hex").Span);
        wrapped[at + 40] ^= 1;
        Assert.Equal("messageDigest", Assert.Throws<PkiException>(() => SignedData.Parse(wrapped).VerifySignature()).FieldName);
    }

    public static TheoryData<string, string> Recipients() => new()
    {
        { "kek", "-aes-256-cbc" }, { "kek", "-aes-128-gcm" }, { "oaep", "-aes-256-cbc" }, { "pkcs1", "-aes-128-cbc" }, { "P-256", "-aes-256-cbc" }, { "P-384", "-aes-256-gcm" }, { "P-521", "-aes-192-cbc" },
    };

    /// <summary>Both directions: openssl decrypts what we encrypt, and we decrypt what it encrypts.</summary>
    [Theory, MemberData(nameof(Recipients))]
    public void Envelopes_are_exchanged_with_openssl(string kind, string cipher)
    {
        using var openssl = new OpenSsl();
        string content = "a key that was generated";
        openssl.Put("plain.txt", content);
        string oid = cipher switch
        {
            "-aes-256-cbc" => Oids.Aes256Cbc,
            "-aes-192-cbc" => Oids.Aes192Cbc,
            "-aes-128-cbc" => Oids.Aes128Cbc,
            "-aes-256-gcm" => Oids.Aes256Gcm,
            _ => Oids.Aes128Gcm,
        };
        EnvelopeRecipient recipient;
        string[] decrypt, encrypt;
        Func<EnvelopedData, SecretBytes> open;
        if (kind == "kek")
        {
            byte[] kek = RandomNumberGenerator.GetBytes(32), id = "est-kek-01"u8.ToArray();
            recipient = EnvelopeRecipient.Kek(id, new SecretBytes(kek));
            string[] secret = ["-secretkey", Convert.ToHexString(kek), "-secretkeyid", Convert.ToHexString(id)];
            (decrypt, encrypt) = (secret, secret);
            open = e => e.Decrypt(id, new SecretBytes(kek));
        }
        else
        {
            string[] key = kind.StartsWith('P') ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + kind] : ["-newkey", "rsa:2048"];
            Assert.Equal(0, openssl.Run(["req", "-x509", .. key, "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=device"]).Code);
            var certificate = Certificate.Parse(PemFile.Read(openssl.Get("cert.pem"), "CERTIFICATE"));
            var id = certificate.SubjectKeyIdentifier!.Value;
            recipient = kind.StartsWith('P') ? EnvelopeRecipient.Ec(id, certificate.Key) : EnvelopeRecipient.Rsa(id, certificate.Key, oaep: kind == "oaep");
            decrypt = ["-inkey", "key.pem", "-recip", "cert.pem"];
            string[] how = kind == "oaep" ? ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"] : kind == "P-384" ? ["-keyopt", "ecdh_kdf_md:sha256"] : [];
            encrypt = ["-recip", "cert.pem", .. how];
            byte[] pkcs8 = PemFile.Read(openssl.Get("key.pem"), "PRIVATE KEY");
            open = e =>
            {
                if (kind.StartsWith('P'))
                    return e.Decrypt(SigningKeys.ImportPrivate(pkcs8), certificate);
                using var rsa = RSA.Create();
                rsa.ImportPkcs8PrivateKey(pkcs8, out _);
                return e.Decrypt(rsa, certificate);
            };
        }
        var ours = EnvelopedData.Encrypt(Oids.Data, System.Text.Encoding.ASCII.GetBytes(content), [recipient], s_chance, oid);
        openssl.Put("ours.der", ours.Span);
        var (code, output) = openssl.Run(["cms", "-decrypt", "-in", "ours.der", "-inform", "DER", .. decrypt]);
        Assert.True(code == 0, output);
        Assert.Equal(content, output);
        using (var again = open(EnvelopedData.Parse(ours)))
            Assert.Equal(content, System.Text.Encoding.ASCII.GetString(again.Reveal()));

        // openssl 3.0 writes ktri and kari with issuer and serial number unless told, and indefinite lengths when streaming.
        foreach (string[] form in new string[][] { ["-stream"], ["-keyid"] })
        {
            var made = openssl.Run(["cms", "-encrypt", "-binary", "-in", "plain.txt", "-outform", "DER", "-out", "theirs.der", cipher, .. form, .. encrypt]);
            Assert.True(made.Code == 0, made.Output);
            using var opened = open(EnvelopedData.Parse(openssl.GetBytes("theirs.der")));
            Assert.Equal(content, System.Text.Encoding.ASCII.GetString(opened.Reveal()));
        }
    }

    [Fact]
    public void A_wrong_key_opens_nothing()
    {
        byte[] id = [1], kek = new byte[16];
        var enveloped = EnvelopedData.Parse(EnvelopedData.Encrypt(Oids.Data, "text"u8, [EnvelopeRecipient.Kek(id, new SecretBytes(kek))], s_chance));
        Assert.Equal("encryptedKey", Assert.Throws<PkiException>(() => enveloped.Decrypt(id, new SecretBytes("another key 1234"u8))).FieldName);
        Assert.Equal("recipientInfos", Assert.Throws<PkiException>(() => enveloped.Decrypt([2], new SecretBytes(kek))).FieldName);
        Assert.Equal("recipientInfos", Assert.Throws<PkiException>(() => enveloped.Decrypt(id, new SecretBytes(new byte[32]))).FieldName);
        using var rsa = RSA.Create(2048);
        using var wrong = RSA.Create(2048);
        SignatureKey key = rsa;
        var transported = EnvelopedData.Parse(EnvelopedData.Encrypt(Oids.Data, "text"u8, [EnvelopeRecipient.Rsa(id, key.Public, oaep: false)], s_chance));
        // Padding that is wrong is told apart from content that is wrong by nothing.
        Assert.Equal("encryptedContent", Assert.Throws<PkiException>(() => transported.Decrypt(wrong)).FieldName);
        using var small = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        using var large = SigningKeys.Generate(ECCurve.NamedCurves.nistP384);
        var agreed = EnvelopedData.Parse(EnvelopedData.Encrypt(Oids.Data, "text"u8, [EnvelopeRecipient.Ec(id, new SignatureKey(small).Public)], s_chance));
        Assert.Throws<PkiException>(() => agreed.Decrypt(large));
    }

    [Fact]
    public void Wrapped_keys_are_those_of_RFC_3394()
    {
        byte[] kek = Convert.FromHexString("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
        byte[] data = Convert.FromHexString("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
        byte[] wrapped = Convert.FromHexString("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
        Assert.Equal(wrapped, KeyWrap.Wrap(kek, data));
        Assert.Equal(data, KeyWrap.Unwrap(kek, wrapped));
        wrapped[3] ^= 1;
        Assert.Null(KeyWrap.Unwrap(kek, wrapped));
    }

    [Theory, InlineData("ec"), InlineData("rsa"), InlineData("pss")]
    public void Signed_messages_are_exchanged_with_openssl(string kind)
    {
        using var openssl = new OpenSsl();
        string[] key = kind == "ec" ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : ["-newkey", "rsa:2048"];
        Assert.Equal(0, openssl.Run(["req", "-x509", .. key, "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=signer"]).Code);
        var (ours, chain) = PrivateKeys.FromPem(openssl.Get("cert.pem") + openssl.Get("key.pem"));
        if (kind == "pss")
        {
            var rsa = RSA.Create();
            rsa.ImportFromPem(openssl.Get("key.pem"));
            ours = new SignatureKey(rsa, pss: true);
        }
        var signed = SignedData.Sign(Oids.PkiData, "content"u8.ToArray(), ours, chain, s_chance, DateTimeOffset.UtcNow);
        openssl.Put("ours.der", signed.Span);
        Assert.Equal(0, openssl.Run("asn1parse", "-in", "ours.der", "-inform", "DER", "-noout").Code);
        var (code, output) = openssl.Run("cms", "-verify", "-in", "ours.der", "-inform", "DER", "-CAfile", "cert.pem", "-purpose", "any", "-binary");
        Assert.True(code == 0 && output.StartsWith("content", StringComparison.Ordinal), output);
        var store = TrustStore.Of(chain);
        Assert.Equal(chain[0].ToArray(), SignedData.Parse(signed).Verify(store, s_timeless).Encoded.ToArray());

        openssl.Put("text", "content");
        foreach (string[] form in new string[][] { ["-stream"], ["-keyid"], kind == "pss" ? ["-keyopt", "rsa_padding_mode:pss"] : ["-md", "sha384"] })
        {
            var made = openssl.Run(["cms", "-sign", "-in", "text", "-binary", "-nodetach", "-outform", "DER", "-signer", "cert.pem", "-inkey", "key.pem", "-out", "theirs.der", .. form]);
            Assert.True(made.Code == 0, made.Output);
            var theirs = SignedData.Parse(openssl.GetBytes("theirs.der"));
            theirs.Verify(store, s_timeless);
            Assert.Equal("content"u8, theirs.Content!.Value.Span);
        }
    }

    [Fact]
    public void Certs_only_messages_are_exchanged_with_openssl()
    {
        var root = CertificateAuthority.CreateRoot("CN=a", SigningKeys.Generate(ECCurve.NamedCurves.nistP256), DateTimeOffset.UtcNow, TimeSpan.FromDays(10), s_chance);
        var list = RevocationList.Make(root, 1, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1), [], s_chance);
        using var openssl = new OpenSsl();
        openssl.Put("ours.der", CertsOnly.Encode(root.Chain, [list]).Span);
        var (code, output) = openssl.Run("pkcs7", "-in", "ours.der", "-inform", "DER", "-print_certs");
        Assert.True(code == 0, output);
        Assert.Equal(root.Chain[0].ToArray(), PemFile.Read(output, "CERTIFICATE"));
        openssl.Put("root.pem", PemFile.Write("CERTIFICATE", root.Chain[0].Span));
        openssl.Put("list.pem", PemFile.Write("X509 CRL", list.Span));
        Assert.Equal(0, openssl.Run("crl2pkcs7", "-in", "list.pem", "-certfile", "root.pem", "-outform", "DER", "-out", "theirs.der").Code);
        Assert.Equal(root.Chain[0].ToArray(), Assert.Single(CertsOnly.Parse(openssl.GetBytes("theirs.der"), out var lists)).ToArray());
        Assert.Equal(list.ToArray(), Assert.Single(lists).ToArray());
        Assert.Empty(CertsOnly.Parse(CertsOnly.Encode([])));
    }

    [Fact]
    public void A_key_package_of_ours_goes_through_openssl()
    {
        using var generated = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        byte[] pkcs8 = new SignatureKey(generated).ExportPkcs8();
        SignatureKey signer = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var root = CertificateAuthority.CreateRoot("CN=generator", signer, DateTimeOffset.UtcNow.AddDays(-1), TimeSpan.FromDays(10), s_chance);
        byte[] kek = new byte[32], id = [7];
        var sealedKey = KeyPackage.Seal(pkcs8, signer, root.Chain, EnvelopeRecipient.Kek(id, new SecretBytes(kek)), s_chance);
        using var opened = KeyPackage.Open(EnvelopedData.Parse(sealedKey).Decrypt(id, new SecretBytes(kek)), new TrustStore([root.Certificate]), new PathOptions { At = DateTimeOffset.UtcNow });
        Assert.Equal(pkcs8, opened.Reveal().ToArray());
        using var openssl = new OpenSsl();
        openssl.Put("ours.der", sealedKey.Span);
        var (code, output) = openssl.Run("cms", "-decrypt", "-in", "ours.der", "-inform", "DER", "-secretkey", Convert.ToHexString(kek), "-secretkeyid", "07", "-out", "signed.der", "-binary");
        Assert.True(code == 0, output);
        Assert.Single(SignedData.Parse(openssl.GetBytes("signed.der")).Signers);
        Assert.Equal(0, openssl.Run("asn1parse", "-in", "signed.der", "-inform", "DER", "-noout").Code);
    }
}
