using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Server;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>A simulated device's folder: its state, the key that seals it, the witness key. The sealing key lies beside what it seals, as in a device without a secure element.</summary>
internal abstract class SimulatedDeviceFolder<TState> : IDisposable where TState : class
{
    private readonly AesGcmSealer _sealer;

    /// <param name="file">Name of the state's file.</param>
    protected SimulatedDeviceFolder(string path, Schema<TState> schema, string file)
    {
        Path = path;
        Directory.CreateDirectory(path);
        _sealer = new AesGcmSealer(Key("seal.key"), new SystemChance());
        WitnessKey = new WitnessKey(Key("witness.key"));
        File = StateFile.Open(schema, System.IO.Path.Combine(path, file), _sealer);
    }

    public string Path { get; }
    public StateFile<TState> File { get; }
    public WitnessKey WitnessKey { get; }

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
