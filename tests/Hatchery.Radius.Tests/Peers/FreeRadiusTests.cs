using System.Globalization;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>FreeRADIUS (Debian's freeradius, freeradius-utils) as server, as proxy, and its clients.</summary>
public sealed class FreeRadiusTests
{
    [Fact]
    public async Task Its_server_and_our_client()
    {
        using var patience = PeerProcess.Patience();
        using var server = await FreeRadius.StartAsync(patience.Token);
        var result = await UdpDevice.RunAsync(server.EndPoint, FreeRadius.Secret, EapType.Md5Challenge, "device@example.org", patience.Token);
        Assert.True(result.Succeeded, server.Output);
        Assert.Equal(["IdentityRequest", "Request", "Success"], result.Peer.Heard);
        // A method that it does not have for this peer: Nak, and its refusal.
        var refused = await UdpDevice.RunAsync(server.EndPoint, FreeRadius.Secret, Gpsk.Type, "device@example.org", patience.Token);
        Assert.False(refused.Succeeded);
        Assert.Equal(["IdentityRequest", "Failure"], refused.Peer.Heard);
    }

    /// <summary>The realm routes; every hop has its own secret, so the keys are hidden anew, and still they are the peer's.</summary>
    [Fact]
    public async Task Its_proxy_between_our_device_and_our_server()
    {
        using var patience = PeerProcess.Patience();
        await using var server = new UdpServer();
        using var proxy = await FreeRadius.StartAsync(patience.Token, server.EndPoint);
        var result = await UdpDevice.RunAsync(proxy.EndPoint, FreeRadius.Secret, Gpsk.Type, "device@proxied.example", patience.Token);
        Assert.True(result.Succeeded, proxy.Output);
        Assert.True(result.Client.KeysAgree);
        Assert.Equal(server.Gpsk.Last!.Exported.Msk, result.Gpsk.Keys!.Exported.Msk);
        Assert.Empty(server.Refused);
        // Another realm stays with the proxy.
        var local = await UdpDevice.RunAsync(proxy.EndPoint, FreeRadius.Secret, EapType.Md5Challenge, "device@elsewhere.example", patience.Token);
        Assert.True(local.Succeeded, proxy.Output);
        Assert.Equal(0, server.Md5.Judged);
    }

    private static async Task<string> RadclientAsync(UdpServer server, string program, string kind, string attributes, CancellationToken cancel, string secret = UdpServer.Secret)
    {
        using var peer = new PeerProcess(program, "-x", "-r", "1", "-t", "1", $"127.0.0.1:{server.EndPoint.Port.ToString(CultureInfo.InvariantCulture)}", kind, secret);
        await peer.Input.WriteLineAsync(attributes);
        return (await peer.EndsAsync(cancel)).Output;
    }

    [Fact]
    public async Task Its_clients_and_our_server()
    {
        using var patience = PeerProcess.Patience();
        var accounted = new List<RadiusAccounting>();
        await using var server = new UdpServer(options: new RadiusServiceOptions
        {
            Account = (what, _, _) =>
            {
                accounted.Add(what);
                return default;
            },
        });
        Assert.Contains("Received Access-Accept", await RadclientAsync(server, "radclient", "status", "Message-Authenticator = 0x00", patience.Token), StringComparison.Ordinal);
        Assert.Contains("Received Accounting-Response", await RadclientAsync(server, "radclient", "acct",
            "Acct-Status-Type = Start, Acct-Session-Id = \"1\", User-Name = \"fred\"", patience.Token), StringComparison.Ordinal);
        Assert.Equal("fred", Assert.Single(accounted).UserName);
        Assert.Contains("Received Access-Reject", await RadclientAsync(server, "radclient", "auth",
            "User-Name = \"fred\", User-Password = \"hello\", Message-Authenticator = 0x00", patience.Token), StringComparison.Ordinal);
        Assert.Contains("Received Access-Accept", await RadclientAsync(server, "radeapclient", "auth",
            "User-Name = \"fred@md5.example\", Cleartext-Password = \"hello\", EAP-Code = Response, EAP-Type-Identity = \"fred@md5.example\", Message-Authenticator = 0x00",
            patience.Token), StringComparison.Ordinal);
        Assert.Equal(1, server.Md5.Judged);
        Assert.Empty(server.Refused);
        // No Message-Authenticator, or another secret: silence.
        Assert.Contains("No reply", await RadclientAsync(server, "radclient", "auth", "User-Name = \"fred\", User-Password = \"hello\"", patience.Token), StringComparison.Ordinal);
        Assert.Contains("No reply", await RadclientAsync(server, "radclient", "status", "Message-Authenticator = 0x00", patience.Token, "wrong"), StringComparison.Ordinal);
        Assert.Equal(["Message-Authenticator"], server.Refused.Select(r => r.Split(':')[0]).Distinct());
    }
}
