using System.Net;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Simulation;

namespace Hatchery.Radius.Tests;

/// <summary>Supplicant, switch and server in virtual time, on links that lose, repeat, reorder and corrupt.</summary>
public sealed class SimulatedWireTests
{
    private sealed class Site
    {
        private const int Link = 100, Radius = 1812;

        public Site(string seed, LinkConditions conditions)
        {
            Loop = new SimulationLoop();
            Network = new SimulatedNetwork(Loop, seed) { Conditions = conditions };
            var chance = new SeededChance(seed);
            var (device, nas, aaa) = (Network.AddHost("device"), Network.AddHost("switch"), Network.AddHost("aaa"));

            Method = new Gpsk.Method("server", World.Psk, chance);
            var engine = new RadiusServer<IPEndPoint>(new RadiusClients([new("switch", new IPNetwork(nas.Address, 32), new RadiusSecret("s"))]), e => e.Address, chance);
            RadiusServerHost? host = null;
            DatagramPump<RadiusServerEvent>? server = null;
            server = new DatagramPump<RadiusServerEvent>(aaa, Radius, engine, what => host!.Happened(what));
            host = new RadiusServerHost(engine.Answer, new RadiusEapService(new EapServer(new MemorySessions(Loop.Time), chance, [new("*", Method)], EapObserver.None)), "radius",
                () => Loop.Now, action =>
                {
                    action();
                    server.Run();
                }, (_, _, _) => { }, (_, e) => Failed.Add(e), inline: true);

            var client = new RadiusClient<IPEndPoint>([new(new IPEndPoint(aaa.Address, Radius), new RadiusSecret("s"))], chance);
            Authenticator = new EapolAuthenticator<IPEndPoint>(new(new NasPortOptions("switch")) { QuietPeriod = TimeSpan.FromSeconds(60) }, new IPEndPoint(device.Address, Link), chance);
            DatagramPump<NasPortEvent>? port = null;
            DatagramPump<RadiusClientEvent>? upstream = null;
            long asked = 0;
            port = new DatagramPump<NasPortEvent>(nas, Link, Authenticator, what =>
            {
                Port.Add(what.What);
                if (what.What == NasPortHappening.Authorized)
                    Accept = what.Accept;
                if (what is not { What: NasPortHappening.Ask, Request: { Code: RadiusCode.AccessRequest } request })
                    return;
                asked = client.Send(request, Loop.Now, Authenticator.RequestFrames);
                upstream!.Run();
            });
            upstream = new DatagramPump<RadiusClientEvent>(nas, 0, client, what =>
            {
                if (what.Ticket != asked)
                    return;
                Authenticator.Answered(what.Answer, Loop.Now);
                port.Run();
            });

            var supplicant = new EapolSupplicant<IPEndPoint>(new EapPeerOptions(Gpsk.Type), new IPEndPoint(nas.Address, Link), new() { StartPeriod = TimeSpan.FromSeconds(5), MaxStarts = 20 });
            EapPeerCarrier? carrier = null;
            var pump = new DatagramPump<EapPeerEvent>(device, Link, supplicant, what => carrier!.Happened(what));
            carrier = new EapPeerCarrier(supplicant, new Binding(Gpsk.Type), action => Loop.Post(() =>
            {
                action();
                pump.Run();
            }), () => Loop.Now);
            Try = psk =>
            {
                Peer = new Gpsk.Peer("device@example.org", psk, chance);
                Device = new AnsweringPeer("device@example.org", request => Peer.Answer(request));
                Device.Connection = carrier.Open(new Destination("eapol", "switch", 0, new ChannelSecurity.None(), TestSteps.Server), default, Device);
                Loop.RunUntil(() => Device.Ended.Task.IsCompleted, TimeSpan.FromMinutes(10));
                return Device.Ended.Task.IsCompleted && Device.Ended.Task.Result;
            };
        }

        public SimulationLoop Loop { get; }
        public SimulatedNetwork Network { get; }
        public Gpsk.Method Method { get; }
        public EapolAuthenticator<IPEndPoint> Authenticator { get; }
        public Gpsk.Peer Peer { get; private set; } = null!;
        public AnsweringPeer Device { get; private set; } = null!;
        public RadiusAnswer? Accept { get; private set; }
        public List<NasPortHappening> Port { get; } = [];
        public List<Exception> Failed { get; } = [];
        public Func<byte[], bool> Try { get; }
    }

    [Fact]
    public void A_port_opens_and_both_ends_have_the_key()
    {
        var site = new Site("wire", LinkConditions.Perfect);
        Assert.True(site.Try(World.Psk));
        Assert.True(site.Authenticator.IsAuthorized);
        using var msk = site.Accept!.Msk();
        Assert.Equal(site.Peer.Keys!.Exported.Msk, msk);
        Assert.Equal([NasPortHappening.Ask, NasPortHappening.Ask, NasPortHappening.Ask, NasPortHappening.Authorized, NasPortHappening.Ask], site.Port);
    }

    /// <summary>A refused device is not heard for a minute; the next try starts then.</summary>
    [Fact]
    public void Refused_and_tried_again()
    {
        var site = new Site("refused", LinkConditions.Perfect);
        Assert.False(site.Try(new byte[32]));
        Assert.False(site.Authenticator.IsAuthorized);
        var refused = site.Loop.Now.Elapsed;
        Assert.True(site.Try(World.Psk));
        Assert.True(site.Loop.Now.Elapsed >= refused + TimeSpan.FromSeconds(55) - TimeSpan.FromSeconds(60) && site.Authenticator.IsAuthorized);
    }

    [Fact]
    public void Bad_links()
    {
        int first = 0;
        for (int i = 0; i < 40; i++)
        {
            var site = new Site($"bad {i}", new LinkConditions { Delay = TimeSpan.FromMilliseconds(3), Jitter = TimeSpan.FromMilliseconds(5), Loss = 0.15, Duplication = 0.1, Reordering = 0.1, Corruption = 0.05 });
            int tries = 1;
            // A device that has seen all it needs may believe in a success that the switch never heard of; without a network it tries again.
            while (!site.Try(World.Psk) || !site.Authenticator.IsAuthorized)
                Assert.True(++tries <= 8, $"bad {i}: {string.Join(", ", site.Device.Heard)}");
            first += tries == 1 ? 1 : 0;
            Assert.Empty(site.Failed);
            // The switch may have opened the port in an earlier try, whose Success was lost: then the device came again.
            Assert.True(site.Method.Completed <= tries);
            using var msk = site.Accept!.Msk();
            Assert.Equal(site.Peer.Keys!.Exported.Msk, msk);
        }
        Assert.True(first > 20, $"{first} of 40 at the first try");
    }
}
