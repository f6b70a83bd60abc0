using System.Net;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Pki;

namespace Product.Tests.Est;

/// <summary>The hatchery est command, and the server's roles behind it.</summary>
public sealed class EstCommandTests
{
    private static int Port(Running running, string listener) => running.Server.EndPoint(listener).Port;

    private static Task<Running> StartAsync(Action<Dictionary<string, string?>>? change = null) => Running.StartAsync(s =>
    {
        foreach (string key in s.Keys.Where(k => k.StartsWith("roles:fdo", StringComparison.Ordinal)).ToList())
            s.Remove(key);
        s["database:kind"] = "memory";
        s["listeners:est:port"] = "0";
        s["listeners:est:carrier"] = "https";
        s["listeners:est:certificate"] = "server";
        s["listeners:est:clientCertificates"] = "allow";
        s["listeners:srp:port"] = "0";
        s["listeners:srp:carrier"] = "https";
        s["listeners:srp:tls"] = "engine";
        s["certificates:server:authority"] = "est";
        s["certificates:server:hosts:0"] = "localhost";
        s["roles:est.server:secretListener"] = "srp";
        s["roles:est.server:passwords"] = "true";
        s["roles:est.server:secrets"] = "true";
        s["roles:est.server:serverKeyGen"] = "true";
        s["roles:est.server:fullCmc"] = "true";
        s["roles:est.server:linking"] = "true";
        s["roles:est.server:renewalWindow"] = "1";
        change?.Invoke(s);
    });

    private static async Task<Command> ClientAsync(string verb, string state, params string[] more)
    {
        var result = await Command.RunAsync(["est", "client", verb, "--state", state, "--json", .. more]);
        return result;
    }

    private static async Task<Command> OkAsync(Running running, string verb, string state, params string[] more)
    {
        var result = await ClientAsync(verb, state, more);
        Assert.True(result.Code == 0, result.Output + result.Errors + running.Log);
        return result;
    }

    private static async Task<string> UserAsync(Running running, string name, params string[] more)
    {
        var made = await Command.RunAsync(["est", "server", "add-user", name, "--server", running.AdminAddress, "--token", running.Token, .. more]);
        Assert.True(made.Code == 0, made.Errors);
        string file = Path.Combine(running.Folder, name + ".user");
        await File.WriteAllTextAsync(file, $"{name}:{made.Json.GetProperty("password").GetString()}", Running.Stop);
        return file;
    }

    private static async Task<string> FingerprintAsync(Running running) =>
        (await running.GetAsync("/est/ca")).EnumerateArray().First(c => c.GetProperty("subject").GetString() == c.GetProperty("issuer").GetString()).GetProperty("sha256").GetString()!;

    [Fact]
    public async Task A_client_bootstraps_enrolls_renews_and_gets_a_generated_key()
    {
        await using var running = await StartAsync();
        string state = Path.Combine(running.Folder, "client"), to = $"localhost:{Port(running, "est")}";
        var wrong = await ClientAsync("bootstrap", state, "--to", to, "--fingerprint", new string('0', 64));
        Assert.Equal(1, wrong.Code);
        await OkAsync(running, "bootstrap", state, "--fingerprint", await FingerprintAsync(running));
        var first = await OkAsync(running, "enroll", state, "--user-file", await UserAsync(running, "sensor"), "--prove");
        Assert.Contains("sensor", first.Json.GetProperty("subject").GetString(), StringComparison.Ordinal);
        var second = await OkAsync(running, "reenroll", state, "--prove");
        Assert.NotEqual(first.Json.GetProperty("certificate").GetString(), second.Json.GetProperty("certificate").GetString());
        var third = await OkAsync(running, "reenroll", state, "--full-cmc", "--prove");
        await OkAsync(running, "csrattrs", state);
        await OkAsync(running, "cacerts", state);
        await OkAsync(running, "serverkeygen", state, "--prove", "--pcap", Path.Combine(running.Folder, "capture.pcapng"));
        Assert.True(new FileInfo(Path.Combine(running.Folder, "capture.pcapng")).Length > 1000);
        string pem = Path.Combine(running.Folder, "exported.pem");
        Assert.Equal(0, (await Command.RunAsync("est", "client", "export", pem, "--state", state)).Code);
        var (key, chain) = PrivateKeys.FromPem(await File.ReadAllTextAsync(pem, Running.Stop));
        Assert.Equal(key.Public.Encoded.ToArray(), Certificate.Parse(chain[0]).Key.Encoded.ToArray());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(pem));

