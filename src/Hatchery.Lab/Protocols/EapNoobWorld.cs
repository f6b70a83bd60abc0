using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Simulation;

namespace Hatchery.Lab.Protocols;

/// <summary>Devices, each its own switch, EAP servers of owners, and users between them, on a simulated network in virtual time.</summary>
internal sealed class EapNoobWorld : IAdmission
{
    private const int Port = 1812;
    private static readonly TimeSpan s_runLimit = TimeSpan.FromHours(12);
    private readonly Dictionary<string, string> _instanceAt = [];
    private readonly ObservationLog _log = new();
    private readonly List<TimeSpan> _episodes = [];
    private readonly List<string> _servers = [];
    private int _sessions;

    public EapNoobWorld(LabTask task)
    {
        Task = task;
        string seed = $"{task.Conditions.Seed}/eapnoob";
        Chance = new SeededChance(seed);
        Network = new SimulatedNetwork(Loop, seed) { Eavesdropper = new Eavesdropper() };
        Witness = new Witness(new WitnessKey(SHA256.HashData(Encoding.UTF8.GetBytes(task.Conditions.Seed))), Watch.Steps | Watch.Frames | Watch.Costs, NewSession, _log);
    }

    public LabTask Task { get; }
    public Chance Chance { get; }
    public SimulationLoop Loop { get; } = new();
    public SimulatedNetwork Network { get; }
    public Witness Witness { get; }
    public Actor User { get; } = new(NoobPlayers.User, "user", "owner");
    public bool Takes => Task.Method == NoobProfile.ServerToPeer;
    public Caller Operator => new() { Now = Loop.Now, Listener = "operator", Session = NewSession() };
    public string LastRefusal { get; private set; } = "";

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));

    /// <summary>Random in production, counted here: the run repeats.</summary>
    private SessionId NewSession() => new(new Guid(++_sessions, 0, 0, new byte[8]));

    private SimulatedHost AddHost(string name, string instance)
    {
        var host = Network.AddHost(name, Witness);
        _instanceAt[host.Address.ToString()] = instance;
        return host;
    }

    public EapNoobSite AddServer(string name, string operatedBy)
    {
        _servers.Add(name);
        var host = AddHost($"{name}.test", name);
        var store = new RecordStore(new MemoryBackend(Loop.Time), new AesGcmSealer(SHA256.HashData("seal"u8), Chance));
        var options = new NoobServerOptions { ServerInfo = $$"""{"ServerName":"{{name}}","ServerURL":"https://{{name}}.test/noob"}""", SleepTime = 60 };
        var site = new EapNoobSite(name, new Actor(NoobPlayers.Server, name, operatedBy), host, new OobMessages(store, Chance, options), new HookedMethod(new NoobServer(store, this, Chance, options)));
        var observer = new EapObserver(_ => site.Actor, _ => null, Witness, (_, _, f) => LastRefusal = $"error {f.Error}, {f.Message}", (what, e) => throw new InvalidOperationException(what, e));
        var nas = new RadiusNas("any", IPNetwork.Parse("10.0.0.0/8"), new RadiusSecret("testing123"));
        var engine = new RadiusServer<IPEndPoint>(new RadiusClients([nas]), p => p.Address, Chance);
        RadiusServerHost? served = null;
        var pump = new DatagramPump<RadiusServerEvent>(host, Port, engine, what => served!.Happened(what));
        served = new RadiusServerHost(engine.Answer, new RadiusEapService(new EapServer(store.Sessions, Chance, [new EapRoute("*", site.Method)], observer)), "radius", () => Loop.Now, answer =>
        {
            answer();
            pump.Run();
        }, (_, _, f) => LastRefusal = f.Message, (what, e) => throw new InvalidOperationException(what, e), inline: true);
        return site;
    }

    public EapNoobDevice AddDevice(string serial) => new(this, serial, AddHost($"{serial}.test", serial));

    /// <summary>What a person does, as the tool in front of that person reports it.</summary>
    public SessionId Act(StepKind kind, Actor from, Actor to, int bits = 0)
    {
        var session = NewSession();
        Witness.Saw(new Sighting
        {
            Kind = kind,
            Way = Way.Sent,
            At = Loop.Now,
            Session = session,
            Here = from,
            Peer = to,
            Medium = new Medium(kind.Act.ToString(), IsHuman: true),
            Layers = [],
            EntropyBits = bits,
        });
        return session;
    }

    public void Wait(TimeSpan time)
    {
        bool over = false;
        Loop.After(time, () => over = true);
        Loop.RunUntil(() => over, time + TimeSpan.FromSeconds(1));
    }

    /// <summary>Somebody plugs the device in, in a network that leads to this server. From here on the network has the conditions of the run.</summary>
    /// <param name="helps">What the user does with a code that the device shows; by default takes it to the server, where he is told what the device claims to be.</param>
    public Outcome PowerOn(EapNoobDevice device, EapNoobSite site, Action<OobMessage>? helps = null)
    {
        _episodes.Add(Loop.Now.Elapsed);
        Network.Conditions = new LinkConditions { Delay = Task.Conditions.OneWayDelay, Loss = Task.Conditions.Loss };
        var act = Act(NoobSteps.PowerOn, User, device.Actor);
        var outcome = device.Run(site, act, helps ?? (message => Loop.After(TimeSpan.FromSeconds(30), () => Bring(device, site, message))), s_runLimit);
        return outcome;
    }

    /// <summary>The user looks at what the server says of the device, confirms, and leaves the code.</summary>
    public string? Bring(EapNoobDevice? shownBy, EapNoobSite site, OobMessage message)
    {
        try
        {
            if (Loop.Complete(site.Oob.FindAsync(message.PeerId, Operator, default)) is null)
                return "no such device waits there";
            foreach (var kind in new[] { NoobSteps.ConfirmDevice, NoobSteps.DeliverToServer })
            {
                var session = Act(kind, User, site.Actor, kind == NoobSteps.DeliverToServer ? OobMessage.EntropyBits : 0);
                if (shownBy is not null)
                    Witness.Link(shownBy.LastSession, session);
            }
            Loop.Complete(site.Oob.ReceiveAsync(message, "owner", Operator, default));
            return null;
        }
        catch (NoobException refused)
        {
            return $"error {refused.Error}, {refused.Message}";
        }
    }

    public LabRun Finish(EapNoobDevice? device, LabOutcome outcome, bool onlyReconnect = false)
    {
        Loop.RunUntil(() => false, TimeSpan.FromMinutes(2));
        var observations = _log.Snapshot();
        var ceremonies = new CeremonyAssembler([NoobProfile.Protocol]).Assemble(observations);
        if (Task.Attack is not null)
            ceremonies = [.. ceremonies.Select(c => c with { Purpose = Purpose.Attack })];
        if (onlyReconnect)
            ceremonies = [.. ceremonies.Where(c => c.Method == NoobProfile.Reconnect)];
        var heard = Network.Eavesdropper!.Frames;
        var frames = heard.Select(f => new CapturedFrame(f.At.Elapsed, f.Medium.Name, $"{f.From} > {f.To}", Instance(f.From), Instance(f.To),
            SimulatedPacket.Parse(f.Bytes.ToArray())?.Payload ?? f.Bytes, f.Bytes.Length, f.Repeats, f.Tag)).ToImmutableArray();
        int arrived = observations.OfType<Observation.FrameCaptured>().Count(f => f.Way == Way.Received);
        var statistics = new NetworkStatistics(heard.Count, heard.Sum(f => (long)f.Bytes.Length), Math.Max(0, heard.Count - arrived), heard.Count(f => f.Repeats));
        return new LabRun(Task.RunId, NoobProfile.Protocol, Task.Method, Task.Conditions, Task.Scenario, Task.Attack, ceremonies,
            [[.. observations.Where(o => o is not Observation.FrameCaptured)]], frames, device?.Factory ?? [], device?.Held ?? [], statistics,
            onlyReconnect ? [.. _episodes.TakeLast(1)] : [.. _episodes], outcome)
        {
            Sought = [.. _servers.Select((s, i) => new HeldItem(i == 0 ? "owner's server" : $"server of owner {i + 1}", BeliefKind.ServiceEndpoint, false, Encoding.UTF8.GetBytes($"{s}.test")))],
        };
    }

    private string Instance(string endpoint) => IPEndPoint.TryParse(endpoint, out var at) ? _instanceAt.GetValueOrDefault(at.Address.ToString(), "") : "";

    internal IPEndPoint EndPointOf(EapNoobSite site) => new(site.Host.Address, Port);
}

