using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using Hatchery.Coap;
using Hatchery.Dtls;
using Hatchery.Est.Server;
using Hatchery.Est.Tests.Vectors;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Hatchery.Simulation;

namespace Hatchery.Est.Tests.Simulated;

/// <summary>EST over coaps (RFC 9148): the service behind our CoAP and DTLS, ECDHE-ECDSA with certificates on both sides, in virtual time.</summary>
public sealed class EstCoapTests : IAdmission
{
    private const string Host = "est.test";
    private static readonly LinkConditions s_bad = new() { Delay = TimeSpan.FromMilliseconds(30), Jitter = TimeSpan.FromMilliseconds(50), Loss = 0.15, Duplication = 0.1, Reordering = 0.1 };
    private readonly SimulationLoop _loop = new();
    private readonly List<string> _failures = [];
    private readonly SeededChance _chance = new("est-coap");
    private readonly RecordStore _store;
    private readonly SimulatedNetwork _network;
    private readonly CoapHost<DtlsSession<IPEndPoint>> _client;
    private readonly CoapsClient<IPEndPoint> _engine;
    private readonly ECDsa _key;
    private Decision _decision = new Decision.Admit("default");

    public EstCoapTests()
    {
        _network = new SimulatedNetwork(_loop, "est-coap") { Conditions = new LinkConditions { Delay = TimeSpan.FromMilliseconds(10) } };
        _store = new RecordStore(new MemoryBackend(_loop.Time), new AesGcmSealer(SHA256.HashData("seal"u8), _chance));
        var authority = new EmbeddedAuthority(_store, "est", _chance);
        _loop.Complete(Just(new AuthorityKeeper(authority).CreateAsync(new AuthoritySetup(), Operator, default)));
        var state = _loop.Complete(authority.StateAsync(_store.Begin(Operator), default));
        var now = _loop.Now.Wall!.Value;
        var serverKey = _chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "server");
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(serverKey, _chance));
        var unit = _store.Begin(Operator);
        var certificate = _loop.Complete(authority.IssueAsync(unit, csr.Key, csr, CertificateProfile.TlsServer(Host), "test", null, now, now.AddDays(300), default)).Encoded;
        _loop.Complete(Just(unit.CommitAsync(default)));
        var maker = CertificateAuthority.CreateRoot("CN=Device maker", _chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "maker"), now.AddYears(-1), TimeSpan.FromDays(3650), _chance);
        _key = _chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "idevid");
        var identity = maker.Issue(Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(_key, _chance)), CertificateProfile.Device("SN-1"), now, TimeSpan.FromDays(3000), _chance);

        var label = new EstLabel { Authority = new EmbeddedEstAuthority(authority), Implicit = new TrustStore([maker.Certificate]), RenewalWindow = 1, KeyGeneration = new KeyGenerationOptions() };
        var service = new EstService(_store, this, _chance, new EstServerOptions { Labels = new Dictionary<string, EstLabel> { [""] = label, ["plant"] = label }.ToFrozenDictionary(), NonceKey = new SecretBytes(new byte[32]) });
        var driver = new ServiceDriver(service, ActorOf, ActorOf, Witness.None, (_, _, _) => { }, (what, e) => _failures.Add($"{what}: {e}"));
        var app = new CoapApp();
        EstCoap.Map(app, new CoapServiceDriver(driver, new EstCoapServer(), CallerOf).HandleAsync, keyGeneration: true);
        var (server, device) = (_network.AddHost(Host), _network.AddHost("device"));
        Drive(server, 5684, new CoapsServer<IPEndPoint>(new DtlsServerOptions
        {
            Identity = DtlsIdentity.FromChain([certificate.ToArray(), state.Issuer.Certificate.Encoded.ToArray()], serverKey),
            ClientCertificates = DtlsClientCertificates.Require,
            Trust = DtlsTrusts.Anybody,
        }, new CoapSettings(), _chance, _loop.Now), app);
        _engine = new CoapsClient<IPEndPoint>(new DtlsClientOptions
        {
            Suites = [DtlsCipherSuite.EcdheEcdsaAes128Ccm8],
            Identity = DtlsIdentity.FromChain([identity.ToArray()], _key),
            ServerName = Host,
            Trust = DtlsTrusts.Anchors([state.Roots[^1].Encoded.ToArray()]),
        }, new IPEndPoint(server.Address, 5684), new CoapSettings(), _chance, _loop.Now);
        _client = Drive(device, 0, _engine, null);
    }

    private static Actor ActorOf(Player player) => new(player, player.Name, player.UsuallyOperatedBy);
    private Caller Operator => Caller.Local("operator", _loop.Now);

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

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(_decision);

    private Caller CallerOf(CoapContext context) => new()
    {
        Now = context.Now,
        Listener = "coaps",
        Remote = ((DtlsSession<IPEndPoint>)context.Peer!).Path.ToString(),
        ClientChain = ((DtlsSession)context.Peer).Connection?.Peer?.Chain ?? [],
        Layers = [new Layer("UDP", Protection.Clear), new Layer("DTLS", Protection.Full), new Layer("CoAP", Protection.Clear)],
    };

    private CoapHost<DtlsSession<IPEndPoint>> Drive(SimulatedHost machine, int port, CoapsEngine<IPEndPoint> engine, CoapApp? app)
    {
        DatagramPump<CoapEvent<DtlsSession<IPEndPoint>>>? pump = null;
        var host = new CoapHost<DtlsSession<IPEndPoint>>(engine.Coap, action => _loop.Post(() =>
        {
            action();
            pump!.Run();
        }), () => _loop.Now, app, e => _failures.Add(e.ToString()));
        pump = new DatagramPump<CoapEvent<DtlsSession<IPEndPoint>>>(machine, port, engine, e => host.Handle(e));
        _loop.Post(pump.Run);
        return host;
    }

    private CoapResponse Ask(CoapRequest request)
    {
        Task<CoapResponse>? asked = null;
        _loop.Post(() => asked = _client.SendAsync(_engine.Session, request));
        _loop.RunUntil(() => asked is { IsCompleted: true }, TimeSpan.FromHours(1));
        return asked!.GetAwaiter().GetResult();
    }

    private EstMessage Ask(EstRequest request)
    {
        var binding = new EstCoapClient();
        return (EstMessage)binding.Parse(Ask(binding.Encode(request)), request)!;
    }

    private byte[] Csr(ECDsa key) => new Pkcs10Builder { Subject = DirectoryName.FromText("CN=SN-1") }.Sign(key, _chance).ToArray();

    [Theory]
    [InlineData(false, "")]
    [InlineData(false, "plant")]
    [InlineData(true, "")]
    public void A_device_fetches_the_anchors_enrolls_and_gets_a_key(bool bad, string label)
    {
        if (bad)
            _network.Conditions = s_bad;
        var anchors = Assert.IsType<CaCertsResponse>(Ask(new EstRequest(EstOperation.CaCerts, label, default)));
        Assert.NotEmpty(CertsOnly.Parse(anchors.Certificates));
        Assert.IsType<CsrAttrsResponse>(Ask(new EstRequest(EstOperation.CsrAttrs, label, default)));
        var key = _chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "new");
        var issued = Assert.IsType<CertificateResponse>(Ask(new EstRequest(EstOperation.SimpleEnroll, label, Csr(key))));
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), Certificate.Parse(Assert.Single(CertsOnly.Parse(issued.Certificates))).Key.Encoded.ToArray());
        var made = Assert.IsType<ServerKeyGenResponse>(Ask(new EstRequest(EstOperation.ServerKeyGen, label, Csr(_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "any")))));
        using var generated = ECDsa.Create();
        generated.ImportPkcs8PrivateKey(made.Key.Reveal(), out _);
        Assert.Equal(generated.ExportSubjectPublicKeyInfo(), Certificate.Parse(Assert.Single(CertsOnly.Parse(made.Certificates))).Key.Encoded.ToArray());
        Assert.Empty(_failures);
    }

    [Fact]
    public void Formats_codes_and_discovery_are_those_of_RFC_9148()
    {
        var csr = Csr(_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "new"));
        var one = Ask(CoapRequest.To(CoapCode.Post, "/est/sen", csr, ContentFormat.Pkcs10, ContentFormat.PkixCertificate));
        Assert.Equal((CoapCode.Changed, ContentFormat.PkixCertificate), (one.Code, one.Options.ContentFormat));
        Certificate.Parse(one.Payload);
        // Without Accept: certs-only.
        var plain = Ask(CoapRequest.Get("/est/crts"));
        Assert.Equal((CoapCode.Content, ContentFormat.Pkcs7CertsOnly), (plain.Code, plain.Options.ContentFormat));
        var skc = Ask(CoapRequest.Post("/est/skc", csr, ContentFormat.Pkcs10));
        Assert.Equal((CoapCode.Changed, ContentFormat.MultipartCore, (byte)0x84), (skc.Code, skc.Options.ContentFormat, skc.Payload.Span[0]));
        Assert.Equal(CoapCode.UnsupportedContentFormat, Ask(CoapRequest.Post("/est/sen", csr, ContentFormat.OctetStream)).Code);
        Assert.Equal(CoapCode.BadRequest, Ask(CoapRequest.Post("/est/sen", new byte[] { 1, 2, 3 }, ContentFormat.Pkcs10)).Code);
        Assert.Equal(CoapCode.NotAcceptable, Ask(CoapRequest.Get("/est/crts", accept: ContentFormat.Cbor)).Code);
        Assert.Equal(CoapCode.MethodNotAllowed, Ask(CoapRequest.Get("/est/sen")).Code);
        Assert.Equal(CoapCode.NotFound, Ask(CoapRequest.Get("/est/nolabel/crts")).Code);
        _decision = new Decision.Hold(TimeSpan.FromSeconds(20));
        var held = Ask(CoapRequest.Post("/est/sen", Csr(_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "held")), ContentFormat.Pkcs10));
        Assert.Equal((CoapCode.ServiceUnavailable, 20u), (held.Code, held.Options.MaxAge));
        _decision = new Decision.Refuse("not one of ours");
        Assert.Equal(CoapCode.Forbidden, Ask(CoapRequest.Post("/est/sen", Csr(_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "refused")), ContentFormat.Pkcs10)).Code);
        var links = CoreLink.Parse(Ask(CoapRequest.Get("/.well-known/core?rt=ace.est*")).Payload.Span);
        Assert.Equal(["/est/crts", "/est/sen", "/est/sren", "/est/att", "/est/skg", "/est/skc"], links.Select(l => l.Target));
        Assert.Equal("281 287", links[0]["ct"]);
        Assert.Empty(_failures);
    }

    /// <summary>RFC 9148, appendix A.</summary>
    [Fact]
    public void Published_payloads_are_read()
    {
        var vector = Vector.Read("rfc9148-appendix-a");
        var client = new EstCoapClient();
        T Read<T>(EstOperation operation, CoapCode code, int format, string name) => Assert.IsType<T>(client.Parse(
            new CoapResponse { Code = code, Options = CoapOptions.Empty.Add(CoapOptionNumber.ContentFormat, (ulong)format), Payload = vector.Hex(name) }, new EstRequest(operation, "", default)));
        Assert.Single(CertsOnly.Parse(Read<CaCertsResponse>(EstOperation.CaCerts, CoapCode.Content, 281, "crts_response_cf281_hex").Certificates));
        Assert.Single(CertsOnly.Parse(Read<CertificateResponse>(EstOperation.SimpleEnroll, CoapCode.Changed, 281, "sen_response_cf281_hex").Certificates));
        Read<CsrAttrsResponse>(EstOperation.CsrAttrs, CoapCode.Content, 285, "att_response_cf285_hex");
        var made = Read<ServerKeyGenResponse>(EstOperation.ServerKeyGen, CoapCode.Changed, 62, "skg_response_cf62_multipart_core_hex");
        using var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(made.Key.Reveal(), out _);
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), Certificate.Parse(Assert.Single(CertsOnly.Parse(made.Certificates))).Key.Encoded.ToArray());
        Assert.Equal(vector.Hex("skg_response_cf62_multipart_core_hex"), EstCoap.Multipart(made, oneCertificate: false));
        var request = client.Encode(new EstRequest(EstOperation.SimpleEnroll, "", vector.Hex("sen_request_cf286_hex")));
        Assert.Equal(("/.well-known/est/sen", 286), (request.Path, request.Options.ContentFormat));
        var parsed = (EstRequest)new EstCoapServer().Parse(request, Caller.Local("x", default));
        Assert.Equal(vector.Hex("sen_request_cf286_hex"), parsed.Body.ToArray());
    }
}
