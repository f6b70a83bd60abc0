using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Coap;
using Hatchery.Cryptography;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Manufacturer;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;
using Hatchery.Pki;
using Hatchery.Simulation;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>DI and TO2 over CoAP, through good and bad networks in virtual time.</summary>
public sealed class FdoCoapTests : IAdmission
{
    private const int Port = 5683;
    private static readonly LinkConditions s_bad = new() { Delay = TimeSpan.FromMilliseconds(30), Jitter = TimeSpan.FromMilliseconds(50), Loss = 0.15, Duplication = 0.1, Reordering = 0.1 };
    private readonly SimulationLoop _loop = new();
    private readonly List<string> _failures = [], _refusals = [];

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));

    private static Actor ActorOf(Player player) => new(player, player.Name, player.UsuallyOperatedBy);

    private CoapHost<IPEndPoint> Run(SimulatedHost machine, CoapApp? app, Chance chance)
    {
        var endpoint = new CoapEndpoint<IPEndPoint>(new CoapSettings(), chance);
        DatagramPump<CoapEvent<IPEndPoint>>? pump = null;
        var host = new CoapHost<IPEndPoint>(endpoint, action => _loop.Post(() =>
        {
            action();
            pump!.Run();
        }), () => _loop.Now, app, e => _failures.Add(e.ToString()));
        pump = new DatagramPump<CoapEvent<IPEndPoint>>(machine, Port, endpoint, e => host.Handle(e));
        return host;
    }

    private void Serve(SimulatedHost machine, Player player, Chance chance, params FdoService[] services)
    {
        var driver = new ServiceDriver(new FdoDispatcher(services), ActorOf(player), ActorOf, machine.Witness, (_, kind, fault) => _refusals.Add($"{kind}: {fault.Message}"), (what, e) => _failures.Add($"{what}: {e}"));
        var app = new CoapApp();
        app.MapPost(FdoCoap.Route, new CoapServiceDriver(driver, new FdoCoapServer(chance), c => new Caller
        {
            Now = c.Now,
            Listener = "coap",
            Remote = c.Peer?.ToString(),
            Session = machine.Witness.NewSession(),
        }).HandleAsync);
        Run(machine, app, chance);
    }

    [Theory]
    [InlineData("good")]
    [InlineData("bad")]
    public void A_device_is_initialized_and_onboarded(string conditions)
    {
        var network = new SimulatedNetwork(_loop, "fdo-coap") { Conditions = conditions == "bad" ? s_bad : new LinkConditions { Delay = TimeSpan.FromMilliseconds(10) }, Eavesdropper = new Eavesdropper() };
        var chance = new SeededChance("fdo-coap");
        var sealer = new AesGcmSealer(SHA256.HashData("seal"u8), chance);
        var (factory, owner, device) = (network.AddHost("factory.test"), network.AddHost("owner.test"), network.AddHost("device"));
        var manufacturerKey = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "manufacturer");
        var ownerKey = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "owner");
        var deviceKey = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "device");
        var ca = CertificateAuthority.CreateRoot("CN=Device CA", chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "ca"), _loop.Now.Wall!.Value.AddYears(-1), TimeSpan.FromDays(3650), chance);
        var made = new ManufacturerOptions { Keys = [manufacturerKey], DeviceCa = ca, RendezvousInfo = RendezvousText.Parse("coap://owner.test:5683;bypass") };
        var options = new OwnerOptions
        {
            Keys = new OwnerKeys(ownerKey),
            Addresses = [new To2AddressEntry(null, "owner.test", Port, TransportProtocol.Coap)],
            Planner = new OnePlan(new ServiceInfoPlan("p", [new Download("settings.bin", chance.Bytes(3000, "file"))])),
        };
        var (factoryStore, ownerStore) = (new RecordStore(new MemoryBackend(_loop.Time), sealer), new RecordStore(new MemoryBackend(_loop.Time), sealer));
        Serve(factory, FdoPlayers.Manufacturer, chance, new DeviceInitializeService(factoryStore, this, chance, made));
        Serve(owner, FdoPlayers.Owner, chance, new To2Service(ownerStore, this, chance, options));
        var client = Run(device, null, chance);
        var carrier = new CoapCarrier<IPEndPoint>(client, to => new IPEndPoint(network.Resolve(to.Host)!, to.Port), _ => new FdoCoapClient(), [new Layer("UDP", Protection.Clear), new Layer("CoAP", Protection.Clear)]);
        var file = new SimulatedStateFile<DeviceCredential>(DeviceCredential.Schema, sealer);
        var folder = new SimulatedDeviceFiles();
        var modules = new DeviceModuleHost(new Device.Modules.DownloadModule(folder));

        Outcome Device(Func<DeviceCredential, IParty<DeviceCredential>> party)
        {
            Outcome? outcome = null;
            var world = new SimulatedWorld<DeviceCredential>(_loop, carrier, file, device.Process!)
            {
                Needs = need => new NeedAnswer(_loop.Complete(modules.AnswerAsync((ServiceInfoNeed)need, default))),
            };
            world.WhenEnded += o => outcome = o;
            _loop.Post(() => world.Run(party, new PartyIdentity<DeviceCredential>(ActorOf(FdoPlayers.Device), ActorOf, DeviceCredential.Schema), device.Witness));
            _loop.RunUntil(() => outcome is not null, TimeSpan.FromHours(1));
            return outcome ?? throw new InvalidOperationException("The device never ends.");
        }

        device.Run(_ => { });
        _loop.Post(device.Process!.Start);
        _loop.Run(TimeSpan.FromMilliseconds(1));
        var csr = new CertificateRequest("CN=device", deviceKey, HashAlgorithmName.SHA256).CreateSigningRequest();
        var initialized = Device(_ => new DeviceInitializer(new Destination("coap", "factory.test", Port, new ChannelSecurity.None(), FdoPlayers.Manufacturer), new SecretBytes(deviceKey.ExportPkcs8PrivateKey()),
            deviceKey.ExportSubjectPublicKeyInfo(), csr, PublicKeyType.Secp256R1, PublicKeyEncoding.X509, "SN-1", "model", chance));
        Assert.True(initialized.Succeeded, initialized.Reason);
        var operating = Caller.Local("operator", _loop.Now);
        var voucher = _loop.Complete(new ManufacturerVouchers(factoryStore, made.Keys, chance).ExtendAsync(file.Read().Guid, FdoPublicKey.From(ownerKey), operating, default));
        _loop.Complete(new OwnerVouchers(ownerStore, options.Keys, new VoucherPolicy(), chance).ImportAsync(voucher, operating, default));
        Guid before = file.Read().Guid;
        var onboarded = Device(state => new OnboardingDevice(state, Ceremonies.Fleet.DeviceOptions with { Rounds = null }, new RendezvousAbilities(["coap"]), chance));
        Assert.True(onboarded.Succeeded, onboarded.Reason);
        Assert.False(file.Read().Active);
        Assert.NotEqual(before, file.Read().Guid);
        Assert.Equal(3000, folder.Read("settings.bin")!.Length);
        Assert.Empty(_failures);
        Assert.All(network.Eavesdropper.Frames, f => Assert.Equal(Medium.Udp, f.Medium));
    }

    [Fact]
    public void What_is_wrong_gets_the_error_of_the_standard()
    {
        var network = new SimulatedNetwork(_loop, "fdo-coap-wrong");
        var chance = new SeededChance("wrong");
        var store = new RecordStore(new MemoryBackend(_loop.Time), new AesGcmSealer(new byte[32], chance));
        var (server, device) = (network.AddHost("rv"), network.AddHost("device"));
        Serve(server, FdoPlayers.Rendezvous, chance, new Rendezvous.To1Service(store, this, chance));
        var client = Run(device, null, chance).To(new IPEndPoint(server.Address, Port));
        foreach (var request in new[]
        {
            CoapRequest.Post("/fdo/101/msg/30", new byte[] { 1, 2, 3 }, ContentFormat.Cbor),
            CoapRequest.Post("/fdo/101/msg/32", FdoCoap.Frame(new To0Hello(), null), ContentFormat.Cbor),
            CoapRequest.Post("/fdo/101/msg/20", FdoCoap.Frame(new To0Hello(), null), ContentFormat.TextPlain),
            CoapRequest.Post("/fdo/101/msg/20", FdoCoap.Frame(new To0Hello(), null), ContentFormat.Cbor),
        })
        {
            Task<CoapResponse>? asked = null;
            _loop.Post(() => asked = client.SendAsync(request));
            _loop.RunUntil(() => asked is { IsCompleted: true }, TimeSpan.FromMinutes(1));
            var response = asked!.GetAwaiter().GetResult();
            Assert.Equal(CoapCode.InternalServerError, response.Code);
            Assert.IsType<ErrorMessage>(FdoCoap.Unframe(response.Payload).Message);
        }
        Assert.Equal(4, _refusals.Count);
        Assert.Empty(_failures);
    }
}
