using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Server;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>A simulated device's folder: credential, sealing key, witness key, files. The sealing key lies beside what it seals, as in a device without a secure element.</summary>
internal sealed class DeviceDirectory : IDisposable
{
    private readonly AesGcmSealer _sealer;

    private DeviceDirectory(string path)
    {
        Path = path;
        Directory.CreateDirectory(path);
        _sealer = new AesGcmSealer(Key("seal.key"), new SystemChance());
        WitnessKey = new WitnessKey(Key("witness.key"));
        File = StateFile.Open(DeviceCredential.Schema, System.IO.Path.Combine(path, "credential"), _sealer);
    }

    public static DeviceDirectory Open(DirectoryInfo folder) => new(folder.FullName);

    public string Path { get; }
    public StateFile<DeviceCredential> File { get; }
    public WitnessKey WitnessKey { get; }
    public DeviceFolder Files => new(System.IO.Path.Combine(Path, "files"));

    public DeviceCredential Credential() => File.Load() is { IsInitialized: true } credential ? credential
        : throw new CommandException($"{Path} holds no initialized device. Start with: hatchery fdo device init --manufacturer URL");

    private byte[] Key(string name)
    {
        string file = System.IO.Path.Combine(Path, name);
        if (System.IO.File.Exists(file))
            return System.IO.File.ReadAllBytes(file);
        byte[] key = RandomNumberGenerator.GetBytes(32);
        using var stream = PrivateFile.Create(file);
        stream.Write(key);
        return key;
    }

    public void Dispose()
    {
        File.Dispose();
        _sealer.Dispose();
    }
}

internal static class Destinations
{
    public static Destination From(string text, Player player) => Uri.TryCreate(text, UriKind.Absolute, out var address)
        && address is { Scheme: "http" or "https" or "tcp" or "tls", Port: > 0 } && address.AbsolutePath is "/" or ""
        ? new Destination(address.Scheme, address.Host, address.Port, new ChannelSecurity.None(), player)
        : throw new CommandException($"{text} is no address of the form http://HOST:PORT; https, tcp and tls are possible too.");
}
