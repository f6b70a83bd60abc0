using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Text;

namespace Hatchery.Coap.Tests;

/// <summary>libcoap's example programs, the build with OpenSSL (Debian: libcoap3-bin).</summary>
internal sealed class Tool : IDisposable
{
    public const string Client = "coap-client-openssl", Server = "coap-server-openssl";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly StringBuilder _output = new(), _errors = new();
    private readonly Task _reading;

    public Tool(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        _process.StandardInput.Close();
        _reading = Task.WhenAll(Read(_process.StandardOutput, _output), Read(_process.StandardError, _errors));
    }

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    private static async Task Read(StreamReader from, StringBuilder into)
    {
        var buffer = new char[4096];
        int n;
        while ((n = await from.ReadAsync(buffer)) > 0)
            lock (into)
                into.Append(buffer, 0, n);
    }

    /// <summary>What a client printed, once it has ended.</summary>
    public static async Task<string> RunAsync(params IEnumerable<string> arguments)
    {
        using var tool = new Tool(Client, arguments);
        using var limit = new CancellationTokenSource(s_patience);
        await tool._process.WaitForExitAsync(limit.Token);
        await tool._reading;
        return tool._output.ToString() + tool._errors;
    }

    /// <summary>Looks again until it is so; fails after half a minute.</summary>
    public static async Task Until(Func<bool> condition, string what)
    {
        var since = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(since.Elapsed < s_patience, $"Never seen: {what}");
            await Task.Delay(5);
        }
    }

    public async Task EndedAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(s_patience);
        await _reading;
    }

    /// <summary>A server on a port (and, for DTLS and TLS, the next) that was free a moment ago; another is tried if it was taken meanwhile.</summary>
    public static async Task<(Tool Server, int Port)> ServeAsync(params string[] arguments)
    {
        for (int attempt = 0; attempt < 5; attempt++)
        {
            int port = FreePair();
            var server = new Tool(Server, ["-A", "127.0.0.1", "-p", port.ToString(CultureInfo.InvariantCulture), .. arguments]);
            if (await server.ListensAsync(port))
                return (server, port);
            server.Dispose();
        }
        throw new InvalidOperationException("coap-server found no port.");
    }

    private async Task<bool> ListensAsync(int port)
    {
        var until = Stopwatch.StartNew();
        while (!_process.HasExited && until.Elapsed < s_patience)
        {
            var properties = IPGlobalProperties.GetIPGlobalProperties();
            if (properties.GetActiveUdpListeners().Any(e => e.Port == port) && properties.GetActiveTcpListeners().Any(e => e.Port == port))
                return true;
            await Task.Delay(10);
        }
        return false;
    }

    private static int FreePair()
    {
        while (true)
        {
            using var first = new System.Net.Sockets.UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
            int port = ((IPEndPoint)first.Client.LocalEndPoint!).Port;
            var properties = IPGlobalProperties.GetIPGlobalProperties();
            var taken = properties.GetActiveTcpListeners().Concat(properties.GetActiveUdpListeners()).Select(e => e.Port).ToHashSet();
            if (port < 65535 && !taken.Contains(port + 1) && !properties.GetActiveTcpListeners().Any(e => e.Port == port))
                return port;
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
