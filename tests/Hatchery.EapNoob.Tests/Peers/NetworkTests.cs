using System.Net;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;
using Hatchery.EapNoob.Tests.Ceremonies;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Peers;
using Hatchery.Transports;

namespace Hatchery.EapNoob.Tests.Peers;

/// <summary>Through other people's networks: Debian's hostapd as wired authenticator, Debian's FreeRADIUS as proxy that routes by realm, our two sides at the ends.</summary>
public sealed class NetworkTests
{
    internal static readonly Dictionary<string, Func<CancellationToken, Task>> Scenarios = new()
    {
        ["peer-to-server"] = cancel => OnAWireAsync(OobDirections.PeerToServer, cancel),
        ["server-to-peer"] = cancel => OnAWireAsync(OobDirections.ServerToPeer, cancel),
    };

    [Theory]
    [InlineData("peer-to-server")]
    [InlineData("server-to-peer")]
    public Task Our_supplicant_hostapd_FreeRADIUS_and_our_server(string direction) => Wire.RunAsync(direction);

    /// <summary>hostapd is quiet for a minute behind a failure, which ends an Initial Exchange: a new one takes its place meanwhile, as another port would.</summary>
    private static async Task OnAWireAsync(OobDirections direction, CancellationToken cancel)
    {
        await using var server = new Server();
        using var proxy = await FreeRadius.StartAsync(cancel, (server.EndPoint, Server.Secret, ["noob.eap.arpa"]));
        using var folder = new PeerFolder();
        var authenticator = Hostapd.Start(folder, proxy.EndPoint, FreeRadius.Secret);
        try
        {
            await authenticator.SaysAsync("AP-ENABLED", cancel);
            var state = NoobPeerState.Make(NoobWorld.Info);
            var people = new User(server, async () =>
            {
                authenticator.Dispose();
                authenticator = Hostapd.Start(folder, proxy.EndPoint, FreeRadius.Secret);
                await authenticator.SaysAsync("AP-ENABLED", cancel);
            }, () => state.PeerId);
            var supplicant = new EapolSupplicant<EthernetPath>(new EapPeerOptions(NoobEap.Type) { Proposal = 0 }, EthernetPath.PortAccessEntity,
                new() { StartPeriod = TimeSpan.FromSeconds(1), MaxStarts = 60 });
            EapPeerCarrier? carrier = null;
            var clock = new SystemClock();
            await using var pump = new EthernetEnginePump<EapPeerEvent>("wire1", EapolFrame.EtherType, EthernetPath.PortAccessEntity, supplicant.Medium, supplicant,
                (in EapPeerEvent what) => carrier!.Happened(what));
            carrier = new EapPeerCarrier(supplicant, new NoobEap(), pump.Post, () => clock.Now);
            pump.Start();
            async Task JoinAsync()
            {
                var options = new NoobPeerOptions(new Destination("eapol", "wire1", 0, new ChannelSecurity.None(), NoobPlayers.Server)) { Directions = direction, Backoff = TimeSpan.FromSeconds(1), MaxFailures = 3 };
                using var peer = new NoobPeer(state, options, new SystemChance());
                var host = new PartyHost<NoobPeerState>(peer, new PartyIdentity<NoobPeerState>(new Actor(NoobPlayers.Peer, "device", "owner"), p => new Actor(p, p.Name, "owner"), NoobPeerState.Schema), carrier,
                    (s, _, _) =>
                    {
                        state = s;
                        return default;
                    })
                { People = people, Clock = clock };
                var outcome = await host.RunAsync(cancel);
                Assert.True(outcome.Succeeded, $"{outcome.Reason}\n{string.Join('\n', server.Refused)}\n{authenticator.Output}\n{proxy.Output}");
                // What our server made and sent away hidden, through two hops that hid it anew, is what the device has.
                Assert.Equal(server.Keys!.Msk, peer.Keys!.Msk);
                Assert.Equal(server.Keys.SessionId.Span, peer.Keys.SessionId.Span);
                // And what the switch has: the first half of the MSK as MS-MPPE-Recv-Key, the second as MS-MPPE-Send-Key.
                foreach (var (name, at) in new[] { ("Recv", 0), ("Send", 32) })
                    await authenticator.SaysAsync($"MS-MPPE-{name}-Key - hexdump(len=32): {string.Join(' ', peer.Keys.Msk.Reveal().Slice(at, 32).ToArray().Select(b => $"{b:x2}"))}", cancel);
            }
            await JoinAsync();
            await authenticator.SaysAsync($"AP-STA-CONNECTED {pump.Address}", cancel);
            Assert.Equal("@noob.eap.arpa", state.Nai);
            Assert.Equal(1, people.Acts);
            // Once more: the device reconnects, and nobody is needed.
            await JoinAsync();
            Assert.Equal(1, people.Acts);
            Assert.Empty(server.Refused);
        }
        finally
        {
            authenticator.Dispose();
        }
    }

