using System.Diagnostics;
using System.Text.Json;

namespace Product.Tests;

/// <summary>The hatchery command as a user types it: another process.</summary>
internal sealed record Command(int Code, string Output, string Errors)
{
    /// <summary>Longer than any command takes; ends a test that hangs.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static Task<Command> RunAsync(params string[] arguments) => RunInAsync(Path.GetTempPath(), new Dictionary<string, string>(), arguments);

    public static async Task<Command> RunInAsync(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using var process = Start(folder, environment, arguments);
        var output = process.StandardOutput.ReadToEndAsync(Running.Stop);
        var errors = process.StandardError.ReadToEndAsync(Running.Stop);
        await EndAsync(process);
        return new Command(process.ExitCode, await output, await errors);
    }

    public static Process Start(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        StartProgram("dotnet", folder, environment, [Path.Combine(AppContext.BaseDirectory, "Hatchery.Cli.dll"), .. arguments]);

    public static Process StartProgram(string program, string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    public static async Task EndAsync(Process process)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Running.Stop);
        limit.CancelAfter(s_limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>A device of fdo, in a folder.</summary>
    public static Task<Command> InitAsync(Running server, string state, string serial, string model = "duck") => RunAsync(
        "fdo", "device", "init", "--manufacturer", server.PublicAddress, "--state", state, "--serial", serial, "--model", model, "--json");

    public static Task<Command> OnboardAsync(string state) => RunAsync("fdo", "device", "onboard", "--state", state, "--rounds", "1", "--json");

    public static Task<Command> UseAsync(string state) => RunAsync("fdo", "device", "use", "--state", state, "--json");
}
