using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Dtls;

namespace Hatchery.Bench.Dtls;

/// <summary>CPU per handshake of server and client, records per second, and memory per idle session; everything in memory and on one thread, beside libssl doing the same in the
/// same run where it can (dtls-figures).</summary>
internal static class DtlsFigures
{
    private static readonly SecretBytes s_key = new(RandomNumberGenerator.GetBytes(16));
    private static TimeSpan s_now = TimeSpan.FromHours(1);

    private static Moment Now => new(s_now, null);

    public static int Run(string[] args)
    {
        int sessions = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 100_000;
        foreach (var suite in new[] { DtlsCipherSuite.PskAes128Ccm8, DtlsCipherSuite.EcdheEcdsaAes128GcmSha256 })
            Handshakes(suite);
        foreach (int size in new[] { 64, 1024 })
            Records(size);
        Idle(sessions);
        return 0;
    }

    private static (DtlsClientOptions, DtlsServerOptions) Options(DtlsCipherSuite suite)
    {
        if (suite == DtlsCipherSuite.PskAes128Ccm8)
            return (new() { Psk = new("sensor", s_key), Suites = [suite] }, new() { PskOf = _ => s_key, Suites = [suite], SessionCache = 0, Tickets = false });
        using var platform = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var certificate = new CertificateRequest("CN=server", platform, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        var key = SigningKeys.ImportPrivate(platform.ExportPkcs8PrivateKey());
        return (new() { Trust = DtlsTrusts.Anybody, Suites = [suite] },
            new() { Identity = DtlsIdentity.FromChain([certificate.RawData], key), Suites = [suite], SessionCache = 0, Tickets = false });
    }

    private static long s_serverTicks, s_clientTicks;

    /// <summary>Runs a handshake; the client is the caller's to dispose of.</summary>
    private static DtlsClient<int> Connect(DtlsServer<int> server, DtlsClientOptions options, int path, byte[] buffer)
    {
        long start = Stopwatch.GetTimestamp();
        var client = new DtlsClient<int>(options, path, s_chance, Now);
        while (true)
        {
            bool moved = false;
            while (client.TryTransmit(buffer, out var t))
            {
                long before = Stopwatch.GetTimestamp();
                server.Receive(buffer.AsSpan(0, t.Length), path, Now, default);
                while (server.TryEvent(out _))
                {
                }
                s_serverTicks += Stopwatch.GetTimestamp() - before;
                moved = true;
            }
            while (true)
            {
                long before = Stopwatch.GetTimestamp();
                bool has = server.TryTransmit(buffer, out var t);
                s_serverTicks += Stopwatch.GetTimestamp() - before;
                if (!has)
                    break;
                client.Receive(buffer.AsSpan(0, t.Length), path, Now, default);
                moved = true;
            }
            while (client.TryEvent(out _))
            {
            }
            if (!moved)
                break;
        }
        s_clientTicks += Stopwatch.GetTimestamp() - start;
        return client.Connection is not null ? client : throw new InvalidOperationException("The handshake failed.");
    }

    private static readonly SystemChance s_chance = new();

    private static void Handshakes(DtlsCipherSuite suite)
    {
        var (clientOptions, serverOptions) = Options(suite);
        byte[] buffer = new byte[4096];
        for (int round = 0; round < 2; round++)
        {
            using var server = new DtlsServer<int>(serverOptions, s_chance, Now);
            (s_serverTicks, s_clientTicks) = (0, 0);
            int count = suite == DtlsCipherSuite.PskAes128Ccm8 ? 5000 : 2000;
            for (int i = 0; i < count; i++)
                Connect(server, clientOptions, i, buffer).Dispose();
            if (round == 1)
                Console.WriteLine($"{suite}: server {Stopwatch.GetElapsedTime(0, s_serverTicks).TotalMicroseconds / count:0.0} us, client {Stopwatch.GetElapsedTime(0, s_clientTicks - s_serverTicks).TotalMicroseconds / count:0.0} us per full handshake with cookie");
        }
        Console.WriteLine(LibSslHandshakes.Measure(suite));
    }

    private static void Records(int size)
    {
        var (clientOptions, serverOptions) = Options(DtlsCipherSuite.PskAes128Ccm8);
        byte[] buffer = new byte[4096], data = new byte[size];
        using var server = new DtlsServer<int>(serverOptions, s_chance, Now);
        using var client = Connect(server, clientOptions, 1, buffer);
        for (int round = 0; round < 3; round++)
        {
            const int Count = 200_000;
            long allocated = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                client.Send(data, default, Now);
                client.TryTransmit(buffer, out var t);
                server.Receive(buffer.AsSpan(0, t.Length), 1, Now, default);
                server.TryEvent(out _);
            }
            var took = Stopwatch.GetElapsedTime(start);
            if (round == 2)
                Console.WriteLine($"CCM-8, {size} bytes: {took.TotalMicroseconds / Count:0.00} us per record sealed and opened, {(GC.GetAllocatedBytesForCurrentThread() - allocated) / (double)Count:0.0} bytes allocated");
        }
        Console.WriteLine(LibSslHandshakes.Records(size));
    }

    private static long Resident()
    {
        GC.Collect(2, GCCollectionMode.Forced, true, true);
        GC.WaitForPendingFinalizers();
        GC.Collect(2, GCCollectionMode.Forced, true, true);
        return long.Parse(File.ReadAllLines("/proc/self/status").First(l => l.StartsWith("VmRSS", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Resident memory of the process, native included, with so many sessions that idle, divided by them. Clients are closed without a word to the server.</summary>
    private static void Idle(int sessions)
    {
        var (clientOptions, serverOptions) = Options(DtlsCipherSuite.PskAes128Ccm8);
        byte[] buffer = new byte[4096];
        using var server = new DtlsServer<int>(serverOptions, s_chance, Now);
        Connect(server, clientOptions, -1, buffer).Dispose();
        long before = Resident(), managedBefore = GC.GetTotalMemory(true);
        for (int i = 0; i < sessions; i++)
        {
            Connect(server, clientOptions, i, buffer).Dispose();
            s_now += TimeSpan.FromMilliseconds(1);
            if (server.Deadline <= s_now)
                server.Tick(Now);
        }
        long after = Resident(), managed = GC.GetTotalMemory(true) - managedBefore;
        Console.WriteLine($"{server.Sessions} idle sessions on one port: {(after - before) / (double)sessions:0} bytes each resident, {managed / (double)sessions:0} of them managed");
        var time = Stopwatch.StartNew();
        int woken = 0;
        for (; woken < 10_000; woken++)
        {
            s_now = server.Deadline > s_now ? server.Deadline : s_now;
            server.Tick(Now);
        }
        Console.WriteLine($"timers: {time.Elapsed.TotalMicroseconds / woken:0.0} us per wake-up");
    }
}
