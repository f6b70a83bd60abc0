using System.Text.RegularExpressions;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;
using Hatchery.Radius.Tests.Peers;
using Hatchery.Transports;

namespace Hatchery.EapNoob.Tests.Peers;

/// <summary>The whole way as it is deployed: our device on a cable, hostapd as the switch, FreeRADIUS as the site's proxy that routes by realm, our server behind it. Neither of the two in
/// the middle knows EAP-NOOB.</summary>
public sealed class WiredTests
{
    internal static readonly Dictionary<string, Func<CancellationToken, Task>> Scenarios = new()
    {
        ["device to server"] = cancel => RunAsync(OobDirections.PeerToServer, cancel),
        ["server to device"] = cancel => RunAsync(OobDirections.ServerToPeer, cancel),
    };

    [Theory]
    [InlineData("device to server")]
    [InlineData("server to device")]
    public Task Through_hostapd_and_FreeRADIUS(string scenario) => Wire.RunAsync(scenario);

    private static async Task RunAsync(OobDirections direction, CancellationToken cancel)
    {
        // The device comes with the well-known identity and is given one of the owner's realm, which the proxy routes too.
        await using var site = new UdpSite(new NoobServerOptions
        {
            ServerInfo = """{"ServerName":"Example","ServerURL":"https://noob.example.org/oob"}""",
            NewNai = "noob@owner.example",
            SleepTime = 1,
        });
        using var folder = new PeerFolder();
        using var proxy = await FreeRadius.StartAsync(cancel, (site.EndPoint, UdpSite.Secret, ["noob.eap.arpa", "eap-noob.arpa", "owner.example"]));
        using var hostapd = Hostapd.Start(folder, proxy.EndPoint, FreeRadius.Secret);
        await hostapd.SaysAsync("AP-ENABLED", cancel);
        await using var device = new WiredDevice(folder);
        // The Initial Exchange ends in EAP-Failure, after which a switch is deaf for a minute.
        device.Knock();
        await hostapd.SaysAsync($"CTRL-EVENT-EAP-STARTED {device.Address}", cancel);
        await Hostapd.QuietPeriodAsync(folder, device.Address, 1, cancel);

        var (outcome, keys) = await device.RunAsync(o => o with { Directions = direction }, new User(site, device), cancel);
        Assert.True(outcome.Succeeded, $"{outcome.Reason}\n{string.Join('\n', site.Faults)}\n{hostapd.Output}");
        var state = device.State;
        var registered = await site.RegisteredAsync(state.PeerId);
        Assert.Equal((AssociationState.Registered, "noob@owner.example", "alice"), (state.State, state.Nai, registered?.Account));
        Assert.Equal(registered!.Kz, state.Kz);
        await KeysAsync(hostapd, keys!.Msk, cancel);
        Assert.Contains("AP-STA-CONNECTED " + device.Address, hostapd.Output, StringComparison.Ordinal);

        // After a power cut: Reconnect, without a user, with new keys.
        var (again, newKeys) = await device.RunAsync(o => o with { Directions = direction }, new NoPeople(), cancel);
        Assert.True(again.Succeeded, $"{again.Reason}\n{string.Join('\n', site.Faults)}");
        Assert.NotEqual(keys.Msk, newKeys!.Msk);
        await KeysAsync(hostapd, newKeys.Msk, cancel);
        Assert.Empty(site.Faults);
    }

    /// <summary>The authenticator has the device's keys: the first half of the MSK as MS-MPPE-Recv-Key, the second as MS-MPPE-Send-Key.</summary>
    private static async Task KeysAsync(PeerProcess hostapd, SecretBytes msk, CancellationToken cancel)
    {
        static string Dump(ReadOnlySpan<byte> bytes) => Regex.Replace(Convert.ToHexStringLower(bytes), "(..)(?=.)", "$1 ");
        await hostapd.SaysAsync($"MS-MPPE-Recv-Key - hexdump(len=32): {Dump(msk.Reveal()[..32])}", cancel);
        await hostapd.SaysAsync($"MS-MPPE-Send-Key - hexdump(len=32): {Dump(msk.Reveal()[32..])}", cancel);
    }

    /// <summary>Carries the code, whichever way it goes.</summary>
    private sealed class User(UdpSite site, WiredDevice device) : IPeople
    {
        public async ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel)
        {
            if (prompt.Kind == NoobSteps.ShowAtPeer)
                await site.Oob.ReceiveAsync(OobMessage.Parse(prompt.Value!.Reveal()), "alice", site.Caller, cancel);
        }

        public async ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel) => prompt.Kind == NoobSteps.DeliverToPeer
            ? new HumanAnswer(prompt.Kind, prompt.Who, (await site.Oob.IssueAsync(device.State.PeerId, "alice", site.Caller, cancel)).ToQuery(), true) : null;
    }
}
