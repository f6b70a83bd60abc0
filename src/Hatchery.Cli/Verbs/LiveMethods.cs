using System.Diagnostics;
using Hatchery.Fdo;

namespace Hatchery.Cli.Verbs;

/// <summary>How a method is run over real sockets. A protocol adds its lines.</summary>
internal sealed record LiveMethod(string Id, bool Bypass, Func<LiveRuns, Method, string?, CancellationToken, Task<LiveResult>> RunAsync);

internal static class LiveMethods
{
    public static readonly IReadOnlyList<LiveMethod> All =
    [
        new(FdoProfile.RendezvousMethod, false, FdoLive.RunAsync),
        new(FdoProfile.BypassMethod, true, FdoLive.RunAsync),
        new(EapNoob.NoobProfile.PeerToServerMethod, false, EapNoobLive.RunAsync),
        new(EapNoob.NoobProfile.ServerToPeerMethod, false, EapNoobLive.RunAsync),
        new(EapNoob.NoobProfile.ReconnectMethod, false, EapNoobLive.RunAsync),
    ];

    public static LiveMethod? Find(string id) => All.FirstOrDefault(m => m.Id == id);
}

/// <summary>FDO: a device process is initialized, sold by an operator, onboarded, and uses what it got.</summary>
internal static class FdoLive
{
    private static readonly TimeSpan s_registration = TimeSpan.FromSeconds(20);

    public static async Task<LiveResult> RunAsync(LiveRuns live, Method method, string? capture, CancellationToken cancel)
    {
        string device = Path.Combine(live.Folder, "device-" + method.Id);
        var watch = Stopwatch.StartNew();
        var observed = new List<string>();
        string? problem = null;

        async Task<bool> Device(params string[] arguments)
        {
            string file = Path.Combine(live.Folder, $"{method.Id}-{observed.Count}.jsonl");
            var all = new List<string> { "fdo", "device" };
            all.AddRange(arguments);
            all.AddRange(["--state", device, "--json", .. live.Witnessed(file)]);
            if (capture is not null && arguments[0] == "onboard")
                all.AddRange(["--pcap", capture]);
            var (code, output, errors) = await LiveRuns.ChildAsync(all, cancel);
            if (File.Exists(file))
                observed.Add(file);
            if (code != 0)
                problem = $"fdo device {arguments[0]}: {(errors.Trim().Length > 0 ? errors.Trim() : output.Trim())}";
            return code == 0;
        }

        if (await Device("init", "--manufacturer", $"http://127.0.0.1:{live.Port}", "--serial", "DUCK-1"))
        {
            using var made = await live.AdminAsync(HttpMethod.Get, "/fdo/manufactured", cancel);
            var guid = made.RootElement.EnumerateArray().Last().GetProperty("guid").GetGuid();
            using (await live.AdminAsync(HttpMethod.Post, $"/fdo/sell/{guid}", cancel))
            {
            }
            if (method.Id == FdoProfile.RendezvousMethod)
                await RegisteredAsync(live, guid, cancel);
            PowerOn(live, guid);
            if (await Device("onboard", "--rounds", "1"))
                await Device("use");
        }
        var run = await live.RunOfAsync(method, observed, cancel);
        bool succeeded = problem is null && run is { First.Outcome.Succeeded: true };
        return new LiveResult(FdoProfile.Protocol, method, succeeded, problem ?? run?.First?.Outcome.Reason ?? "no ceremony was seen", watch.Elapsed, run);
    }

    /// <summary>The installer's only act, played here.</summary>
    private static void PowerOn(LiveRuns live, Guid guid) => live.Server.SawHuman(FdoSteps.PowerOn, "fdo.guid", guid.ToByteArray(bigEndian: true));

    /// <summary>Until TO0 has been done, or has failed.</summary>
    private static async Task RegisteredAsync(LiveRuns live, Guid guid, CancellationToken cancel)
    {
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < s_registration; await Task.Delay(50, cancel))
        {
            using var schedule = await live.AdminAsync(HttpMethod.Get, $"/fdo/to0/{guid}", cancel);
            if (schedule.RootElement.GetProperty("granted").ValueKind == System.Text.Json.JsonValueKind.String)
                return;
            if (schedule.RootElement.GetProperty("failures").GetInt32() > 0)
                throw new CommandException($"TO0 failed: {schedule.RootElement.GetProperty("lastError").GetString()}");
        }
        throw new CommandException("The owner did not register at the rendezvous server in time.");
    }
}
