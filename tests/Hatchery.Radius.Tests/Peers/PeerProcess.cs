using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>A program of the distribution as a peer: what it says is kept; it is ended by its own process id, and by the kernel if the tests are killed.</summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];
    private readonly Task _out, _error;

    public PeerProcess(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("setpriv", [.. DiesWithParent, command, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        _process = Starter.Start(start);
        (_out, _error) = (Pump(_process.StandardOutput), Pump(_process.StandardError));
    }

    /// <summary>Arguments of setpriv.</summary>
    public static string[] DiesWithParent => ["--pdeathsig", "KILL", "--"];

    /// <summary>For the kernel a process's parent is the thread that started it: one that lasts as long as the tests.</summary>
    private static class Starter
    {
        private static readonly System.Collections.Concurrent.BlockingCollection<(ProcessStartInfo What, TaskCompletionSource<Process> Started)> s_work = [];

        static Starter() => new Thread(Run) { IsBackground = true, Name = "peers" }.Start();

        private static void Run()
        {
            foreach (var (what, started) in s_work.GetConsumingEnumerable())
                try
                {
                    started.SetResult(Process.Start(what)!);
                }
                catch (Exception e)
                {
                    started.SetException(e);
                }
        }

        public static Process Start(ProcessStartInfo what)
        {
            var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
            s_work.Add((what, started));
            return started.Task.GetAwaiter().GetResult();
        }
    }

    /// <summary>Enough for a slow machine; what takes longer has failed.</summary>
    public static CancellationTokenSource Patience(int seconds = 60) => new(TimeSpan.FromSeconds(seconds));

    public StreamWriter Input => _process.StandardInput;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    private Task Pump(StreamReader from) => Task.Run(async () =>
    {
        char[] buffer = new char[4096];
        int n;
        while ((n = await from.ReadAsync(buffer)) > 0)
            lock (_output)
            {
                _output.Append(buffer, 0, n);
                string text = _output.ToString();
                foreach (var (awaited, seen) in _awaited)
                    if (text.Contains(awaited, StringComparison.Ordinal))
                        seen.TrySetResult();
            }
        // Who still waits waits in vain.
        lock (_output)
            foreach (var (awaited, seen) in _awaited)
                seen.TrySetException(new InvalidOperationException($"The peer never said '{awaited}' but:\n{_output}"));
    });

    public async Task SaysAsync(string text, CancellationToken cancel)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_output)
        {
            if (_output.ToString().Contains(text, StringComparison.Ordinal))
                return;
            if (_out.IsCompleted)
                throw new InvalidOperationException($"The peer never said '{text}' but:\n{_output}");
            _awaited.Add((text, seen));
        }
        try
        {
            await seen.Task.WaitAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            throw new InvalidOperationException($"The peer never said '{text}' but:\n{Output}");
        }
    }

    /// <summary>Exit code and everything it said.</summary>
    public async Task<(int Code, string Output)> EndsAsync(CancellationToken cancel)
    {
        Input.Close();
        try
        {
            await _process.WaitForExitAsync(cancel);
            await Task.WhenAll(_out, _error).WaitAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            throw new InvalidOperationException($"The peer does not end; it said:\n{Output}");
        }
        return (_process.ExitCode, Output);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>A port of 127.0.0.1 that nobody has now, for programs that cannot be told to choose one.</summary>
    public static int FreePort(bool tcp = false)
    {
        using var socket = tcp ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) : new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}

/// <summary>A folder for a peer's files, removed behind the test.</summary>
internal sealed class PeerFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hatchery-radius-").FullName;

    public string Write(string name, string text)
    {
        string path = System.IO.Path.Combine(Path, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
