using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

public sealed class RequestVectorTests
{
    private static readonly KeyPolicy s_old = KeyPolicy.Default with { Sha1 = true };

    [Theory]
    [InlineData("simpleenroll", "CN=demostep4 1368141352")]
    [InlineData("serverkeygen", "CN=serverKeyGen req by client in demo step 12 1368141955,serialNumber=PID:Widget SN:10")]
    public void Requests_of_RFC_7030_are_read_and_proven(string name, string subject)
    {
        var vector = Vector.Load("rfc7030-appendix-a.json").GetProperty(name);
        var request = Pkcs10.Parse(vector.Hex("csr_der_hex"), s_old);
        Assert.Equal(subject, DirectoryName.ToText(request.SubjectName));
        Assert.Equal(vector.GetProperty("csr").List("challengePassword").Single().GetString(), request.ChallengePassword);
        Assert.Equal(2048, request.Key.Bits);
        Assert.Equal(vector.Hex("csr_der_hex").ToArray(), request.Encoded.ToArray());
        // Both are signed over SHA-1.
        if (SignatureAlgorithm.Parse(request.Algorithm).IsSha1)
            Assert.Equal("signatureAlgorithm", Assert.Throws<PkiException>(() => Pkcs10.Parse(vector.Hex("csr_der_hex"))).FieldName);
    }

    [Fact]
    public void Certificates_of_RFC_7030_are_told_apart_by_their_keys()
    {
        var vector = Vector.Load("rfc7030-appendix-a.json");
        var offered = vector.GetProperty("cacerts_response");
        var certificates = Certificate.ParseAll(CertsOnly.Parse(offered.Hex("der_hex")));
        var expected = offered.List("certificates").ToList();
        Assert.Equal(expected.Count, certificates.Length);
        for (int i = 0; i < certificates.Length; i++)
        {
            Assert.Equal(expected[i].Text("subject"), certificates[i].SubjectText);
            Assert.Equal(expected[i].Text("issuer"), certificates[i].IssuerText);
            Assert.Equal(expected[i].Text("serial"), "0x" + certificates[i].SerialText);
            Assert.Equal(expected[i].Text("notAfter"), certificates[i].NotAfter.ToString("yyyy-MM-ddTHH:mm:ssZ"));
            Assert.Equal(expected[i].Text("cert_sha256_fingerprint"), Convert.ToHexStringLower(certificates[i].Sha256()));
            Assert.Equal(expected[i].Text("spki_sha256"), Convert.ToHexStringLower(SHA256.HashData(certificates[i].Key.Encoded.Span)));
            Assert.Equal(expected[i].List("signed_by_index").Select(v => v.GetInt32()), Enumerable.Range(0, 4).Where(k => certificates[i].IsSignedBy(certificates[k].Key)));
        }
        Assert.Equal("CN=estExampleCA NwN", AnchorUpdate.Candidate(certificates)!.SubjectText);
        foreach (string name in new[] { "simpleenroll", "serverkeygen" })
        {
            var issued = Certificate.Parse(CertsOnly.Parse(vector.GetProperty(name).Hex("response_der_hex")).Single());
            var options = new PathOptions { At = new DateTimeOffset(2013, 6, 1, 0, 0, 0, TimeSpan.Zero), Keys = s_old };
            Assert.Equal("CN=estExampleCA NwN", new TrustStore([certificates[3]]).Verify([issued], options).Anchor.SubjectText);
            Assert.Equal("anchor", Assert.Throws<PkiException>(() => new TrustStore([certificates[0]]).Verify([issued], options)).FieldName);
        }
        var response = vector.GetProperty("serverkeygen").Hex("response_der_hex");
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(vector.GetProperty("serverkeygen").Hex("pkcs8_der_hex").Span, out _);
        Assert.Equal(rsa.ExportSubjectPublicKeyInfo(), Certificate.Parse(CertsOnly.Parse(response).Single()).Key.Encoded.ToArray());
    }

    [Fact]
    public void Messages_of_RFC_9148_are_read()
    {
        var vector = Vector.Load("rfc9148-appendix-a.json");
        var request = Pkcs10.Parse(vector.Hex("sen_request_cf286_hex"));
        Assert.Equal("Wt1234", DirectoryName.Find(request.SubjectName, Oids.SerialNumber));
        Assert.Equal(Oids.P256, request.Key.Curve);
        Assert.NotNull(request.ChallengePassword);
        Assert.Equal("O=skg example", DirectoryName.ToText(Pkcs10.Parse(vector.Hex("skg_request_cf286_hex")).SubjectName));
        var root = Certificate.Parse(CertsOnly.Parse(vector.Hex("crts_response_cf281_hex")).Single());
        var issued = Certificate.Parse(CertsOnly.Parse(vector.Hex("sen_response_cf281_hex")).Single());
        Assert.Equal(request.SubjectPublicKeyInfo.ToArray(), issued.Key.Encoded.ToArray());
        Assert.True(root.IsSignedBy(root.Key));
        Assert.Equal(126, CsrAttributes.Parse(vector.Hex("att_response_cf285_hex")).Encode().Length);
    }

    [Fact]
    public void CsrAttrs_are_read_and_written_as_they_were()
    {
        foreach (var item in Vector.Load("csrattrs.json").List("items"))
        {
            var der = item.Hex("der_hex");
            Assert.Equal(item.Text("base64"), Convert.ToBase64String(CsrAttributes.Parse(der).Encode().Span));
        }
    }

