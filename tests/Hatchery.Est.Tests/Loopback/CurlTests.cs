using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Est.Server;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>curl and openssl as an EST client: what openssl requests is certified, and what we issue openssl verifies.</summary>
public sealed class CurlTests : IDisposable
{
    private readonly Tool _tool = new();

    public void Dispose() => _tool.Dispose();

    private async Task<(int Status, string Headers)> CurlAsync(EstHost host, string operation, string output, params string[] arguments)
    {
        _tool.Write("root.pem", host.Root.Encoded.Span.Length == 0 ? "" : PemEncoding.WriteString("CERTIFICATE", host.Root.Encoded.Span));
        string status = await _tool.RunAsync("curl", ["-s", "-S", "--noproxy", "*", "--cacert", "root.pem", "-D", "headers", "-o", output, "-w", "%{http_code}", .. arguments,
            $"https://localhost:{host.Port}/.well-known/est/{operation}"]);
        return (int.Parse(status, System.Globalization.CultureInfo.InvariantCulture), _tool.Text("headers"));
    }

    private string[] Post(string body, string type = "application/pkcs10") => ["--data-binary", "@" + body, "-H", "Content-Type: " + type];

    private string[] Identity((ECDsa Key, System.Collections.Immutable.ImmutableArray<ReadOnlyMemory<byte>> Chain) identity, string name)
    {
        _tool.Write(name + ".pem", string.Concat(identity.Chain.Select(c => PemEncoding.WriteString("CERTIFICATE", c.Span) + "\n")));
        _tool.Write(name + ".key", PemEncoding.WriteString("PRIVATE KEY", Hatchery.Cryptography.SigningKeys.ToBcl(identity.Key).ExportPkcs8PrivateKey()));
        return ["--cert", name + ".pem", "--key", name + ".key"];
    }

    /// <summary>A request by openssl, wrapped as its base64 command wraps.</summary>
    private async Task RequestAsync(string subject, string name = "req", string[]? key = null, params string[] more)
    {
        await _tool.RunAsync("openssl", ["req", "-new", .. key ?? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "-nodes", "-keyout", name + "-key.pem", "-subj", subject, "-outform", "DER", "-out", name + ".der", .. more]);
        await _tool.RunAsync("openssl", "base64", "-in", name + ".der", "-out", name + ".b64");
    }

