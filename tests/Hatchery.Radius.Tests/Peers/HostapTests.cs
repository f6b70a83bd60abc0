using System.Globalization;
using System.Net;
using Hatchery.Radius.Tests.Methods;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>hostap's programs (Debian's eapoltest and hostapd) on loopback: its peer and authenticator against our server, our device against its server.</summary>
public sealed class HostapTests
{
    private static string PskHex => Convert.ToHexStringLower(World.Psk);

    [Theory]
    [InlineData("GPSK", "device@example.org")]
    [InlineData("MD5", "fred@md5.example")]
    public async Task Its_peer_and_authenticator_and_our_server(string method, string identity)
    {
        using var patience = PeerProcess.Patience();
        await using var server = new UdpServer();
        using var folder = new PeerFolder();
        string password = method == "GPSK" ? PskHex : "\"hello\"";
        string file = folder.Write("peer.conf", $$"""
            network={
              key_mgmt=IEEE8021X
              eap={{method}}
              identity="{{identity}}"
              password={{password}}
            }
            """);
        // -n: the method makes no keys.
        using var peer = new PeerProcess("eapol_test", ["-c", file, "-a", "127.0.0.1", "-p", server.EndPoint.Port.ToString(CultureInfo.InvariantCulture), "-s", UdpServer.Secret,
            "-t", "20", "-r", "0", .. method == "MD5" ? new[] { "-n" } : []]);
        var (code, output) = await peer.EndsAsync(patience.Token);
        Assert.True(code == 0 && output.TrimEnd().EndsWith("SUCCESS", StringComparison.Ordinal), output);
        if (method == "GPSK")
        {
            // It compares the keys that came from us with its own.
            Assert.Contains("MPPE keys OK: 1  mismatch: 0", output, StringComparison.Ordinal);
            Assert.Equal(1, server.Gpsk.Completed);
        }
        else
            Assert.Equal(1, server.Md5.Judged);
        Assert.Empty(server.Refused);
    }

    [Fact]
    public async Task Its_server_and_our_device()
    {
        using var patience = PeerProcess.Patience();
        using var folder = new PeerFolder();
        int port = PeerProcess.FreePort();
        string users = folder.Write("users", $"\"device@example.org\" GPSK {PskHex}\n");
        string clients = folder.Write("clients", "127.0.0.1 testing123\n");
        string file = folder.Write("hostapd.conf", $"""
            driver=none
            interface=none
            eap_server=1
            eap_user_file={users}
            radius_server_clients={clients}
            radius_server_auth_port={port}
            """);
        using var server = new PeerProcess("hostapd", "-d", file);
        await server.SaysAsync("AP-ENABLED", patience.Token);
        var result = await UdpDevice.RunAsync(new IPEndPoint(IPAddress.Loopback, port), "testing123", Gpsk.Type, "device@example.org", patience.Token);
        Assert.True(result.Succeeded, server.Output);
        Assert.True(result.Client.KeysAgree, server.Output);
    }
}
