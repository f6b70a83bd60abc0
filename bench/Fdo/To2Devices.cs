using System.Diagnostics;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;

namespace Hatchery.Bench.Fdo;

/// <summary>Devices of one process, a few at a time, onboarded over real sockets. Prints how many, and how long the slowest and the middle one took.</summary>
internal static class To2Devices
{
    public static async Task<int> RunAsync(string[] args)
    {
        string folder = args[0];
        int from = int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture), count = int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture);
        var chance = new SystemChance();
        using var sealer = new AesGcmSealer(new byte[32], chance);
        var credentials = To2Fleet.Read(Path.Combine(folder, "devices.bin")).Skip(from).Take(count).Select(d => DeviceCredential.Schema.Read(d, sealer, new("device"))).ToList();
        var options = new DeviceOptions { Facts = new DeviceFacts("Linux", "x64", "1", "bench"), Rounds = 1, Cipher = CipherSuite.A128Gcm };
        var identity = new PartyIdentity<DeviceCredential>(new Actor(FdoPlayers.Device, "device", "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), DeviceCredential.Schema);
        var times = new List<double>(count);
        Console.WriteLine("ready");
        await Console.In.ReadLineAsync();
        int failed = 0;
        int together = int.Parse(args[3], System.Globalization.CultureInfo.InvariantCulture);
        await Parallel.ForEachAsync(credentials, new ParallelOptions { MaxDegreeOfParallelism = together }, async (credential, cancel) =>
        {
            var watch = Stopwatch.StartNew();
            using var party = new OnboardingDevice(credential, options, new RendezvousAbilities(["http"]), chance);
            var host = new PartyHost<DeviceCredential>(party, identity, new HttpCarrier(_ => new FdoHttpClient()), (_, _, _) => default);
            var outcome = await host.RunAsync(cancel);
            if (!outcome.Succeeded && Interlocked.Increment(ref failed) == 1)
                await Console.Error.WriteLineAsync($"a device failed: {outcome.Reason}");
            lock (times)
                times.Add(watch.Elapsed.TotalMilliseconds);
        });
        times.Sort();
        Console.WriteLine($"{count - failed} {times[times.Count / 2]:F2} {times[^1]:F2}");
        return failed == 0 ? 0 : 1;
    }
}
