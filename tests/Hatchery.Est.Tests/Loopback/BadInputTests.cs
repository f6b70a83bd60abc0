using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Est.Server;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>What a client does wrong: the right status, a reason that it can act on, nothing issued, a line in the audit log.</summary>
public sealed class BadInputTests
{
    private const string Pkcs10Type = "application/pkcs10";
    private static readonly SignatureKey s_key = EstHost.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "k");

    private static async Task<(int Status, string Text)> PostAsync(EstHost host, (ECDsa Key, ImmutableArray<ReadOnlyMemory<byte>> Chain)? identity, byte[] body, string? type = Pkcs10Type,
        string operation = "simpleenroll", Action<HttpRequestMessage>? more = null)
    {
        using var handler = new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true, ClientCertificateContext = identity is { } i ? EstHost.ContextOf(i) : null } };
        using var client = new HttpClient(handler);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"https://127.0.0.1:{host.Port}/.well-known/est/{operation}") { Content = new ByteArrayContent(body) };
        if (type is not null)
            request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        more?.Invoke(request);
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private static byte[] Body(ReadOnlyMemory<byte> der) => Encoding.ASCII.GetBytes(Convert.ToBase64String(der.Span));
    private static ReadOnlyMemory<byte> Csr(string subject = "2.5.4.5=B-1", SignatureKey? key = null) => new Pkcs10Builder { Subject = DirectoryName.FromText(subject) }.Sign(key ?? s_key, EstHost.Chance);

    private static async Task RefusedAsync(EstHost host, (int Status, string Text) answer, int status, string reason)
    {
        Assert.True(answer.Status == status && answer.Text.Contains(reason, StringComparison.OrdinalIgnoreCase), $"{answer.Status}: {answer.Text}");
        Assert.Equal(0, await host.IssuedCountAsync());
        Assert.Contains(await host.AuditAsync(), e => e.Kind == "refused" && e.Detail.Contains($"\"{status}\"", StringComparison.Ordinal));
        Assert.Empty(host.Failures);
    }

    public static TheoryData<string, string?, int, string> Bodies()
    {
        string good = Encoding.ASCII.GetString(Body(Csr()));
        byte[] flipped = Csr().ToArray();
        flipped[^1] ^= 1;
        string nested = Convert.ToBase64String(Nested(10_000));
        return new TheoryData<string, string?, int, string>
        {
            { good, "text/plain", 415, Pkcs10Type },
            { good, null, 415, Pkcs10Type },
            { "", Pkcs10Type, 400, "empty" },
            { good[..100], Pkcs10Type, 400, "PKCS#10" },
            { good[..^4], Pkcs10Type, 400, "PKCS#10" },
            { good + good, Pkcs10Type, 400, "PKCS#10" },
            { good.Replace('A', '*'), Pkcs10Type, 400, "base64" },
            { "MAA=", Pkcs10Type, 400, "" },
            { Convert.ToBase64String(flipped), Pkcs10Type, 400, "signature" },
            { nested, Pkcs10Type, 400, "" },
        };
    }

    /// <summary>A SEQUENCE in a SEQUENCE, and so on.</summary>
    private static byte[] Nested(int depth)
    {
        byte[] inner = [];
        for (int i = 0; i < depth; i++)
        {
            int n = inner.Length;
            byte[] head = n < 0x80 ? [0x30, (byte)n] : n < 0x100 ? [0x30, 0x81, (byte)n] : n < 0x10000 ? [0x30, 0x82, (byte)(n >> 8), (byte)n] : [0x30, 0x83, (byte)(n >> 16), (byte)(n >> 8), (byte)n];
            inner = [.. head, .. inner];
        }
        return inner;
    }

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Bodies_that_are_no_request(string body, string? type, int status, string reason)
    {
        await using var host = await EstHost.StartAsync();
        await RefusedAsync(host, await PostAsync(host, host.MakeIdentity("B-1"), Encoding.ASCII.GetBytes(body), type), status, reason);
        // A client that nobody knows is told nothing about its body.
        Assert.Equal(403, (await PostAsync(host, null, Encoding.ASCII.GetBytes(body), type)).Status);
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_not_read()
    {
        await using var host = await EstHost.StartAsync();
        Assert.Equal(413, (await PostAsync(host, host.MakeIdentity("B-1"), new byte[100_000])).Status);
        Assert.Equal(0, await host.IssuedCountAsync());
    }

    [Theory]
    [InlineData(1024)]
    [InlineData(1536)]
    public async Task Weak_keys(int bits)
    {
        await using var host = await EstHost.StartAsync();
        using var rsa = RSA.Create(bits);
        await RefusedAsync(host, await PostAsync(host, host.MakeIdentity("B-1"), Body(Csr(key: rsa))), 400, "2048");
    }

    [Fact]
    public async Task Client_certificates_that_are_expired_revoked_of_nobody_or_not_yet_valid()
    {
        await using var host = await EstHost.StartAsync();
        var now = DateTimeOffset.UtcNow;
        await RefusedAsync(host, await PostAsync(host, host.MakeIdentity("B-1", now.AddDays(-9), TimeSpan.FromDays(3)), Body(Csr())), 403, "expired");
        var stranger = CertificateAuthority.CreateRoot("CN=Device maker", EstHost.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "x"), now.AddDays(-1), TimeSpan.FromDays(10), EstHost.Chance);
        await RefusedAsync(host, await PostAsync(host, host.MakeIdentity("B-1", by: stranger), Body(Csr())), 403, "anchor");
        var own = await host.IssueAsync(CertificateProfile.LDevId());
        Assert.Equal(200, (await PostAsync(host, own, Body(Csr("CN=x")), operation: "factory/simpleenroll")).Status);
        int before = await host.IssuedCountAsync();
        var unit = host.Store.Begin(EstHost.Operator);
        var issued = await host.Authority.FindAsync(unit, Certificate.Parse(own.Chain[0]), default);
        Assert.True(EmbeddedAuthority.Revoke(unit, issued!, RevocationReason.KeyCompromise, now));
        await unit.CommitAsync(default);
        var (status, text) = await PostAsync(host, own, Body(Csr("CN=y")), operation: "factory/simpleenroll");
        Assert.Equal(403, status);
        Assert.Contains("revoked", text, StringComparison.Ordinal);
        Assert.Contains("KeyCompromise", text, StringComparison.Ordinal);
        Assert.Equal(before, await host.IssuedCountAsync());
    }

    [Fact]
    public async Task A_revoked_IDevID_of_a_third_party()
    {
        string? revoked = null;
        await using var host = await EstHost.StartAsync(l => l with { RevokedIdentities = c => c.SerialText == revoked ? "stolen" : null });
        var identity = host.MakeIdentity("B-1");
        revoked = Certificate.Parse(identity.Chain[0]).SerialText;
        await RefusedAsync(host, await PostAsync(host, identity, Body(Csr())), 403, "stolen");
    }

    [Fact]
    public async Task Names_that_the_client_has_not_proven()
    {
        await using var host = await EstHost.StartAsync(l => l with { DnsNames = ["*.devices.example"] });
        var identity = host.MakeIdentity("B-1");
        await RefusedAsync(host, await PostAsync(host, identity, Body(Csr("2.5.4.5=B-2"))), 403, "B-1");
        ReadOnlyMemory<byte> Named(string dns) => new Pkcs10Builder { Subject = DirectoryName.FromText("2.5.4.5=B-1"), Extensions = [CertificateExtension.SubjectAltName([GeneralName.Dns(dns)])] }.Sign(s_key, EstHost.Chance);
        await RefusedAsync(host, await PostAsync(host, identity, Body(Named("bank.example"))), 403, "bank.example");
        await RefusedAsync(host, await PostAsync(host, identity, Body(Named("*.devices.example"))), 403, "devices.example");
        Assert.Equal(200, (await PostAsync(host, identity, Body(Named("b-1.devices.example")))).Status);
    }

    [Fact]
    public async Task The_policy_refuses_with_its_reason()
    {
        await using var host = await EstHost.StartAsync();
        host.Decide = _ => new Decision.Refuse("stolen goods");
        await RefusedAsync(host, await PostAsync(host, host.MakeIdentity("B-1"), Body(Csr())), 403, "stolen goods");
    }

    [Fact]
    public async Task Renewal_too_early_or_without_the_certificate()
    {
        await using var host = await EstHost.StartAsync();
        var own = await host.IssueAsync(CertificateProfile.LDevId());
        await RefusedAsync(host, await PostAsync(host, own, Body(Csr("CN=x")), operation: "simplereenroll"), 403, "renewed from");
        await RefusedAsync(host, await PostAsync(host, host.MakeIdentity("B-1"), Body(Csr()), operation: "simplereenroll"), 403, "certificate of this CA");
        await RefusedAsync(host, await PostAsync(host, null, Body(Csr()), operation: "simplereenroll"), 403, "client certificate is needed");
    }

    [Fact]
    public async Task Too_many_wrong_passwords_make_a_user_wait()
    {
        await using var host = await EstHost.StartAsync(l => l with { Passwords = true });
        await host.AddUserAsync("u", "right");
        Task<(int Status, string Text)> Try(string password) => PostAsync(host, null, Body(Csr("CN=u")),
            more: r => r.Headers.TryAddWithoutValidation("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("u:" + password))));
        for (int i = 0; i < 4; i++)
            Assert.Equal(401, (await Try("wrong")).Status);
        Assert.Equal(429, (await Try("right")).Status);
    }

    [Fact]
    public async Task A_Digest_that_is_replayed_or_for_another_path_is_not_taken()
    {
        await using var host = await EstHost.StartAsync(l => l with { Passwords = true });
        await host.AddUserAsync("u", "pw");
        HttpChallenge? challenge = null;
        Task<(int Status, string Text)> Send(string? authorization) => PostAsync(host, null, Body(Csr("CN=u")), more: r =>
        {
            if (authorization is not null)
                r.Headers.TryAddWithoutValidation("Authorization", authorization);
        });
        using (var handler = new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true } })
        using (var client = new HttpClient(handler))
        {
            using var response = await client.PostAsync($"https://127.0.0.1:{host.Port}/.well-known/est/simpleenroll", null, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            challenge = HttpChallenge.Parse(response.Headers.NonValidated["WWW-Authenticate"]).First();
        }
        var password = new SecretText("pw");
        string first = challenge.Answer("u", password, "POST", "/.well-known/est/simpleenroll", 1, EstHost.Chance);
        Assert.Equal(200, (await Send(first)).Status);
        Assert.Equal(401, (await Send(first)).Status);
        Assert.Equal(200, (await Send(challenge.Answer("u", password, "POST", "/.well-known/est/simpleenroll", 2, EstHost.Chance))).Status);
        Assert.Equal(400, (await Send(challenge.Answer("u", password, "POST", "/.well-known/est/simplereenroll", 3, EstHost.Chance))).Status);
        Assert.Equal(401, (await Send(challenge.Answer("u", password, "GET", "/.well-known/est/simpleenroll", 4, EstHost.Chance))).Status);
        Assert.Equal(401, (await Send(first.Replace(challenge.Nonce![..8], "00000000", StringComparison.Ordinal))).Status);
    }
}
