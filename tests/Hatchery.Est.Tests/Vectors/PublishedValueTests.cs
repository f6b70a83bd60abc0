using System.Text;
using Hatchery.Est.Device;
using Hatchery.Est.Transport;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Vectors;

/// <summary>RFC 7030, appendix A, and what was observed of peers. CSRs, CsrAttrs and CMS by themselves are under test in Hatchery.Pki.Tests.</summary>
public sealed class PublishedValueTests
{
    private static readonly System.Text.Json.JsonElement s_rfc = Vector.Read("rfc7030-appendix-a");

    private static IMessage? Answer(EstOperation operation, int status, string? type, ReadOnlyMemory<byte> body, EstTolerance? tolerance = null) =>
        new EstHttpClient(tolerance).Parse(new PlainHttpResponse(status, type is null ? [] : [new("Content-Type", type)], body), new EstRequest(operation, "", default));

    [Fact]
    public void The_cacerts_of_appendix_A_move_an_old_anchor_to_the_new_root()
    {
        var vector = s_rfc.GetProperty("cacerts_response");
        var response = Assert.IsType<CaCertsResponse>(Answer(EstOperation.CaCerts, 200, "application/pkcs7-mime", Encoding.ASCII.GetBytes(vector.Text("base64_single_line"))));
        Assert.Equal(vector.Hex("der_hex"), response.Certificates.ToArray());
        var offered = DeviceTrust.Offered(response);
        Assert.Equal(4, offered.Length);
        var at = new DateTimeOffset(2013, 6, 1, 0, 0, 0, TimeSpan.Zero);
        string[] fingerprints = [.. vector.GetProperty("certificates").EnumerateArray().Select(c => c.Text("cert_sha256_fingerprint"))];
        Assert.Equal(fingerprints, offered.Select(c => Convert.ToHexStringLower(c.Sha256())));
        // Index 0 is OldWithOld, 3 is NewWithNew: the newest root is what a person compares.
        Assert.Equal(offered[3], AnchorUpdate.Candidate(offered));
        Assert.Equal([offered[0].SubjectText, offered[3].SubjectText], AnchorUpdate.First(offered, null, at).Store.Anchors.Select(a => a.SubjectText));
    }

    [Theory]
    [InlineData("simpleenroll")]
    [InlineData("serverkeygen")]
    public void The_requests_of_appendix_A_hold_their_channel_binding(string operation)
    {
        var vector = s_rfc.GetProperty(operation);
        var request = Pkcs10.Parse(vector.Hex("csr_der_hex"), KeyPolicy.Default with { Sha1 = true });
        string password = vector.GetProperty("csr").GetProperty("challengePassword")[0].GetString()!;
        Assert.Equal(password, request.ChallengePassword);
        Assert.True(ChannelBinding.Matches(password, Convert.FromBase64String(password)));
        Assert.False(ChannelBinding.Matches(password, new byte[12]));
        var http = new EstHttpClient().Encode(new EstRequest(EstOperation.SimpleEnroll, "", vector.Hex("csr_der_hex")));
        Assert.Equal(Convert.ToBase64String(vector.Hex("csr_der_hex")) + "\n", Encoding.ASCII.GetString(http.Body.Span));
        var read = (EstRequest)new EstHttpServer(new Hatchery.Cryptography.SystemChance()).Parse(http, Caller.Local("test", default));
        Assert.Equal(vector.Hex("csr_der_hex"), read.Body.ToArray());
    }

