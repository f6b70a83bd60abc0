using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Hatchery.Transports;

/// <summary>Programs that a device's owner may have run.</summary>
public sealed record DeviceProgramOptions
{
    /// <summary>Names or paths as the owner must give them; empty: any.</summary>
    public ImmutableArray<string> Allowed { get; init; } = [];
    /// <summary>Then it is ended.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromMinutes(2);
    /// <summary>Bytes of standard output and of standard error that are kept; what is beyond is thrown away.</summary>
    public int MaxOutput { get; init; } = 1 << 20;
    /// <summary>Values that the program finds in its environment besides PATH; it gets nothing else of ours.</summary>
    public ImmutableDictionary<string, string> Environment { get; init; } = ImmutableDictionary<string, string>.Empty;
}

/// <summary>Runs programs in the device's folder, with no input, no shell, and an environment of their own.</summary>
/// <param name="folder">Working directory; made if it is missing.</param>
public sealed class DevicePrograms(string folder, DeviceProgramOptions options) : IDeviceCommands
{
    public IDeviceCommand Start(string command, ImmutableArray<string> arguments)
    {
        if (command.Length == 0 || command.Contains('\0', StringComparison.Ordinal) || arguments.Any(a => a.Contains('\0', StringComparison.Ordinal)))
            throw new DeviceCommandException("The command is empty or holds a NUL.");
        if (!options.Allowed.IsEmpty && !options.Allowed.Contains(command))
            throw new DeviceCommandException($"{command} is not among the commands that this device runs.");
        Directory.CreateDirectory(folder);
        var start = new ProcessStartInfo(command, arguments)
        {
            WorkingDirectory = Path.GetFullPath(folder),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        string? path = start.Environment.TryGetValue("PATH", out var found) ? found : null;
        start.Environment.Clear();
        if (path is not null)
            start.Environment["PATH"] = path;
        foreach (var (name, value) in options.Environment)
            start.Environment[name] = value;
        try
        {
            var process = Process.Start(start) ?? throw new DeviceCommandException($"{command} cannot be started.");
            process.StandardInput.Close();
            return new Running(process, options);
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            throw new DeviceCommandException($"{command} cannot be started: {e.Message}", e);
        }
    }

    private sealed class Running : IDeviceCommand
    {
        private readonly Process _process;
        private readonly CancellationTokenSource _end = new();
        private readonly SemaphoreSlim _news = new(0);
        private readonly Lock _lock = new();
        private readonly MemoryStream _output = new(), _error = new();
        private readonly int _max;
        private readonly Task<int> _ended;
        private int _kept, _keptError;

        public Running(Process process, DeviceProgramOptions options)
        {
            (_process, _max) = (process, options.MaxOutput);
            _end.CancelAfter(options.Limit);
            _ended = RunAsync();
        }

        private async Task<int> RunAsync()
        {
            var output = CopyAsync(_process.StandardOutput.BaseStream, _output, isError: false);
            var error = CopyAsync(_process.StandardError.BaseStream, _error, isError: true);
            try
            {
                await _process.WaitForExitAsync(_end.Token);
            }
            catch (OperationCanceledException)
            {
                Kill();
                await _process.WaitForExitAsync(CancellationToken.None);
            }
            // A grandchild may hold the pipes open for ever: what came by now is what there is.
            await Task.WhenAny(Task.WhenAll(output, error), Task.Delay(TimeSpan.FromSeconds(1)));
            int code = _process.ExitCode;
            _news.Release();
            return code;
        }

        private async Task CopyAsync(Stream from, MemoryStream into, bool isError)
        {
            var piece = new byte[8192];
            try
            {
                for (int read; (read = await from.ReadAsync(piece)) > 0;)
                {
                    lock (_lock)
                    {
                        ref int kept = ref isError ? ref _keptError : ref _kept;
                        int take = Math.Min(read, _max - kept);
                        kept += take;
                        into.Write(piece, 0, take);
                    }
                    _news.Release();
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The program is gone.
            }
        }

        public async ValueTask<DeviceCommandOutput> ReadAsync(TimeSpan patience, CancellationToken cancel)
        {
            if (!_ended.IsCompleted)
                await _news.WaitAsync(patience, cancel);
            int? code = _ended.IsCompleted ? await _ended : null;
            lock (_lock)
            {
                var read = new DeviceCommandOutput(_output.ToArray(), _error.ToArray(), code);
                _output.SetLength(0);
                _error.SetLength(0);
                return read;
            }
        }

        public void Signal(int number)
        {
            if (number is < 1 or > 64)
                return;
            if (OperatingSystem.IsWindows())
                Kill();
            else if (!_process.HasExited)
                Posix.Kill(_process.Id, number);
        }

        private void Kill()
        {
            try
            {
                _process.Kill(entireProcessTree: true);
            }
            catch (Exception e) when (e is InvalidOperationException or Win32Exception)
            {
                // It ended by itself.
            }
        }

        public void Dispose()
        {
            if (!_ended.IsCompleted)
                _end.Cancel();
            _ended.ContinueWith(_ =>
            {
                _process.Dispose();
                _end.Dispose();
            }, TaskScheduler.Default);
        }
    }
}

internal static partial class Posix
{
    [LibraryImport("libc", EntryPoint = "kill")]
    internal static partial int Kill(int process, int signal);
}
