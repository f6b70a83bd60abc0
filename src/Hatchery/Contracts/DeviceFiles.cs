namespace Hatchery;

/// <summary>Where a device keeps files that its owner sends: one folder, which names cannot leave. Real in Transports, in memory in Simulation.</summary>
public interface IDeviceFiles
{
    /// <summary>Begins a file; nothing of it can be seen under its name before <see cref="IDeviceFileWriter.Commit"/>.</summary>
    /// <exception cref="DeviceFileException">The name is refused.</exception>
    IDeviceFileWriter Create(string name);

    /// <summary>Null if there is none.</summary>
    /// <exception cref="DeviceFileException">The name is refused.</exception>
    byte[]? Read(string name);
}

/// <summary>Disposing without a commit leaves what was there before.</summary>
public interface IDeviceFileWriter : IDisposable
{
    /// <exception cref="DeviceFileException">The limit on size is passed, or the disk is full.</exception>
    void Write(ReadOnlySpan<byte> bytes);

    /// <summary>Replaces the file as a whole; durable on return.</summary>
    void Commit();
}

public sealed class DeviceFileException(string sentence, Exception? inner = null) : IOException(sentence, inner);