/// <summary>One device with its flash.</summary>
internal sealed class EapNoobDevice
{
    private readonly EapNoobWorld _world;
    private readonly SimulatedHost _host;
    private readonly SimulatedStateFile<NoobPeerState> _file;
    private readonly SimulatedProcess _process;
    private SimulatedWorld<NoobPeerState>? _running;
    private Action _start = () => { };
    private PartyDriver<NoobPeerState>? _driver;

    public EapNoobDevice(EapNoobWorld world, string serial, SimulatedHost host)
    {
        (_world, _host) = (world, host);
        _process = host.Run(_ => _start());
        _file = new SimulatedStateFile<NoobPeerState>(NoobPeerState.Schema, new AesGcmSealer(SHA256.HashData("flash"u8), world.Chance));
        _file.Write(NoobPeerState.Make($$"""{"Manufacturer":"Acme","Model":"X1","SerialNumber":"{{serial}}"}"""));
        Actor = new Actor(NoobPlayers.Peer, serial, "owner");
        Factory = Held;
    }

    private string Station => Convert.ToHexString([2, 0, .. _host.Address.GetAddressBytes()]);
    public Actor Actor { get; }
    public NoobPeerState State => _file.Read();
    public SessionId LastSession => _driver?.Session ?? default;
    public ImmutableArray<HeldItem> Factory { get; set; }
    public ImmutableArray<HeldItem> Held => HeldItem.Of(NoobPeerState.Schema, State);
    public bool? KeysAgree { get; private set; }

