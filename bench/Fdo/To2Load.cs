using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Hatchery.Bench.Fdo;

/// <summary>Server CPU per TO2 against the floor of its public-key operations, and TO2 per second, with device processes on the same machine.</summary>
internal static class To2Load
{
    public static async Task<int> RunAsync(string[] args)
    {
        string curve = Option(args, "--curve", "p256");
        int processes = int.Parse(Option(args, "--processes", "4"), CultureInfo.InvariantCulture), each = int.Parse(Option(args, "--each", "1000"), CultureInfo.InvariantCulture);
        string together = Option(args, "--together", "8");
        int warm = Math.Max(500, each / 4);
        string folder = Directory.CreateTempSubdirectory("hatchery-bench").FullName;
        int port = FreePort();
        try
        {
            Console.WriteLine($"Making {processes * (each + warm)} devices ({curve}).");
            To2Fleet.Make(folder, curve, processes * (each + warm), port);
            using var server = Start("fdo-to2-server", folder, $"{port}", Option(args, "--store", "sqlite"));
            await Expect(server, "ready");
            await OnboardAsync(folder, processes, together, warm, 0);
            double floorBefore = Floor.Microseconds(curve);
            var before = await CpuAsync(server);
            var (seconds, onboarded, median, slowest) = await OnboardAsync(folder, processes, together, each, processes * warm);
            var after = await CpuAsync(server);
            double cpu = (after.All - before.All) / onboarded;
            double floor = Math.Min(floorBefore, Floor.Microseconds(curve));
            await server.StandardInput.WriteLineAsync("end");
            await server.WaitForExitAsync();
            Console.WriteLine($"{onboarded} TO2 in {seconds:F1} s: {onboarded / seconds:F0} TO2/s with {processes} device processes, {together} devices at a time in each, beside the server; median {median:F1} ms, slowest {slowest:F1} ms");
            Console.WriteLine($"server CPU {cpu:F0} us per TO2, of it {(after.Writer - before.Writer) / onboarded:F0} on the database's writer; floor of its public-key operations {floor:F0} us (generate, agree, 2 signatures, 1 verification at OpenSSL's speed); ratio {cpu / floor:F2}");
            Console.WriteLine($"{(after.Bytes - before.Bytes) / onboarded / 1024:F0} kB allocated per TO2, {after.Collections - before.Collections} collections");
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(double Seconds, int Onboarded, double Median, double Slowest)> OnboardAsync(string folder, int processes, string together, int each, int from)
    {
        var devices = Enumerable.Range(0, processes).Select(i => Start("fdo-to2-devices", folder, $"{from + i * each}", $"{each}", together)).ToList();
        foreach (var process in devices)
            await Expect(process, "ready");
        var watch = Stopwatch.StartNew();
        foreach (var process in devices)
            await process.StandardInput.WriteLineAsync("go");
        int onboarded = 0;
        double median = 0, slowest = 0;
        foreach (var process in devices)
        {
            string[] said = (await process.StandardOutput.ReadLineAsync() ?? "0 0 0").Split(' ');
            onboarded += int.Parse(said[0], CultureInfo.InvariantCulture);
            median = Math.Max(median, double.Parse(said[1], CultureInfo.InvariantCulture));
            slowest = Math.Max(slowest, double.Parse(said[2], CultureInfo.InvariantCulture));
        }
        double seconds = watch.Elapsed.TotalSeconds;
        foreach (var process in devices)
        {
            await process.WaitForExitAsync();
            process.Dispose();
        }
        return (seconds, onboarded, median, slowest);
    }

    private static async Task<(double All, double Writer, double Bytes, int Collections)> CpuAsync(Process server)
    {
        await server.StandardInput.WriteLineAsync("cpu");
        string[] said = (await server.StandardOutput.ReadLineAsync())!.Split(' ');
        return (double.Parse(said[0], CultureInfo.InvariantCulture), double.Parse(said[1], CultureInfo.InvariantCulture), double.Parse(said[2], CultureInfo.InvariantCulture), int.Parse(said[3], CultureInfo.InvariantCulture));
    }

    private static Process Start(params string[] args)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(typeof(To2Load).Assembly.Location);
        foreach (string arg in args)
            start.ArgumentList.Add(arg);
        if (!Path.GetFileNameWithoutExtension(Environment.ProcessPath!).Equals("dotnet", StringComparison.Ordinal))
            start.ArgumentList.RemoveAt(0);
        return Process.Start(start)!;
    }

    private static async Task Expect(Process process, string line)
    {
        if (await process.StandardOutput.ReadLineAsync() != line)
            throw new InvalidOperationException("A child process did not start.");
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static string Option(string[] args, string name, string fallback) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : fallback;
}
