using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

public sealed class CmcTests
{
    private static readonly Chance s_chance = new SystemChance();
    private static readonly DateTimeOffset s_now = new(2030, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly PathOptions s_options = new() { At = s_now };

    [Fact]
    public void The_published_request_is_read()
    {
        var vector = Vector.Load("cmc-full.json");
        var request = CmcRequest.Parse(vector.GetProperty("request").Hex("signed_hex"));
        Assert.Equal(vector.Hex("signer_cert_der_hex").ToArray(), request.Authenticate()!.Encoded.ToArray());
        Assert.Equal(4711, (int)request.TransactionId!);
        Assert.Equal(Convert.FromHexString("000102030405060708090a0b0c0d0e0f"), request.SenderNonce);
        Assert.Empty(request.NotUnderstood);
        Assert.Null(request.VerifyIdentity(_ => null));
        var enrollment = CmcRequest.Prove(Assert.Single(request.Data.Requests), KeyPolicy.Default, raVouches: false);
        Assert.Equal((3u, "CN=cmc-device"), (enrollment.BodyPartId, DirectoryName.ToText(enrollment.SubjectName)));
        Assert.Equal(vector.GetProperty("request").Hex("csr_hex").ToArray(), enrollment.Request!.Encoded.ToArray());
        Assert.Equal(vector.GetProperty("request").Hex("pkidata_hex").ToArray(), request.Data.Encode().ToArray());
    }

    [Fact]
    public void The_published_responses_are_read_and_written()
    {
        var vector = Vector.Load("cmc-full.json");
        var store = new TrustStore([Certificate.Parse(vector.Hex("signer_cert_der_hex"))]);
        byte[] nonce = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");
        foreach (var item in vector.List("responses"))
        {
            var response = CmcResponse.Parse(item.Hex("signed_hex"));
            response.Verify(store, s_options, nonce, 4711);
            Assert.Equal(item.Hex("pkiresponse_hex").ToArray(), response.Data.Encode().ToArray());
            var status = Assert.Single(response.Statuses);
            Assert.Equal([3u], status.BodyList);
            var expected = item.Text("name") switch
            {
                "success" => (CmcStatus.Success, null, false),
                "pending" => (CmcStatus.Pending, null, true),
                _ => (CmcStatus.Failed, (CmcFailInfo?)CmcFailInfo.PopFailed, false),
            };
            Assert.Equal(expected, (status.Status, status.FailInfo, status.Pending is not null));
            Assert.Equal(response.Data.Find(CmcControls.StatusInfoV2)!.Values[0].ToArray(), status.Encode().ToArray());
            Assert.Equal("recipientNonce", Assert.Throws<PkiException>(() => response.Verify(store, s_options, new byte[16], 4711)).FieldName);
            Assert.Equal("transactionId", Assert.Throws<PkiException>(() => response.Verify(store, s_options, nonce, 1)).FieldName);
        }
    }

    [Fact]
    public void Published_proofs_of_identity_are_right_and_others_are_not()
    {
        var vector = Vector.Load("cmc-full.json").GetProperty("identity_proof_example");
        var request = CmcRequest.Parse(vector.Hex("signed_hex"));
        Assert.Equal(vector.Text("identity"), request.Identification);
        Assert.Equal(vector.Hex("req_sequence_hex").ToArray(), request.Data.RequestSequence.ToArray());
        var secret = new SecretText(vector.Text("secret"));
        Assert.True(request.VerifyIdentity(identity => identity == "device-4711" ? secret : null));
        Assert.False(request.VerifyIdentity(_ => new SecretText("another")));
        Assert.False(request.VerifyIdentity(_ => null));
        Assert.True(CmcProofs.IdentityProof(secret, "device-4711", request.Data.RequestSequence.Span).Span.EndsWith(vector.Hex("identity_witness_hex").Span));
        Assert.True(CmcProofs.PopLinkWitness(secret, vector.Hex("pop_link_random_hex").Span).Span.EndsWith(vector.Hex("pop_link_witness_hex").Span));
    }

    private static (CertificateAuthority Ca, SignatureKey Key) Ca()
    {
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        return (CertificateAuthority.CreateRoot("CN=CMC CA", key, s_now.AddDays(-1), TimeSpan.FromDays(1000), s_chance), key);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_request_with_a_shared_secret_is_answered(bool crmf)
    {
        var (ca, _) = Ca();
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var content = new Pkcs10Builder { Subject = DirectoryName.FromText("CN=device"), Extensions = [CertificateExtension.SubjectAltName([GeneralName.Dns("device.example")])] };
        var secret = new SecretText("correct horse");
        var builder = new CmcRequestBuilder
        {
            Requests = crmf ? [] : [content.Sign(key, s_chance)],
            CrmfRequests = crmf ? [CertReqMsg.Make(1000, content, key, s_chance)] : [],
            TransactionId = 17,
            Identification = "device",
            Secret = secret,
            Controls = [(CmcControls.DataReturn, CmcControls.Octets("mine"u8)), (CmcControls.GetCrl, new CmcGetCrl(ca.Certificate.Subject).Encode())],
        };
        var encoded = builder.Sign(key, [], s_chance, s_now, out byte[] nonce);
        var request = CmcRequest.Parse(encoded);
        Assert.Null(request.Authenticate());
        Assert.True(request.VerifyIdentity(_ => secret));
        Assert.Empty(request.NotUnderstood);
        Assert.Equal(ca.Certificate.Subject.ToArray(), request.GetCrl!.Issuer.ToArray());
        var enrollment = CmcRequest.Prove(request.Data.Requests.Single(), KeyPolicy.Default, false);
        var profile = CertificateProfile.LDevId();
        var issued = ca.Issue(enrollment.Key, enrollment.SubjectName, profile, enrollment.Extensions, s_now, s_now.AddDays(10), CertificateAuthority.NewSerial(s_chance), s_chance);
        var list = RevocationList.Make(ca, 1, s_now, s_now.AddDays(1), [], s_chance);
        var answer = new CmcResponseBuilder
        {
            Request = request,
            Statuses = [new(CmcStatus.Success, [enrollment.BodyPartId])],
            Certificates = [issued, .. ca.Chain],
            Lists = [list],
            TrustedAnchors = CmcTrustAnchors.Of(1, [ca.Certificate]),
        }.Sign(ca.Key, ca.Chain, s_chance, s_now);
        var response = CmcResponse.Parse(answer);
        response.Verify(new TrustStore([ca.Certificate]), s_options, nonce, 17);
        Assert.Null(response.Failure);
        Assert.Equal("mine"u8, CmcControls.ReadOctets(response.Data.Single(CmcControls.DataReturn)!.Value, ""));
        Assert.Equal(ca.Certificate, Assert.Single(response.TrustedAnchors!.Select(response.Certificates)));
        Assert.Equal(list.ToArray(), Assert.Single(response.Lists).ToArray());
        var mine = response.Certificates.Single(c => c.Key.Encoded.Span.SequenceEqual(key.Public.Encoded.Span));
        Assert.Equal(["device.example"], mine.AlternativeNames.Select(n => n.AsText()!));

        using var openssl = new OpenSsl();
        openssl.Put("ca.pem", PemFile.Write("CERTIFICATE", ca.Chain[0].Span));
        openssl.Put("answer.der", answer.Span);
        openssl.Put("request.der", encoded.Span);
        Assert.Equal(0, openssl.Run("asn1parse", "-in", "request.der", "-inform", "DER", "-noout").Code);
        var verified = openssl.Run("cms", "-verify", "-in", "answer.der", "-inform", "DER", "-CAfile", "ca.pem", "-purpose", "any", "-binary", "-out", "content.der",
            "-attime", s_now.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.True(verified.Code == 0, verified.Output);
        Assert.Equal(0, openssl.Run("asn1parse", "-in", "content.der", "-inform", "DER", "-noout").Code);
    }

    [Fact]
    public void A_revocation_is_asked_for_and_refused_in_CMC_s_terms()
    {
        var (ca, _) = Ca();
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var certificate = ca.Issue(Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=device") }.Sign(key, s_chance)), CertificateProfile.LDevId(), s_now, TimeSpan.FromDays(10), s_chance);
        var serial = Certificate.Parse(certificate).SerialNumber;
        var revoke = new CmcRevokeRequest(ca.Certificate.Subject, serial, RevocationReason.KeyCompromise, s_now, new SecretBytes("pass"u8), "lost");
        var encoded = new CmcRequestBuilder { Controls = [(CmcControls.RevokeRequest, revoke.Encode())] }.Sign(key, [certificate], s_chance, s_now, out _);
        var request = CmcRequest.Parse(encoded);
        Assert.Equal(certificate.ToArray(), request.Authenticate()!.Encoded.ToArray());
        var (id, asked) = Assert.Single(request.Revocations);
        Assert.Equal((RevocationReason.KeyCompromise, "lost", s_now), (asked.Reason, asked.Comment, asked.InvalidityDate));
        Assert.Equal(serial.ToArray(), asked.SerialNumber.ToArray());
        Assert.Equal("pass"u8, asked.Passphrase!.Reveal());
        var response = CmcResponse.Parse(new CmcResponseBuilder { Request = request, Statuses = [new(CmcStatus.Failed, [id], "no", CmcFailInfo.BadCertId)] }.Sign(ca.Key, ca.Chain, s_chance, s_now));
        Assert.Equal(CmcFailInfo.BadCertId, response.Failure!.FailInfo);
        var get = new CmcGetCert(GeneralName.Directory(ca.Certificate.Subject), serial);
        Assert.Equal(serial.ToArray(), CmcGetCert.Parse(get.Encode()).SerialNumber.ToArray());
        Assert.True(CmcResponse.Parse(CertsOnly.Encode([certificate])).IsSimple);
    }

    [Fact]
    public void What_is_altered_is_told_in_CMC_s_terms()
    {
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256), other = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var csr = new Pkcs10Builder { Subject = DirectoryName.FromText("CN=device") }.Sign(key, s_chance);
        byte[] flipped = csr.ToArray();
        flipped[^1] ^= 1;
        var encoded = new CmcRequestBuilder { Requests = [flipped] }.Sign(key, [], s_chance, null, out _);
        var request = CmcRequest.Parse(encoded);
        Assert.Null(request.Authenticate());
        var fault = Assert.Throws<PkiException>(() => CmcRequest.Prove(request.Data.Requests[0], KeyPolicy.Default, true));
        Assert.Equal(CmcFailInfo.PopFailed, CmcRequest.FailInfoOf(fault));
        // Signed by somebody who has not the key.
        var stranger = CmcRequest.Parse(new CmcRequestBuilder { Requests = [csr] }.Sign(other, [], s_chance, null, out _));
        Assert.Throws<PkiException>(() => stranger.Authenticate());
        byte[] broken = encoded.ToArray();
        int at = broken.AsSpan().IndexOf("device"u8);
        broken[at] ^= 1;
        Assert.Equal(CmcFailInfo.BadMessageCheck, CmcRequest.FailInfoOf(Assert.Throws<PkiException>(() => CmcRequest.Parse(broken).Authenticate())));
        Assert.Equal("eContentType", Assert.Throws<PkiException>(() => CmcRequest.Parse(CertsOnly.Encode([]))).FieldName);
        // A body part id that stands twice.
        var twice = new CmcMessage { Controls = [new(1, CmcControls.TransactionId, [CmcControls.Integer(1)]), new(1, CmcControls.SenderNonce, [CmcControls.Octets([1])])] };
        Assert.Equal("bodyPartID", Assert.Throws<PkiException>(() => CmcMessage.Parse(twice.Encode(), false)).FieldName);
        // Another crmf's proof, and one that says "raVerified" without being an RA.
        var crmf = CertReqMsg.Make(1, new Pkcs10Builder { Subject = DirectoryName.FromText("CN=device") }, key, s_chance).ToArray();
        CertReqMsg.Parse(crmf).Prove(KeyPolicy.Default);
        crmf[crmf.AsSpan().IndexOf("device"u8)] ^= 1;
        Assert.Equal("signature", Assert.Throws<PkiException>(() => CertReqMsg.Parse(crmf).Prove(KeyPolicy.Default)).FieldName);
    }
}
