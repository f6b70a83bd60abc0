using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Simulation;

namespace Hatchery.EapNoob.Tests.Ceremonies;

/// <summary>A device that speaks RADIUS itself, a server, and a user between them, in virtual time. Both sides may be killed at any point.</summary>
internal sealed class NoobWorld
{
    public const string Account = "alice", Info = """{"Manufacturer":"Acme","Model":"X1","SerialNumber":"DU-9999"}""";
    private const int Port = 1812;
    private readonly AesGcmSealer _sealer;
    private readonly SimulatedHost _deviceHost, _serverHost;
    private RecordStore? _store;

    public NoobWorld(string seed = "noob", Func<NoobPeerOptions, NoobPeerOptions>? device = null, Func<NoobServerOptions, NoobServerOptions>? server = null, bool writtenSessions = false)
    {
        Chance = new SeededChance(seed);
        _sealer = new AesGcmSealer(SHA256.HashData("seal"u8), Chance);
        Network = new SimulatedNetwork(Loop, seed) { Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(5) } };
        Durable = new MemoryBackend(Loop.Time);
        File = new SimulatedStateFile<NoobPeerState>(NoobPeerState.Schema, _sealer);
        File.Write(NoobPeerState.Make(Info));
        _serverHost = Network.AddHost("server", ServerWitness, "192.0.2.1");
        _deviceHost = Network.AddHost("device", DeviceWitness, "192.0.2.7");
        var options = new NoobPeerOptions(new Destination("radius", "192.0.2.1", Port, new ChannelSecurity.None(), NoobPlayers.Server));
        PeerOptions = device?.Invoke(options) ?? options;
        ServerOptions = new NoobServerOptions { ServerInfo = """{"ServerName":"Example","ServerURL":"https://noob.example.org/oob"}""" };
        ServerOptions = server?.Invoke(ServerOptions) ?? ServerOptions;
        WrittenSessions = writtenSessions;
        Server = _serverHost.Run(StartServer);
        Device = _deviceHost.Run(StartDevice);
        People.Sees += See;
    }

    public SimulationLoop Loop { get; } = new();
    public SimulatedNetwork Network { get; }
    public Chance Chance { get; }
    public MemoryBackend Durable { get; private set; }
    public SimulatedStateFile<NoobPeerState> File { get; }
    public SimulatedProcess Server { get; }
    public SimulatedProcess Device { get; }
    public NoobPeerOptions PeerOptions { get; set; }
    public NoobServerOptions ServerOptions { get; set; }
    public bool WrittenSessions { get; }
    public ScriptedPeople People { get; } = new();
    public IWitness ServerWitness { get; init; } = Witness.None;
    public IWitness DeviceWitness { get; init; } = Witness.None;
    public TestAdmission Admission { get; } = new();
    /// <summary>Of the party's current run.</summary>
    public SimulatedWorld<NoobPeerState>? World { get; private set; }
    public NoobPeer? Party { get; private set; }
    public RadiusEapClient<IPEndPoint>? Client { get; private set; }
    public List<string> Refused { get; } = [];
    public List<Exception> Failed { get; } = [];
    public List<Outcome> Outcomes { get; } = [];
    public List<(bool ToServer, string Json)> Said { get; } = [];
    public EapKeys? ServerKeys { get; private set; }
    /// <summary>What the user does with what the device shows; null: nothing.</summary>
    public Action<OobMessage>? OnCode { get; set; }
    /// <summary>What becomes of a message's text between the two.</summary>
    public Func<string, string> OnPath { get; set; } = text => text;
    /// <summary>The user resets a device that says it must be; counted.</summary>
    public bool ResetsWhenTold { get; set; }
    public int Resets { get; private set; }
    public NoobPeerState State => File.Read();
    public CrashScenario Scenario => new(Loop, [Server, Device], () => IsDone, _ => { });
    public bool IsDone => Outcomes.Count > 0 && Outcomes[^1].Succeeded && State.State == AssociationState.Registered && Registered(State.PeerId) is not null;

    public RecordStore Store => _store!;
    public Caller Caller => new() { Now = Loop.Now, Listener = "test" };
    public OobMessages Oob => new(Store, Chance, ServerOptions);
    private RecordStore Looking => new(Durable, _sealer);

    public RegisteredPeer? Registered(string peerId) => Loop.Complete(Looking.Begin(Caller).GetAsync(RegisteredPeer.Schema, new(peerId), default))?.Value;
    public WaitingPeer? Waiting(string peerId) => peerId.Length == 0 ? null : Loop.Complete(Looking.Begin(Caller).GetAsync(WaitingPeer.Schema, new(peerId), default))?.Value;
    public ImmutableArray<AuditEntry> Audit => Loop.Complete(Durable.Registry.AuditAsync(0, 1000, null, default));
    public int WaitingCount => Loop.Complete(Looking.Begin(Caller).ListAsync(WaitingPeer.Schema, null, 100, default)).Length;

    /// <summary>The usual user: takes what the device shows to the server, half a minute later.</summary>
    public NoobWorld WithUser(TimeSpan? after = null)
    {
        OnCode = message => Loop.After(after ?? TimeSpan.FromSeconds(30), () => Bring(message));
        return this;
    }

    /// <summary>Tries again while the server is down.</summary>
    public void Bring(OobMessage message)
    {
        if (!Server.IsAlive)
        {
            Loop.After(TimeSpan.FromSeconds(10), () => Bring(message));
            return;
        }
        int life = Server.Life;
        bool done = false;
        Loop.Await(() => Oob.ReceiveAsync(message, Account, Caller, default), _ => done = true, _ => done = true);
        // The page did not come back: the user reloads it.
        Loop.After(TimeSpan.FromSeconds(10), () =>
        {
            if (!done && Server.Life != life)
                Bring(message);
        });
    }

    private void See(HumanPrompt prompt)
    {
        if (prompt.Kind == NoobSteps.ShowAtPeer)
            OnCode?.Invoke(OobMessage.Parse(prompt.Value!.Reveal()));
    }

    private void StartServer(SimulatedProcess process)
    {
        var backend = new CrashingBackend(Durable, process);
        _store = new RecordStore(backend, _sealer);
        var method = new Recording(this, new NoobServer(_store, Admission, Chance, ServerOptions));
        ISessions sessions = WrittenSessions ? new WrittenSessions(backend.Sessions) : backend.Sessions;
        var observer = new EapObserver(p => new Actor(p, p.Name, "owner"), p => new Actor(p, p.Name, "owner"), ServerWitness,
            (_, _, f) => Refused.Add($"{f.Error} {f.FieldName}: {f.Message}"), (_, e) => Failed.Add(e));
        var eap = new EapServer(sessions, Chance, [new EapRoute("*", method)], observer);
        var nas = new RadiusNas("nas", new IPNetwork(IPAddress.Parse("192.0.2.0"), 24), new RadiusSecret("testing123"));
        var engine = new RadiusServer<IPEndPoint>(new RadiusClients([nas]), p => p.Address, Chance);
        RadiusServerHost? host = null;
        var pump = new DatagramPump<RadiusServerEvent>(_serverHost, Port, engine, what => host!.Happened(what));
        host = new RadiusServerHost(engine.Answer, new RadiusEapService(eap), "radius", () => Loop.Now, answer =>
        {
            process.Point("server answer before");
            answer();
            pump.Run();
            process.Point("server answer after");
        }, (_, _, f) => Refused.Add($"{f.FieldName}: {f.Message}"), (_, e) => Failed.Add(e), inline: true);
    }

    private void StartDevice(SimulatedProcess process)
    {
        var server = new IPEndPoint(IPAddress.Parse("192.0.2.1"), Port);
        Client = new RadiusEapClient<IPEndPoint>(new EapPeerOptions(NoobEap.Type) { Proposal = 0, FirstTimeout = TimeSpan.FromSeconds(60) },
            new NasPortOptions("nas-1") { CallingStation = "02-00-00-00-00-01" }, [new(server, new RadiusSecret("testing123"))], Chance);
        EapPeerCarrier? carrier = null;
        var client = Client;
        var pump = new DatagramPump<EapPeerEvent>(_deviceHost, 0, client, what => carrier!.Happened(what));
        carrier = new EapPeerCarrier(client, new NoobEap(PeerOptions.Variant), action => Loop.Post(process.Guard(() =>
        {
            action();
            pump.Run();
        })), () => Loop.Now);
        World = new SimulatedWorld<NoobPeerState>(Loop, carrier, File, process) { People = People };
        int life = process.Life;
        World.WhenEnded += outcome =>
        {
            Outcomes.Add(outcome);
            pump.Close();
            if (!outcome.Succeeded && ResetsWhenTold && process.Life == life)
                Loop.After(TimeSpan.FromSeconds(60), () => Reset(process));
        };
        World.Run(s => Party = new NoobPeer(s, PeerOptions, Chance), new PartyIdentity<NoobPeerState>(new Actor(NoobPlayers.Peer, "device", "owner"),
            p => new Actor(p, p.Name, "owner"), NoobPeerState.Schema), DeviceWitness);
    }

    /// <summary>The user presses the button inside.</summary>
    public void Reset(SimulatedProcess process)
    {
        Resets++;
        File.Write(NoobPeerState.Schema.Reset(File.Read()));
        if (process.IsAlive)
        {
            process.Kill();
            process.Start();
        }
    }

    /// <summary>What is durable on both sides of another world.</summary>
    public void TakeOver(NoobWorld other)
    {
        File.Write(other.State);
        var registered = other.Registered(other.State.PeerId)!;
        var unit = Looking.Begin(Caller);
        unit.Insert(RegisteredPeer.Schema, new(registered.PeerId), registered);
        Loop.Complete(unit.CommitAsync(default));
    }

    public NoobWorld Start()
    {
        Loop.Post(Server.Start);
        Loop.Post(Device.Start);
        return this;
    }

    public bool Run(TimeSpan? limit = null) => Loop.RunUntil(() => Outcomes.Count > 0, limit ?? TimeSpan.FromHours(6));

    /// <summary>The device begins again, as after a power cut.</summary>
    public void Restart()
    {
        Outcomes.Clear();
        Loop.Post(() =>
        {
            Device.Kill();
            Device.Start();
        });
    }

    /// <summary>From state 0 to 4.</summary>
    public static NoobWorld Onboarded(string seed = "noob", Func<NoobPeerOptions, NoobPeerOptions>? device = null, Func<NoobServerOptions, NoobServerOptions>? server = null, bool writtenSessions = false)
    {
        var world = new NoobWorld(seed, device, server, writtenSessions).WithUser().Start();
        Assert.True(world.Run(), string.Join("; ", world.Refused));
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        return world;
    }

    /// <summary>Notes what both sides say, and the server's keys.</summary>
    private sealed class Recording(NoobWorld world, NoobServer server) : IEapServerMethod
    {
        public byte Type => server.Type;
        public IMessage ParseIdentity(EapConversation conversation) => server.ParseIdentity(conversation);
        public IEapServerState ReadState(ReadOnlyMemory<byte> bytes) => server.ReadState(bytes);

        public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation)
        {
            world.Said.Add((true, System.Text.Encoding.UTF8.GetString(data.Span)));
            return server.Parse(System.Text.Encoding.UTF8.GetBytes(world.OnPath(System.Text.Encoding.UTF8.GetString(data.Span))), conversation);
        }

        public async ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel)
        {
            if (request is IdentityResponse identity)
                world.Said.Add((true, identity.Nai));
            return Note(await server.HandleAsync(request, conversation, caller, cancel));
        }

        public EapTurn Refuse(ProtocolException? fault, EapConversation conversation) => Note(server.Refuse(fault, conversation));

        private EapTurn Note(EapTurn turn)
        {
            world.Said.Add((false, turn is EapTurn.Request request ? System.Text.Encoding.UTF8.GetString(request.Data.Span) : turn is EapTurn.Success ? "Success" : "Failure"));
            if (turn is EapTurn.Success success)
                world.ServerKeys = success.Keys;
            return turn is EapTurn.Request asks ? asks with { Data = System.Text.Encoding.UTF8.GetBytes(world.OnPath(System.Text.Encoding.UTF8.GetString(asks.Data.Span))) } : turn;
        }
    }
}