    /// <param name="since">The act that began it; linked to the device's session.</param>
    public Outcome Run(EapNoobSite site, SessionId since, Action<OobMessage> helps, TimeSpan limit)
    {
        Begin(site, since, helps);
        var world = _running!;
        _world.Loop.RunUntil(() => world.Outcome is not null, limit);
        return world.Outcome ?? new Outcome(false, "nothing happened for half a day");
    }

    /// <summary>A run that is under way ends, as with the power.</summary>
    public void Begin(EapNoobSite site, SessionId since, Action<OobMessage> helps)
    {
        if (_process.IsAlive)
            _process.Kill();
        _start = () => Start(site, helps);
        _process.Start();
        // Its first event gives it a session; the act belongs to it.
        _world.Loop.Post(() => _world.Witness.Link(since, LastSession));
    }

    private void Start(EapNoobSite site, Action<OobMessage> helps)
    {
        var people = new ScriptedPeople();
        people.Sees += prompt =>
        {
            if (prompt.Kind == NoobSteps.ShowAtPeer)
                helps(OobMessage.Parse(prompt.Value!.Reveal()));
        };
        people.On(NoobSteps.DeliverToPeer, (prompt, _) =>
        {
            _world.Witness.Link(LastSession, _world.Act(NoobSteps.ConfirmDevice, _world.User, site.Actor));
            _world.Witness.Link(LastSession, _world.Act(NoobSteps.ShowAtServer, site.Actor, _world.User, OobMessage.EntropyBits));
            var message = _world.Loop.Complete(site.Oob.IssueAsync(State.PeerId, "owner", _world.Operator, default));
            return HumanReaction.Enters(prompt, site.Code(message).ToQuery().Reveal(), TimeSpan.FromSeconds(30));
        });
        var options = new NoobPeerOptions(new Destination("radius", site.Name, 1812, new ChannelSecurity.None(), NoobPlayers.Server))
        {
            Directions = _world.Takes ? OobDirections.ServerToPeer : OobDirections.PeerToServer,
            Backoff = TimeSpan.FromSeconds(10),
            MaxFailures = _world.Task.Conditions.Loss > 0 ? 100 : 5,
        };
        var client = new RadiusEapClient<IPEndPoint>(new EapPeerOptions(NoobEap.Type) { Proposal = 0 }, new NasPortOptions("switch") { CallingStation = Station },
            [new(_world.EndPointOf(site), new RadiusSecret("testing123"))], _world.Chance);
        EapPeerCarrier? carrier = null;
        var pump = new DatagramPump<EapPeerEvent>(_host, 0, client, what => carrier!.Happened(what));
        carrier = new EapPeerCarrier(client, new NoobEap(), action => _world.Loop.Post(_process.Guard(() =>
        {
            action();
            pump.Run();
        })), () => _world.Loop.Now);
        var running = _running = new SimulatedWorld<NoobPeerState>(_world.Loop, carrier, _file, _process) { People = people };
        running.WhenEnded += _ =>
        {
            KeysAgree = client.KeysAgree;
            pump.Close();
        };
        _driver = running.Run(s => new NoobPeer(s, options, _world.Chance), new PartyIdentity<NoobPeerState>(Actor, p => p == NoobPlayers.Server ? site.Actor : new Actor(p, p.Name, p.UsuallyOperatedBy),
            NoobPeerState.Schema), _world.Witness);
    }

    /// <summary>The reset button.</summary>
    public void Reset() => _file.Write(NoobPeerState.Schema.Reset(State));
}

/// <summary>An owner's EAP server, with the box for OOB messages.</summary>
internal sealed record EapNoobSite(string Name, Actor Actor, SimulatedHost Host, OobMessages Oob, HookedMethod Method)
{
    /// <summary>What an attacker makes of the code that the server shows.</summary>
    public Func<OobMessage, OobMessage> Code { get; set; } = m => m;

    public bool Owns(EapNoobWorld world, EapNoobDevice device) =>
        world.Loop.Complete(Oob.OwnedAsync(null, null, 100, world.Operator, default)).Any(d => d.PeerId == device.State.PeerId && device.State.State == AssociationState.Registered);
}

/// <summary>A server in front of which an attacker on the path stands: EAP is in the clear.</summary>
internal sealed class HookedMethod(NoobServer inner) : IEapServerMethod
{
    public Func<string, string> OnPath { get; set; } = text => text;
    public byte Type => inner.Type;
    public IMessage ParseIdentity(EapConversation conversation) => inner.ParseIdentity(conversation);
    public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation) => inner.Parse(Changed(data), conversation);
    public IEapServerState ReadState(ReadOnlyMemory<byte> bytes) => inner.ReadState(bytes);
    public async ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel) =>
        await inner.HandleAsync(request, conversation, caller, cancel) is var turn && turn is EapTurn.Request asks ? asks with { Data = Changed(asks.Data) } : turn;
    public EapTurn Refuse(ProtocolException? fault, EapConversation conversation) => inner.Refuse(fault, conversation);

    private ReadOnlyMemory<byte> Changed(ReadOnlyMemory<byte> data)
    {
        string before = Encoding.UTF8.GetString(data.Span), after = OnPath(before);
        return before == after ? data : Encoding.UTF8.GetBytes(after);
    }
}
