using System.Diagnostics;
using System.Security.Cryptography;
using Hatchery.AspNetCore;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;
using Hatchery.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Hatchery.Bench.Fdo;

/// <summary>An Owner Onboarding Service on Kestrel and durable SQLite, as the product runs it, with sightings on. On a line of standard input it prints its CPU time, its writer's, the bytes it allocated and its collections.</summary>
internal static class To2Server
{
    private sealed class Everybody : IAdmission
    {
        public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));
    }

    public static async Task<int> RunAsync(string[] args)
    {
        string folder = args[0];
        int port = int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture);
        var chance = new SystemChance();
        using var read = ECDsa.Create();
        read.ImportFromPem(await File.ReadAllTextAsync(Path.Combine(folder, "owner.key")));
        var keys = new OwnerKeys(SigningKeys.ImportPrivate(read.ExportPkcs8PrivateKey()));
        await using var store = args.Contains("memory") ? new RecordStore(new MemoryBackend(TimeProvider.System), new AesGcmSealer(new byte[32], chance)) : await SqliteStore.OpenAsync(Path.Combine(folder, "bench.db"), new AesGcmSealer(new byte[32], chance), TimeProvider.System);
        var clock = new Transports.SystemClock();
        var vouchers = new OwnerVouchers(store, keys, new VoucherPolicy(), chance);
        await Parallel.ForEachAsync(To2Fleet.Read(Path.Combine(folder, "vouchers.bin")), new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (raw, cancel) =>
            await vouchers.ImportAsync(OwnershipVoucher.Parse(raw), Caller.Local("bench", clock.Now), cancel));
        var witness = new Witness(new WitnessKey(new byte[32]), Watch.Steps, () => new SessionId(Guid.NewGuid()), new ObservationLog(20_000));
        var dispatcher = new FdoDispatcher(new To2Service(store, new Everybody(), chance, new OwnerOptions { Keys = keys }));
        int faults = 0;
        var role = new HttpServiceDriver(new ServiceDriver(dispatcher, new Actor(FdoPlayers.Owner, "owner", "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), witness,
            (_, kind, fault) => { if (faults++ < 5) Console.Error.WriteLine($"refused {kind}: {fault.Message}"); },
            (what, fault) => { if (faults++ < 5) Console.Error.WriteLine($"failed {what}: {fault}"); }), new FdoHttpServer(dispatcher.Types, chance));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, port));
        await using var app = builder.Build();
        app.MapRoles(role);
        await app.StartAsync();
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is { } line && line != "end")
        {
            using var me = Process.GetCurrentProcess();
            Console.WriteLine(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{me.TotalProcessorTime.TotalMicroseconds} {WriterMicroseconds()} {GC.GetTotalAllocatedBytes()} {GC.CollectionCount(0)}"));
        }
        await app.StopAsync();
        return 0;
    }

    /// <summary>CPU time of SQLite's writer thread alone; 0 without one. The platform counts it in hundredths of a second.</summary>
    private static long WriterMicroseconds()
    {
        long all = 0;
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            string stat = File.ReadAllText(Path.Combine(task, "stat"));
            if (!stat.Contains("(SQLite writer)", StringComparison.Ordinal))
                continue;
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            all += (long.Parse(fields[11], System.Globalization.CultureInfo.InvariantCulture) + long.Parse(fields[12], System.Globalization.CultureInfo.InvariantCulture)) * 10_000;
        }
        return all;
    }
}