    private static CsrDemands Demands(string name) =>
        CsrAttributes.Parse(Vector.Load("csrattrs.json").List("items").Single(i => i.Text("name") == name).Hex("der_hex")).Demands();

    [Fact]
    public void CsrAttrs_mean_what_RFC_9908_says()
    {
        var first = Demands("rfc7030-4.5.2");
        Assert.True(first.ChallengePassword);
        Assert.Equal(new KeyDemand(Oids.EcPublicKey, Oids.P384), first.Key);
        Assert.Equal(["1.3.6.1.1.1.1.22"], first.Wishes);
        Assert.Equal(Oids.EcdsaWithSha384, first.Signature);
        Assert.Empty(first.Extensions);

        var parse = Demands("rfc7030-A.2");
        Assert.True(parse.ChallengePassword);
        Assert.Equal(Oids.Sha384, parse.Digest);
        Assert.Equal(["1.3.6.1.1.1.1.22", "1.3.36.3.3.2.8.1.1.11"], parse.Wishes);

        var acp = Demands("realistic-acp");
        Assert.Equal((Oids.SubjectAltName, true), (acp.Extensions.Single().Oid, acp.Extensions.Single().Critical));
        Assert.Equal(new KeyDemand(Oids.RsaEncryption, Bits: 4096), Demands("harkins01").Key);
        Assert.Equal([Oids.SerialNumber], Demands("harkins02").Wishes);
        Assert.Equal(3, Demands("harkins03").Wishes.Length);
        Assert.Equal(CsrDemands.None with { Wishes = Demands("empty").Wishes }, Demands("empty"));
        Assert.Empty(Demands("empty").Wishes);
    }

    [Fact]
    public void A_template_is_filled_and_checked()
    {
        var demands = Demands("template-as-rfc9908");
        Assert.Equal(3, demands.Subject.Length);
        Assert.Equal(new KeyDemand(Oids.EcPublicKey, Oids.P256), demands.Key);
        Assert.Equal(new[] { Oids.SubjectAltName, Oids.KeyUsage, Oids.ExtendedKeyUsage }, demands.Extensions.Select(e => e.Oid));
        Assert.Null(demands.Extensions[2].Value);

        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var draft = new Pkcs10Builder
        {
            Subject = DirectoryName.FromText("CN=device"),
            Extensions = [CertificateExtension.ExtendedKeyUsage(Oids.ClientAuth), CertificateExtension.SubjectAltName([GeneralName.Ip(System.Net.IPAddress.Parse("10.0.0.7"))])],
        };
        var chance = new SystemChance();
        var missing = demands.Missing(Pkcs10.Parse(draft.Sign(key, chance)));
        Assert.Equal(4, missing.Length);
        var request = Pkcs10.Parse(demands.Fill(draft).Sign(key, chance));
        Assert.Empty(demands.Missing(request));
        Assert.Equal("CN=device,OU=myDept,OU=myGroup", DirectoryName.ToText(request.SubjectName));
        Assert.Equal(["www.myServer.com", "10.0.0.7"], request.AlternativeNames.Select(n => n.AsText()!));
        Assert.Equal("subject", Assert.Throws<PkiException>(() => demands.Fill(draft with { Subject = DirectoryName.Empty })).FieldName);
        Assert.Equal("subjectAltName", Assert.Throws<PkiException>(() => demands.Fill(draft with { Extensions = [draft.Extensions[0]] })).FieldName);
        using var other = SigningKeys.Generate(ECCurve.NamedCurves.nistP384);
        Assert.Single(demands.Missing(Pkcs10.Parse(demands.Fill(draft).Sign(other, chance))));
        // The same demands as list and template, read again.
        var sent = CsrAttributes.Of(demands with { ChallengePassword = true }, withTemplate: true);
        var again = CsrAttributes.Parse(sent.Encode()).Demands();
        Assert.True(again.ChallengePassword);
        Assert.Equal(demands.Key, again.Key);
        Assert.Empty((again with { ChallengePassword = false }).Missing(request));
        Assert.Equal(3, again.Extensions.Length);
        Assert.Equal(demands.Key, sent.ListDemands().Key);
        Assert.True(sent.ListDemands().ChallengePassword);
    }

    [Fact]
    public void Attributes_of_server_side_key_generation_are_those_published()
    {
        var published = Vector.Load("serverkeygen-encrypted.json").GetProperty("csr_attributes");
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        byte[] symmetric = Convert.FromHexString("6573742d6b656b2d3031"), asymmetric = Convert.FromHexString("fd8f14419beb4376a6c37cbb1b430f5e059448b9");
        var builder = new Pkcs10Builder
        {
            Subject = DirectoryName.FromText("CN=device"),
            Attributes = [RequestAttribute.DecryptKeyId(symmetric), RequestAttribute.AsymmetricDecryptKeyId(asymmetric), RequestAttribute.SmimeCapabilities(Oids.Aes256Wrap, Oids.Aes256Cbc)],
        };
        var der = builder.Sign(key, new SystemChance());
        foreach (string name in new[] { "decryptKeyID", "asymmDecryptKeyID" })
            Assert.True(der.Span.IndexOf(published.Hex(name + "_attribute_der_hex").Span) > 0, name);
        var request = Pkcs10.Parse(der);
        Assert.Equal(symmetric, request.DecryptKeyIdentifier!.Value.ToArray());
        Assert.Equal(asymmetric, request.AsymmetricDecryptKeyIdentifier!.Value.ToArray());
        Assert.Equal([Oids.Aes256Wrap, Oids.Aes256Cbc], request.SmimeCapabilities);
    }
}
