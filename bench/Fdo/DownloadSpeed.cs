using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Hatchery.AspNetCore;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Hatchery.Bench.Fdo;

/// <summary>fdo-download: one fdo.download of 2 MB over real sockets on loopback, device and server in one process; the whole TO2 is timed.</summary>
internal static class DownloadSpeed
{
    private const int Size = 2_000_000;

    private sealed class Everybody : IAdmission
    {
        public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));
    }

    private sealed class Modules(DeviceModuleHost host) : INeeds
    {
        public ValueTask<Supply> AnswerAsync(Need need, CancellationToken cancel) => host.AnswerAsync((ServiceInfoNeed)need, cancel);
    }

    public static async Task<int> RunAsync(string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("hatchery-bench").FullName;
        int port = FreePort();
        var chance = new SystemChance();
        try
        {
            To2Fleet.Make(folder, "p256", 12, port);
            using var read = ECDsa.Create();
            read.ImportFromPem(await File.ReadAllTextAsync(Path.Combine(folder, "owner.key")));
            var keys = new OwnerKeys(SigningKeys.ImportPrivate(read.ExportPkcs8PrivateKey()));
            using var sealer = new AesGcmSealer(new byte[32], chance);
            await using var store = await Storage.SqliteStore.OpenAsync(Path.Combine(folder, "bench.db"), new AesGcmSealer(new byte[32], chance), TimeProvider.System);
            var vouchers = new OwnerVouchers(store, keys, new VoucherPolicy(), chance);
            foreach (var raw in To2Fleet.Read(Path.Combine(folder, "vouchers.bin")))
                await vouchers.ImportAsync(OwnershipVoucher.Parse(raw), Caller.Local("bench", new SystemClock().Now), default);
            byte[] content = RandomNumberGenerator.GetBytes(Size);
            var dispatcher = new FdoDispatcher(new To2Service(store, new Everybody(), chance, new OwnerOptions { Keys = keys, Planner = new OnePlan(new ServiceInfoPlan("p", [new Download("file", content)])) }));
            var role = new HttpServiceDriver(new ServiceDriver(dispatcher, new Actor(FdoPlayers.Owner, "owner", "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), Witness.None,
                (_, kind, fault) => Console.Error.WriteLine($"refused {kind}: {fault.Message}"), (what, fault) => Console.Error.WriteLine($"failed {what}: {fault}")), new FdoHttpServer(dispatcher.Types, chance));
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, port));
            await using var app = builder.Build();
            app.MapRoles(role);
            await app.StartAsync();
            var devices = To2Fleet.Read(Path.Combine(folder, "devices.bin")).Select(d => DeviceCredential.Schema.Read(d, sealer, new("device"))).ToList();
            int next = 0;
            foreach (ushort size in (ushort[])[1300, 1300, 1300, 1300, 8192, 8192, ushort.MaxValue, ushort.MaxValue])
                Console.WriteLine(await OneAsync(devices[next++], size, content, folder, chance));
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> OneAsync(DeviceCredential credential, ushort size, byte[] content, string folder, Chance chance)
    {
        var options = new DeviceOptions { Facts = new DeviceFacts("Linux", "x64", "1", "bench"), Modules = ["fdo.download"], Rounds = 1, MaxServiceInfo = size };
        var files = new DeviceFolder(Path.Combine(folder, credential.Guid.ToString("N")));
        using var party = new OnboardingDevice(credential, options, new RendezvousAbilities(["http"]), chance);
        var me = new PartyIdentity<DeviceCredential>(new Actor(FdoPlayers.Device, "device", "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), DeviceCredential.Schema);
        using var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var watch = Stopwatch.StartNew();
        using var download = new DownloadModule(files);
        var outcome = await new PartyHost<DeviceCredential>(party, me, new HttpCarrier(_ => new FdoHttpClient()), (_, _, _) => default) { Needs = new Modules(new DeviceModuleHost(download)) }.RunAsync(default);
        double seconds = watch.Elapsed.TotalSeconds;
        process.Refresh();
        if (!outcome.Succeeded || !files.Read("file")!.AsSpan().SequenceEqual(content))
            throw new InvalidOperationException(outcome.Reason);
        return string.Create(CultureInfo.InvariantCulture, $"{content.Length} bytes, ServiceInfo of {size} bytes: {seconds:F2} s, CPU of both sides {(process.TotalProcessorTime - cpu).TotalSeconds:F2} s");
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