    [Fact]
    public void The_multipart_answer_of_appendix_A_gives_key_and_certificate()
    {
        var vector = s_rfc.GetProperty("serverkeygen");
        string key = Convert.ToBase64String(vector.Hex("pkcs8_der_hex"), Base64FormattingOptions.InsertLineBreaks), certificate = Convert.ToBase64String(vector.Hex("response_der_hex"));
        string body = $"preamble\n--estServerExampleBoundary\nContent-Type: application/pkcs8\nContent-Transfer-Encoding: base64\n\n{key}\n--estServerExampleBoundary\r\n"
            + $"Content-Type: application/pkcs7-mime ; smime-type=certs-only\r\nContent-Transfer-Encoding: base64\r\n\r\n{certificate}\r\n--estServerExampleBoundary--\r\n";
        var made = Assert.IsType<ServerKeyGenResponse>(Answer(EstOperation.ServerKeyGen, 200, "multipart/mixed ; boundary=estServerExampleBoundary", Encoding.ASCII.GetBytes(body)));
        var leaf = Certificate.Parse(CertsOnly.Parse(made.Certificates).Single());
        Assert.Equal(leaf.Key.Encoded.ToArray(), GeneratedKey.Read(made.Key.Reveal(), EstTolerance.Strict).Public.Encoded.ToArray());
    }

    [Fact]
    public void HA1_and_HA2_are_those_of_appendix_A()
    {
        var d = s_rfc.GetProperty("http_digest");
        var ha1 = DigestAuthentication.HA1(DigestAlgorithm.Md5, d.Text("username"), d.Text("realm"), new SecretText(d.Text("password")));
        Assert.Equal(d.Text("HA1"), ha1.Reveal());
        Assert.Equal(d.Text("HA2"), DigestAuthentication.HA2(DigestAlgorithm.Md5, "POST", d.Text("uri")));
        // The response printed in the RFC is not that of its own values.
        Assert.Equal(d.Text("computed_response"), DigestAuthentication.Response(DigestAlgorithm.Md5, ha1, d.Text("nonce"), d.Text("nc"), d.Text("cnonce"), d.Text("qop"),
            DigestAuthentication.HA2(DigestAlgorithm.Md5, "POST", d.Text("uri"))));
    }

    /// <summary>RFC 7616, section 3.9.1: SHA-256 and MD5.</summary>
    [Theory]
    [InlineData(DigestAlgorithm.Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")]
    [InlineData(DigestAlgorithm.Md5, "8ca523f5e9506fed4657c9700eebdbec")]
    public void Digest_responses_are_those_of_RFC_7616(DigestAlgorithm algorithm, string expected)
    {
        var ha1 = DigestAuthentication.HA1(algorithm, "Mufasa", "http-auth@example.org", new SecretText("Circle of Life"));
        Assert.Equal(expected, DigestAuthentication.Response(algorithm, ha1, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "auth", DigestAuthentication.HA2(algorithm, "GET", "/dir/index.html")));
    }

    [Fact]
    public void Channel_bindings_are_base64_of_their_bytes()
    {
        foreach (var item in Vector.Read("channel-binding").GetProperty("items").EnumerateArray())
            foreach (string name in new[] { "tls_unique_hex", "value_hex" })
                if (item.TryGetProperty(name, out var value))
                {
                    byte[] binding = Convert.FromHexString(value.GetString()!);
                    Assert.Equal(item.Text("challengePassword_base64"), ChannelBinding.Password(binding));
                    Assert.True(ChannelBinding.Matches(item.Text("challengePassword_base64"), binding));
                }
        var exporter = Vector.Read("channel-binding").GetProperty("tls_exporter");
        Assert.Equal((exporter.Text("label"), exporter.GetProperty("length").GetInt32()), (ChannelBinding.ExporterLabel, ChannelBinding.ExporterLength));
    }

    [Fact]
    public void CsrAttrs_are_read_and_no_content_is_none()
    {
        foreach (var item in Vector.Read("csrattrs").GetProperty("items").EnumerateArray())
        {
            var response = Assert.IsType<CsrAttrsResponse>(Answer(EstOperation.CsrAttrs, 200, "application/csrattrs", Encoding.ASCII.GetBytes(item.Text("base64"))));
            Assert.Equal(item.Hex("der_hex"), response.Attributes.ToArray());
        }
        Assert.True(Assert.IsType<CsrAttrsResponse>(Answer(EstOperation.CsrAttrs, 204, null, default)).Attributes.IsEmpty);
        Assert.True(Assert.IsType<CsrAttrsResponse>(Answer(EstOperation.CsrAttrs, 404, null, default)).Attributes.IsEmpty);
    }
}
