using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Manufacturer;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Rendezvous;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;
using Hatchery.Pki;
using Hatchery.Simulation;

namespace Hatchery.Lab.Protocols;

/// <summary>A manufacturer with its rendezvous server, owners with theirs, and devices, on a simulated network in virtual time.</summary>
internal sealed class FdoWorld : IAdmission
{
    public const string FactoryHost = "factory.test", FactoryRendezvous = "rv.factory.test";
    private static readonly TimeSpan s_runLimit = TimeSpan.FromDays(2);

    private readonly Dictionary<string, string> _instanceAt = [];
    private readonly ECDsa _manufacturerKey;
    private readonly ManufacturerVouchers _made;
    private readonly ObservationLog _log = new();
    private readonly List<TimeSpan> _episodes = [];
    private readonly string _rendezvousText;
    private readonly LabConditions _conditions;
    private int _sessions;

    public FdoWorld(LabTask task)
    {
        Task = task;
        _conditions = task.Conditions;
        Chance = new SeededChance($"{_conditions.Seed}/fdo");
        Loop = new SimulationLoop();
        Network = new SimulatedNetwork(Loop, $"{_conditions.Seed}/fdo") { Eavesdropper = new Eavesdropper() };
        Witness = new Witness(new WitnessKey(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(_conditions.Seed))), Watch.Steps | Watch.Frames | Watch.Costs, NewSession, _log);
        _manufacturerKey = Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "manufacturer key");
        var ca = CertificateAuthority.CreateRoot("CN=Device CA", Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "device CA"), Loop.Now.Wall!.Value.AddYears(-1), TimeSpan.FromDays(20000), Chance);
        var store = NewStore();
        _rendezvousText = task.Method.Id == FdoProfile.BypassMethod ? "http://owner-1.test:80;bypass" : $"http://{FactoryRendezvous}:80";
        var factory = new ManufacturerOptions { Keys = [_manufacturerKey], DeviceCa = ca, RendezvousInfo = RendezvousText.Parse(_rendezvousText) };
        FactoryHosts = [AddHost(FactoryHost, "factory"), AddHost(FactoryRendezvous, "manufacturer's rendezvous")];
        new SimulatedHttpServer(FactoryHosts[0], 80, "factory").Map(Role(new Actor(FdoPlayers.Manufacturer, "factory", "manufacturer"), new DeviceInitializeService(store, this, Chance, factory)));
        FactoryRendezvousRole = Rendezvous("manufacturer's rendezvous", "manufacturer", NewStore());
        new SimulatedHttpServer(FactoryHosts[1], 80, "rendezvous").Map(FactoryRendezvousRole);
        _made = new ManufacturerVouchers(store, factory.Keys, Chance);
    }

    public LabTask Task { get; }
    public Chance Chance { get; }
    public SimulationLoop Loop { get; }
    public SimulatedNetwork Network { get; }
    public Witness Witness { get; }
    public ImmutableArray<SimulatedHost> FactoryHosts { get; }
    public IHttpRole FactoryRendezvousRole { get; }
    public ECDsa ManufacturerKey => _manufacturerKey;
    public string LastRefusal { get; private set; } = "";

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));

    /// <summary>Random in production, counted here: the run repeats.</summary>
    private SessionId NewSession() => new(new Guid(++_sessions, 0, 0, new byte[8]));

    public RecordStore NewStore() => new(new MemoryBackend(Loop.Time), new AesGcmSealer(SHA256.HashData("seal"u8), Chance));

    public SimulatedHost AddHost(string name, string instance)
    {
        var host = Network.AddHost(name, Witness);
        _instanceAt[host.Address.ToString()] = instance;
        return host;
    }

    public HttpServiceDriver Role(Actor here, params FdoService[] services)
    {
        var dispatcher = new FdoDispatcher(services);
        return new HttpServiceDriver(Driver(dispatcher, here), new FdoHttpServer(dispatcher.Types, Chance));
    }

    public ServiceDriver Driver(IService service, Actor here) => new(service, here, _ => null, Witness,
        (_, _, fault) => LastRefusal = string.Create(CultureInfo.InvariantCulture, $"{here.Player.Name}: error {fault.Error}, {fault.Message}"),
        (what, fault) => throw new InvalidOperationException(what, fault));

    public HttpServiceDriver Rendezvous(string instance, string operatedBy, IRecordStore store) =>
        Role(new Actor(FdoPlayers.Rendezvous, instance, operatedBy), new To0Service(store, this, Chance, new RendezvousOptions()), new To1Service(store, this, Chance));

    public Caller Operator(SessionId session) => new() { Now = Loop.Now, Listener = "operator", Session = session };

    /// <summary>What a person does, as the tool in front of that person reports it.</summary>
    public SessionId Act(StepKind kind, Actor from, Actor to)
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
        });
        return session;
    }

    public void Wait(TimeSpan time)
    {
        bool over = false;
        Loop.After(time, () => over = true);
        Loop.RunUntil(() => over, time + TimeSpan.FromSeconds(1));
    }

    /// <summary>DI in the factory.</summary>
    public FdoDevice Manufacture(string serial)
    {
        var device = new FdoDevice(this, serial, AddHost($"{serial}.test", serial));
        using var key = Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "attestation key of " + serial);
        var request = new CertificateRequest("CN=device", key, HashAlgorithmName.SHA256).CreateSigningRequest();
        var spki = key.ExportSubjectPublicKeyInfo();
        var pkcs8 = new SecretBytes(key.ExportPkcs8PrivateKey());
        device.Run(_ => new DeviceInitializer(new Destination("http", FactoryHost, 80, new ChannelSecurity.None(), FdoPlayers.Manufacturer), pkcs8, spki, request,
            FdoPublicKey.TypeOf(spki)!.Value, PublicKeyEncoding.X509, serial, "model", Chance));
        device.FactorySession = device.LastSession;
        return device;
    }

    /// <summary>As the manufacturer keeps it, also when the device goes by another GUID already.</summary>
    public OwnershipVoucher VoucherOf(FdoDevice device) =>
        OwnershipVoucher.Parse(Loop.Complete(_made.FindBySerialAsync(device.Actor.Instance, Operator(default), default))[0].Voucher);

    /// <summary>The buyer's key goes to the factory, the voucher comes back and is imported.</summary>
    public OwnershipVoucher Sell(FdoDevice device, FdoSite owner)
    {
        if (!_owners.Contains(owner.Name))
            _owners.Add(owner.Name);
        var factory = new Actor(FdoPlayers.Manufacturer, "factory", "manufacturer");
        var given = Act(FdoSteps.GiveOwnerKey, owner.Staff, factory);
        Wait(TimeSpan.FromMinutes(1));
        var voucher = Loop.Complete(_made.ExtendAsync(device.State.Guid, owner.PublicKey, Operator(given), default));
        var extended = Act(FdoSteps.ExtendVoucher, factory, owner.Staff);
        Wait(TimeSpan.FromMinutes(1));
        var imported = owner.Import(voucher);
        foreach (var act in new[] { given, extended, imported })
            Witness.Link(device.FactorySession, act);
        return voucher;
    }

    /// <summary>Somebody plugs the device in. From here on the network has the conditions of the run.</summary>
    public Outcome PowerOn(FdoDevice device, int rounds = 1)
    {
        _episodes.Add(Loop.Now.Elapsed);
        Network.Conditions = new LinkConditions { Delay = _conditions.OneWayDelay, Loss = _conditions.Loss };
        var act = Act(FdoSteps.PowerOn, new Actor(FdoPlayers.Installer, "installer", "owner"), device.Actor);
        var outcome = device.Run(s => new OnboardingDevice(s, new DeviceOptions
        {
            Facts = new DeviceFacts("Linux", "x86_64", "12", "model"),
            Modules = ["fdo.download"],
            Rounds = _conditions.Loss > 0 ? 20 : rounds,
            RoundDelay = TimeSpan.FromSeconds(30),
        }, new RendezvousAbilities(["http"]), Chance));
        Witness.Link(act, device.LastSession);
        foreach (var early in device.Pending)
            Witness.Link(early, device.LastSession);
        device.Pending.Clear();
        return outcome;
    }

    /// <summary>The device uses what it was given.</summary>
    public Outcome Use(FdoDevice device)
    {
        for (int i = 0; ; i++)
        {
            var outcome = device.Run(s => new ServiceUser(s));
            if (outcome.Succeeded || _conditions.Loss == 0 || i >= 5)
                return outcome;
        }
    }

    public Outcome Run<T>(SimulatedHost host, SimulatedStateFile<T> file, Func<T, IParty<T>> make, Actor actor, IDeviceFiles? files, out SessionId session) where T : class
    {
        var modules = files is null ? null : new DeviceModuleHost(new DownloadModule(files));
        var carrier = new SimulatedHttpCarrier(host, to => to.Player == FdoPlayers.OwnerService ? new ServiceHttpClient() : new FdoHttpClient());
        var world = new SimulatedWorld<T>(Loop, carrier, file)
        {
            Needs = need => new NeedAnswer(modules is not null && need is ServiceInfoNeed asked ? Loop.Complete(modules.AnswerAsync(asked, default)) : new Supply.Failed(need.Ticket, "no modules")),
        };
        var driver = world.Run(make, new PartyIdentity<T>(actor, p => new Actor(p, p.Name, p.UsuallyOperatedBy), file.Schema), Witness);
        Loop.RunUntil(() => world.Outcome is not null, s_runLimit);
        session = driver.Session;
        return world.Outcome ?? new Outcome(false, "nothing happened for two days");
    }

    private readonly List<string> _owners = [];

    public LabRun Finish(FdoDevice? device, LabOutcome outcome)
    {
        // Closing segments are still under way.
        Loop.Run(TimeSpan.FromMinutes(5));
        var observations = _log.Snapshot();
        var ceremonies = new CeremonyAssembler([FdoProfile.Protocol]).Assemble(observations);
        if (Task.Attack is not null)
            ceremonies = [.. ceremonies.Select(c => c with { Purpose = Purpose.Attack })];
        var heard = Network.Eavesdropper!.Frames;
        var frames = heard.Select(f =>
        {
            var packet = SimulatedPacket.Parse(f.Bytes.ToArray());
            return new CapturedFrame(f.At.Elapsed, f.Medium.Name, $"{f.From} > {f.To}", Instance(f.From), Instance(f.To), packet?.Payload ?? f.Bytes, f.Bytes.Length, f.Repeats, f.Tag);
        }).ToImmutableArray();
        int arrived = observations.OfType<Observation.FrameCaptured>().Count(f => f.Way == Way.Received);
        var statistics = new NetworkStatistics(heard.Count, heard.Sum(f => (long)f.Bytes.Length), Math.Max(0, heard.Count - arrived), heard.Count(f => f.Repeats));
        return new LabRun(Task.RunId, FdoProfile.Protocol, Task.Method, Task.Conditions, Task.Scenario, Task.Attack, ceremonies,
            [[.. observations.Where(o => o is not Observation.FrameCaptured)]], frames, device?.Factory ?? [], device?.Held ?? [], statistics, [.. _episodes], outcome)
        {
            Sought = [.. _owners.Select((o, i) => new HeldItem(i == 0 ? "owner's address" : $"address of owner {i + 1}", BeliefKind.ServiceEndpoint, false, System.Text.Encoding.UTF8.GetBytes($"{o}.test")))],
        };
    }

    private string Instance(string endpoint) => IPEndPoint.TryParse(endpoint, out var at) ? _instanceAt.GetValueOrDefault(at.Address.ToString(), "") : "";
}

