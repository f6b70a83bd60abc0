using System.Diagnostics;
using System.Text;

namespace Hatchery.Dtls.Tests;

/// <summary>A command as a peer: openssl, gnutls-cli, gnutls-serv.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];

    public Peer(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        Listen(_process.StandardOutput);
        Listen(_process.StandardError);
    }

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    private void Listen(StreamReader from) => _ = Task.Run(async () =>
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
    });

    public async Task SaysAsync(string text, CancellationToken cancel)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_output)
        {
            if (_output.ToString().Contains(text, StringComparison.Ordinal))
                return;
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

    public async Task TypeAsync(string line, CancellationToken cancel)
    {
        await _process.StandardInput.WriteAsync((line + "\n").AsMemory(), cancel);
        await _process.StandardInput.FlushAsync(cancel);
    }

    public async Task<int> EndAsync(CancellationToken cancel)
    {
        await _process.WaitForExitAsync(cancel);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    public static CancellationTokenSource Patience()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(TimeSpan.FromSeconds(Environment.GetEnvironmentVariable("HATCHERY_DTLS_INSIDE") == "1" ? 20 : 60));
        return source;
    }
}
