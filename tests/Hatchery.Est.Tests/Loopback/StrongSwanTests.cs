using System.Security.Authentication;
using System.Security.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>strongSwan's EST client (package strongswan-pki), which brings its own TLS and reads HTTP by its own narrow rules.</summary>
public sealed class StrongSwanTests : IDisposable
{
    private readonly Tool _tool = new();

    public void Dispose() => _tool.Dispose();

    private async Task<(int Code, string Output)> PkiAsync(EstHost host, string operation, params string[] arguments)
    {
        _tool.Write("root.der", host.Root.Encoded.Span);
        // It trusts what it is given; the issuing CA comes in the server's chain.
        return await _tool.TryAsync("pki", ["--" + operation, "--url", $"https://127.0.0.1:{host.Port}", "--cacert", "root.der", .. arguments]);
    }

    private async Task<string> RequestAsync(string subject, string name)
    {
        await _tool.RunAsync("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out", name + ".key");
        await _tool.RunAsync("openssl", "req", "-new", "-key", name + ".key", "-keyform", "DER", "-subj", subject, "-outform", "DER", "-out", name + ".csr");
        return name + ".csr";
    }

    [Fact]
    public async Task Fetches_the_CA_certificates()
    {
        await using var host = await EstHost.StartAsync();
        var (code, output) = await PkiAsync(host, "estca", "--caout", "ca.der");
        Assert.True(code == 0, output);
        Assert.Contains(Directory.GetFiles(_tool.Folder, "ca*.der"), f => File.ReadAllBytes(f).AsSpan().SequenceEqual(host.Root.Encoded.Span));
    }

    [Fact]
    public async Task Enrolls_by_password_waits_for_approval_and_renews_with_the_certificate()
    {
        await using var host = await EstHost.StartAsync(l => l with { Passwords = true, RenewalWindow = 1 });
        await host.AddUserAsync("swan", "feather");
        int asked = 0;
        host.Decide = _ => ++asked < 2 ? new Decision.Hold(TimeSpan.FromSeconds(1)) : new Decision.Admit("default");
        var (code, output) = await PkiAsync(host, "est", "--in", await RequestAsync("/CN=swan", "first"), "--userpass", "swan:feather", "--outform", "pem", "--interval", "1", "--maxpolltime", "30");
        Assert.True(code == 0, output);
        string issued = Issued(output);
        Assert.Equal("swan", DirectoryName.Find(Certificate.Parse(Convert.FromHexString(issued)).Subject, Oids.CommonName));
        Assert.Equal(2, asked);
        _tool.Write("first.der", Convert.FromHexString(issued));
        (code, output) = await PkiAsync(host, "est", "--in", await RequestAsync("/CN=swan", "second"), "--cert", "first.der", "--key", "first.key", "--outform", "pem");
        Assert.True(code == 0, output);
        Assert.NotEqual(issued, Issued(output));
        Assert.Equal(2, await host.IssuedCountAsync());
        (code, output) = await PkiAsync(host, "est", "--in", await RequestAsync("/CN=swan", "third"), "--userpass", "swan:wrong");
        Assert.NotEqual(0, code);
    }

    private static string Issued(string output) => Convert.ToHexString(PemFile.ReadAll(output, "CERTIFICATE").Single());
}
