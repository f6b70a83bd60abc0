using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Hatchery;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Transport;
using Hatchery.Storage.Tests;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Product.Tests.Onboarding;

/// <summary>Two server processes over one PostgreSQL behind a balancer that sends each request to either. One is killed while devices are being onboarded.</summary>
public sealed class TwoProcessesTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private const int Devices = 24, AtOnce = 6;

    [Fact]
    public async Task Every_device_onboards_though_one_of_two_servers_is_killed()
    {
        string folder = Running.NewFolder(), schema = await postgres.NewSchemaAsync();
        File.WriteAllText(Path.Combine(folder, "master.key"), Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(Path.Combine(folder, "master.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using var balancer = await Balancer.StartAsync();
        var servers = new List<Server>();
        try
        {
            servers.Add(await Server.StartAsync(folder, "a", schema, balancer.Port));
            servers.Add(await Server.StartAsync(folder, "b", schema, balancer.Port));
            balancer.Backends = [.. servers.Select(s => s.Public)];
            using var admin = servers[1].Admin(await servers[0].TokenAsync());

            var credentials = new List<DeviceCredential>();
            for (int i = 0; i < Devices; i++)
            {
                var made = await ManufactureAsync(balancer.Port, $"SN-{i}");
                using var sold = await admin.PostAsync($"/api/v1/fdo/sell/{made.Guid}", null, Running.Stop);
                Assert.True(sold.IsSuccessStatusCode, await sold.Content.ReadAsStringAsync(Running.Stop));
                credentials.Add(made);
            }
            Assert.True(balancer.Served.Count == 2 && balancer.Served.Values.All(n => n > 0), "both servers took part");

            var onboarded = new ConcurrentBag<(Guid Before, DeviceCredential After)>();
            var queue = new ConcurrentQueue<DeviceCredential>(credentials);
            await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
            {
                while (queue.TryDequeue(out var credential))
                {
                    onboarded.Add((credential.Guid, await OnboardAsync(credential)));
                    if (onboarded.Count == Devices / 4)
                        servers[0].Kill();
                }
            }));
            Assert.Equal(Devices, onboarded.Count);
            Assert.Equal(Devices, onboarded.Select(o => o.After.Guid).Distinct().Count());
            Assert.True(servers[0].HasExited);

            using var list = JsonDocument.Parse(await admin.GetStringAsync("/api/v1/fdo/vouchers?limit=1000", Running.Stop));
            var byState = list.RootElement.EnumerateArray().ToLookup(v => v.GetProperty("state").GetString(), v => v.GetProperty("guid").GetGuid());
            // What the owner has onboarded is what the devices go by; a voucher that a lost message 71 left behind is retired.
            Assert.Equal(onboarded.Select(o => o.After.Guid).Order(), byState["Onboarded"].Order());
            Assert.Equal(credentials.Select(c => c.Guid).Order(), byState["Superseded"].Order());
            Assert.Empty(byState["Waiting"]);
        }
        finally
        {
            foreach (var server in servers)
                await server.EndAsync();
        }
        Directory.Delete(folder, recursive: true);
    }

    private static PartyIdentity<DeviceCredential> Me => new(new Actor(FdoPlayers.Device, "device", "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), DeviceCredential.Schema);

    private static async Task<DeviceCredential> ManufactureAsync(int port, string serial)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var csr = new CertificateRequest($"CN={serial}", key, HashAlgorithmName.SHA256).CreateSigningRequest();
        var party = new DeviceInitializer(new Destination("http", "127.0.0.1", port, new ChannelSecurity.None(), FdoPlayers.Manufacturer), new SecretBytes(key.ExportPkcs8PrivateKey()),
            key.ExportSubjectPublicKeyInfo(), csr, PublicKeyType.Secp256R1, PublicKeyEncoding.X509, serial, "duck", new SystemChance());
        DeviceCredential? saved = null;
        var outcome = await new PartyHost<DeviceCredential>(party, Me, new HttpCarrier(_ => new FdoHttpClient()), (state, _, _) =>
        {
            saved = state;
            return default;
        }).RunAsync(Running.Stop);
        Assert.True(outcome.Succeeded, outcome.Reason);
        return saved!;
    }

    /// <summary>A device tries for as long as it takes; what is cut off begins again.</summary>
    private static async Task<DeviceCredential> OnboardAsync(DeviceCredential credential)
    {
        DeviceCredential? saved = null;
        var options = new DeviceOptions { Facts = new DeviceFacts("Linux", "x64", "1", "duck"), Modules = ["fdo.download"], RoundDelay = TimeSpan.FromMilliseconds(50) };
        using var party = new OnboardingDevice(credential, options, new RendezvousAbilities(["http"]), new SystemChance());
        var files = new Hatchery.Simulation.SimulatedDeviceFiles();
        var outcome = await new PartyHost<DeviceCredential>(party, Me, new HttpCarrier(_ => new FdoHttpClient()), (state, _, _) =>
        {
            saved = state;
            return default;
        })
        { Needs = new Modules(new DeviceModuleHost(new DownloadModule(files))) }.RunAsync(Running.Stop);
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.True(files.Files.ContainsKey(AgentFile.Name));
        return saved!;
    }

    private sealed class Modules(DeviceModuleHost host) : INeeds
    {
        public ValueTask<Supply> AnswerAsync(Need need, CancellationToken cancel) => host.AnswerAsync((ServiceInfoNeed)need, cancel);
    }

    /// <summary>A server as an operator starts it.</summary>
    private sealed class Server : IDisposable
    {
        private readonly Process _process;
        private readonly Uri _admin;
        private readonly string _data;

        private Server(Process process, Uri @public, Uri admin, string data) => (_process, Public, _admin, _data) = (process, @public, admin, data);

        public Uri Public { get; }
        public bool HasExited => _process.HasExited;

        public static async Task<Server> StartAsync(string folder, string name, string schema, int balancer)
        {
            string data = Path.Combine(folder, name);
            var process = Command.Start(folder, new Dictionary<string, string>(), "serve", "--listeners:radius:port=0", $"--dataDirectory={data}", $"--masterKey:file={Path.Combine(folder, "master.key")}",
                "--database:kind=postgres", $"--database:connection={schema}", "--listeners:public:port=0", "--listeners:admin:port=0", "--admission:acceptAnyone=true",
                $"--roles:fdo.manufacturer:rendezvous:0=http://127.0.0.1:{balancer};bypass", $"--roles:fdo.owner:addresses:0=http://127.0.0.1:{balancer}");
            var addresses = new Dictionary<string, Uri>();
            string all = "";
            while (addresses.Count < 2 && await process.StandardOutput.ReadLineAsync(Running.Stop) is { } line)
            {
                all += line + "\n";
                string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words is [var listener, var address, ..] && address.StartsWith("http://", StringComparison.Ordinal))
                    addresses[listener] = new Uri(address);
            }
            Assert.True(addresses.Count == 2, all + (addresses.Count == 2 ? "" : await process.StandardError.ReadToEndAsync(Running.Stop)));
            // Read to the end, so that the server never waits for us.
            _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            _ = process.StandardError.ReadToEndAsync(CancellationToken.None);
            return new Server(process, addresses["public"], addresses["admin"], data);
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
            Dispose();
        }

        public void Dispose() => _process.Dispose();
    }

    /// <summary>Sends each request to any of its backends. One that does not accept a connection is passed over; one that breaks off in the middle costs the device its request.</summary>
    private sealed class Balancer : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false });

        private Balancer(WebApplication app) => _app = app;

        public Uri[] Backends { get; set; } = [];
        public ConcurrentDictionary<Uri, int> Served { get; } = new();
        public int Port => new Uri(_app.Urls.Single()).Port;

        public static async Task<Balancer> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var balancer = new Balancer(app);
            app.Run(balancer.ForwardAsync);
            await app.StartAsync(Running.Stop);
            return balancer;
        }

        private async Task ForwardAsync(HttpContext context)
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            foreach (var backend in Backends.OrderBy(_ => Random.Shared.Next()))
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(backend, context.Request.Path)) { Content = new ByteArrayContent(body.ToArray()) };
                request.Content.Headers.TryAddWithoutValidation("Content-Type", context.Request.ContentType);
                if (context.Request.Headers.Authorization is [var token, ..])
                    request.Headers.TryAddWithoutValidation("Authorization", token);
                try
                {
                    using var response = await _client.SendAsync(request, context.RequestAborted);
                    Served.AddOrUpdate(backend, 1, (_, n) => n + 1);
                    context.Response.StatusCode = (int)response.StatusCode;
                    foreach (string name in new[] { "Message-Type", "Authorization" })
                        if (response.Headers.TryGetValues(name, out var values))
                            context.Response.Headers[name] = values.First();
                    byte[] answer = await response.Content.ReadAsByteArrayAsync(context.RequestAborted);
                    context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
                    context.Response.ContentLength = answer.Length;
                    await context.Response.Body.WriteAsync(answer, context.RequestAborted);
                    return;
                }
                catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConnectionError)
                {
                    // Not there: the next one.
                }
                catch (Exception e) when (e is HttpRequestException or IOException)
                {
                    context.Abort();
                    return;
                }
            }
            context.Abort();
        }

        public async ValueTask DisposeAsync()
        {
            await _app.DisposeAsync();
            _client.Dispose();
        }
    }
}
