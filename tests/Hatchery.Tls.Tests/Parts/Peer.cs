using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Hatchery.Tls.Tests;

/// <summary>A command as a peer, on loopback: openssl, gnutls-cli.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly List<(string Text, TaskCompletionSource<string> Seen)> _awaited = [];

    public Peer(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        Pump(_process.StandardOutput);
        Pump(_process.StandardError);
    }

    public StreamWriter Input => _process.StandardInput;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    private void Pump(StreamReader from) => _ = Task.Run(async () =>
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
                        seen.TrySetResult(text);
            }
    });

    /// <summary>All output until this occurs in it.</summary>
    public async Task<string> OutputWithAsync(string text, CancellationToken cancel)
    {
        var seen = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_output)
        {
            if (_output.ToString().Contains(text, StringComparison.Ordinal))
                return _output.ToString();
            _awaited.Add((text, seen));
        }
        try
        {
            return await seen.Task.WaitAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            throw new InvalidOperationException($"The peer never said '{text}' but:\n{Output}");
        }
    }

    public async Task<string> OutputToEndAsync(CancellationToken cancel)
    {
        Input.Close();
        await _process.WaitForExitAsync(cancel);
        return $"{Output}\nexit code {_process.ExitCode}";
    }

    /// <summary>Connects to an s_server that was started with -accept 127.0.0.1:0.</summary>
    public async Task<NetworkStream> ConnectAsync(CancellationToken cancel)
    {
        const string before = "ACCEPT 127.0.0.1:";
        string output = await OutputWithAsync(before, cancel);
        while (!output[(output.IndexOf(before, StringComparison.Ordinal) + before.Length)..].Contains('\n', StringComparison.Ordinal))
            output = await OutputWithAsync("\n", cancel);
        string port = output[(output.IndexOf(before, StringComparison.Ordinal) + before.Length)..].Split('\n')[0];
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture), cancel);
        return client.GetStream();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
