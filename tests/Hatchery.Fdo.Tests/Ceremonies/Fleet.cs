using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Manufacturer;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Rendezvous;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;
using Hatchery.Pki;

namespace Hatchery.Fdo.Tests.Ceremonies;

/// <summary>A manufacturer, a rendezvous server and an owner, each on a store of its own, and as many devices as a test wants.</summary>
internal sealed class Fleet : IAdmission
{
    public static readonly WitnessKey Key = new(SHA256.HashData("fleet"u8));
    public const string ManufacturerHost = "factory.test", RendezvousHost = "rv.test", OwnerHost = "owner.test";

    private readonly FdoPrivateKey _manufacturerKey, _ownerKey;
    private readonly Chance _chance = new SystemChance();

    public Fleet(ECCurve curve, string rendezvous = "http://rv.test:80", ServiceInfoPlan? plan = null, Func<IRecordStore, IRecordStore>? around = null, IServiceInfoPlanner? planner = null)
        : this(new FdoPrivateKey(ECDsa.Create(curve)), new FdoPrivateKey(ECDsa.Create(curve)), rendezvous, plan, around, planner: planner) { }

    public Fleet(FdoPrivateKey manufacturerKey, FdoPrivateKey ownerKey, string rendezvous = "http://rv.test:80", ServiceInfoPlan? plan = null, Func<IRecordStore, IRecordStore>? around = null,
        EncryptThenMacProfile mac = EncryptThenMacProfile.Strict, bool reuse = false, IServiceInfoPlanner? planner = null, OwnerDelegate? stands = null, bool delegates = false)
    {
        (_manufacturerKey, _ownerKey) = (manufacturerKey, ownerKey);
        Ca = CertificateAuthority.CreateRoot("CN=Device CA", ECDsa.Create(ECCurve.NamedCurves.nistP256), DirectWorld<DeviceCredential>.Start.AddYears(-1), TimeSpan.FromDays(3650), _chance);
        ReadOnlyMemory<byte> manufacturerCertificate = Certify(manufacturerKey.ExportPkcs8());
        ManufacturerStore = Around(Store());
        RendezvousStore = Around(Store());
        OwnerStore = Around(Store());
        IRecordStore Around(IRecordStore store) => around is null ? store : around(store);
        var manufacturer = new ManufacturerOptions { Keys = [_manufacturerKey], KeyChains = [[manufacturerCertificate]], DeviceCa = Ca, RendezvousInfo = RendezvousText.Parse(rendezvous) };
        OwnerOptions = new OwnerOptions
        {
            Keys = new OwnerKeys(_ownerKey),
            Planner = planner ?? new OnePlan(plan ?? ServiceInfoPlan.Empty),
            Addresses = [new To2AddressEntry(null, OwnerHost, 80, TransportProtocol.Http)],
            EncryptThenMac = mac,
            Delegate = stands is null ? null : _ => stands,
            ReuseCredential = reuse ? (_, _) => true : null,
        };
        Vouchers = new OwnerVouchers(OwnerStore, OwnerOptions.Keys, new VoucherPolicy(), _chance);
        Made = new ManufacturerVouchers(ManufacturerStore, manufacturer.Keys, _chance);
        Roles = new()
        {
            [ManufacturerHost] = Role(FdoPlayers.Manufacturer, new DeviceInitializeService(ManufacturerStore, this, _chance, manufacturer)),
            [RendezvousHost] = Role(FdoPlayers.Rendezvous, new To0Service(RendezvousStore, this, _chance, new RendezvousOptions { AllowDelegates = delegates }), new To1Service(RendezvousStore, this, _chance)),
            [OwnerHost] = Role(FdoPlayers.Owner, new To2Service(OwnerStore, this, _chance, OwnerOptions)),
        };
    }

