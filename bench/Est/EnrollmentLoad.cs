using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Hatchery.AspNetCore;
using Hatchery.Cryptography;
using Hatchery.Est;
using Hatchery.Est.Server;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Hatchery.Storage;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Hatchery.Bench.Est;

/// <summary>Enrollments with P-256, durable in SQLite: the service alone, each device with an IDevID of its own, against the floor of its public-key operations; then over mutual TLS on
/// loopback, clients in the same process: kept connections belong to registration authorities, which bring one device after another, fresh ones to a device each.
/// est-enroll [COUNT] [AT-ONCE] [service]</summary>
internal sealed class EnrollmentLoad : IAdmission
{
    private static readonly SystemChance s_chance = new();
    private sealed record Device(Lazy<SslStreamCertificateContext> Context, ImmutableArray<byte[]> Chain, byte[] Body);

    public static async Task<int> RunAsync(string[] arguments)
    {
        int count = arguments.Length > 0 ? int.Parse(arguments[0]) : 2000, atOnce = arguments.Length > 1 ? int.Parse(arguments[1]) : 16;
        string folder = Directory.CreateTempSubdirectory("hatchery-bench-").FullName;
        try
        {
            await new EnrollmentLoad().RunAsync(folder, count, atOnce, alone: arguments is [_, _, "service"]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        return 0;
    }

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));

    private async Task RunAsync(string folder, int count, int atOnce, bool alone)
    {
        await using var store = await SqliteStore.OpenAsync(Path.Combine(folder, "est.db"), new AesGcmSealer(new byte[32], s_chance), TimeProvider.System);
        var authority = new EmbeddedAuthority(store, "est", s_chance);
        await new AuthorityKeeper(authority).CreateAsync(new AuthoritySetup { RootCurve = ECCurve.NamedCurves.nistP256 }, Local, default);
        var maker = CertificateAuthority.CreateRoot("CN=maker", s_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "maker"), DateTimeOffset.UtcNow.AddDays(-1), TimeSpan.FromDays(1000), s_chance);
        var label = new EstLabel { Authority = new EmbeddedEstAuthority(authority), Implicit = new TrustStore([maker.Certificate]) };
        var service = new EstService(store, this, s_chance, new EstServerOptions { Labels = new Dictionary<string, EstLabel> { [""] = label }.ToFrozenDictionary(), NonceKey = new SecretBytes(new byte[32]) });
        var role = new HttpServiceDriver(new ServiceDriver(service, new Actor(EstPlayers.Server, "est", "owner"), p => new Actor(p, p.Name, "owner"), Witness.None, (_, _, e) => Console.Error.WriteLine(e.Message),
            (what, e) => Console.Error.WriteLine(e)), new EstHttpServer(s_chance));

        double floor = Floor();
        await ServiceAsync(role, Devices(maker, "w", 1000), atOnce);
        var devices = Devices(maker, "s", count);
        var (took, cpu) = await MeasureAsync(() => ServiceAsync(role, devices, atOnce));
        double each = cpu.TotalMicroseconds / count;
        Console.WriteLine($"service alone: {count / took.TotalSeconds:F0} enrollments/s, {each:F0} us of CPU each; floor (two verifications, one signature) {floor:F0} us: {each / floor:F1} x");
        if (alone)
            return;