/// <summary>One device with its flash.</summary>
internal sealed class FdoDevice(FdoWorld world, string serial, SimulatedHost host)
{
    private readonly SimulatedStateFile<DeviceCredential> _file = new(DeviceCredential.Schema, new AesGcmSealer(SHA256.HashData("flash"u8), world.Chance));
    private readonly SimulatedDeviceFiles _files = new();

    public Actor Actor { get; } = new(FdoPlayers.Device, serial, "owner");
    public DeviceCredential State => _file.Read();
    public SessionId LastSession { get; private set; }
    public SessionId FactorySession { get; set; }
    /// <summary>Acts before a later setup, for which no other session speaks.</summary>
    public List<SessionId> Pending { get; } = [];
    public ImmutableArray<HeldItem> Factory { get; private set; } = [];
    public ImmutableArray<HeldItem> Held => HeldItem.Of(DeviceCredential.Schema, State);

    public Outcome Run(Func<DeviceCredential, IParty<DeviceCredential>> make)
    {
        var outcome = world.Run(host, _file, make, Actor, _files, out var session);
        LastSession = session;
        if (Factory.IsEmpty)
            Factory = Held;
        return outcome;
    }

    /// <summary>The reset button: keeps what only the factory could make, and the credential of the last owner; arms the device again.</summary>
    public void Reset() => _file.Write(DeviceCredential.Schema.Reset(State), _file.Origins);
}

