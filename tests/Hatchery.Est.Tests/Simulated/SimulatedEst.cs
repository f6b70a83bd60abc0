using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Est.Device;
using Hatchery.Est.Server;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Hatchery.Simulation;
using Hatchery.Tls;

namespace Hatchery.Est.Tests.Simulated;

/// <summary>An EST server and one device as two processes under virtual time, with real TLS between them. Each can be killed and started again; it then has what was durable.</summary>
internal sealed class SimulatedEst : IAdmission
{
    public const string Host = "est.test", Serial = "SN-1", User = "dev-1", Password = "open sesame";
    private static readonly WitnessKey s_key = new(SHA256.HashData("simulated est"u8));
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(10);

    private readonly string _seed;
    private readonly SimulatedHost _server, _device;
    private readonly AesGcmSealer _sealer;
    private readonly MemoryBackend _records;
    private readonly TlsServerOptions _tls;
    private readonly CertificateAuthority _maker;
    private readonly ReadOnlyMemory<byte> _serverCertificate;
    private readonly SecretBytes _nonceKey = new(SHA256.HashData("nonce"u8));
    private long _session;
    private int _held;

    /// <param name="method">Of <see cref="EstProfile"/>.</param>
    /// <param name="holds">How often the policy says "not yet".</param>
    public SimulatedEst(string method, string seed = "est", int holds = 0)
    {
        (_seed, Method, _held) = (seed, method, holds);
        Loop = new SimulationLoop();
        Network = new SimulatedNetwork(Loop, seed) { Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(10) } };
        var chance = new SeededChance(seed + "/setup");
        _sealer = new AesGcmSealer(SHA256.HashData("seal"u8), chance);
        _records = new MemoryBackend(Loop.Time);
        var store = new RecordStore(_records, _sealer);
        var authority = new EmbeddedAuthority(store, "est", chance);
        Loop.Complete(Just(new AuthorityKeeper(authority).CreateAsync(new AuthoritySetup(), Operator, default)));
        var key = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "server");
        var server = Issue(authority, key, CertificateProfile.TlsServer(Host), chance);
        var state = Loop.Complete(authority.StateAsync(store.Begin(Operator), default));
        Root = state.Roots[^1];
        _serverCertificate = server;
        _maker = CertificateAuthority.CreateRoot("CN=Device maker", chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "maker"), Loop.Now.Wall!.Value.AddYears(-1), TimeSpan.FromDays(3650), chance);
        _tls = new TlsServerOptions
        {
            Identity = new TlsIdentity([server.ToArray(), state.Issuer.Certificate.Encoded.ToArray()], key),
            ClientCertificates = ClientCertificates.Allow,
        };
        var unit = store.Begin(Operator);
        unit.Insert(EstUser.Schema, EstUser.Key(User), EstUser.Create(User, new SecretText(Password), "estrealm", oneTime: true, srp: true, chance));
        Loop.Complete(Just(unit.CommitAsync(default)));
        DeviceFile = new SimulatedStateFile<EstDeviceState>(EstDeviceState.Schema, _sealer);
        DeviceFile.Write(Factory(authority, chance), new Dictionary<string, Origin>());
        _server = NewHost(Host);
        _device = NewHost("device");
        Processes = [_server.Run(RunServer), _device.Run(RunDevice)];
    }

    public string Method { get; }
    public SimulationLoop Loop { get; }
    public SimulatedNetwork Network { get; }
    public ImmutableArray<SimulatedProcess> Processes { get; }
    public SimulatedStateFile<EstDeviceState> DeviceFile { get; }
    public Certificate Root { get; }
    public List<string> Refusals { get; } = [];
    public List<string> Failures { get; } = [];
    public Func<EstDeviceOptions, EstDeviceOptions>? Options { get; init; }
    public Outcome? Last { get; private set; }
    public bool IsEnrolled => Last is { Succeeded: true } && DeviceFile.Read() is { Chain.IsEmpty: false, Confirmed: true };

    public CrashScenario Scenario => new(Loop, Processes, () => IsEnrolled, Check);

    private EstDeviceState Factory(EmbeddedAuthority authority, Chance chance)
    {
        var state = EstDeviceState.Blank with { Server = Host + ":443" };
        if (Method == EstProfile.IdentityMethod)
        {
            var key = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "idevid");
            var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, chance));
            var identity = _maker.Issue(csr, CertificateProfile.Device(Serial), Loop.Now.Wall!.Value, TimeSpan.FromDays(3000), chance);
            state = state with { SerialNumber = Serial, IdentityKey = new SecretBytes(key.ExportPkcs8PrivateKey()), IdentityChain = [identity.ToArray()] };
        }
        if (Method == EstProfile.CertificateMethod)
        {
            var key = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "old");
            var profile = CertificateProfile.Device(Serial);
            state = state with { SerialNumber = Serial, IdentityKey = new SecretBytes(key.ExportPkcs8PrivateKey()), IdentityChain = [Issue(authority, key, profile, chance).ToArray()] };
        }
        return Method is EstProfile.FingerprintMethod or EstProfile.SecretMethod ? state : state with { ExplicitAnchors = [Root.Encoded.ToArray()] };
    }

    private ReadOnlyMemory<byte> Issue(EmbeddedAuthority authority, ECDsa key, CertificateProfile profile, Chance chance)
    {
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, chance));
        var unit = new RecordStore(_records, _sealer).Begin(Operator);
        var now = Loop.Now.Wall!.Value;
        var issued = Loop.Complete(authority.IssueAsync(unit, csr.Key, csr, profile, "test", null, now, now.AddDays(300), default));
        Loop.Complete(Just(unit.CommitAsync(default)));
        return issued.Encoded;
    }

    private static async ValueTask<bool> Just(ValueTask task)
    {
        await task;
        return true;
    }

    private static async ValueTask<bool> Just<T>(ValueTask<T> task)
    {
        await task;
        return true;
    }

    private Caller Operator => Caller.Local("operator", Loop.Now);
    private SimulatedHost NewHost(string name) => Network.AddHost(name, new Witness(s_key, Watch.Frames | Watch.Steps, () => new(new Guid((int)++_session, 0, 0, new byte[8]))));
    private SeededChance ChanceOf(SimulatedProcess process) => new($"{_seed}/{process.Name}/{process.Life}");

    public bool Run(TimeSpan limit)
    {
        foreach (var process in Processes)
            Loop.Post(process.Start);
        return Loop.RunUntil(() => IsEnrolled, limit);
    }

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(_held-- > 0 ? new Decision.Hold(TimeSpan.FromSeconds(20)) : new Decision.Admit("default"));

    private void RunServer(SimulatedProcess process)
    {
        var chance = ChanceOf(process);
        var store = new RecordStore(new CrashingBackend(_records, process), _sealer);
        var label = new EstLabel
        {
            Authority = new EmbeddedEstAuthority(new EmbeddedAuthority(store, "est", chance)),
            Implicit = new TrustStore([_maker.Certificate]),
            Passwords = true,
            Secrets = true,
            RenewalWindow = 1,
            Demands = CsrDemands.None with { ChallengePassword = true },
        };
        var service = new EstService(store, this, chance, new EstServerOptions { Labels = new Dictionary<string, EstLabel> { [""] = label }.ToFrozenDictionary(), NonceKey = _nonceKey });
        var srp = new SrpUsers(store, _nonceKey, () => Loop.Now);
        var tls = Method == EstProfile.SecretMethod ? _tls with { SrpVerifierOf = srp.Of } : _tls;
        new SimulatedHttpServer(_server, 443, "est", () => new TlsFilter(now => new TlsServerEngine(tls, chance, now), _serverCertificate))
            .Map(Role(service, new EstHttpServer(chance))).Map(Role(new DomainService(service), new DomainHttp()));
    }

    private HttpServiceDriver Role(IService service, IHttpServerBinding binding) => new(new ServiceDriver(service, p => Actor(p), Actor, _server.Witness,
        (_, kind, fault) => Refusals.Add($"{kind}: {fault.Error} {fault.Message}"), (_, e) =>
        {
            if (e is not ProcessKilledException)
                Failures.Add(e.ToString());
        }), binding);

    private void RunDevice(SimulatedProcess process)
    {
        var chance = ChanceOf(process);
        Next();

        void Next()
        {
            EstDevice? party = null;
            var carrier = new SimulatedHttpCarrier(_device, _ => new EstHttpClient())
            {
                Filters = to => new TlsFilter(now => new TlsClientEngine(new TlsClientOptions
                {
                    Security = to.Security,
                    ServerName = to.Host,
                    Identity = to.Security is ChannelSecurity.Certificates { IdentityItem: { } item } && party!.State.Identity(item) is var (key, chain) ? TlsIdentity.FromPkcs8(chain, key.Reveal()) : null,
                }, chance, now)),
            };
            var world = new SimulatedWorld<EstDeviceState>(Loop, carrier, DeviceFile, process)
            {
                People = new ScriptedPeople()
                    .On(EstSteps.TypePassword, (p, _) => HumanReaction.Enters(p, $"{User}:{Password}", TimeSpan.FromSeconds(8)))
                    .On(EstSteps.CompareFingerprint, (p, _) => p.Value!.Reveal() == Convert.ToHexString(Root.Sha256()) ? HumanReaction.Confirms(p, TimeSpan.FromSeconds(20)) : HumanReaction.Declines(p, TimeSpan.FromSeconds(20))),
            };
            var options = new EstDeviceOptions
            {
                ProveOperation = true,
                Bootstrap = Method == EstProfile.FingerprintMethod,
                Srp = Method == EstProfile.SecretMethod,
                AskPassword = Method is EstProfile.FingerprintMethod or EstProfile.PasswordMethod or EstProfile.SecretMethod,
            };
            world.WhenEnded += outcome =>
            {
                Last = outcome;
                if (!IsEnrolled)
                    Loop.After(s_retry, process.Guard(Next));
            };
            world.Run(s => party = new EstDevice(s, Options?.Invoke(options) ?? options, chance), new PartyIdentity<EstDeviceState>(Actor(EstPlayers.Client), Actor, EstDeviceState.Schema), _device.Witness);
        }
    }

    private static Actor Actor(Player player) => new(player, player.Name, player.UsuallyOperatedBy);

    public ImmutableArray<IssuedCertificate> Issued =>
        [.. Loop.Complete(new RecordStore(_records, _sealer).Begin(Operator).ListAsync(IssuedCertificate.Schema, null, 1000, default)).Select(i => i.Value).Where(i => i.Profile != "test")];

    /// <param name="died">A process has just been killed: only what must hold at any time.</param>
    public void Check(bool died)
    {
        var state = DeviceFile.Read();
        Must(Failures.Count == 0, $"a service failed: {Failures.FirstOrDefault()}");
        Must(Issued.Length <= 1, $"{Issued.Length} certificates");
        Must(state.ExplicitAnchors.All(a => a.AsSpan().SequenceEqual(Root.Encoded.Span)), "a stranger's anchor");
        if (!state.Chain.IsEmpty)
            Must(PrivateKeys.FromPkcs8(state.Key!.Reveal()).Public.Encoded.Span.SequenceEqual(Certificate.Parse(state.Chain[0]).Key.Encoded.Span), "key and certificate do not fit");
        if (died)
            return;
        Must(Issued.Length == 1 && Issued[0].Encoded.Span.SequenceEqual(state.Chain[0]), "the device has another certificate than was issued");
        Must(state.Password is null && state.PendingKey is null, "the device kept what it does not need");
    }

    private static void Must(bool holds, string what)
    {
        if (!holds)
            throw new InvalidOperationException(what);
    }
}
