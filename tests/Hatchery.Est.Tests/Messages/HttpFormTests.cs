using System.Text;
using Hatchery.Cryptography;
using Hatchery.Est.Transport;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Messages;

public sealed class HttpFormTests
{
    private static readonly SystemChance s_chance = new();
    private static readonly ReadOnlyMemory<byte> s_csr = new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(
        s_chance.NewSigningKey(System.Security.Cryptography.ECCurve.NamedCurves.nistP256, "k"), s_chance);

    private static EstRequest Parse(string method, string path, string? type, byte[] body, EstTolerance? tolerance = null, params (string, string)[] headers) =>
        (EstRequest)new EstHttpServer(s_chance, tolerance).Parse(new PlainHttpRequest(method, path,
            [.. headers.Select(h => KeyValuePair.Create(h.Item1, h.Item2)), .. type is null ? [] : new[] { KeyValuePair.Create("Content-Type", type) }], body), Caller.Local("t", default));

    private static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);
    private static string Base64 => Convert.ToBase64String(s_csr.Span);

    [Theory]
    [InlineData("/.well-known/est/cacerts", EstOperation.CaCerts, "")]
    [InlineData("/.well-known/est/factory 1/csrattrs", EstOperation.CsrAttrs, "factory 1")]
    public void Paths_name_operation_and_label(string path, EstOperation operation, string label)
    {
        var request = Parse("GET", path, null, []);
        Assert.Equal((operation, label), (request.Operation, request.Label));
        Assert.Equal(path.Replace(" ", "%20", StringComparison.Ordinal), EstHttp.Path(operation, label));
    }

    [Theory]
    [InlineData("GET", "/.well-known/est/", 404)]
    [InlineData("GET", "/.well-known/est/nothing", 404)]
    [InlineData("GET", "/.well-known/est//cacerts", 404)]
    [InlineData("GET", "/.well-known/est/a/b/cacerts", 404)]
    [InlineData("GET", "/.well-known/est/cacerts/cacerts", 404)]
    [InlineData("GET", "/.well-known/est/simpleenroll", 405)]
    [InlineData("POST", "/.well-known/est/cacerts", 405)]
    public void What_is_no_operation_is_said_so(string method, string path, int status)
    {
        var fault = Assert.Throws<EstException>(() => Parse(method, path, null, []));
        Assert.Equal(status, fault.Status);
        Assert.Equal(status == 405, fault.Allow is not null);
    }

    [Fact]
    public void Base64_may_be_wrapped_and_unpadded_but_nothing_else()
    {
        string wrapped = string.Join("\t\r\n", Base64.TrimEnd('=').Chunk(64).Select(c => new string(c)));
        Assert.Equal(s_csr.ToArray(), Parse("POST", "/.well-known/est/simpleenroll", "Application/PKCS10; charset=x", Ascii(wrapped + "\n\v\f ")).Body.ToArray());
        foreach (string wrong in new[] { "", " ", "*", Base64 + "AAAA", Base64[..^8], "-----BEGIN CERTIFICATE REQUEST-----\n" + Base64 + "\n-----END CERTIFICATE REQUEST-----", "MAA=MAA=", "BAA=" })
        {
            var request = Parse("POST", "/.well-known/est/simpleenroll", "application/pkcs10", Ascii(wrong));
            Assert.Equal(400, Assert.Throws<EstException>(() => request.Body).Status);
        }
        Assert.Equal(400, Assert.Throws<EstException>(() => Parse("POST", "/.well-known/est/simpleenroll", "application/pkcs10", s_csr.ToArray()).Body).Status);
        Assert.Equal(415, Assert.Throws<EstException>(() => Parse("POST", "/.well-known/est/simpleenroll", "text/plain", Ascii(Base64)).Body).Status);
        Assert.Equal(415, Assert.Throws<EstException>(() => Parse("POST", "/.well-known/est/simpleenroll", null, Ascii(Base64)).Body).Status);
    }

    [Fact]
    public void What_peers_do_wrong_is_tolerated_by_name()
    {
        byte[] Body(string? type, byte[] body, EstTolerance tolerance) => Parse("POST", "/.well-known/est/simpleenroll", type, body, tolerance).Body.ToArray();
        Assert.Equal(s_csr.ToArray(), Body("application/pkcs10", Ascii("-----BEGIN NEW CERTIFICATE REQUEST-----\n" + Base64 + "\n-----END NEW CERTIFICATE REQUEST-----\n"), new() { Pem = true }));
        Assert.Equal(s_csr.ToArray(), Body("application/pkcs10", s_csr.ToArray(), new() { RawDer = true }));
        Assert.Equal(s_csr.ToArray(), Body("application/octet-stream", Ascii(Base64), new() { AnyContentType = true }));
    }

    [Fact]
    public void A_fault_of_the_body_waits_until_the_client_is_known()
    {
        var request = Parse("POST", "/.well-known/est/simpleenroll", "application/pkcs10", [], null, ("Authorization", "Basic dTpw"));
        Assert.Equal("u", Assert.IsType<HttpCredentials.Basic>(request.Credentials).User);
        Assert.NotNull(request.Fault);
    }

    [Fact]
    public void Answers_fit_a_client_with_little_room()
    {
        var server = new EstHttpServer(s_chance);
        var request = new PlainHttpRequest("POST", "/.well-known/est/simpleenroll", [], default);
        EstResponse[] all =
        [
            new CaCertsResponse(s_csr), new CertificateResponse(EstOperation.SimpleEnroll, s_csr), new PendingResponse(EstOperation.SimpleEnroll, TimeSpan.FromSeconds(2.5), "wait"),
            new RefusedResponse(EstOperation.SimpleEnroll, 401, "who?") { Challenges = [.. Enumerable.Repeat("Digest realm=\"estrealm\", qop=\"auth\", algorithm=SHA-256, nonce=\"" + new string('a', 80) + "\"", 3)] },
            new ServerKeyGenResponse(KeyForm.Pkcs8, new SecretBytes(s_csr.Span), s_csr),
        ];
        foreach (var response in all)
        {
            var http = server.Encode(new Reply(response), request);
            Assert.True(http.Headers.Sum(h => h.Key.Length + h.Value.Length + 4) < 900, response.ToString());
            if (response is not (PendingResponse or RefusedResponse or ServerKeyGenResponse))
                Assert.False(http.Body.Span.Contains((byte)'\n'));
        }
        Assert.Equal("3", server.Encode(new Reply(all[2]), request).Header("Retry-After"));
    }

    [Theory]
    [InlineData("Digest realm=\"a, b\", qop=\"auth,auth-int\", nonce=\"n\", algorithm=MD5, Basic realm=\"b\"", "digest,basic")]
    [InlineData("Basic realm=x, Digest realm=\"r\",nonce=\"1\",algorithm=SHA-256", "digest,basic")]
    [InlineData("Negotiate, Basic realm=\"b\"", "basic")]
    [InlineData("Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256", "")]
    [InlineData("Digest realm=\"r\", nonce=\"1\", qop=\"auth-int\"", "")]
    [InlineData("Digest realm=\"unended", "")]
    [InlineData("", "")]
    public void Challenges_are_told_apart_and_the_best_is_first(string header, string schemes) =>
        Assert.Equal(schemes, string.Join(",", HttpChallenge.Parse([header]).Select(c => c.Scheme)));

    [Fact]
    public void Any_octets_come_to_an_answer_or_to_our_own_fault()
    {
        var server = new EstHttpServer(s_chance, EstTolerance.All);
        var client = new EstHttpClient(EstTolerance.All);
        string[] types = ["application/pkcs10", "application/pkcs7-mime", "multipart/mixed; boundary=b", "application/csrattrs", "text/plain", ";=\";", ""];
        string[] pieces = ["--b\r\n", "--b--", "Content-Type: application/pkcs8\r\n", "\r\n", "MAA=", Base64, "-----BEGIN CERTIFICATE REQUEST-----", "Content-Type: application/pkcs7-mime\r\n\r\n"];
        var random = new Random(7);
        for (int i = 0; i < 20_000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(8)).Select(_ => pieces[random.Next(pieces.Length)]));
            byte[] body = Ascii(text);
            for (int n = random.Next(4); n > 0 && body.Length > 0; n--)
                body[random.Next(body.Length)] = (byte)random.Next(256);
            string type = types[random.Next(types.Length)];
            var operation = (EstOperation)random.Next(6);
            try
            {
                var request = (EstRequest)server.Parse(new PlainHttpRequest("POST", EstHttp.Path(operation, ""), [new("Content-Type", type), new("Authorization", text.Replace("\r\n", " ", StringComparison.Ordinal))], body), Caller.Local("t", default));
                _ = request.Body;
            }
            catch (EstException)
            {
            }
            try
            {
                client.Parse(new PlainHttpResponse(random.Next(2) == 0 ? 200 : random.Next(200, 600), [new("Content-Type", type), new("Retry-After", text.Length > 20 ? "-5" : text), new("WWW-Authenticate", text)], body), new EstRequest(operation, "", default));
            }
            catch (EstException)
            {
            }
        }
    }
}