    /// <summary>Every hop has its own secret, so the keys are hidden anew: the device, its own switch here, gets those of its server.</summary>
    [Fact]
    public async Task Our_device_FreeRADIUS_and_our_server()
    {
        using var patience = PeerProcess.Patience();
        await using var server = new Server();
        using var proxy = await FreeRadius.StartAsync(patience.Token, (server.EndPoint, Server.Secret, ["eap-noob.arpa"]));
        var state = NoobPeerState.Make(NoobWorld.Info, "noob@eap-noob.arpa");
        var people = new User(server, () => Task.CompletedTask, () => state.PeerId);
        var client = new RadiusEapClient<UdpPath>(new EapPeerOptions(NoobEap.Type) { Proposal = 0 }, new NasPortOptions("switch") { Address = IPAddress.Loopback, CallingStation = "02-00-00-00-00-01" },
            [new(UdpPath.From(proxy.EndPoint), new RadiusSecret(FreeRadius.Secret))], new SystemChance());
        EapPeerCarrier? carrier = null;
        var clock = new SystemClock();
        await using var pump = new UdpEnginePump<EapPeerEvent>(new IPEndPoint(IPAddress.Loopback, 0), client, (in EapPeerEvent what) => carrier!.Happened(what));
        carrier = new EapPeerCarrier(client, new NoobEap(), pump.Post, () => clock.Now);
        pump.Start();
        for (int i = 0; i < 2; i++)
        {
            using var peer = new NoobPeer(state, new NoobPeerOptions(new Destination("radius", "proxy", 0, new ChannelSecurity.None(), NoobPlayers.Server)) { MaxFailures = 2 }, new SystemChance());
            var host = new PartyHost<NoobPeerState>(peer, new PartyIdentity<NoobPeerState>(new Actor(NoobPlayers.Peer, "device", "owner"), p => new Actor(p, p.Name, "owner"), NoobPeerState.Schema), carrier,
                (s, _, _) =>
                {
                    state = s;
                    return default;
                })
            { People = people, Clock = clock };
            var outcome = await host.RunAsync(patience.Token);
            Assert.True(outcome.Succeeded, $"{outcome.Reason}\n{proxy.Output}");
            Assert.True(client.KeysAgree);
        }
        Assert.Equal(1, people.Acts);
        Assert.Empty(server.Refused);
    }

    /// <summary>Takes what the device shows to the server, or what the server shows to the device.</summary>
    private sealed class User(Server server, Func<Task> before, Func<string> peerId) : IPeople
    {
        public int Acts { get; private set; }

        public async ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel)
        {
            if (prompt.Kind != NoobSteps.ShowAtPeer)
                return;
            Acts++;
            await before();
            var message = OobMessage.Parse(prompt.Value!.Reveal());
            // The device shows at its last response; the server may still be committing.
            while (await server.Oob.FindAsync(message.PeerId, Server.Caller, cancel) is null)
                await Task.Yield();
            await server.Oob.ReceiveAsync(message, NoobWorld.Account, Server.Caller, cancel);
        }

        public async ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel)
        {
            Acts++;
            await before();
            while (await server.Oob.FindAsync(peerId(), Server.Caller, cancel) is null)
                await Task.Yield();
            var message = await server.Oob.IssueAsync(peerId(), NoobWorld.Account, Server.Caller, cancel);
            return new HumanAnswer(prompt.Kind, prompt.Who, message.ToQuery(), true);
        }
    }

    /// <summary>Our server on a real socket.</summary>
    private sealed class Server : IAsyncDisposable, IEapServerMethod
    {
        public const string Secret = "upstream secret";
        private readonly UdpEnginePump<RadiusServerEvent> _pump;
        private readonly NoobServer _method;

        public Server()
        {
            var chance = new SystemChance();
            var store = new RecordStore(new MemoryBackend(TimeProvider.System), new AesGcmSealer(SHA256.HashData("seal"u8), chance));
            var options = new NoobServerOptions { ServerInfo = """{"ServerName":"Example","ServerURL":"https://noob.example.org/oob"}""", SleepTime = 2 };
            _method = new NoobServer(store, new TestAdmission(), chance, options);
            Oob = new OobMessages(store, chance, options);
            var engine = new RadiusServer<UdpPath>(new RadiusClients([new RadiusNas("loopback", IPNetwork.Parse("127.0.0.0/8"), new RadiusSecret(Secret))]), path => path.ToEndPoint().Address, chance);
            var eap = new EapServer(store.Sessions, chance, [new EapRoute("noob.eap.arpa", this), new EapRoute("eap-noob.arpa", this)],
                EapObserver.None with { Refused = (_, _, f) => Note(f.Message), Failed = (_, e) => Note(e.ToString()) });
            RadiusServerHost? host = null;
            _pump = new UdpEnginePump<RadiusServerEvent>(new IPEndPoint(IPAddress.Loopback, 0), engine, (in RadiusServerEvent what) => host!.Happened(what));
            host = new RadiusServerHost(engine.Answer, new RadiusEapService(eap), "radius", () => s_clock.Now, _pump.Post, (_, _, f) => Note(f.Message), (_, e) => Note(e.ToString()));
            _pump.Start();
        }

        private static readonly SystemClock s_clock = new();
        public static Caller Caller => new() { Now = s_clock.Now, Listener = "test" };
        public OobMessages Oob { get; }
        public IPEndPoint EndPoint => _pump.EndPoint;
        public EapKeys? Keys { get; private set; }
        public System.Collections.Concurrent.ConcurrentQueue<string> Refused { get; } = new();
        private void Note(string text) => Refused.Enqueue(text);

        byte IEapServerMethod.Type => _method.Type;
        public IMessage ParseIdentity(EapConversation conversation) => _method.ParseIdentity(conversation);
        public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation) => _method.Parse(data, conversation);
        public EapTurn Refuse(ProtocolException? fault, EapConversation conversation) => _method.Refuse(fault, conversation);
        public IEapServerState ReadState(ReadOnlyMemory<byte> bytes) => _method.ReadState(bytes);

        public async ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel)
        {
            var turn = await _method.HandleAsync(request, conversation, caller, cancel);
            if (turn is EapTurn.Success success)
                Keys = success.Keys;
            return turn;
        }

        public ValueTask DisposeAsync() => _pump.DisposeAsync();
    }
}