    private static byte[] Certify(byte[] pkcs8)
    {
        var (from, until) = (DirectWorld<DeviceCredential>.Start.AddYears(-1), DirectWorld<DeviceCredential>.Start.AddYears(9));
        if (FdoPrivateKey.Import(pkcs8).Type is PublicKeyType.Secp256R1 or PublicKeyType.Secp384R1)
        {
            using var elliptic = ECDsa.Create();
            elliptic.ImportPkcs8PrivateKey(pkcs8, out _);
            return new CertificateRequest("CN=Manufacturer", elliptic, HashAlgorithmName.SHA256).CreateSelfSigned(from, until).RawData;
        }
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(pkcs8, out _);
        return new CertificateRequest("CN=Manufacturer", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(from, until).RawData;
    }

    public CertificateAuthority Ca { get; }
    public OwnerOptions OwnerOptions { get; }
    public OwnerVouchers Vouchers { get; }
    public ManufacturerVouchers Made { get; }
    public IRecordStore ManufacturerStore { get; }
    public IRecordStore RendezvousStore { get; }
    public IRecordStore OwnerStore { get; }
    public Dictionary<string, IHttpRole> Roles { get; }
    public FdoPrivateKey OwnerKey => _ownerKey;
    public FdoPrivateKey ManufacturerKey => _manufacturerKey;
    public List<string> Refusals { get; } = [];
    public Func<AdmissionRequest, Decision> Policy { get; set; } = _ => new Decision.Admit("default");
    public ObservationLog Log { get; } = new();
    public static Caller Operator => Caller.Local("operator", new Moment(default, DirectWorld<DeviceCredential>.Start));

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(Policy(request));

    private static RecordStore Store() => new(new MemoryBackend(new StandingClock()), new AesGcmSealer(SHA256.HashData("seal"u8), new SystemChance()));

    private HttpServiceDriver Role(Player player, params FdoService[] services)
    {
        var dispatcher = new FdoDispatcher(services);
        var driver = new ServiceDriver(dispatcher, new Actor(player, player.Name, player.UsuallyOperatedBy), p => new Actor(p, p.Name, p.UsuallyOperatedBy),
            new Witness(Key, Watch.Steps, () => new SessionId(Guid.NewGuid()), Log),
            (_, kind, fault) => Refusals.Add($"{kind}: {fault.Error} {fault.FieldName}"), (what, fault) => throw new InvalidOperationException(what, fault));
        return new HttpServiceDriver(driver, new FdoHttpServer(dispatcher.Types, _chance));
    }

    public DirectWorld<T> World<T>(IDeviceFiles? files = null) where T : class => World<T>(files is null ? [] : [new DownloadModule(files)]);

    public DirectWorld<T> World<T>(params IDeviceModule[] all) where T : class
    {
        var modules = all.Length == 0 ? null : new DeviceModuleHost([.. all]);
        return new DirectWorld<T>(to => Roles.GetValueOrDefault(to.Host), _ => new FdoHttpClient())
        {
            Needs = need => modules is not null && need is ServiceInfoNeed asked ? modules.AnswerAsync(asked, default).AsTask().GetAwaiter().GetResult() : new Supply.Failed(need.Ticket, "no modules"),
        };
    }

    public PartyDriver<T> Driver<T>(IParty<T> party, DirectWorld<T> world, Schema<T> schema, Player player) where T : class =>
        new(party, world, new Witness(Key, Watch.Steps, () => new SessionId(Guid.NewGuid()), Log),
            new PartyIdentity<T>(new Actor(player, player.Name + " 1", "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), schema));

    public DeviceInitializer Initializer(ECCurve curve, PublicKeyEncoding encoding = PublicKeyEncoding.X509, string serial = "SN-1") => Initializer(curve, null, encoding, serial);

    public DeviceInitializer Initializer(ECCurve curve, PublicKeyType? type, PublicKeyEncoding encoding, string serial = "SN-1")
    {
        using var key = ECDsa.Create(curve);
        var csr = new CertificateRequest("CN=device", key, HashAlgorithmName.SHA256).CreateSigningRequest();
        var spki = key.ExportSubjectPublicKeyInfo();
        return new DeviceInitializer(new Destination("http", ManufacturerHost, 80, new ChannelSecurity.None(), FdoPlayers.Manufacturer), new SecretBytes(key.ExportPkcs8PrivateKey()),
            spki, csr, type ?? FdoPublicKey.TypeOf(spki)!.Value, encoding, serial, "model", _chance);
    }

    /// <summary>With RSA keys, the owners' and the device's.</summary>
    /// <param name="type">Wished of the manufacturer's key.</param>
    public DeviceInitializer Initializer(RSA key, PublicKeyType type, PublicKeyEncoding encoding) =>
        new(new Destination("http", ManufacturerHost, 80, new ChannelSecurity.None(), FdoPlayers.Manufacturer), new SecretBytes(key.ExportPkcs8PrivateKey()), key.ExportSubjectPublicKeyInfo(),
            new CertificateRequest("CN=device", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest(), type, encoding, "SN-1", "model", _chance);

    public DeviceCredential Manufacture(DeviceInitializer party)
    {
        var world = World<DeviceCredential>();
        var outcome = world.Run(Driver(party, world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason);
        return Assert.Single(world.Saved);
    }

    /// <summary>DI.</summary>
    public DeviceCredential Manufacture(ECCurve curve, PublicKeyEncoding encoding = PublicKeyEncoding.X509)
    {
        var world = World<DeviceCredential>();
        var party = Initializer(curve, encoding);
        var outcome = world.Run(Driver(party, world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason);
        return Assert.Single(world.Saved);
    }

    /// <summary>The voucher goes from the manufacturer to the owner.</summary>
    public async Task<OwnershipVoucher> SellAsync(Guid guid)
    {
        var voucher = await Made.ExtendAsync(guid, FdoPublicKey.From(_ownerKey), Operator, default);
        await Vouchers.ImportAsync(voucher, Operator, default);
        return voucher;
    }

    /// <summary>TO0.</summary>
    public Outcome Register(OwnershipVoucher voucher)
    {
        var world = World<To0Schedule>();
        var party = new To0Client(new To0Schedule(voucher.Guid, default, null, 0, ""), voucher, _ownerKey, OwnerOptions,
            [new Destination("http", RendezvousHost, 80, new ChannelSecurity.None(), FdoPlayers.Rendezvous)], _chance);
        return world.Run(Driver(party, world, To0Schedule.Schema, FdoPlayers.Owner));
    }

    public static readonly DeviceOptions DeviceOptions = new()
    {
        Facts = new DeviceFacts("Linux", "x86_64", "12", "model"),
        Modules = ["fdo.download"],
        Rounds = 1,
    };

    public OnboardingDevice Device(DeviceCredential credential, DeviceOptions? options = null) =>
        new(credential, options ?? DeviceOptions, new RendezvousAbilities(["http"]), _chance);
}

/// <summary>A device's folder in memory.</summary>
internal sealed class MemoryFiles : IDeviceFiles
{
    public Dictionary<string, byte[]> Files { get; } = [];
    public IDeviceFileWriter Create(string name) => name.StartsWith('/') ? throw new DeviceFileException("absolute") : new Writer(this, name);
    public byte[]? Read(string name) => Files.GetValueOrDefault(name);

    private sealed class Writer(MemoryFiles files, string name) : IDeviceFileWriter
    {
        private readonly MemoryStream _content = new();
        public void Write(ReadOnlySpan<byte> bytes) => _content.Write(bytes);
        public void Commit() => files.Files[name] = _content.ToArray();
        public void Dispose() => _content.Dispose();
    }
}

/// <summary>Time stands still where a test does not care.</summary>
internal sealed class StandingClock : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => DirectWorld<DeviceCredential>.Start;
    public override long GetTimestamp() => 0;
}
