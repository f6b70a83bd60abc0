using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Hatchery.Lab;
using Hatchery.Server;
using Hatchery.Server.Roles;
using Hatchery.Transports;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Cli.Verbs;

/// <summary>One method of one protocol, run over real sockets: what demo and survey --live show.</summary>
/// <param name="Run">As the survey sees it; null if the assembler found no ceremony.</param>
internal sealed record LiveResult(Protocol Protocol, Method Method, bool Succeeded, string Reason, TimeSpan Took, LabRun? Run);

/// <summary>A server in a fresh folder on free ports, and devices in processes of their own.</summary>
internal sealed class LiveRuns : IAsyncDisposable
{
    private readonly string _folder;

    private LiveRuns(string folder, HatcheryServer server, int port) => (_folder, Server, Port) = (folder, server, port);

    public HatcheryServer Server { get; }
    public int Port { get; }
    public string Folder => _folder;
    /// <summary>People act themselves instead of being played.</summary>
    public bool Interactive { get; init; }
    private string WitnessKeyFile => Path.Combine(_folder, "witness.key");

    public static async Task<LiveRuns> StartAsync(bool bypass, int? adminPort, string? capture, CancellationToken cancel, bool interactive = false)
    {
        string folder = Directory.CreateTempSubdirectory("hatchery-demo-").FullName;
        int port = FreePort();
        await File.WriteAllBytesAsync(Path.Combine(folder, "witness.key"), RandomNumberGenerator.GetBytes(32), cancel);
        var configuration = new ConfigurationBuilder()
            .AddJsonStream(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(LocalSetUp.Json(Path.Combine(folder, "data"), port, adminPort ?? 0, bypass, radiusPort: 0))))
            .AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["witnessKeyFile"] = Path.Combine(folder, "witness.key"),
                ["observations"] = Path.Combine(folder, "server.jsonl"),
                ["capture"] = capture ?? "",
            }).Build();
        try
        {
            return new LiveRuns(folder, await HatcheryServer.StartAsync(ServerOptions.Read(configuration), cancel, Console.Error), port) { Interactive = interactive };
        }
        catch
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    /// <summary>Every live method asked for, each on a server of its own.</summary>
    public static async Task<ImmutableArray<LabRun>> AllAsync(IReadOnlyCollection<string> only, CancellationToken cancel)
    {
        var runs = ImmutableArray.CreateBuilder<LabRun>();
        foreach (var protocol in LabMethods.Only(only))
            foreach (var method in protocol.Methods)
                if (LiveMethods.Find(method.Id) is { } live)
                {
                    await using var server = await StartAsync(live.Bypass, null, null, cancel);
                    if ((await live.RunAsync(server, method, null, cancel)).Run is { } run)
                        runs.Add(run);
                }
        return runs.ToImmutable();
    }

    /// <summary>Runs this program as another process and waits for it.</summary>
    /// <returns>Exit code, and the last line that it said.</returns>
    public static async Task<(int Code, string Output, string Errors)> ChildAsync(IEnumerable<string> arguments, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet")
            start.ArgumentList.Add(typeof(LiveRuns).Assembly.Location);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(cancel);
        var errors = process.StandardError.ReadToEndAsync(cancel);
        try
        {
            await process.WaitForExitAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return (process.ExitCode, await output, await errors);
    }

    /// <summary>Calls the admin API as an operator would.</summary>
    public async Task<JsonDocument> AdminAsync(HttpMethod method, string path, CancellationToken cancel, string? text = null)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(method, $"http://{Server.EndPoint("admin")}/api/v1{path}");
        request.Headers.Add("Authorization", "Bearer " + Server.FirstToken);
        if (text is not null)
            request.Content = new StringContent(text);
        using var response = await http.SendAsync(request, cancel);
        string body = await response.Content.ReadAsStringAsync(cancel);
        return response.IsSuccessStatusCode ? JsonDocument.Parse(body) : throw new CommandException($"{method} {path} answered {(int)response.StatusCode}: {body}");
    }

    public IEnumerable<string> Witnessed(string observations) => ["--witness-key", WitnessKeyFile, "--observations", observations];

    /// <summary>The newest ceremony of a method, from what server and devices saw.</summary>
    public async Task<LabRun?> RunOfAsync(Method method, IEnumerable<string> deviceObservations, CancellationToken cancel)
    {
        var processes = new List<IReadOnlyList<Observation>> { Server.Observatory.Observations };
        foreach (string file in deviceObservations)
        {
            await using var stream = File.OpenRead(file);
            var all = new List<Observation>();
            await foreach (var observation in ObservationFile.ReadAsync(stream, RoleList.Protocols, cancel))
                all.Add(observation);
            processes.Add(all);
        }
        return LiveRun.From(RoleList.Protocols, processes).LastOrDefault(r => r.Method == method) ?? LiveRun.From(RoleList.Protocols, processes).LastOrDefault();
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
