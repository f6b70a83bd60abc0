using System.Net;
using Hatchery.Cryptography;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Transports;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>Our device that speaks RADIUS, on a real socket.</summary>
internal static class UdpDevice
{
    public sealed record Result(bool Succeeded, RadiusEapClient<UdpPath> Client, AnsweringPeer Peer, Gpsk.Peer Gpsk);

    public static async Task<Result> RunAsync(IPEndPoint server, string secret, byte method, string identity, CancellationToken cancel, bool accounts = false)
    {
        var chance = new SystemChance();
        var clock = new SystemClock();
        var gpsk = new Gpsk.Peer(identity, World.Psk, chance);
        byte identifier = 0;
        var peer = new AnsweringPeer(identity, request => method == Gpsk.Type ? gpsk.Answer(request) : Md5Method.Answer(request, identifier, "hello"));
        var client = new RadiusEapClient<UdpPath>(new EapPeerOptions(method), new NasPortOptions("hatchery-test") { Address = IPAddress.Loopback, CallingStation = "02-00-00-00-00-01" },
            [new(UdpPath.From(server), new RadiusSecret(secret))], chance)
        { Accounts = accounts };
        EapPeerCarrier? carrier = null;
        await using var pump = new UdpEnginePump<EapPeerEvent>(new IPEndPoint(IPAddress.Loopback, 0), client, (in EapPeerEvent what) =>
        {
            identifier = what.Identifier;
            carrier!.Happened(what);
        });
        carrier = new EapPeerCarrier(client, new Binding(method), pump.Post, () => clock.Now);
        peer.Connection = carrier.Open(new Destination("radius", "127.0.0.1", server.Port, new ChannelSecurity.None(), TestSteps.Server), default, peer);
        pump.Start();
        bool succeeded = await peer.Ended.Task.WaitAsync(cancel);
        return new(succeeded, client, peer, gpsk);
    }
}