        // Revoked, it renews nothing.
        string serial = Certificate.Parse(chain[0]).SerialText;
        var revoked = await Command.RunAsync("est", "server", "revoke", serial, "--reason", "keyCompromise", "--server", running.AdminAddress, "--token", running.Token);
        Assert.True(revoked.Code == 0, revoked.Errors);
        var refused = await ClientAsync("reenroll", state);
        Assert.Equal(1, refused.Code);
        Assert.Equal("403", refused.Json.GetProperty("error").GetString());
        Assert.Contains("revoked", refused.Json.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Contains((await running.GetAsync("/audit?limit=1000")).EnumerateArray(), e => e.GetProperty("kind").GetString() == "refused" && e.GetProperty("detail").GetString()!.Contains("KeyCompromise"));
        Assert.Equal(0, (await Command.RunAsync("est", "client", "reset", "--state", state)).Code);
        Assert.DoesNotContain("certificate", (await Command.RunAsync("est", "client", "show", "--state", state, "--json")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_enrolls_by_SRP_on_the_listener_of_our_own_TLS()
    {
        await using var running = await StartAsync();
        string state = Path.Combine(running.Folder, "client");
        await OkAsync(running, "enroll", state, "--to", $"localhost:{Port(running, "srp")}", "--srp", "--user-file", await UserAsync(running, "lock", "--srp"), "--prove");
    }

    [Fact]
    public async Task A_held_device_is_enrolled_once_an_operator_admits_it()
    {
        await using var running = await StartAsync(s =>
        {
            s["admission:acceptAnyone"] = "false";
            s["admission:holdUnknown"] = "true";
        });
        string state = Path.Combine(running.Folder, "client"), user = await UserAsync(running, "meter");
        var waiting = await ClientAsync("enroll", state, "--to", $"localhost:{Port(running, "est")}", "--fingerprint", await FingerprintAsync(running), "--user-file", user, "--waits", "0");
        Assert.Equal("202", waiting.Json.GetProperty("error").GetString());
        var held = Assert.Single((await running.GetAsync("/policy/held")).EnumerateArray());
        Assert.Single((await running.GetAsync("/est/waiting")).EnumerateArray());
        Assert.Equal("est.user:meter", held.GetProperty("subject").GetString());
        var decided = await Command.RunAsync("est", "server", "decide", "est.user:meter", "admit", "--server", running.AdminAddress, "--token", running.Token);
        Assert.True(decided.Code == 0, decided.Errors);
        await OkAsync(running, "enroll", state, "--prove");
    }

    [Fact]
    public async Task A_registration_authority_vouches_for_what_it_passes_on()
    {
        await using var root = await StartAsync(s => s["roles:est.server:passwords"] = "false");
        // The RA enrolls like anybody would get a certificate of this profile: here straight from the authority.
        string folder = root.Folder;
        var authority = new EmbeddedAuthority(root.Server.Store, "est", new SystemChance());
        var caller = Hatchery.Caller.Local("test", new Hatchery.Transports.SystemClock().Now);
        var key = new SystemChance().NewSigningKey(ECCurve.NamedCurves.nistP256, "ra");
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=ra") }.Sign(key, new SystemChance()));
        var unit = root.Server.Store.Begin(caller);
        var issued = await authority.IssueAsync(unit, csr.Key, csr, CertificateProfile.CmcRa("localhost"), "ra", null, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(9), Running.Stop);
        await unit.CommitAsync(Running.Stop);
        var published = (await authority.StateAsync(root.Server.Store.Begin(caller), Running.Stop)).Published;
        string Pem(ReadOnlyMemory<byte> der) => PemEncoding.WriteString("CERTIFICATE", der.Span) + "\n";
        File.WriteAllText(Path.Combine(folder, "ra.pem"), Pem(issued.Encoded) + Pem(published.First(c => !c.IsSelfIssued).Encoded));
        File.WriteAllText(Path.Combine(folder, "ra.key"), PemEncoding.WriteString("PRIVATE KEY", new SignatureKey(key).ExportPkcs8()));
        File.WriteAllText(Path.Combine(folder, "root.pem"), Pem(published.First(c => c.IsSelfIssued).Encoded));
        var maker = CertificateAuthority.CreateRoot("CN=maker", new SystemChance().NewSigningKey(ECCurve.NamedCurves.nistP256, "m"), DateTimeOffset.UtcNow.AddDays(-1), TimeSpan.FromDays(100), new SystemChance());
        var device = new SystemChance().NewSigningKey(ECCurve.NamedCurves.nistP256, "d");
        var identity = maker.Issue(Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(device, new SystemChance())), CertificateProfile.Device("RA-1"), DateTimeOffset.UtcNow, TimeSpan.FromDays(50), new SystemChance());
        File.WriteAllText(Path.Combine(folder, "maker.pem"), Pem(maker.Certificate.Encoded));
        File.WriteAllText(Path.Combine(folder, "idevid.pem"), Pem(identity) + PemEncoding.WriteString("PRIVATE KEY", new SignatureKey(device).ExportPkcs8()));

        await using var ra = await StartAsync(s =>
        {
            foreach (string name in s.Keys.Where(k => k.StartsWith("roles:", StringComparison.Ordinal) || k.StartsWith("listeners:srp", StringComparison.Ordinal) || k.StartsWith("certificates:", StringComparison.Ordinal)).ToList())
                s.Remove(name);
            s["certificates:server:file"] = Path.Combine(folder, "ra.pem");
            s["certificates:server:key"] = Path.Combine(folder, "ra.key");
            s["roles:est.ra:upstream"] = $"https://localhost:{Port(root, "est")}";
            s["roles:est.ra:certificate"] = Path.Combine(folder, "ra.pem");
            s["roles:est.ra:privateKey"] = Path.Combine(folder, "ra.key");
            s["roles:est.ra:anchors:0"] = Path.Combine(folder, "root.pem");
            s["roles:est.ra:identities:0"] = Path.Combine(folder, "maker.pem");
            s["roles:est.ra:linking"] = "true";
            s["roles:est.ra:renewalWindow"] = "1";
        });
        string state = Path.Combine(ra.Folder, "client");
        var enrolled = await ClientAsync("enroll", state, "--to", $"localhost:{Port(ra, "est")}", "--anchor", Path.Combine(folder, "root.pem"), "--identity", Path.Combine(folder, "idevid.pem"), "--prove");
        Assert.True(enrolled.Code == 0, enrolled.Output + enrolled.Errors + ra.Log + root.Log);
        var renewed = await ClientAsync("reenroll", state, "--prove");
        Assert.True(renewed.Code == 0, renewed.Output + renewed.Errors + ra.Log + root.Log);
        Assert.Equal(2, (await root.GetAsync("/est/issued?limit=100")).EnumerateArray().Count(i => i.GetProperty("subject").GetString()!.Contains("RA-1")));

        // With the CA gone a client is told to come back.
        await root.StopAsync();
        var later = await ClientAsync("reenroll", state, "--waits", "0");
        Assert.Equal("503", later.Json.GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("roles:est.server:names", "any", "proven or asRequested")]
    [InlineData("roles:est.server:key", "P-100", "P-256")]
    [InlineData("roles:est.server:tolerances:0", "everything", "none of pem")]
    [InlineData("listeners:est:clientCertificates", "none", "allow")]
    [InlineData("listeners:est:tls", "magic", "platform")]
    [InlineData("listeners:est:tlsVersion", "1.1", "1.2 or 1.3")]
    [InlineData("roles:est.server:labels:cacerts:passwords", "true", "label")]
    public async Task What_is_configured_wrong_is_told_at_start(string key, string value, string says)
    {
        var fault = await Assert.ThrowsAsync<Hatchery.Server.ConfigurationFault>(() => StartAsync(s => s[key] = value));
        Assert.Contains(says, fault.Message, StringComparison.Ordinal);
    }
}
