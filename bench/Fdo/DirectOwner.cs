using System.Collections.Immutable;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;

namespace Hatchery.Bench.Fdo;

/// <summary>An Owner Onboarding Service and devices in one thread, without sockets: what the protocol alone costs. Devices on curves have keys and
/// certificates of their own, because a registry takes one key for one device; RSA keys, which are dear to make, are shared.</summary>
internal sealed class DirectOwner : IAdmission, IDisposable
{
    private readonly SystemChance _chance = new();
    private readonly FdoPrivateKey _manufacturer, _owner;
    private readonly FdoPublicKey _manufacturerPublic;
    private readonly ECDsa _ca = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly SecretBytes _attestation;
    private readonly ImmutableArray<ReadOnlyMemory<byte>> _chain;
    private readonly PublicKeyType _deviceType;
    private readonly RendezvousInfo _rendezvous = RendezvousText.Parse("http://owner.test:80;bypass");
    private readonly HttpServiceDriver _role;
    private readonly OwnerVouchers _vouchers;

    public DirectOwner(PublicKeyType type, IRecordStore store, TimeProvider time)
    {
        (_manufacturer, _owner) = (FdoPrivateKey.Generate(type, _chance, "bench"), FdoPrivateKey.Generate(type, _chance, "bench"));
        _manufacturerPublic = FdoPublicKey.From(_manufacturer);
        using var device = FdoPrivateKey.Generate(type, _chance, "bench");
        _attestation = new SecretBytes(device.ExportPkcs8());
        _chain = [Certify(device)];
        _deviceType = FdoPublicKey.TypeOf(device.SubjectPublicKeyInfo)!.Value;
        var keys = new OwnerKeys(_owner);
        _vouchers = new OwnerVouchers(store, keys, new VoucherPolicy(), _chance);
        var dispatcher = new FdoDispatcher(new To2Service(store, this, _chance, new OwnerOptions { Keys = keys }));
        var owner = new Actor(FdoPlayers.Owner, "owner", "owner");
        _role = new HttpServiceDriver(new ServiceDriver(dispatcher, owner, p => new Actor(p, p.Name, p.UsuallyOperatedBy), Witness.None, (_, kind, fault) => LastFault = $"{kind}: {fault.Message}",
            (what, fault) => LastFault = $"{what}: {fault}"), new FdoHttpServer(dispatcher.Types, _chance));
        Now = () => new Moment(TimeSpan.FromTicks(time.GetTimestamp() * TimeSpan.TicksPerSecond / time.TimestampFrequency), time.GetUtcNow());
    }

    public Func<Moment> Now { get; }
    public string? LastFault { get; private set; }
    /// <summary>Time within the service.</summary>
    public TimeSpan Spent { get; private set; }

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));

    private byte[] Certify(FdoPrivateKey key)
    {
        var request = new CertificateRequest(new X500DistinguishedName("CN=bench"), PublicKey.CreateFromSubjectPublicKeyInfo(key.SubjectPublicKeyInfo.Span, out _), HashAlgorithmName.SHA256);
        return request.Create(new X500DistinguishedName("CN=CA"), X509SignatureGenerator.CreateForECDsa(_ca), DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1000), [1]).RawData;
    }

    /// <summary>A device, and its voucher at the owner.</summary>
    public async Task<DeviceCredential> MakeAsync()
    {
        var secret = new SecretBytes(_chance.Bytes(48, "bench"));
        var (attestation, chain) = (_attestation, _chain);
        if (_manufacturerPublic.IsElliptic)
        {
            using var own = FdoPrivateKey.Generate(_manufacturerPublic.Type, _chance, "bench");
            (attestation, chain) = (new SecretBytes(own.ExportPkcs8()), [Certify(own)]);
        }
        var header = VoucherExtension.NewHeader(Guid.NewGuid(), _rendezvous, "bench", _manufacturerPublic, chain);
        var voucher = new OwnershipVoucher(header, VoucherHmac.Compute(VoucherHmac.MacFor(_deviceType, _manufacturerPublic.Type), secret, header), chain);
        await _vouchers.ImportAsync(VoucherExtension.Extend(voucher, _manufacturer, FdoPublicKey.From(_owner), _chance), Caller.Local("bench", Now()), default);
        return DeviceCredential.Blank with
        {
            ProtocolVersion = FdoVersion.Protocol,
            HmacSecret = secret,
            DeviceInfo = "bench",
            Guid = header.Guid,
            RendezvousInfo = _rendezvous.Raw,
            PublicKeyHash = FdoHash.Of(VoucherHmac.HashFor(_deviceType, _manufacturerPublic.Type), _manufacturerPublic.Raw.Span).Raw,
            AttestationKey = attestation,
            SerialNumber = "bench",
            OwnerKeyType = (int)_manufacturerPublic.Type,
        };
    }

    /// <summary>TO2 of one device.</summary>
    /// <returns>Whether it was onboarded.</returns>
    public async Task<bool> OnboardAsync(DeviceCredential credential, DeviceOptions options)
    {
        using var party = new OnboardingDevice(credential, options, new RendezvousAbilities(["http"]), _chance);
        var world = new World();
        var driver = new PartyDriver<DeviceCredential>(party, world, Witness.None, new PartyIdentity<DeviceCredential>(new Actor(FdoPlayers.Device, "device", "owner"),
            p => new Actor(p, p.Name, p.UsuallyOperatedBy), DeviceCredential.Schema));
        driver.Start();
        while (driver.Outcome is null && world.Requests.TryDequeue(out var asked))
        {
            var request = world.Binding.Encode(asked);
            var caller = new Caller { Now = Now(), Listener = "bench", Session = default };
            long start = Stopwatch.GetTimestamp();
            var response = await _role.HandleAsync(request, caller, default);
            Spent += Stopwatch.GetElapsedTime(start);
            if (world.Binding.Parse(response, asked) is { } answer)
                world.Events!.Received(answer, new Encoded(response.Body, [], Medium.Http), default);
        }
        return driver.Outcome is { Succeeded: true };
    }

    private sealed class World : IPartyWorld<DeviceCredential>, ICarrier, IConnection
    {
        public FdoHttpClient Binding { get; } = new();
        public Queue<IMessage> Requests { get; } = new();
        public ICarrierEvents? Events { get; private set; }
        public Moment Now => default;
        public ICarrier Carrier => this;

        public IConnection Open(Destination to, SessionId session, ICarrierEvents events)
        {
            Events = events;
            return this;
        }

        public Encoded Send(IMessage message, Tag tag)
        {
            Requests.Enqueue(message);
            return new Encoded(((FdoMessage)message).Raw, [], Medium.Http);
        }

        public void Save(DeviceCredential state, ImmutableArray<Fact> facts, Action durable, Action<Exception> failed) => durable();
        public void Close() { }
        public void Show(HumanPrompt prompt) { }
        public void Ask(HumanPrompt prompt, Action<HumanAnswer> answered) { }
        public void Answer(Need need, Action<Supply> supplied) => supplied(new Supply.Failed(need.Ticket, "no modules"));
        public void Ended(Outcome outcome) { }
    }

    public void Dispose()
    {
        _ca.Dispose();
        _manufacturer.Dispose();
        _owner.Dispose();
    }
}
