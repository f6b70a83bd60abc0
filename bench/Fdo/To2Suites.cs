using System.Globalization;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Storage;

namespace Hatchery.Bench.Fdo;

/// <summary>fdo-suites: the server's part of one TO2 for each type of key, key exchange and cipher, in one thread, without sockets, records in memory.
/// fdo-memory COUNT: the process's memory while COUNT devices are onboarded on durable SQLite.</summary>
internal static class To2Suites
{
    private static readonly DeviceOptions s_options = new() { Facts = new DeviceFacts("Linux", "x64", "1", "bench"), Rounds = 1 };

    public static async Task<int> RunAsync(string[] args)
    {
        int count = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 300;
        foreach (var (type, kex, cipher) in new[]
        {
            (PublicKeyType.Secp256R1, "ECDH256", 1), (PublicKeyType.Secp256R1, "ECDH256", 32), (PublicKeyType.Secp256R1, "ECDH256", -17760704), (PublicKeyType.Secp384R1, "ECDH384", 3),
            (PublicKeyType.Rsa2048Restr, "DHKEXid14", 1), (PublicKeyType.Rsa2048Restr, "ASYMKEX2048", 1), (PublicKeyType.RsaPkcs, "DHKEXid15", 3), (PublicKeyType.RsaPkcs, "ASYMKEX3072", 3),
            (PublicKeyType.RsaPss, "DHKEXid15", 3),
        })
        {
            await using var store = new RecordStore(new MemoryBackend(TimeProvider.System), new AesGcmSealer(new byte[32], new SystemChance()));
            using var owner = new DirectOwner(type, store, TimeProvider.System);
            var options = s_options with { KeyExchange = KeyExchangeSuite.Require(kex), Cipher = CipherSuite.Require(cipher) };
            var devices = new List<DeviceCredential>();
            for (int i = 0; i < count + 50; i++)
                devices.Add(await owner.MakeAsync());
            for (int i = 0; i < 50; i++)
                await owner.OnboardAsync(devices[i], options);
            var before = owner.Spent;
            for (int i = 50; i < devices.Count; i++)
                if (!await owner.OnboardAsync(devices[i], options))
                    throw new InvalidOperationException(owner.LastFault);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{type,-13} {kex,-12} {(CipherSuiteName)cipher,-17} {(owner.Spent - before).TotalMicroseconds / count,8:F0} us of the server per TO2"));
        }
        return 0;
    }

    public static async Task<int> MemoryAsync(string[] args)
    {
        int count = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 100_000;
        string folder = Directory.CreateTempSubdirectory("hatchery-bench").FullName;
        try
        {
            await using var store = await SqliteStore.OpenAsync(Path.Combine(folder, "bench.db"), new AesGcmSealer(new byte[32], new SystemChance()), TimeProvider.System);
            using var owner = new DirectOwner(PublicKeyType.Secp256R1, store, TimeProvider.System);
            var watch = System.Diagnostics.Stopwatch.StartNew();
            for (int i = 1; i <= count; i++)
            {
                if (!await owner.OnboardAsync(await owner.MakeAsync(), s_options))
                    throw new InvalidOperationException(owner.LastFault);
                if (i % (count / 10) == 0)
                {
                    using var me = System.Diagnostics.Process.GetCurrentProcess();
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{i,7} onboarded, {watch.Elapsed.TotalSeconds,5:F0} s: live {GC.GetTotalMemory(forceFullCollection: true) / 1048576.0:F1} MB, resident {me.WorkingSet64 / 1048576.0:F0} MB, database {new FileInfo(Path.Combine(folder, "bench.db")).Length / 1048576.0:F0} MB"));
                }
            }
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
