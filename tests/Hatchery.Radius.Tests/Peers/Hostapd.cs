using System.Net;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>hostapd as it comes: a pass-through authenticator on one end of the <see cref="Wire"/> that knows nothing of methods. Says AP-ENABLED when it is ready, and the keys that it
/// gets (-K).</summary>
internal static class Hostapd
{
    public static PeerProcess Start(PeerFolder folder, IPEndPoint server, string secret) => new("hostapd", "-d", "-K", folder.Write("hostapd.conf", $"""
        interface=wire0
        driver=wired
        ieee8021x=1
        use_pae_group_addr=1
        own_ip_addr=127.0.0.1
        nas_identifier=switch-1
        auth_server_addr={server.Address}
        auth_server_port={server.Port}
        auth_server_shared_secret={secret}
        ctrl_interface={folder.Path}/control
        """));

    /// <summary>quietPeriod of the port that this device is on, in seconds; it is 60 otherwise. The device must have begun to authenticate.</summary>
    public static async Task QuietPeriodAsync(PeerFolder folder, string device, int seconds, CancellationToken cancel)
    {
        using var command = new PeerProcess("hostapd_cli", "-p", $"{folder.Path}/control", "-i", "wire0", "raw", $"EAPOL_SET {device} quietPeriod {seconds}");
        var (code, output) = await command.EndsAsync(cancel);
        Assert.True(code == 0 && output.Contains("OK", StringComparison.Ordinal), output);
    }
}