        await using var app = await ServeAsync(role, authority, store);
        string address = app.Urls.First();
        var registrar = await IssuedAsync(authority, store, CertificateProfile.CmcRa("127.0.0.1"));
        foreach (bool fresh in new[] { false, true })
        {
            await ClientsAsync(address, Load("w"), atOnce, fresh);
            devices = Load("");
            (took, cpu) = await MeasureAsync(() => ClientsAsync(address, devices, atOnce, fresh));
            Console.WriteLine($"mutual TLS 1.3, {(fresh ? "a fresh connection each" : $"{atOnce} connections kept alive")}: {devices.Length / took.TotalSeconds:F0} enrollments/s, {cpu.TotalMicroseconds / devices.Length:F0} us of CPU each, clients included");

            Device[] Load(string prefix) => fresh ? Devices(maker, "f" + prefix, count / 4) : [.. Devices(maker, "k" + prefix, count).Select(d => d with { Context = new(registrar) })];
        }
    }

    private static Caller Local => Caller.Local("bench", new SystemClock().Now);

    private static async Task<(TimeSpan Took, TimeSpan Cpu)> MeasureAsync(Func<Task> work)
    {
        var process = Process.GetCurrentProcess();
        var (cpu, watch) = (process.TotalProcessorTime, Stopwatch.StartNew());
        await work();
        process.Refresh();
        return (watch.Elapsed, process.TotalProcessorTime - cpu);
    }

    /// <summary>Keys, IDevIDs and requests are made before: what is a device's work is not the server's.</summary>
    private static Device[] Devices(CertificateAuthority maker, string prefix, int count) => [.. Enumerable.Range(0, count).Select(i => NewDevice(maker, prefix + i))];

    private static Device NewDevice(CertificateAuthority maker, string serial)
    {
        var key = s_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "idevid");
        var own = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, s_chance));
        var identity = maker.Issue(own, CertificateProfile.Device(serial), DateTimeOffset.UtcNow, TimeSpan.FromDays(100), s_chance);
        var request = new Pkcs10Builder { Subject = DirectoryName.FromText("2.5.4.5=" + serial) }.Sign(s_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "key"), s_chance);
        return new Device(new(() => Context(identity, key)), [identity.ToArray()], Encoding.ASCII.GetBytes(Convert.ToBase64String(request.Span)));
    }

    private static SslStreamCertificateContext Context(ReadOnlyMemory<byte> certificate, ECDsa key)
    {
        using var alone = X509CertificateLoader.LoadCertificate(certificate.Span);
        using var own = SigningKeys.ToBcl(key);
        return SslStreamCertificateContext.Create(alone.CopyWithPrivateKey(own), null, offline: true);
    }

    private static Task ServiceAsync(HttpServiceDriver role, Device[] devices, int atOnce) => Parallel.ForEachAsync(devices, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (device, cancel) =>
    {
        var caller = new Caller { Now = new SystemClock().Now, Listener = "bench", ClientChain = device.Chain };
        var response = await role.HandleAsync(new PlainHttpRequest("POST", "/.well-known/est/simpleenroll", [new("Content-Type", "application/pkcs10")], device.Body), caller, cancel);
        if (response.Status != 200)
            throw new InvalidOperationException(Encoding.UTF8.GetString(response.Body.Span));
    });

    private static async Task ClientsAsync(string address, Device[] devices, int atOnce, bool fresh)
    {
        SocketsHttpHandler Handler(Device device) => new()
        {
            MaxConnectionsPerServer = atOnce,
            SslOptions = new SslClientAuthenticationOptions { ClientCertificateContext = device.Context.Value, RemoteCertificateValidationCallback = (_, _, _, _) => true },
        };
        using var kept = new HttpClient(Handler(devices[0]));
        await Parallel.ForEachAsync(devices, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (device, cancel) =>
        {
            using var own = fresh ? new HttpClient(Handler(device)) : null;
            using var content = new ByteArrayContent(device.Body);
            content.Headers.TryAddWithoutValidation("Content-Type", "application/pkcs10");
            using var response = await (own ?? kept).PostAsync(address + "/.well-known/est/simpleenroll", content, cancel);
            response.EnsureSuccessStatusCode();
        });
    }

    private static async Task<SslStreamCertificateContext> IssuedAsync(EmbeddedAuthority authority, IRecordStore store, CertificateProfile profile)
    {
        var key = s_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "server");
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, s_chance));
        var unit = store.Begin(Local);
        var issued = await authority.IssueAsync(unit, csr.Key, csr, profile, "server", null, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1), default);
        await unit.CommitAsync(default);
        return Context(issued.Encoded, key);
    }

    private static async Task<WebApplication> ServeAsync(HttpServiceDriver role, EmbeddedAuthority authority, IRecordStore store)
    {
        var context = await IssuedAsync(authority, store, CertificateProfile.TlsServer("127.0.0.1"));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(k => k.AddListeners(new ListenerOptions { Name = "est", Certificate = _ => context, ClientCertificates = ClientCertificates.Allow }));
        var app = builder.Build();
        app.MapListener("est", [role]);
        await app.StartAsync();
        return app;
    }

    /// <summary>The IDevID's signature and the request's verified, the certificate signed: with kept key objects, which cost what OpenSSL costs (docs/benchmarks.md).</summary>
    private static double Floor()
    {
        var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var check = SigningKeys.ImportPublic(key.ExportSubjectPublicKeyInfo());
        byte[] hash = SHA256.HashData("x"u8), signature = key.SignHash(hash);
        double best = double.MaxValue;
        for (int batch = 0; batch < 20; batch++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < 50; i++)
            {
                check.VerifyHash(hash, signature);
                check.VerifyHash(hash, signature);
                signature = key.SignHash(hash);
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / 50);
        }
        return best;
    }
}
