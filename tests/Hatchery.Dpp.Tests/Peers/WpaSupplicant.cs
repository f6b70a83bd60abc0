using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Hatchery.Dpp.Tests.Peers;

/// <summary>The distribution's wpa_supplicant without a radio: driver "none", DPP over TCP on loopback (packages wpasupplicant).</summary>
internal sealed class WpaSupplicant : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly string _folder;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly List<string> _seen = [];

    private WpaSupplicant(Process process, string folder) => (_process, _folder) = (process, folder);

    public static async Task<WpaSupplicant> StartAsync()
    {
        string folder = Directory.CreateTempSubdirectory("hatchery-dpp-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "conf"), $"ctrl_interface={folder}/ctrl\ndpp_config_processing=1\n");
        var start = new ProcessStartInfo("/usr/sbin/wpa_supplicant", ["-D", "none", "-i", "lo", "-c", Path.Combine(folder, "conf")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var peer = new WpaSupplicant(Process.Start(start)!, folder);
        _ = peer.ReadAsync();
        await peer.SawAsync("Successfully initialized wpa_supplicant");
        while (await peer.RunAsync("ping") != "PONG")
            await Task.Yield();
        return peer;
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
            await _lines.Writer.WriteAsync(line);
        _lines.Writer.Complete();
    }

    /// <summary>The next line that holds the text.</summary>
    public async Task<string> SawAsync(string text)
    {
        using var limit = new CancellationTokenSource(s_patience);
        try
        {
            await foreach (string line in _lines.Reader.ReadAllAsync(limit.Token))
            {
                _seen.Add(line);
                if (line.Contains(text, StringComparison.Ordinal))
                    return line;
            }
        }
        catch (OperationCanceledException)
        {
        }
        throw new InvalidOperationException($"wpa_supplicant never said {text}. It said: {string.Join('\n', _seen)}");
    }

    /// <summary>A command of the control interface. dpp_auth_init needs a frequency: driver "none" has no list of channels.</summary>
    public async Task<string> RunAsync(params string[] command)
    {
        var start = new ProcessStartInfo("/usr/sbin/wpa_cli", ["-p", Path.Combine(_folder, "ctrl"), "-i", "lo", .. command]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var cli = Process.Start(start)!;
        string answer = await cli.StandardOutput.ReadToEndAsync();
        await cli.WaitForExitAsync();
        return answer.Trim();
    }

    public async Task<string> OkAsync(params string[] command)
    {
        string answer = await RunAsync(command);
        Assert.DoesNotContain("FAIL", answer, StringComparison.Ordinal);
        return answer;
    }

    /// <summary>A key of its own, and its URI.</summary>
    public async Task<(string Id, DppUri Uri)> KeyAsync(DppCurve curve)
    {
        string id = await OkAsync("dpp_bootstrap_gen", "type=qrcode", $"curve={Name(curve)}");
        return (id, DppUri.Parse(await OkAsync("dpp_bootstrap_get_uri", id)));
    }

    public Task<string> KnowAsync(DppUri uri) => OkAsync("dpp_qr_code", uri.ToString());

    /// <summary>A port that was free a moment ago.</summary>
    public async Task<int> ListenAsync(string role)
    {
        while (true)
        {
            var probe = new TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            int port = ((IPEndPoint)probe.LocalEndpoint).Port;
            probe.Stop();
            if (!(await RunAsync("dpp_controller_start", $"tcp_port={port}", $"role={role}")).Contains("FAIL", StringComparison.Ordinal))
                return port;
        }
    }

    public static string Name(DppCurve curve) => curve.Name switch
    {
        "P-256" => "prime256v1",
        "P-384" => "secp384r1",
        "P-521" => "secp521r1",
        _ => $"brainpoolP{curve.Name[3..]}r1",
    };

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_folder, true);
    }
}
