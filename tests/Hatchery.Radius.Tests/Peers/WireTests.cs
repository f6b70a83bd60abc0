using System.Net;
using Hatchery.Cryptography;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Transports;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>Wired 802.1X over a real cable between two virtual interfaces: stock hostapd and wpa_supplicant on the other end.</summary>
public sealed class WireTests
{
    internal static readonly Dictionary<string, Func<CancellationToken, Task>> Scenarios = new()
    {
        ["hostapd"] = HostapdAsync,
        ["wpa_supplicant"] = WpaSupplicantAsync,
    };

    [Fact]
    public Task Our_supplicant_hostapd_and_our_server() => Wire.RunAsync("hostapd");

    [Fact]
    public Task Its_supplicant_our_authenticator_and_our_server() => Wire.RunAsync("wpa_supplicant");

    /// <summary>hostapd as it comes: a pass-through authenticator that knows nothing of the method.</summary>
    internal static PeerProcess Hostapd(PeerFolder folder, IPEndPoint server, string secret) => new("hostapd", "-d", folder.Write("hostapd.conf", $"""
        interface=wire0
        driver=wired
        ieee8021x=1
        use_pae_group_addr=1
        own_ip_addr=127.0.0.1
        nas_identifier=switch-1
        auth_server_addr={server.Address}
        auth_server_port={server.Port}
        auth_server_shared_secret={secret}
        """));

    private static async Task HostapdAsync(CancellationToken cancel)
    {
        await using var server = new UdpServer();
        using var folder = new PeerFolder();
        using var authenticator = Hostapd(folder, server.EndPoint, UdpServer.Secret);
        await authenticator.SaysAsync("AP-ENABLED", cancel);

        var capture = new ObservationLog();
        var (succeeded, device, gpsk, address) = await SupplicantAsync("device@example.org", World.Psk, capture, cancel);
        Assert.True(succeeded, authenticator.Output);
        Assert.Equal(["IdentityRequest", "Request", "Request", "Success"], device.Heard);
        Assert.Equal(server.Gpsk.Last!.Exported.Msk, gpsk.Keys!.Exported.Msk);
        await authenticator.SaysAsync($"AP-STA-CONNECTED {address}", cancel);
        // What passed was captured: our Start, and the frames that the messages came in.
        var frames = capture.Snapshot().OfType<Observation.FrameCaptured>().ToList();
        Assert.Contains(frames, f => f.Way == Way.Sent && f.Bytes.Span.SequenceEqual((byte[])[2, 1, 0, 0]));
        Assert.True(frames.Count(f => f.Way == Way.Received) >= 4);

        // Another key: refused by our server, and that reaches the device.
        var refused = await SupplicantAsync("device@example.org", new byte[32], capture, cancel);
        Assert.False(refused.Succeeded);
        Assert.Contains("data: MIC", server.Refused);
    }

    private static async Task<(bool Succeeded, AnsweringPeer Device, Gpsk.Peer Gpsk, EthernetPath Address)> SupplicantAsync(string identity, byte[] psk, ObservationLog capture,
        CancellationToken cancel)
    {
        var chance = new SystemChance();
        var clock = new SystemClock();
        var gpsk = new Gpsk.Peer(identity, psk, chance);
        // It ends with MayContinue so that a refusal in the middle is believed.
        var device = new AnsweringPeer(identity, request => gpsk.Answer(request) is { State: EapMethodState.Continue } early ? early with { State = EapMethodState.MayContinue } : gpsk.Answer(request));
        var supplicant = new EapolSupplicant<EthernetPath>(new EapPeerOptions(Gpsk.Type), EthernetPath.PortAccessEntity);
        EapPeerCarrier? carrier = null;
        var witness = new Witness(new WitnessKey(new byte[32]), Watch.Frames, () => default, capture);
        await using var pump = new EthernetEnginePump<EapPeerEvent>("wire1", EapolFrame.EtherType, EthernetPath.PortAccessEntity, supplicant.Medium, supplicant,
            (in EapPeerEvent what) => carrier!.Happened(what), new PumpOptions { Witness = witness });
        carrier = new EapPeerCarrier(supplicant, new Binding(Gpsk.Type), pump.Post, () => clock.Now);
        device.Connection = carrier.Open(new Destination("eapol", "wire1", 0, new ChannelSecurity.None(), TestSteps.Server), default, device);
        pump.Start();
        await await Task.WhenAny(device.Ended.Task, pump.Completion).WaitAsync(cancel);
        return (await device.Ended.Task, device, gpsk, pump.Address);
    }

    private static async Task WpaSupplicantAsync(CancellationToken cancel)
    {
        await using var server = new UdpServer();
        var chance = new SystemChance();
        var clock = new SystemClock();
        var authorized = new TaskCompletionSource<RadiusAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        var authenticator = new EapolAuthenticator<EthernetPath>(new EapolAuthenticatorOptions(new NasPortOptions("our switch")), EthernetPath.PortAccessEntity, chance);
        var radius = new RadiusClient<UdpPath>([new(UdpPath.From(server.EndPoint), new RadiusSecret(UdpServer.Secret))], chance);
        UdpEnginePump<RadiusClientEvent>? upstream = null;
        await using var port = new EthernetEnginePump<NasPortEvent>("wire0", EapolFrame.EtherType, EthernetPath.PortAccessEntity, new Medium("EAPOL"), authenticator, (in NasPortEvent what) =>
        {
            if (what.What == NasPortHappening.Authorized)
                authorized.TrySetResult(what.Accept!);
            if (what is { What: NasPortHappening.Ask, Request: { Code: RadiusCode.AccessRequest } request })
                upstream!.Post(() => radius.Send(request, clock.Now));
        });
        await using var socket = upstream = new UdpEnginePump<RadiusClientEvent>(new IPEndPoint(IPAddress.Loopback, 0), radius, (in RadiusClientEvent what) =>
        {
            var answer = what.Answer;
            port.Post(() => authenticator.Answered(answer, clock.Now));
        });
        socket.Start();
        port.Start();
        port.Post(() => authenticator.Start(clock.Now));

        using var folder = new PeerFolder();
        using var supplicant = new PeerProcess("wpa_supplicant", "-D", "wired", "-i", "wire1", "-c", folder.Write("peer.conf", $$"""
            ap_scan=0
            network={
              key_mgmt=IEEE8021X
              eap=GPSK
              identity="device@example.org"
              password={{Convert.ToHexStringLower(World.Psk)}}
            }
            """));
        await await Task.WhenAny(supplicant.SaysAsync("CTRL-EVENT-EAP-SUCCESS", cancel), port.Completion, socket.Completion);
        using var msk = (await authorized.Task.WaitAsync(cancel)).Msk();
        Assert.Equal(server.Gpsk.Last!.Exported.Msk, msk);
    }
}
