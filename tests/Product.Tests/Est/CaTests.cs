using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Hatchery.Pki;

namespace Product.Tests.Est;

/// <summary>The role ca over real sockets, judged by openssl; its rollover as an operator types it.</summary>
public sealed class CaTests
{
    private static Task<Running> StartAsync(Action<Dictionary<string, string?>>? change = null, string? folder = null) => Running.StartAsync(s =>
    {
        foreach (string key in s.Keys.Where(k => k.StartsWith("roles:fdo", StringComparison.Ordinal)).ToList())
            s.Remove(key);
        s["listeners:est:port"] = "0";
        s["listeners:est:carrier"] = "https";
        s["listeners:est:certificate"] = "server";
        s["listeners:est:clientCertificates"] = "allow";
        s["certificates:server:authority"] = "est";
        s["certificates:server:hosts:0"] = "localhost";
        s["roles:est.server:passwords"] = "true";
        s["roles:ca:listener"] = "public";
        s["roles:ca:crlMinutes"] = "0";
        s["roles:ca:address"] = "http://ca.example";
        change?.Invoke(s);
    }, folder);

    private static async Task<Command> CaAsync(Running running, params string[] verb) => await Command.RunAsync(["ca", .. verb, "--server", running.AdminAddress, "--token", running.Token]);

