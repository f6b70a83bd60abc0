using System.Collections.Immutable;

namespace Hatchery;

/// <summary>What a device runs at its owner's wish. Real in Transports; which commands may run, and with what limits, is decided there.</summary>
public interface IDeviceCommands
{
    /// <summary>Starts a program; no shell reads the line.</summary>
    /// <exception cref="DeviceCommandException">Not allowed, not there, or it cannot be started.</exception>
    IDeviceCommand Start(string command, ImmutableArray<string> arguments);
}

/// <summary>A program that runs. Disposing ends it.</summary>
public interface IDeviceCommand : IDisposable
{
    /// <summary>What it wrote since the last call, as soon as there is something or it ended, but after <paramref name="patience"/> at the latest.</summary>
    ValueTask<DeviceCommandOutput> ReadAsync(TimeSpan patience, CancellationToken cancel);

    /// <param name="number">As POSIX has it.</param>
    void Signal(int number);
}

/// <param name="ExitCode">Null while it runs; then 128 and the signal where one ended it.</param>
public readonly record struct DeviceCommandOutput(ReadOnlyMemory<byte> StandardOutput, ReadOnlyMemory<byte> StandardError, int? ExitCode);

public sealed class DeviceCommandException(string sentence, Exception? inner = null) : IOException(sentence, inner);

/// <summary>What a device fetches from elsewhere at its owner's wish.</summary>
public interface IDeviceFetcher
{
    /// <summary>Gets a resource over HTTP or HTTPS into a file that is not committed yet; returns its length.</summary>
    /// <exception cref="DeviceFetchException">Not allowed, not there, too slow, or broken off.</exception>
    /// <exception cref="DeviceFileException">The file took no more.</exception>
    ValueTask<long> FetchAsync(Uri from, Action<ReadOnlyMemory<byte>> into, CancellationToken cancel);
}

public sealed class DeviceFetchException(string sentence, Exception? inner = null) : IOException(sentence, inner);
