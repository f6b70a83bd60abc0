using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Hatchery.Cryptography;
using Hatchery.Pki;
using Hatchery.Storage.Tests;

namespace Product.Tests.Est;

/// <summary>Two server processes over one PostgreSQL issue certificates at the same time; each is killed once, under load, and started again.</summary>
public sealed class EstTwoProcessesTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private const int Devices = 120, AtOnce = 8;

    [Fact]
    public async Task No_serial_number_is_issued_twice_and_no_request_gets_two_certificates_though_either_server_is_killed()
    {
        string folder = Running.NewFolder(), schema = await postgres.NewSchemaAsync();
        File.WriteAllText(Path.Combine(folder, "master.key"), Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(Path.Combine(folder, "master.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var maker = CertificateAuthority.CreateRoot("CN=maker", new SystemChance().NewSigningKey(ECCurve.NamedCurves.nistP256, "maker"), DateTimeOffset.UtcNow.AddDays(-1), TimeSpan.FromDays(1000), new SystemChance());
        File.WriteAllText(Path.Combine(folder, "maker.pem"), PemEncoding.WriteString("CERTIFICATE", maker.Certificate.Encoded.Span));
        var servers = new Server[2];
        try
        {
            servers[0] = await Server.StartAsync(folder, "a", schema);
            servers[1] = await Server.StartAsync(folder, "b", schema);
            string token = await servers[0].TokenAsync();
            var issued = new ConcurrentDictionary<string, string>();
            var queue = new ConcurrentQueue<int>(Enumerable.Range(0, Devices));
            int killed = 0;
            await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async worker =>
            {
                while (queue.TryDequeue(out int device))
                {
                    issued[$"SN-{device}"] = await EnrollAsync(maker, $"SN-{device}", servers, worker);
                    int turn = issued.Count switch { >= Devices * 2 / 3 => 2, >= Devices / 3 => 1, _ => 0 };
                    if (turn > 0 && Interlocked.CompareExchange(ref killed, turn, turn - 1) == turn - 1)
                    {
                        servers[turn - 1].Kill();
                        servers[turn - 1] = await Server.StartAsync(folder, turn == 1 ? "a" : "b", schema);
                    }
                }
            }));
            Assert.Equal(2, killed);
            Assert.Equal(Devices, issued.Values.Distinct().Count());

            using var admin = servers[1].Admin(token);
            using var list = JsonDocument.Parse(await admin.GetStringAsync("/api/v1/est/issued?limit=1000", Running.Stop));
            var records = list.RootElement.EnumerateArray().Where(r => r.GetProperty("subject").GetString()!.Contains("SN-", StringComparison.Ordinal))
                .Select(r => (Serial: r.GetProperty("serial").GetString()!, Device: r.GetProperty("device").GetString()!)).ToList();
            // Whoever lost the answer with the server asked again and got the same certificate.
            Assert.Equal(Devices, records.Count);
            Assert.Equal(issued.Select(i => ($"serial:{i.Key}", i.Value)).Order(), records.Select(r => (r.Device, r.Serial)).Order());
            using var audit = JsonDocument.Parse(await admin.GetStringAsync("/api/v1/audit/verify", Running.Stop));
            Assert.True(audit.RootElement.GetProperty("intact").GetBoolean());
        }
        finally
        {
            foreach (var server in servers)
                if (server is not null)
                    await server.EndAsync();
        }
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>The same request to one server and another until there is an answer.</summary>
    private static async Task<string> EnrollAsync(CertificateAuthority maker, string serial, Server[] servers, int first)
    {
        var chance = new SystemChance();
        var idevid = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "idevid");
        var own = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(idevid, chance));
        var identity = maker.Issue(own, CertificateProfile.Device(serial), DateTimeOffset.UtcNow, TimeSpan.FromDays(100), chance);
        using var alone = X509CertificateLoader.LoadCertificate(identity.Span);
        using var both = alone.CopyWithPrivateKey(SigningKeys.ToBcl(idevid));
        var context = SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pkcs12), null), null, offline: true);
        var key = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "key");
        var csr = new Pkcs10Builder { Subject = DirectoryName.FromText("2.5.4.5=" + serial) }.Sign(key, chance);
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { ClientCertificateContext = context, RemoteCertificateValidationCallback = (_, _, _, _) => true } });
        string fault = "";
        for (int attempt = first; attempt < first + 400; attempt++)
        {
            try
            {
                using var content = new ByteArrayContent(Encoding.ASCII.GetBytes(Convert.ToBase64String(csr.Span)));
                content.Headers.TryAddWithoutValidation("Content-Type", "application/pkcs10");
                using var response = await client.PostAsync(new Uri(servers[attempt % 2].Est, "/.well-known/est/simpleenroll"), content, Running.Stop);
                string body = await response.Content.ReadAsStringAsync(Running.Stop);
                Assert.True(response.IsSuccessStatusCode, body);
                var certificate = Certificate.Parse(CertsOnly.Parse(Convert.FromBase64String(body)).Single());
                Assert.Equal(key.ExportSubjectPublicKeyInfo(), certificate.Key.Encoded.ToArray());
                return certificate.SerialText;
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                fault = e.Message;
                await Task.Delay(50, Running.Stop);
            }
        }
        throw new InvalidOperationException($"{serial}: no server answered: {fault}");
    }

    /// <summary>A server as an operator starts it.</summary>
    private sealed class Server
    {
        private readonly Process _process;
        private readonly Uri _admin;
        private readonly string _data;

        private Server(Process process, Uri est, Uri admin, string data) => (_process, Est, _admin, _data) = (process, est, admin, data);

        public Uri Est { get; }

        public static async Task<Server> StartAsync(string folder, string name, string schema)
        {
            string data = Path.Combine(folder, name);
            string config = Path.Combine(folder, name + ".json");
            File.WriteAllText(config, JsonSerializer.Serialize(new
            {
                dataDirectory = data,
                masterKey = new { file = Path.Combine(folder, "master.key") },
                database = new { kind = "postgres", connection = schema },
                listeners = new Dictionary<string, object>
                {
                    ["est"] = new { port = 0, carrier = "https", certificate = "server", clientCertificates = "allow" },
                    ["admin"] = new { port = 0 },
                },
                certificates = new Dictionary<string, object> { ["server"] = new { authority = "est", hosts = new[] { "127.0.0.1" } } },
                admission = new { acceptAnyone = true },
                roles = new Dictionary<string, object> { ["est.server"] = new { identities = new[] { Path.Combine(folder, "maker.pem") } } },
            }));
            var process = Command.Start(folder, new Dictionary<string, string>(), "serve", "--config", config);
            var addresses = new Dictionary<string, Uri>();
            string all = "";
            while (addresses.Count < 2 && await process.StandardOutput.ReadLineAsync(Running.Stop) is { } line)
            {
                all += line + "\n";
                string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words is [var listener, var address, ..] && address.StartsWith("http", StringComparison.Ordinal))
                    addresses[listener] = new Uri(address);
            }
            Assert.True(addresses.Count == 2, all + (addresses.Count == 2 ? "" : await process.StandardError.ReadToEndAsync(Running.Stop)));
            _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            _ = process.StandardError.ReadToEndAsync(CancellationToken.None);
            return new Server(process, addresses["est"], addresses["admin"], data);
        }

        public async Task<string> TokenAsync() => (await File.ReadAllTextAsync(Path.Combine(_data, "admin.token"), Running.Stop)).Trim();

        public HttpClient Admin(string token)
        {
            var client = new HttpClient { BaseAddress = _admin };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            return client;
        }

        /// <summary>As a power cut does.</summary>
        public void Kill() => _process.Kill(entireProcessTree: true);

        public async Task EndAsync()
        {
            if (!_process.HasExited)
                Kill();
            await Command.EndAsync(_process);
            _process.Dispose();
        }
    }
}
