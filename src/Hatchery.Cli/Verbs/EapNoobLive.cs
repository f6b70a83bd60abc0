using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Hatchery.EapNoob;
using Hatchery.Server;

namespace Hatchery.Cli.Verbs;

/// <summary>EAP-NOOB: a device process, as its own switch, joins the network over RADIUS with the help of a user; in the reconnect method it then comes back without.</summary>
internal static class EapNoobLive
{
    private const string Serial = "DUCK-9140", Account = "alice";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static async Task<LiveResult> RunAsync(LiveRuns live, Method method, string? capture, CancellationToken cancel)
    {
        var watch = Stopwatch.StartNew();
        var observed = new List<string>();
        live.Server.SawHuman(NoobSteps.PowerOn, "serial", Encoding.UTF8.GetBytes(Serial));
        bool takes = method.Id == NoobProfile.ServerToPeerMethod, twice = method.Id == NoobProfile.ReconnectMethod;
        string? problem = await JoinAsync(live, method, takes ? "take" : "show", observed, twice ? null : capture, cancel);
        if (problem is null && twice)
            problem = await JoinAsync(live, method, null, observed, capture, cancel);
        var run = await live.RunOfAsync(method, observed, cancel);
        bool succeeded = problem is null && run is { First.Outcome.Succeeded: true };
        return new LiveResult(NoobProfile.Protocol, method, succeeded, problem ?? run?.First?.Outcome.Reason ?? "no ceremony was seen", watch.Elapsed, run);
    }

    /// <param name="user">"show" or "take": what the user helps with; null: there is none.</param>
    /// <returns>What went wrong; null: the device is in, and the authenticator has its keys.</returns>
    private static async Task<string?> JoinAsync(LiveRuns live, Method method, string? user, List<string> observed, string? capture, CancellationToken cancel)
    {
        string file = Path.Combine(live.Folder, $"{method.Id}-{observed.Count}.jsonl"), code = Path.Combine(live.Folder, "code");
        var arguments = new List<string>
        {
            "eapnoob", "device", "join", "--state", Path.Combine(live.Folder, "device-" + method.Id), "--radius", $"127.0.0.1:{live.Server.EndPoint("radius").Port}", "--secret", "testing123",
            "--serial", Serial, "--allow-http", "--failures", "3", "--backoff", "1", "--json",
        };
        if (user is not null)
            arguments.AddRange(["--direction", user, user == "show" ? "--show-file" : "--take-file", code]);
        if (capture is not null)
            arguments.AddRange(["--pcap", capture]);
        arguments.AddRange(live.Witnessed(file));
        var device = LiveRuns.ChildAsync(arguments, cancel);
        if (user == "show")
            await BringAsync(live, code, device, cancel);
        else if (user == "take")
            await FetchAsync(live, code, device, cancel);
        var (exit, output, errors) = await device;
        if (File.Exists(file))
            observed.Add(file);
        if (exit != 0)
            return $"eapnoob device join: {(output.Trim().Length > 0 ? output.Trim() : errors.Trim())}";
        using var said = JsonDocument.Parse(output);
        return said.RootElement.GetProperty("keysAgree").GetBoolean() ? null : "the authenticator has other keys than the device";
    }

    /// <summary>The device shows its code; the user takes it to the server, and looks at what the server says that the device claims to be.</summary>
    private static async Task BringAsync(LiveRuns live, string code, Task device, CancellationToken cancel)
    {
        if (!await ThereAsync(() => Task.FromResult(File.Exists(code)), device, cancel))
            return;
        string url = await File.ReadAllTextAsync(code, cancel);
        Console.Error.WriteLine($"The device shows:\n{QrPicture.Terminal(url)}{url}");
        if (live.Interactive)
        {
            Console.Error.WriteLine($"Open it, and register the device with this token: {live.Server.FirstToken}");
            return;
        }
        using (var claims = await live.AdminAsync(HttpMethod.Post, "/eapnoob/oob/look", cancel, url))
            Console.Error.WriteLine($"The user is told: {claims.RootElement.GetProperty("claims").GetString()}. It is the one in the hand.");
        using (await live.AdminAsync(HttpMethod.Post, $"/eapnoob/oob?account={Account}", cancel, url))
        {
        }
    }

    /// <summary>The server shows a code; the user takes it to the device.</summary>
    private static async Task FetchAsync(LiveRuns live, string code, Task device, CancellationToken cancel)
    {
        string? peerId = null;
        if (!await ThereAsync(async () =>
            {
                using var waiting = await live.AdminAsync(HttpMethod.Get, "/eapnoob/waiting", cancel);
                peerId = waiting.RootElement.EnumerateArray().Select(w => w.GetProperty("peerId").GetString()).LastOrDefault();
                return peerId is not null;
            }, device, cancel))
            return;
        using var made = await live.AdminAsync(HttpMethod.Post, $"/eapnoob/waiting/{peerId}/code?account={Account}", cancel, "");
        string text = made.RootElement.GetProperty("code").GetString()!;
        Console.Error.WriteLine($"The server shows:\n{QrPicture.Terminal(text)}{text}");
        if (live.Interactive)
        {
            Console.Error.Write("Enter the code at the device: ");
            text = Console.ReadLine() ?? text;
        }
        await File.WriteAllTextAsync(code + ".part", text, cancel);
        File.Move(code + ".part", code, overwrite: true);
    }

    /// <summary>False: the device ended first, or it takes too long.</summary>
    private static async Task<bool> ThereAsync(Func<Task<bool>> there, Task device, CancellationToken cancel)
    {
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < s_patience && !device.IsCompleted; await Task.Delay(50, cancel))
            if (await there())
                return true;
        return false;
    }
}
