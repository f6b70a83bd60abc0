namespace Hatchery.Simulation;

/// <summary>A device's folder in memory; survives the death of its process, but for files not committed.</summary>
/// <param name="limit">Bytes of one file.</param>
public sealed class SimulatedDeviceFiles(int limit = 1 << 24) : IDeviceFiles
{
    private readonly SortedDictionary<string, byte[]> _files = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, byte[]> Files => _files;

    public IDeviceFileWriter Create(string name) => new Writer(this, Checked(name));
    public byte[]? Read(string name) => _files.TryGetValue(Checked(name), out var bytes) ? (byte[])bytes.Clone() : null;

    private static string Checked(string name) =>
        name.Length is > 0 and <= 255 && name is not ("." or "..") && !name.Any(c => c is '/' or '\\' || char.IsControl(c)) ? name
            : throw new DeviceFileException("The name is not one of a file in the device's folder.");

    private sealed class Writer(SimulatedDeviceFiles files, string name) : IDeviceFileWriter
    {
        private readonly MemoryStream _bytes = new();

        public void Write(ReadOnlySpan<byte> bytes)
        {
            if (_bytes.Length + bytes.Length > files.Limit)
                throw new DeviceFileException($"{name} would have more than {files.Limit} bytes.");
            _bytes.Write(bytes);
        }

        public void Commit() => files._files[name] = _bytes.ToArray();
        public void Dispose() => _bytes.Dispose();
    }

    private int Limit => limit;
}
