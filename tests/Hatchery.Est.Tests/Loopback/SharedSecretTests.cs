using System.Security.Cryptography;
using System.Text;
using Hatchery.Est.Device;
using Hatchery.Pki;
using Hatchery.Tls;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>Without certificates: TLS-SRP and PSK on a listener of its own; and the exporter as channel binding on TLS 1.3.</summary>
public sealed class SharedSecretTests : IDisposable
{
    private readonly Tool _tool = new();

    public void Dispose() => _tool.Dispose();

    private static TlsClientOptions Engine(TlsVersions versions) => new() { Security = new ChannelSecurity.None(), Versions = versions };

    private static DeviceRun Device(EstHost host, TlsVersions versions) => new(host) { Engine = Engine(versions), State = EstDeviceState.Blank with { Server = $"localhost:{host.EnginePort}" } };

    [Fact]
    public async Task One_password_authenticates_both_and_needs_no_anchor()
    {
        await using var host = await EstHost.StartAsync(l => l with { Secrets = true });
        await host.AddUserAsync("dev-7", "open sesame", oneTime: true, srp: true);
        DeviceRun Typing(string password)
        {
            var device = Device(host, TlsVersions.All);
            device.Options = device.Options with { Srp = true };
            device.Person = p => new HumanAnswer(p.Kind, p.Who, new SecretText(password), true);
            return device;
        }
        foreach (string wrong in new[] { "dev-7:open barley", "nobody:open sesame" })
        {
            var outcome = await Typing(wrong).RunAsync();
            Assert.False(outcome.Succeeded);
            Assert.Contains("alert", outcome.Reason, StringComparison.Ordinal);
        }
        var device = Typing("dev-7:open sesame");
        var result = await device.RunAsync();
        Assert.True(result.Succeeded, result.Reason + string.Join("", host.Failures));
        Assert.Single(device.State.ExplicitAnchors);
        Assert.Equal("dev-7", DirectoryName.Find(Certificate.Parse(device.State.Chain[0]).Subject, Oids.CommonName));
        Assert.Equal(1, await host.IssuedCountAsync());
        // For another key it is used up.
        Assert.Equal("403", (await Typing("dev-7:open sesame").RunAsync()).ProtocolError);
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public async Task A_pre_shared_key_authenticates_both(TlsVersions version)
    {
        await using var host = await EstHost.StartAsync(l => l with { Secrets = true });
        byte[] key = RandomNumberGenerator.GetBytes(16);
        host.PskOf = id => Encoding.UTF8.GetString(id.Span) == "dev-9" ? new SecretBytes(key) : null;
        var device = Device(host, version);
        device.State = device.State with { User = "dev-9" };
        device.Options = device.Options with { Psk = new ChannelSecurity.Psk([.. "dev-9"u8], new SecretBytes(key)), ProveOperation = false };
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public async Task Identity_and_proof_are_linked_on_both_versions(TlsVersions version)
    {
        await using var host = await EstHost.StartAsync(l => l with { Demands = CsrDemands.None with { ChallengePassword = true } });
        var device = Device(host, version).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
    }

    [Fact]
    public async Task Curl_enrolls_by_SRP()
    {
        await using var host = await EstHost.StartAsync(l => l with { Secrets = true });
        await host.AddUserAsync("dev-7", "open sesame", srp: true);
        await _tool.RunAsync("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem", "-subj", "/CN=dev-7", "-outform", "DER", "-out", "req.der");
        await _tool.RunAsync("openssl", "base64", "-in", "req.der", "-out", "req.b64");
        Task<(int Code, string Output)> Curl(string password) => _tool.TryAsync("curl", "-s", "-S", "--noproxy", "*", "--tlsauthtype", "SRP", "--tlsuser", "dev-7", "--tlspassword", password, "--tls-max", "1.2", "--ciphers", "SRP-AES-128-CBC-SHA",
            "-k", "-o", "out.b64", "-w", "%{http_code}", "--data-binary", "@req.b64", "-H", "Content-Type: application/pkcs10", $"https://localhost:{host.EnginePort}/.well-known/est/simpleenroll");
        var (code, output) = await Curl("open sesame");
        Assert.True(code == 0 && output == "200", $"{code} {output}");
        await _tool.RunAsync("openssl", "base64", "-d", "-A", "-in", "out.b64", "-out", "out.p7");
        Assert.Contains("dev-7", await _tool.RunAsync("openssl", "pkcs7", "-inform", "DER", "-in", "out.p7", "-print_certs", "-noout"), StringComparison.Ordinal);
        Assert.NotEqual(0, (await Curl("open barley")).Code);
    }
}
