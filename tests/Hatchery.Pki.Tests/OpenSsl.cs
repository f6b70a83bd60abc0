using System.Diagnostics;

namespace Hatchery.Pki.Tests;

/// <summary>The openssl command as a judge from outside, in a folder of its own.</summary>
internal sealed class OpenSsl : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hatchery-openssl-").FullName;

    public string Put(string name, string text)
    {
        File.WriteAllText(Path.Combine(_folder, name), text);
        return name;
    }

    public string Put(string name, ReadOnlySpan<byte> bytes)
    {
        File.WriteAllBytes(Path.Combine(_folder, name), bytes);
        return name;
    }

    public byte[] GetBytes(string name) => File.ReadAllBytes(Path.Combine(_folder, name));

    public string Get(string name) => File.ReadAllText(Path.Combine(_folder, name));

    public (int Code, string Output) Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("openssl", arguments) { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    public void Dispose() => Directory.Delete(_folder, true);
}