    /// <summary>As openssl reads it: base64 of a certs-only CMS, the certificate under the root.</summary>
    private async Task<Certificate> VerifyAsync(EstHost host, string file)
    {
        await _tool.RunAsync("openssl", "base64", "-d", "-A", "-in", file, "-out", "issued.p7");
        await _tool.RunAsync("openssl", "pkcs7", "-inform", "DER", "-in", "issued.p7", "-print_certs", "-out", "issued.pem");
        await CurlAsync(host, "cacerts", "cacerts.b64");
        await _tool.RunAsync("openssl", "base64", "-d", "-A", "-in", "cacerts.b64", "-out", "cacerts.p7");
        await _tool.RunAsync("openssl", "pkcs7", "-inform", "DER", "-in", "cacerts.p7", "-print_certs", "-out", "cacerts.pem");
        Assert.Contains("OK", await _tool.RunAsync("openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "cacerts.pem", "-purpose", "sslclient", "issued.pem"), StringComparison.Ordinal);
        return Certificate.Parse(PemFile.ReadAll(_tool.Text("issued.pem"), "CERTIFICATE").Single());
    }

    [Fact]
    public async Task Cacerts_are_read_by_openssl_and_not_sent_again_under_their_tag()
    {
        await using var host = await EstHost.StartAsync();
        var (status, headers) = await CurlAsync(host, "cacerts", "ca.b64");
        Assert.Equal(200, status);
        Assert.Contains("application/pkcs7-mime; smime-type=certs-only", headers, StringComparison.Ordinal);
        Assert.True(headers.Length < 1000);
        await _tool.RunAsync("openssl", "base64", "-d", "-A", "-in", "ca.b64", "-out", "ca.p7");
        string printed = await _tool.RunAsync("openssl", "pkcs7", "-inform", "DER", "-in", "ca.p7", "-print_certs", "-noout");
        Assert.Contains("Hatchery Root CA", printed, StringComparison.Ordinal);
        Assert.Contains("Hatchery Issuing CA", printed, StringComparison.Ordinal);
        await _tool.RunAsync("openssl", "cms", "-cmsout", "-inform", "DER", "-in", "ca.p7", "-print", "-noout");
        string tag = headers.Split('\n').Single(h => h.StartsWith("ETag:", StringComparison.OrdinalIgnoreCase))[5..].Trim();
        Assert.Equal(304, (await CurlAsync(host, "cacerts", "none", "-H", "If-None-Match: " + tag)).Status);
    }

    [Theory]
    [InlineData("P-256")]
    [InlineData("P-384")]
    [InlineData("P-521")]
    [InlineData("rsa:2048")]
    [InlineData("rsa:3072")]
    [InlineData("ed25519")]
    public async Task An_IDevID_enrolls_every_kind_of_key(string kind)
    {
        await using var host = await EstHost.StartAsync();
        await RequestAsync("/serialNumber=C-1/CN=sensor", key: kind.StartsWith("rsa", StringComparison.Ordinal) || kind == "ed25519" ? ["-newkey", kind] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + kind]);
        var (status, headers) = await CurlAsync(host, "simpleenroll", "out.b64", [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")]);
        Assert.True(status == 200, headers + _tool.Text("out.b64"));
        var issued = await VerifyAsync(host, "out.b64");
        Assert.Equal("C-1", DirectoryName.Find(issued.Subject, Oids.SerialNumber));
        Assert.Equal(Pkcs10.Parse(_tool.Read("req.der")).SubjectPublicKeyInfo.ToArray(), issued.Key.Encoded.ToArray());
        Assert.Equal([Oids.ClientAuth], issued.Purposes);
    }

    [Fact]
    public async Task Renewal_takes_the_old_certificate_and_its_names()
    {
        await using var host = await EstHost.StartAsync(l => l with { RenewalWindow = 1 });
        await RequestAsync("/serialNumber=C-1");
        Assert.Equal(200, (await CurlAsync(host, "simpleenroll", "first.b64", [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")])).Status);
        var first = await VerifyAsync(host, "first.b64");
        File.Copy(Path.Combine(_tool.Folder, "issued.pem"), Path.Combine(_tool.Folder, "first.pem"));
        string[] old = ["--cert", "first.pem", "--key", "req-key.pem"];
        // The client's chain has no intermediate: the server knows its own.
        await RequestAsync("/serialNumber=C-1", "again");
        var (status, headers) = await CurlAsync(host, "simplereenroll", "second.b64", [.. old, .. Post("again.b64")]);
        Assert.True(status == 200, headers + _tool.Text("second.b64"));
        var second = await VerifyAsync(host, "second.b64");
        Assert.NotEqual(first.SerialText, second.SerialText);
        await RequestAsync("/serialNumber=C-2", "other");
        Assert.Equal(403, (await CurlAsync(host, "simplereenroll", "no.txt", [.. old, .. Post("other.b64")])).Status);
        Assert.Contains("serialNumber", _tool.Text("no.txt"), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(403, (await CurlAsync(host, "simplereenroll", "no.txt", [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("again.b64")])).Status);
    }

    [Theory]
    [InlineData("--basic")]
    [InlineData("--digest")]
    [InlineData("--anyauth")]
    public async Task Passwords_by_Basic_and_Digest(string how)
    {
        await using var host = await EstHost.StartAsync(l => l with { Passwords = true });
        await host.AddUserAsync("sensor-9", "pass word");
        await RequestAsync("/CN=sensor-9");
        Assert.Equal(401, (await CurlAsync(host, "simpleenroll", "no.txt", Post("req.b64"))).Status);
        Assert.Equal(401, (await CurlAsync(host, "simpleenroll", "no.txt", [how, "-u", "sensor-9:wrong", .. Post("req.b64")])).Status);
        var (status, headers) = await CurlAsync(host, "simpleenroll", "out.b64", [how, "-u", "sensor-9:pass word", .. Post("req.b64")]);
        Assert.True(status == 200, headers + _tool.Text("out.b64"));
        await VerifyAsync(host, "out.b64");
        await RequestAsync("/CN=sensor-8");
        Assert.Equal(403, (await CurlAsync(host, "simpleenroll", "no.txt", [how, "-u", "sensor-9:pass word", .. Post("req.b64")])).Status);
    }

    [Fact]
    public async Task A_held_request_is_202_until_it_is_approved_and_then_one_certificate()
    {
        await using var host = await EstHost.StartAsync();
        host.Decide = _ => new Decision.Hold(TimeSpan.FromSeconds(7));
        await RequestAsync("/serialNumber=C-1");
        string[] arguments = [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")];
        var (status, headers) = await CurlAsync(host, "simpleenroll", "wait.txt", arguments);
        Assert.Equal(202, status);
        Assert.Contains("Retry-After: 7\r\n", headers, StringComparison.OrdinalIgnoreCase);
        Assert.Single(await host.Service.WaitingAsync("", EstHost.Operator, default));
        Assert.Equal(0, await host.IssuedCountAsync());
        host.Decide = _ => new Decision.Admit("default");
        Assert.Equal(200, (await CurlAsync(host, "simpleenroll", "one.b64", arguments)).Status);
        Assert.Equal(200, (await CurlAsync(host, "simpleenroll", "two.b64", arguments)).Status);
        Assert.Equal(_tool.Text("one.b64"), _tool.Text("two.b64"));
        Assert.Equal(1, await host.IssuedCountAsync());
        Assert.Empty(await host.Service.WaitingAsync("", EstHost.Operator, default));
    }

    [Fact]
    public async Task Csrattrs_say_what_is_wanted_and_requests_without_it_are_told_what_is_missing()
    {
        await using var bare = await EstHost.StartAsync();
        Assert.Equal(204, (await CurlAsync(bare, "csrattrs", "none")).Status);
        await using var host = await EstHost.StartAsync(l => l with { Demands = CsrDemands.None with { Key = new KeyDemand(Oids.EcPublicKey, Oids.P384), Signature = Oids.EcdsaWithSha384 }, Template = true });
        Assert.Equal(200, (await CurlAsync(host, "csrattrs", "attrs.b64")).Status);
        await _tool.RunAsync("openssl", "base64", "-d", "-A", "-in", "attrs.b64", "-out", "attrs.der");
        string printed = await _tool.RunAsync("openssl", "asn1parse", "-inform", "DER", "-in", "attrs.der");
        Assert.Contains("secp384r1", printed, StringComparison.Ordinal);
        Assert.Contains("ecdsa-with-SHA384", printed, StringComparison.Ordinal);
        string[] identity = Identity(host.MakeIdentity("C-1"), "idevid");
        await RequestAsync("/serialNumber=C-1");
        Assert.Equal(400, (await CurlAsync(host, "simpleenroll", "no.txt", [.. identity, .. Post("req.b64")])).Status);
        Assert.Contains(Oids.P384, _tool.Text("no.txt"), StringComparison.Ordinal);
        await RequestAsync("/serialNumber=C-1", key: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], more: "-sha384");
        Assert.Equal(200, (await CurlAsync(host, "simpleenroll", "out.b64", [.. identity, .. Post("req.b64")])).Status);
    }

    [Fact]
    public async Task Serverkeygen_gives_a_key_that_openssl_uses_with_its_certificate()
    {
        await using var host = await EstHost.StartAsync(l => l with { KeyGeneration = new KeyGenerationOptions() });
        await RequestAsync("/serialNumber=C-1", key: ["-newkey", "rsa:2048"]);
        var (status, headers) = await CurlAsync(host, "serverkeygen", "made", [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")]);
        Assert.True(status == 200, headers + _tool.Text("made"));
        Assert.Contains("no-store", headers, StringComparison.Ordinal);
        string[] parts = _tool.Text("made").Split("\r\n\r\n");
        _tool.Write("key.der", Convert.FromBase64String(parts[1].Split('\r')[0]));
        _tool.Write("cert.b64", parts[2].Split('\r')[0]);
        var issued = await VerifyAsync(host, "cert.b64");
        await _tool.RunAsync("openssl", "pkey", "-inform", "DER", "-in", "key.der", "-pubout", "-outform", "DER", "-out", "public.der");
        Assert.Equal(issued.Key.Encoded.ToArray(), _tool.Read("public.der"));
        Assert.Equal(501, (await CurlAsync(await EstHost.StartAsync(), "serverkeygen", "no.txt", [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")])).Status);
    }

    [Fact]
    public async Task Labels_choose_what_is_issued()
    {
        await using var host = await EstHost.StartAsync();
        await RequestAsync("/CN=anything");
        string[] arguments = [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")];
        Assert.Equal(403, (await CurlAsync(host, "simpleenroll", "no.txt", arguments)).Status);
        Assert.Equal(200, (await CurlAsync(host, "factory/simpleenroll", "out.b64", arguments)).Status);
        Assert.Equal(404, (await CurlAsync(host, "elsewhere/simpleenroll", "no.txt", arguments)).Status);
    }

    [Fact]
    public async Task A_request_of_another_session_is_refused_on_every_version()
    {
        foreach (var protocols in new[] { SslProtocols.Tls12, SslProtocols.Tls13 })
        {
            await using var host = await EstHost.StartAsync(protocols: protocols);
            var key = EstHost.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "k");
            var csr = new Pkcs10Builder { Subject = DirectoryName.FromText("2.5.4.5=C-1"), ChallengePassword = Convert.ToBase64String(new byte[12]) }.Sign(key, EstHost.Chance);
            _tool.Write("req.b64", Convert.ToBase64String(csr.Span));
            Assert.Equal(403, (await CurlAsync(host, "simpleenroll", "no.txt", [.. Identity(host.MakeIdentity("C-1"), "idevid"), .. Post("req.b64")])).Status);
            Assert.Contains("proof of possession", _tool.Text("no.txt"), StringComparison.Ordinal);
            Assert.Equal(0, await host.IssuedCountAsync());
        }
    }
}
