using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Manufacturer;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Rendezvous;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;
using Hatchery.Pki;
using Hatchery.Simulation;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>Factory, rendezvous server, owner and one device as four processes under virtual time. Each can be killed and started again; it then has what
/// was durable: records of the services, the state files of device and TO0, the device's folder. Sessions are in memory and end with their process.</summary>
internal sealed class SimulatedFleet : IAdmission
{
    private const string Factory = "factory.test", Rendezvous = "rv.test", OwnerHost = "owner.test";
    private const int ServicePort = 8081;
    public const string FileName = "settings.bin";

    private static readonly WitnessKey s_key = new(SHA256.HashData("simulated fleet"u8));
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1), s_retry = TimeSpan.FromSeconds(10);

    private readonly string _seed;
    private readonly SimulatedHost _factory, _rendezvous, _owner, _device;
    private readonly ECDsa _manufacturerKey, _ownerKey;
    private readonly CertificateAuthority _ca;
    private readonly AesGcmSealer _sealer;
    private readonly ManufacturerOptions _manufacturer;
    private readonly OwnerOptions _options;
    private readonly ServiceTokens _tokens = new(new SecretBytes(SHA256.HashData("service"u8)));
    private readonly MemoryBackend _factoryRecords, _rendezvousRecords, _ownerRecords;
    private readonly SecretBytes _attestationKey;
    private readonly byte[] _attestationSpki, _csr;
    private long _session;
    private DeviceCredential? _made;
    private bool _used;

    public SimulatedFleet(string seed = "fleet", int fileSize = 3000)
    {
        _seed = seed;
        Loop = new SimulationLoop();
        Network = new SimulatedNetwork(Loop, seed) { Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(10) } };
        var chance = new SeededChance(seed + "/setup");
        _sealer = new AesGcmSealer(SHA256.HashData("seal"u8), chance);
        _manufacturerKey = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "manufacturer");
        _ownerKey = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "owner");
        _ca = CertificateAuthority.CreateRoot("CN=Device CA", chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "ca"), Loop.Now.Wall!.Value.AddYears(-1), TimeSpan.FromDays(3650), chance);
        var device = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "device");
        (_attestationKey, _attestationSpki) = (new SecretBytes(device.ExportPkcs8PrivateKey()), device.ExportSubjectPublicKeyInfo());
        _csr = new CertificateRequest("CN=device", device, HashAlgorithmName.SHA256).CreateSigningRequest();
        File = chance.Bytes(fileSize, "file");
        _manufacturer = new ManufacturerOptions { Keys = [_manufacturerKey], DeviceCa = _ca, RendezvousInfo = RendezvousText.Parse("http://rv.test:80") };
        _options = new OwnerOptions
        {
            Keys = new OwnerKeys(_ownerKey),
            Addresses = [new To2AddressEntry(null, OwnerHost, 80, TransportProtocol.Http)],
            Planner = new AgentPlanner(_tokens, new Uri($"http://{OwnerHost}:{ServicePort}/"), new OnePlan(new ServiceInfoPlan("p", [new Download(FileName, File)]))),
        };
        _factoryRecords = new MemoryBackend(Loop.Time);
        _rendezvousRecords = new MemoryBackend(Loop.Time);
        _ownerRecords = new MemoryBackend(Loop.Time);
        DeviceFile = new SimulatedStateFile<DeviceCredential>(DeviceCredential.Schema, _sealer);
        To0File = new SimulatedStateFile<To0Schedule>(To0Schedule.Schema, _sealer);
        _factory = Host(Factory);
        _rendezvous = Host(Rendezvous);
        _owner = Host(OwnerHost);
        _device = Host("device");
        Processes = [_factory.Run(RunFactory), _rendezvous.Run(RunRendezvous), _owner.Run(RunOwner), _device.Run(RunDevice)];
    }

    public SimulationLoop Loop { get; }
    public SimulatedNetwork Network { get; }
    public ImmutableArray<SimulatedProcess> Processes { get; }
    public byte[] File { get; }
    public SimulatedDeviceFiles Folder { get; } = new();
    public SimulatedStateFile<DeviceCredential> DeviceFile { get; }
    public SimulatedStateFile<To0Schedule> To0File { get; }
    public List<string> Refusals { get; } = [];
    public List<string> Failures { get; } = [];
    /// <summary>The owner's service has taken the device in.</summary>
    public bool IsOnboarded => _used && !DeviceFile.Read().Active;

    public CrashScenario Scenario => new(Loop, Processes, () => IsOnboarded, Check);

    /// <summary>Without the harness: until the device uses its service.</summary>
    public bool Run(TimeSpan limit)
    {
        foreach (var process in Processes)
            Loop.Post(process.Start);
        return Loop.RunUntil(() => IsOnboarded, limit);
    }

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));

    private SimulatedHost Host(string name) => Network.AddHost(name, new Witness(s_key, Watch.Frames | Watch.Steps, NextSession));
    private SessionId NextSession() => new(new Guid((int)++_session, 0, 0, new byte[8]));
    private SeededChance ChanceOf(SimulatedProcess process) => new($"{_seed}/{process.Name}/{process.Life}");
    private RecordStore Store(MemoryBackend records, SimulatedProcess process) => new(new CrashingBackend(records, process), _sealer);
    private Caller Operator => Caller.Local("operator", Loop.Now);

    private void RunFactory(SimulatedProcess process)
    {
        var (chance, store) = (ChanceOf(process), Store(_factoryRecords, process));
        new SimulatedHttpServer(_factory, 80, "factory").Map(Role(FdoPlayers.Manufacturer, _factory, chance, new DeviceInitializeService(store, this, chance, _manufacturer)));
        var vouchers = new ManufacturerVouchers(store, _manufacturer.Keys, chance);
        // Whoever takes a finished device from the line reads its GUID and sells it.
        Repeat(process, s_poll, () =>
        {
            if (Label is { } guid && Sold is null)
                Loop.Await(() => vouchers.ExtendAsync(guid, FdoPublicKey.From(_ownerKey), Operator, default), process.Guard<OwnershipVoucher>(_ => { }), process.Guard<Exception>(Fail));
        });
    }

    private void RunRendezvous(SimulatedProcess process)
    {
        var (chance, store) = (ChanceOf(process), Store(_rendezvousRecords, process));
        new SimulatedHttpServer(_rendezvous, 80, "rv").Map(Role(FdoPlayers.Rendezvous, _rendezvous, chance,
            new To0Service(store, this, chance, new RendezvousOptions()), new To1Service(store, this, chance)));
    }

    private void RunOwner(SimulatedProcess process)
    {
        var (chance, store) = (ChanceOf(process), Store(_ownerRecords, process));
        new SimulatedHttpServer(_owner, 80, "owner").Map(Role(FdoPlayers.Owner, _owner, chance, new To2Service(store, this, chance, _options)));
        var service = new ServiceDriver(new DeviceManagementService(store, _tokens), Actor(FdoPlayers.OwnerService), Actor, _owner.Witness, Refused, (what, e) => Fail(e));
        new SimulatedHttpServer(_owner, ServicePort, "service").Map(new HttpServiceDriver(service, new ServiceHttpServer()));
        var vouchers = new OwnerVouchers(store, _options.Keys, new VoucherPolicy(), chance);
        bool busy = false;
        Repeat(process, s_poll, () =>
        {
            if (Sold is not { } voucher)
                return;
            if (OwnerVouchersNow.All(v => v.Guid != voucher.Guid))
                Loop.Await(() => vouchers.ImportAsync(voucher, Operator, default), process.Guard<OwnerVoucher>(_ => { }), process.Guard<Exception>(Fail));
            else if (!busy && Loop.Complete(store.Begin(Operator).GetAsync(To0Schedule.Schema, To0Schedule.Key(voucher.Guid), default)) is not null)
            {
                var schedule = To0File.Read();
                if (schedule.Guid == voucher.Guid && schedule.NextAt > Loop.Now.Wall)
                    return;
                busy = true;
                var world = new SimulatedWorld<To0Schedule>(Loop, new SimulatedHttpCarrier(_owner, _ => new FdoHttpClient()), To0File, process);
                world.WhenEnded += _ => busy = false;
                world.Run(state => new To0Client(state with { Guid = voucher.Guid }, voucher, _ownerKey, _options,
                    [new Destination("http", Rendezvous, 80, new ChannelSecurity.None(), FdoPlayers.Rendezvous)], chance),
                    new PartyIdentity<To0Schedule>(Actor(FdoPlayers.Owner), Actor, To0Schedule.Schema), _owner.Witness);
            }
        });
    }

    private void RunDevice(SimulatedProcess process)
    {
        var chance = ChanceOf(process);
        var modules = new DeviceModuleHost(new DownloadModule(Folder));
        Next();

        void Next()
        {
            var state = DeviceFile.Read();
            if (state.IsInitialized)
                _made ??= state;
            var world = new SimulatedWorld<DeviceCredential>(Loop, new SimulatedHttpCarrier(_device, To), DeviceFile, process)
            {
                Needs = need => new NeedAnswer(Loop.Complete(modules.AnswerAsync((ServiceInfoNeed)need, default))),
            };
            world.WhenEnded += outcome =>
            {
                if (outcome.Succeeded && state is { IsInitialized: true, Active: false })
                    _used = true;
                else
                    Loop.After(outcome.Succeeded ? s_poll : s_retry, process.Guard(Next));
            };
            world.Run(s => !s.IsInitialized ? Initializer(chance) : s.Active ? Onboarding(s, chance) : new ServiceUser(s),
                new PartyIdentity<DeviceCredential>(Actor(FdoPlayers.Device), Actor, DeviceCredential.Schema), _device.Witness);
        }
    }

    private static IHttpClientBinding To(Destination to) => to.Player == FdoPlayers.OwnerService ? new ServiceHttpClient() : new FdoHttpClient();

    private DeviceInitializer Initializer(Chance chance) => new(new Destination("http", Factory, 80, new ChannelSecurity.None(), FdoPlayers.Manufacturer), _attestationKey,
        _attestationSpki, _csr, PublicKeyType.Secp256R1, PublicKeyEncoding.X509, "SN-1", "model", chance);

    private static OnboardingDevice Onboarding(DeviceCredential state, Chance chance) => new(state, Ceremonies.Fleet.DeviceOptions with { Rounds = null },
        new RendezvousAbilities(["http"]), chance);

    private HttpServiceDriver Role(Player player, SimulatedHost host, Chance chance, params FdoService[] services)
    {
        var dispatcher = new FdoDispatcher(services);
        return new HttpServiceDriver(new ServiceDriver(dispatcher, Actor(player), Actor, host.Witness, Refused, (_, e) => Fail(e)), new FdoHttpServer(dispatcher.Types, chance));
    }

    private void Refused(Caller caller, StepKind? kind, ProtocolException fault) => Refusals.Add($"{kind}: {fault.Error} {fault.Message}");
    private void Fail(Exception e)
    {
        if (e is not ProcessKilledException)
            Failures.Add(e.ToString());
    }

    private static Actor Actor(Player player) => new(player, player.Name, player.UsuallyOperatedBy);

    private void Repeat(SimulatedProcess process, TimeSpan every, Action action) => Loop.After(every, process.Guard(() =>
    {
        // Armed first: what is killed within the action is not armed again, for the guard belongs to its life.
        Repeat(process, every, action);
        action();
    }));

    /// <summary>What stands on the device when it leaves the line.</summary>
    private Guid? Label => DeviceFile.Read() is { IsInitialized: true } state ? (_made ??= state).Guid : null;

    /// <summary>The voucher as it is handed over on paper, once the factory has it extended.</summary>
    private OwnershipVoucher? Sold => Label is { } guid && Records(_factoryRecords, ManufacturedDevice.Schema).FirstOrDefault(d => d.Guid == guid) is { SoldTo.Length: > 0 } device
        ? OwnershipVoucher.Parse(device.Voucher) : null;

    private ImmutableArray<OwnerVoucher> OwnerVouchersNow => Records(_ownerRecords, OwnerVoucher.Schema);

    private ImmutableArray<T> Records<T>(MemoryBackend records, Schema<T> schema) where T : class =>
        [.. Loop.Complete(new RecordStore(records, _sealer).Begin(Operator).ListAsync(schema, null, 100, default)).Select(r => r.Value)];

    /// <param name="died">A process has just been killed: only what must hold at any time.</param>
    public void Check(bool died)
    {
        var state = DeviceFile.Read();
        var made = Records(_factoryRecords, ManufacturedDevice.Schema);
        var owned = OwnerVouchersNow;
        Must(Failures.Count == 0, $"a service failed: {Failures.FirstOrDefault()}");
        int extensions = Records(_factoryRecords, ExtensionLedger.Schema).Length;
        Must(extensions <= 1 && Records(_ownerRecords, ExtensionLedger.Schema).IsEmpty, $"{extensions} extensions");
        Must(made.Count(d => d.SoldTo.Length > 0) == extensions, "ledger and vouchers disagree");
        Must(owned.Count(v => v.State == OwnerVoucherState.Onboarded) <= 1, "two vouchers are in force at the owner");
        Must(owned.Count(v => v.AnswersTo2) <= 1, "the device may be onboarded by two vouchers");
        if (state.IsInitialized)
        {
            _made ??= state;
            Must(state.HmacSecret!.Equals(_made.HmacSecret) && state.AttestationKey!.Equals(_made.AttestationKey), "the device's secrets changed");
            var usable = made.Where(d => OwnershipVoucher.Parse(d.Voucher) is var v && VoucherHmac.Verify(v.HeaderHmac, state.HmacSecret, v.Header)).ToArray();
            Must(usable.Length == 1 && usable[0].Guid == _made.Guid, $"the factory has {usable.Length} usable vouchers for the device");
            if (state.Active)
                Must(state.Guid == _made.Guid && (owned.IsEmpty || owned.Any(v => v.Guid == state.Guid && v.AnswersTo2)), "the device can not be onboarded any more");
            else
                CheckOwned(state, owned);
        }
        if (!died)
            CheckEnd(state, owned, made);
    }

    private void CheckOwned(DeviceCredential state, ImmutableArray<OwnerVoucher> owned)
    {
        var voucher = owned.SingleOrDefault(v => v.State == OwnerVoucherState.Onboarded);
        Must(voucher?.Guid == state.Guid, "the device's GUID is not the one that the owner has onboarded");
        var parsed = OwnershipVoucher.Parse(voucher!.Voucher);
        Must(parsed.Header.Guid == state.Guid && VoucherHmac.Verify(parsed.HeaderHmac, state.HmacSecret!, parsed.Header) && state.Knows(parsed.Header),
            "the owner's voucher is not the device's");
        Must(Folder.Read(FileName) is { } file && file.AsSpan().SequenceEqual(File), "the delivered file is another");
        var agent = state.Delivered.Single(d => d.Name == "fdo.download:" + AgentFile.Name).Content!.Reveal();
        Must(agent.SequenceEqual(Folder.Read(AgentFile.Name)), "folder and credential hold different agent files");
        Must(AgentFile.Read(agent.ToArray()) is { } read && read.Guid == state.Guid && read.Token.Equals(_tokens.For(state.Guid)), "the agent file is for another device");
    }

    private void CheckEnd(DeviceCredential state, ImmutableArray<OwnerVoucher> owned, ImmutableArray<ManufacturedDevice> made)
    {
        Must(!state.Active, "the device is not onboarded");
        Must(owned.Length >= 2 && owned.Where(v => v.Guid != state.Guid).All(v => v.State == OwnerVoucherState.Retired),
            "an old voucher lives on: " + string.Join(", ", owned.Select(v => v.State)));
        Must(Records(_ownerRecords, To0Schedule.Schema).IsEmpty, "an onboarded device is still to be registered");
        var entry = Records(_rendezvousRecords, RendezvousEntry.Schema);
        var to1d = entry.Length == 1 ? To1d.Parse(entry[0].To1d) : null;
        Must(to1d is not null && entry[0].Guid == _made!.Guid && entry[0].Entries == 1 && entry[0].OwnerKey == FdoPublicKey.From(_ownerKey).Fingerprint && to1d.Verify(FdoPublicKey.From(_ownerKey))
            && entry[0].DeviceKey.Span.SequenceEqual(_attestationSpki), "the rendezvous entry is not the owner's");
        OneDevice(_ownerRecords, owned.Select(v => v.Guid), "owner");
        OneDevice(_factoryRecords, made.Select(v => v.Guid), "factory");
    }

    private void OneDevice(MemoryBackend records, IEnumerable<Guid> guids, string where)
    {
        var ids = guids.Select(g => Loop.Complete(records.Registry.FindAsync(OwnerVoucher.Subject(g), default))?.Id).Distinct().ToArray();
        Must(ids.Length == 1 && ids[0] is not null, $"the {where}'s registry has {ids.Length} devices for one");
    }

    private static void Must(bool holds, string otherwise)
    {
        if (!holds)
            throw new InvalidOperationException(otherwise);
    }
}