    private static string OpenSsl(string folder, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("openssl", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + errors.Result;
    }

    private static async Task<Certificate> EnrollAsync(Running running, string name)
    {
        string state = Path.Combine(running.Folder, "client-" + name), to = $"localhost:{running.Server.EndPoint("est").Port}";
        var made = await Command.RunAsync("est", "server", "add-user", name, "--server", running.AdminAddress, "--token", running.Token);
        string user = Path.Combine(running.Folder, name + ".user");
        await File.WriteAllTextAsync(user, $"{name}:{made.Json.GetProperty("password").GetString()}", Running.Stop);
        string root = (await running.GetAsync("/ca")).GetProperty("certificates").EnumerateArray().First(c => c.GetProperty("is").GetString() == "root").GetProperty("sha256").GetString()!;
        foreach (string[] step in new string[][] { ["bootstrap", "--to", to, "--fingerprint", root], ["enroll", "--user-file", user] })
        {
            var done = await Command.RunAsync(["est", "client", .. step, "--state", state, "--json"]);
            Assert.True(done.Code == 0, done.Output + done.Errors + running.Log);
        }
        string pem = Path.Combine(running.Folder, name + ".pem");
        Assert.Equal(0, (await Command.RunAsync("est", "client", "export", pem, "--state", state)).Code);
        return Certificate.Parse(PemFile.ReadAll(await File.ReadAllTextAsync(pem, Running.Stop), "CERTIFICATE")[0]);
    }

    [Fact]
    public async Task Lists_and_OCSP_say_what_was_revoked()
    {
        await using var running = await StartAsync();
        var leaf = await EnrollAsync(running, "sensor");
        Assert.Contains("http://ca.example/ocsp", System.Text.Encoding.ASCII.GetString(leaf.Find(Oids.AuthorityInfoAccess)!.Value.Span), StringComparison.Ordinal);
        var published = (await running.GetAsync("/est/ca")).EnumerateArray().Select(c => c.GetProperty("pem").GetString() + "\n").ToList();
        File.WriteAllText(Path.Combine(running.Folder, "ca.pem"), string.Concat(published));
        File.WriteAllText(Path.Combine(running.Folder, "leaf.pem"), PemFile.Write("CERTIFICATE", leaf.Encoded.Span));
        File.WriteAllText(Path.Combine(running.Folder, "issuer.pem"), published.Single(p => Certificate.Parse(PemFile.Read(p, "CERTIFICATE")) is { } c && !c.IsSelfIssued));

        async Task<string> VerifyAsync()
        {
            byte[] crl = await running.Public.GetByteArrayAsync("/crl", Running.Stop);
            await File.WriteAllTextAsync(Path.Combine(running.Folder, "crl.pem"), PemFile.Write("X509 CRL", crl), Running.Stop);
            return OpenSsl(running.Folder, "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "leaf.pem")
                + OpenSsl(running.Folder, "ocsp", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-url", running.PublicAddress + "/ocsp", "-CAfile", "ca.pem");
        }

        string before = await VerifyAsync();
        Assert.True(before.Contains("leaf.pem: OK", StringComparison.Ordinal) && before.Contains("Response verify OK", StringComparison.Ordinal) && before.Contains("leaf.pem: good", StringComparison.Ordinal), before);
        Assert.Equal(0, (await Command.RunAsync("est", "server", "revoke", leaf.SerialText, "--reason", "keyCompromise", "--server", running.AdminAddress, "--token", running.Token)).Code);
        string after = await VerifyAsync();
        Assert.True(after.Contains("certificate revoked", StringComparison.Ordinal) && after.Contains("leaf.pem: revoked", StringComparison.Ordinal) && after.Contains("keyCompromise", StringComparison.Ordinal), after);

        // GET with the request in the path, and what is no request.
        var issuer = Certificate.Parse(PemFile.Read(File.ReadAllText(Path.Combine(running.Folder, "issuer.pem")), "CERTIFICATE"));
        byte[] request = new OcspRequest([OcspCertId.Of(issuer, leaf.SerialNumber)], null).Encode().ToArray();
        var answer = OcspResponse.Parse(await running.Public.GetByteArrayAsync("/ocsp/" + Uri.EscapeDataString(Convert.ToBase64String(request)), Running.Stop), out _)!;
        Assert.Equal(OcspStatus.Revoked, answer.Verify(leaf, issuer, DateTimeOffset.UtcNow).Status);
        using var wrong = await running.Public.PostAsync("/ocsp", new ByteArrayContent(request) { Headers = { ContentType = new MediaTypeHeaderValue("text/plain") } }, Running.Stop);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, wrong.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await running.Public.GetAsync("/crl/00ff", Running.Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await running.Public.GetAsync("/ocsp/*", Running.Stop)).StatusCode);
    }

    [Fact]
    public async Task A_root_is_kept_elsewhere_and_rolled_over_by_command()
    {
        string folder = Running.NewFolder(), first = Path.Combine(folder, "root-1.pem"), second = Path.Combine(folder, "root-2.pem");
        await using var running = await StartAsync(s => s["roles:ca:rootKeyFile"] = first, folder);
        Assert.Contains("PRIVATE KEY", await File.ReadAllTextAsync(first, Running.Stop), StringComparison.Ordinal);
        var without = await CaAsync(running, "rollover", "begin");
        Assert.NotEqual(0, without.Code);
        Assert.Contains("root's key", without.Output + without.Errors, StringComparison.Ordinal);
        Assert.NotEqual(0, (await CaAsync(running, "rollover", "complete")).Code);
        var begun = await CaAsync(running, "rollover", "begin", "--root-key", first, "--new-root-key", second);
        Assert.True(begun.Code == 0, begun.Output + begun.Errors);
        string[] Kinds(System.Text.Json.JsonElement ca) => [.. ca.GetProperty("certificates").EnumerateArray().Select(c => c.GetProperty("is").GetString()!).Order()];
        Assert.Equal(["link", "link", "next", "root", "root", "signs"], Kinds(await running.GetAsync("/ca")));
        Assert.Equal(0, (await CaAsync(running, "rollover", "complete")).Code);
        Assert.Equal(0, (await CaAsync(running, "rollover", "retire")).Code);
        Assert.Equal(["root", "signs"], Kinds(await running.GetAsync("/ca")));
        var renewed = await CaAsync(running, "renew-issuer", "--root-key", second);
        Assert.True(renewed.Code == 0, renewed.Output + renewed.Errors);
        Assert.Equal(["issuer", "root", "signs"], Kinds(await running.GetAsync("/ca")));
        Assert.Equal(0, (await CaAsync(running, "show")).Code);
    }
}