/// <summary>An owner: its TO2 and management service on one host, its rendezvous server on another.</summary>
internal sealed class FdoSite
{
    private readonly FdoWorld _world;
    private readonly SimulatedHost _host;
    private readonly IRecordStore _store;
    private readonly OwnerOptions _options;
    private readonly OwnerVouchers _vouchers;

    public FdoSite(FdoWorld world, string name, string operatedBy)
    {
        (_world, Name) = (world, name);
        Key = world.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, $"owner key of {name}");
        _store = world.NewStore();
        var tokens = new ServiceTokens(new SecretBytes(world.Chance.Bytes(32, $"service key of {name}")));
        _options = new OwnerOptions
        {
            Keys = new OwnerKeys(Key),
            ReplacementRendezvousInfo = RendezvousText.Parse($"http://rv.{name}.test:80"),
            Planner = new AgentPlanner(tokens, new Uri($"http://{name}.test:8081"), new OnePlan(ServiceInfoPlan.Empty)),
            Addresses = [new To2AddressEntry(null, $"{name}.test", 80, TransportProtocol.Http)],
        };
        _vouchers = new OwnerVouchers(_store, _options.Keys, new VoucherPolicy(), world.Chance);
        _host = world.AddHost($"{name}.test", name);
        RendezvousHost = world.AddHost($"rv.{name}.test", $"rendezvous of {name}");
        To2 = new HookedRole(world.Role(new Actor(FdoPlayers.Owner, name, operatedBy), new To2Service(_store, world, world.Chance, _options)));
        new SimulatedHttpServer(_host, 80, "to2").Map(To2);
        new SimulatedHttpServer(_host, 8081, "service").Map(new HttpServiceDriver(
            world.Driver(new DeviceManagementService(_store, tokens), new Actor(FdoPlayers.OwnerService, $"service of {name}", operatedBy)), new ServiceHttpServer()));
        new SimulatedHttpServer(RendezvousHost, 80, "rendezvous").Map(world.Rendezvous($"rendezvous of {name}", operatedBy, world.NewStore()));
        Actor = new Actor(FdoPlayers.Owner, name, operatedBy);
        Staff = new Actor(FdoPlayers.OwnerStaff, $"staff of {name}", operatedBy);
    }

    public string Name { get; }
    public ECDsa Key { get; }
    public Actor Actor { get; }
    public Actor Staff { get; }
    public HookedRole To2 { get; }
    public SimulatedHost Host => _host;
    public SimulatedHost RendezvousHost { get; }
    public FdoPublicKey PublicKey => FdoPublicKey.From(Key);
    public SessionId LastRegistration { get; private set; }

    /// <summary>Throws <see cref="FdoException"/> for a voucher that is not this owner's.</summary>
    public SessionId Import(OwnershipVoucher voucher)
    {
        var session = _world.Act(FdoSteps.ImportVoucher, Staff, Actor);
        _world.Loop.Complete(_vouchers.ImportAsync(voucher, _world.Operator(session), default));
        return session;
    }

    public OwnershipVoucher SellTo(FdoPublicKey next, Guid guid) => _world.Loop.Complete(_vouchers.SellAsync(guid, next, _world.Operator(default), default));

    /// <summary>TO0.</summary>
    public Outcome Register(OwnershipVoucher voucher, string rendezvous)
    {
        var file = new SimulatedStateFile<To0Schedule>(To0Schedule.Schema, null);
        file.Write(new To0Schedule(voucher.Guid, _world.Loop.Now.Wall!.Value, null, 0, ""));
        var outcome = _world.Run(_host, file, s => new To0Client(s, voucher, Key, _options, [new Destination("http", rendezvous, 80, new ChannelSecurity.None(), FdoPlayers.Rendezvous)], _world.Chance),
            Actor, null, out var session);
        LastRegistration = session;
        return outcome;
    }

    /// <summary>A record that no import would have let in: for a site that does not judge itself.</summary>
    public void Forge(OwnershipVoucher voucher)
    {
        var unit = _store.Begin(_world.Operator(default));
        var present = _world.Loop.Complete(unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(voucher.Guid), default));
        var record = new OwnerVoucher(voucher.Guid, voucher.Raw, OwnerVoucherState.Waiting, default, voucher.DeviceKey, PublicKey.Fingerprint, "", _world.Loop.Now.Wall!.Value);
        if (present is null)
            unit.Insert(OwnerVoucher.Schema, OwnerVoucher.Key(voucher.Guid), record);
        else
            unit.Replace(OwnerVoucher.Schema, present.Key, record, present.Version);
        _world.Loop.Complete(unit.CommitAsync(default));
    }

    /// <summary>Whether the device goes by a credential that this owner gave.</summary>
    public bool Owns(FdoDevice device) => !device.State.Active
        && _world.Loop.Complete(_vouchers.GetAsync(device.State.Guid, _world.Operator(default), default)) is { State: OwnerVoucherState.Onboarded };
}

/// <summary>A role in front of which an attacker on the path stands.</summary>
internal sealed class HookedRole(IHttpRole inner) : IHttpRole
{
    public Func<PlainHttpRequest, PlainHttpRequest> Request { get; set; } = r => r;
    public Func<PlainHttpRequest, PlainHttpResponse, PlainHttpResponse> Response { get; set; } = (_, r) => r;
    public ImmutableArray<string> Routes => inner.Routes;
    public int MaxBody => inner.MaxBody;

    public async ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel) =>
        Response(request, await inner.HandleAsync(Request(request), caller, cancel));
}

/// <summary>Answers each path with what was recorded for it, in order; then not any more.</summary>
internal sealed class ReplayRole(IHttpRole like, IEnumerable<(string Path, PlainHttpResponse Response)> recorded) : IHttpRole
{
    private readonly List<(string Path, PlainHttpResponse Response)> _left = [.. recorded];
    public ImmutableArray<string> Routes => like.Routes;
    public int MaxBody => like.MaxBody;

    public ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
    {
        int at = _left.FindIndex(r => r.Path == request.Path);
        if (at < 0)
            return new(new PlainHttpResponse(503, [], default));
        var response = _left[at].Response;
        _left.RemoveAt(at);
        return new(response);
    }
}
