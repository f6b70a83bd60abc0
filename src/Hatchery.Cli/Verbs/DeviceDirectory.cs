using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Server;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>An FDO device's folder: credential, keys, and the files that its owner sent.</summary>
internal sealed class DeviceDirectory : SimulatedDeviceFolder<DeviceCredential>
{
    private DeviceDirectory(string path) : base(path, DeviceCredential.Schema, "credential") { }

    public static DeviceDirectory Open(DirectoryInfo folder) => new(folder.FullName);

    public DeviceFolder Files => new(System.IO.Path.Combine(Path, "files"));

    public DeviceCredential Credential() => File.Load() is { IsInitialized: true } credential ? credential
        : throw new CommandException($"{Path} holds no initialized device. Start with: hatchery fdo device init --manufacturer URL");
}

internal static class Destinations
{
    public static Destination From(string text, Player player) => Uri.TryCreate(text, UriKind.Absolute, out var address)
        && address is { Scheme: "http" or "https" or "tcp" or "tls", Port: > 0 } && address.AbsolutePath is "/" or ""
        ? new Destination(address.Scheme, address.Host, address.Port, new ChannelSecurity.None(), player)
        : throw new CommandException($"{text} is no address of the form http://HOST:PORT; https, tcp and tls are possible too.");
}
