using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hatchery;
using Hatchery.Cryptography;
using Hatchery.Server;

namespace Product.Tests.Server;

public sealed class AdminApiTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("hatch_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("nonsense")]
    public async Task No_endpoint_answers_without_a_valid_token(string? token)
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var client = running.Client(token);
        foreach (var (method, path) in await EndpointsAsync(running))
        {
            using var request = new HttpRequestMessage(method, path.Replace("{guid}", $"{Guid.NewGuid()}").Replace("{id}", $"{Guid.NewGuid()}") + (path.EndsWith("/find") ? "?kind=a&value=b" : ""));
            if (method == HttpMethod.Post)
                request.Content = JsonContent.Create(path.EndsWith("/tokens") ? new { name = "a", scopes = new[] { "*" } } : (object)new { subject = "a:b", decision = "admit" });
            using var response = await client.SendAsync(request, Running.Stop);
            Assert.True(response.StatusCode == HttpStatusCode.Unauthorized, $"{method} {path}: {response.StatusCode}");
            Assert.Equal("Bearer", response.Headers.WwwAuthenticate.Single().Scheme);
            var problem = await ProblemAsync(response);
            Assert.Equal(401, problem.GetProperty("status").GetInt32());
            Assert.Equal("A valid token is needed.", problem.GetProperty("detail").GetString());
        }
        Assert.Single((await running.GetAsync("/tokens")).EnumerateArray());
    }

    [Fact]
    public async Task A_token_is_good_for_its_scopes_until_it_is_revoked_or_has_expired()
    {
        await using var running = await Running.StartAsync();
        string text = await running.TokenAsync(["devices:read", "fdo:*"]);
        using var client = running.Client(text);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client, "/devices"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client, "/fdo/owner-keys"));
        using (var refused = await client.GetAsync("/api/v1/tokens", Running.Stop))
        {
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            Assert.Contains("tokens:read", (await ProblemAsync(refused)).GetProperty("detail").GetString());
        }
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(client, "/audit"));

        var listed = (await running.GetAsync("/tokens")).EnumerateArray().Single(t => t.GetProperty("name").GetString() == "test");
        using (var gone = await running.Admin.DeleteAsync($"/api/v1/tokens/{listed.GetProperty("id").GetString()}", Running.Stop))
            Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(client, "/devices"));

        using var expired = running.Client(await running.TokenAsync(["*"], DateTimeOffset.UtcNow.AddSeconds(-1)));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(expired, "/devices"));
        using var valid = running.Client(await running.TokenAsync(["*"], DateTimeOffset.UtcNow.AddHours(1)));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(valid, "/devices"));
    }

    [Fact]
    public async Task A_token_gives_on_only_what_it_has()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var client = running.Client(await running.TokenAsync(["tokens:write", "fdo:read"]));
        foreach (var (scope, expected) in new[] { ("fdo:read", HttpStatusCode.OK), ("fdo:write", HttpStatusCode.Forbidden), ("fdo:*", HttpStatusCode.Forbidden), ("*", HttpStatusCode.Forbidden), ("", HttpStatusCode.Forbidden) })
        {
            using var response = await client.PostAsJsonAsync("/api/v1/tokens", new { name = "more", scopes = new[] { "fdo:read", scope } }, Running.Stop);
            Assert.True(response.StatusCode == expected, $"{scope}: {response.StatusCode}");
        }
        Assert.Equal(3, (await running.GetAsync("/tokens")).GetArrayLength());

        var end = DateTimeOffset.UtcNow.AddHours(1);
        using var mortal = running.Client(await running.TokenAsync(["*"], end));
        foreach (var (expires, expected) in new (DateTimeOffset?, HttpStatusCode)[] { (end, HttpStatusCode.OK), (end.AddSeconds(1), HttpStatusCode.Forbidden), (null, HttpStatusCode.Forbidden) })
        {
            using var response = await mortal.PostAsJsonAsync("/api/v1/tokens", new { name = "longer", scopes = new[] { "*" }, expires }, Running.Stop);
            Assert.True(response.StatusCode == expected, $"{expires}: {response.StatusCode}");
        }
        Assert.Contains((await running.GetAsync("/audit")).EnumerateArray(), e => e.GetProperty("detail").GetString()!.Contains("token more made for"));
    }

    [Fact]
    public async Task The_database_holds_neither_a_token_nor_a_private_key()
    {
        await using var running = await Running.StartAsync();
        string text = await running.TokenAsync(["devices:read"]);
        var secrets = new List<(string Name, byte[] Bytes)>();
        void Add(string name, byte[] raw)
        {
            secrets.Add((name, raw));
            secrets.Add((name + ", hex", Encoding.ASCII.GetBytes(Convert.ToHexString(raw))));
            secrets.Add((name + ", lower hex", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(raw))));
            secrets.Add((name + ", base64", Encoding.ASCII.GetBytes(Convert.ToBase64String(raw).TrimEnd('='))));
        }
        foreach (string token in new[] { text, running.Token })
        {
            secrets.Add(("token", Encoding.ASCII.GetBytes(token)));
            secrets.Add(("token without prefix", Encoding.ASCII.GetBytes(token[6..])));
            Add("token's random bytes", Convert.FromBase64String(token[6..].Replace('-', '+').Replace('_', '/') + "="));
        }
        var unit = running.Server.Store.Begin(Caller.Local("test", new Moment(default, DateTimeOffset.UtcNow)));
        foreach (string name in new[] { "fdo.owner.p256", "fdo.owner.p384", "fdo.manufacturer.p256", "fdo.device-ca" })
        {
            var pkcs8 = (await unit.GetAsync(KeyRecord.Schema, new(name), Running.Stop))!.Value.Pkcs8!.Reveal();
            Add(name, pkcs8.ToArray());
            using var key = ECDsa.Create();
            key.ImportPkcs8PrivateKey(pkcs8, out _);
            Add(name + ": d", key.ExportParameters(true).D!);
        }
        Add("fdo.service", (await unit.GetAsync(KeyRecord.Schema, new("fdo.service"), Running.Stop))!.Value.Pkcs8!.Reveal().ToArray());

        var files = Directory.GetFiles(Path.Combine(running.Folder, "data"), "hatchery.db*").Where(f => !f.EndsWith(".lock", StringComparison.Ordinal));
        var content = files.SelectMany(ReadShared).ToArray();
        Assert.True(content.AsSpan().IndexOf("fdo.owner.p256"u8) >= 0, "the search finds what is there");
        Assert.True(content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text))))) >= 0, "a token is kept as its hash");
        foreach (var (name, bytes) in secrets)
            Assert.True(content.AsSpan().IndexOf(bytes) < 0, $"{name} is in the database");
        Assert.DoesNotContain(text, running.Log);
        foreach (string file in new[] { "admin.token", "master.key", "witness.key" })
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Running.ModeOf(Path.Combine(running.Folder, "data", file)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, Running.ModeOf(Path.Combine(running.Folder, "data")));
    }

    [Fact]
    public async Task Faults_of_a_caller_are_problem_documents()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        foreach (var (path, content, expected) in new (string, HttpContent, HttpStatusCode)[]
        {
            ("/tokens", JsonContent.Create(new { name = "", scopes = new[] { "*" } }), HttpStatusCode.BadRequest),
            ("/tokens", JsonContent.Create(new { name = "a", scopes = new string?[] { null } }), HttpStatusCode.BadRequest),
            ("/tokens", new StringContent("{", Encoding.UTF8, "application/json"), HttpStatusCode.BadRequest),
            ("/policy/held/decide", JsonContent.Create(new { subject = "a:b", decision = "perhaps" }), HttpStatusCode.BadRequest),
            ("/fdo/vouchers", Running.Pem("nothing"), HttpStatusCode.UnprocessableEntity),
            ("/fdo/vouchers", new ByteArrayContent(new byte[(1 << 20) + 1]), HttpStatusCode.RequestEntityTooLarge),
            ($"/fdo/manufactured/{Guid.NewGuid()}/extend", Running.Pem("nothing"), HttpStatusCode.BadRequest),
            ($"/fdo/manufactured/{Guid.NewGuid()}/extend", Running.Pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"), HttpStatusCode.BadRequest),
            ($"/fdo/manufactured/{Guid.NewGuid()}/extend", Running.Pem(NewKey()), HttpStatusCode.NotFound),
        })
        {
            using var response = await running.Admin.PostAsync("/api/v1" + path, content, Running.Stop);
            string body = await response.Content.ReadAsStringAsync(Running.Stop);
            Assert.True(response.StatusCode == expected, $"{path}: {response.StatusCode} {body}");
            var problem = await ProblemAsync(response);
            Assert.Equal((int)expected, problem.GetProperty("status").GetInt32());
            Assert.NotEqual("", problem.GetProperty("detail").GetString());
            Assert.DoesNotContain(" at ", problem.GetProperty("detail").GetString());
        }
        using var missing = await running.Admin.GetAsync($"/api/v1/devices/{Guid.NewGuid()}", Running.Stop);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Equal(404, (await ProblemAsync(missing)).GetProperty("status").GetInt32());
        using var limit = await running.Admin.GetAsync("/api/v1/devices?limit=many", Running.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, limit.StatusCode);
    }

    [Fact]
    public async Task The_OpenAPI_document_lists_every_endpoint_with_a_summary()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        var endpoints = await EndpointsAsync(running);
        var document = await running.Admin.GetFromJsonAsync<JsonElement>("/openapi/v1.json", Running.Stop);
        Assert.StartsWith("3.", document.GetProperty("openapi").GetString());
        foreach (var path in document.GetProperty("paths").EnumerateObject())
            foreach (var operation in path.Value.EnumerateObject())
                Assert.False(string.IsNullOrEmpty(operation.Value.GetProperty("summary").GetString()), path.Name);
        string[] expected =
        [
            "DELETE /api/v1/fdo/plans/{target}", "DELETE /api/v1/tokens/{id}", "GET /api/v1/audit", "GET /api/v1/audit/verify", "GET /api/v1/ceremonies", "GET /api/v1/devices", "GET /api/v1/devices/find", "GET /api/v1/devices/{id}",
            "GET /api/v1/fdo/manufactured", "GET /api/v1/fdo/manufactured/vouchers", "GET /api/v1/fdo/manufactured/{guid}/voucher", "GET /api/v1/fdo/owner-keys", "GET /api/v1/fdo/plans", "GET /api/v1/fdo/to0/{guid}", "GET /api/v1/fdo/vouchers",
            "GET /api/v1/fdo/vouchers/{guid}", "GET /api/v1/fdo/vouchers/{guid}/pem", "GET /api/v1/fdo/vouchers/{guid}/results", "GET /api/v1/policy/held", "GET /api/v1/policy/rules", "GET /api/v1/server", "GET /api/v1/tokens",
            "POST /api/v1/fdo/manufactured/extend", "POST /api/v1/fdo/manufactured/{guid}/extend", "POST /api/v1/fdo/sell/{guid}", "POST /api/v1/fdo/vouchers", "POST /api/v1/fdo/vouchers/import", "POST /api/v1/fdo/vouchers/{guid}/extend", "POST /api/v1/policy/held/decide", "POST /api/v1/tokens",
            "PUT /api/v1/fdo/plans/{target}",
        ];
        Assert.Equal(expected, endpoints.Select(e => $"{e.Method} {e.Path}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Health_needs_no_token_and_the_admin_API_is_on_its_own_listener_only()
    {
        await using var running = await Running.StartAsync(s =>
        {
            s["database:kind"] = "memory";
            s["listeners:spare:port"] = "0";
        });
        using var nobody = running.Client(null);
        Assert.Equal("ok", await nobody.GetStringAsync("/healthz", Running.Stop));
        Assert.Equal("ready", await nobody.GetStringAsync("/readyz", Running.Stop));
        foreach (string listener in new[] { "public", "spare" })
        {
            using var client = running.Client(running.Token);
            foreach (string path in new[] { "/api/v1/devices", "/openapi/v1.json", "/", "/login", "/healthz", "/events" })
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{running.Server.EndPoint(listener)}{path}");
                request.Headers.Host = running.Server.EndPoint("admin").ToString();
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Running.Stop);
                Assert.True(response.StatusCode is HttpStatusCode.NotFound, $"{listener} {path}: {response.StatusCode}");
            }
        }
        using var device = await running.Admin.PostAsync("/fdo/101/msg/30", new ByteArrayContent([]), Running.Stop);
        Assert.Equal(HttpStatusCode.NotFound, device.StatusCode);
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("sqlite")]
    public async Task Devices_and_audit_come_in_pages_and_the_audit_log_verifies(string database)
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = database);
        foreach (int n in Enumerable.Range(1, 3))
            Assert.Equal(0, (await Command.InitAsync(running, Path.Combine(running.Folder, $"d{n}"), $"SN-{n}")).Code);

        var seen = new List<Guid>();
        for (string after = ""; ;)
        {
            var page = (await running.GetAsync("/devices?limit=1" + after)).EnumerateArray().ToArray();
            if (page.Length == 0)
                break;
            seen.Add(page.Single().GetProperty("id").GetGuid());
            after = $"&after={seen[^1]}";
        }
        Assert.Equal(3, seen.Distinct().Count());
        Assert.Equal(seen, (await running.GetAsync("/devices")).EnumerateArray().Select(d => d.GetProperty("id").GetGuid()));
        Assert.Equal(seen[1], (await running.GetAsync($"/devices/{seen[1]}")).GetProperty("id").GetGuid());

        var all = (await running.GetAsync("/audit")).EnumerateArray().Select(e => e.GetProperty("number").GetInt64()).ToArray();
        Assert.Equal(Enumerable.Range(1, all.Length).Select(n => (long)n), all);
        Assert.Equal([3L, 4L], (await running.GetAsync("/audit?after=2&limit=2")).EnumerateArray().Select(e => e.GetProperty("number").GetInt64()));
        var one = (await running.GetAsync($"/audit?device={seen[0]}")).EnumerateArray().ToArray();
        Assert.InRange(one.Length, 1, all.Length - 1);
        Assert.All(one, e => Assert.Equal(seen[0], e.GetProperty("device").GetGuid()));
        var verified = await running.GetAsync("/audit/verify");
        Assert.True(verified.GetProperty("intact").GetBoolean());
        Assert.Equal(all.Length, verified.GetProperty("head").GetInt64());
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client, string path)
    {
        using var response = await client.GetAsync("/api/v1" + path, Running.Stop);
        return response.StatusCode;
    }

    private static async Task<JsonElement> ProblemAsync(HttpResponseMessage response)
    {
        Assert.NotNull(response.Content.Headers.ContentType);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync(Running.Stop)).RootElement;
    }

    private static string NewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportSubjectPublicKeyInfoPem();
    }

    private static byte[] ReadShared(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] all = new byte[file.Length];
        file.ReadExactly(all);
        return all;
    }

    /// <summary>From the OpenAPI document.</summary>
    private static async Task<List<(HttpMethod Method, string Path)>> EndpointsAsync(Running running)
    {
        var document = await running.Admin.GetFromJsonAsync<JsonElement>("/openapi/v1.json", Running.Stop);
        return [.. document.GetProperty("paths").EnumerateObject().SelectMany(p => p.Value.EnumerateObject().Select(o => (HttpMethod.Parse(o.Name), p.Name)))];
    }
}