/// <summary>Admits, until told otherwise.</summary>
internal sealed class TestAdmission : IAdmission
{
    public List<AdmissionRequest> Asked { get; } = [];
    public Func<AdmissionRequest, Decision> Decide { get; set; } = _ => new Decision.Admit("full");

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel)
    {
        Asked.Add(request);
        return new(Decide(request));
    }
}

/// <summary>Sessions kept as bytes, as where any process may go on.</summary>
internal sealed class WrittenSessions(ISessions inner) : ISessions
{
    private sealed record Bytes(byte[] Value) : ISessionState<Bytes>
    {
        public byte[] Write() => Value;
        public static Bytes Read(ReadOnlyMemory<byte> bytes) => new(bytes.ToArray());
    }

    public async ValueTask<T?> TakeAsync<T>(string kind, string key, CancellationToken cancel) where T : class, ISessionState<T> =>
        await inner.TakeAsync<Bytes>(kind, key, cancel) is { } bytes ? T.Read(bytes.Value) : null;

    public ValueTask PutAsync<T>(string kind, string key, T value, TimeSpan life, CancellationToken cancel) where T : class, ISessionState<T> =>
        inner.PutAsync(kind, key, new Bytes(value.Write()), life, cancel);

    public ValueTask DropAsync(string kind, string key, CancellationToken cancel) => inner.DropAsync(kind, key, cancel);
}
