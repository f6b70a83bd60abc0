using System.Collections.Immutable;
using System.CommandLine;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>What the device's owner may do with it beyond sending files: each module must be named.</summary>
internal sealed class FdoModuleOptions
{
    private readonly Option<string[]> _modules = new("--module")
    {
        Description = "A ServiceInfo module besides fdo.download: upload (the owner takes files of STATE/files), command (the owner runs programs there), wget (the device fetches files), "
            + "csr (the device asks for a certificate), csr-keygen (the owner makes its key too). May be given several times.",
        AllowMultipleArgumentsPerToken = true,
    };
    private readonly Option<string[]> _commands = new("--allow-command") { Description = "A program that the module command may run; by default any.", AllowMultipleArgumentsPerToken = true };
    private readonly Option<string[]> _hosts = new("--fetch-from") { Description = "A host that the module wget may fetch from; by default any.", AllowMultipleArgumentsPerToken = true };

    public void AddTo(System.CommandLine.Command command)
    {
        _modules.AcceptOnlyFromAmong("upload", "command", "wget", "csr", "csr-keygen");
        command.Add(_modules);
        command.Add(_commands);
        command.Add(_hosts);
    }

    private ImmutableArray<string> Wanted(ParseResult result) => [.. (result.GetValue(_modules) ?? []).Distinct()];

    public ImmutableArray<string> Names(ParseResult result) => ["fdo.download", .. Wanted(result).Select(m => m.StartsWith("csr", StringComparison.Ordinal) ? "fdo.csr" : "fdo." + m).Distinct()];

    public DeviceModuleHost Make(ParseResult result, DeviceDirectory device)
    {
        var modules = ImmutableArray.CreateBuilder<IDeviceModule>();
        modules.Add(new DownloadModule(device.Files));
        foreach (string name in Wanted(result))
            modules.Add(name switch
            {
                "upload" => new UploadModule(device.Files),
                "command" => new CommandModule(new DevicePrograms(Path.Combine(device.Path, "files"), new DeviceProgramOptions { Allowed = [.. result.GetValue(_commands) ?? []] })),
                "wget" => new WgetModule(device.Files, new DeviceFetcher(new DeviceFetcherOptions { Hosts = result.GetValue(_hosts) ?? [] })),
                _ => new CsrModule("CN=" + device.Credential().SerialNumber, ECCurve.NamedCurves.nistP256, new SystemChance(), name == "csr" ? CsrRequest.SimpleEnroll : CsrRequest.ServerKeyGen),
            });
        return new DeviceModuleHost(modules.ToImmutable());
    }
}
