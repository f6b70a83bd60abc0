using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.AspNetCore;
using Hatchery.Cryptography;
using Hatchery.Est.Server;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Hatchery.Tls;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>An EST server on a free port of loopback, with a CA of its own and a manufacturer's. Its decisions are the test's.</summary>
internal sealed class EstHost : IAsyncDisposable, IAdmission
{
    public static readonly SystemChance Chance = new();
    private WebApplication? _app;

    private EstHost(IRecordStore store)
    {
        Store = store;
        Authority = new EmbeddedAuthority(store, "est", Chance);
        var key = Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "manufacturer");
        Manufacturer = CertificateAuthority.CreateRoot("CN=Device maker", key, DateTimeOffset.UtcNow.AddDays(-10), TimeSpan.FromDays(3650), Chance);
    }

    public IRecordStore Store { get; }
    public EmbeddedAuthority Authority { get; }
    public CertificateAuthority Manufacturer { get; }
    public EstService Service { get; private set; } = null!;
    public int Port { get; private set; }
    /// <summary>Of the listener for TLS-SRP, PSK and the exporter.</summary>
    public int EnginePort { get; private set; }
    public SrpUsers Srp { get; private set; } = null!;
    public Func<ReadOnlyMemory<byte>, SecretBytes?>? PskOf { get; set; }
    public Func<AdmissionRequest, Decision> Decide { get; set; } = _ => new Decision.Admit("default");
    public List<AdmissionRequest> Asked { get; } = [];
    public List<string> Failures { get; } = [];
    public Certificate Root => AsOperator(async u => (await Authority.StateAsync(u, default)).Roots[^1]).GetAwaiter().GetResult();

    public static Caller Operator => Caller.Local("test", new SystemClock().Now);

    public async Task<T> AsOperator<T>(Func<IUnitOfWork, Task<T>> work) => await work(Store.Begin(Operator));

    public static RecordStore NewStore() => new(new MemoryBackend(TimeProvider.System), new AesGcmSealer(RandomNumberGenerator.GetBytes(32), Chance));

    public static async Task<EstHost> StartAsync(Func<EstLabel, EstLabel>? label = null, Func<EstServerOptions, EstServerOptions>? options = null, SslProtocols protocols = SslProtocols.None,
        IRecordStore? store = null, Func<EstHost, EstLabel, Task<EstLabel>>? prepare = null)
    {
        var host = new EstHost(store ?? NewStore());
        await new AuthorityKeeper(host.Authority).CreateAsync(new AuthoritySetup(), Operator, default);
        var est = new EmbeddedEstAuthority(host.Authority);
        var plain = new EstLabel { Authority = est, Implicit = new TrustStore([host.Manufacturer.Certificate]) };
        var configured = label?.Invoke(plain) ?? plain;
        if (prepare is not null)
            configured = await prepare(host, configured);
        var all = new EstServerOptions
        {
            Labels = new Dictionary<string, EstLabel> { [""] = configured, ["factory"] = configured with { Names = EstNames.AsRequested } }.ToFrozenDictionary(),
            NonceKey = new SecretBytes(RandomNumberGenerator.GetBytes(32)),
        };
        all = options?.Invoke(all) ?? all;
        host.Service = new EstService(host.Store, host, Chance, all);
        await host.ServeAsync(all, protocols);
        return host;
    }

    private async Task ServeAsync(EstServerOptions options, SslProtocols protocols)
    {
        var identity = await IssueAsync(CertificateProfile.TlsServer("localhost", "127.0.0.1"));
        var context = ContextOf(identity);
        Srp = new SrpUsers(Store, new SecretBytes(RandomNumberGenerator.GetBytes(32)), () => new SystemClock().Now);
        var engine = new TlsServerOptions
        {
            Identity = new TlsIdentity([.. identity.Chain.Select(c => c.ToArray())], identity.Key),
            ClientCertificates = Tls.ClientCertificates.Allow,
            SrpVerifierOf = Srp.Of,
            PskOf = id => PskOf?.Invoke(id),
        };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        IReadOnlyList<Listener> listeners = [];
        builder.WebHost.UseKestrel(k => listeners = k.AddListeners(new ListenerOptions
        {
            Name = "est",
            Certificate = _ => context,
            ClientCertificates = AspNetCore.ClientCertificates.Allow,
            Protocols = protocols,
        }, new ListenerOptions
        {
            Name = "engine",
            Secure = async (stream, cancel) =>
            {
                var tls = new TlsEngineStream(new TlsServerEngine(engine, Chance, new SystemClock().Now), stream, () => new SystemClock().Now);
                var channel = await tls.HandshakeAsync(cancel);
                return new SecuredChannel(tls)
                {
                    ClientChain = channel.PeerChain,
                    ServerCertificate = identity.Chain[0],
                    TlsUnique = channel.TlsUnique,
                    TlsExporter = channel.Version == TlsVersions.Tls13 ? channel.Export(ChannelBinding.ExporterLabel, [], ChannelBinding.ExporterLength) : default,
                    SecretName = channel.SrpUser ?? (channel.PskIdentity.IsEmpty ? null : System.Text.Encoding.UTF8.GetString(channel.PskIdentity.Span)),
                };
            },
        }));
        _app = builder.Build();
        _app.MapListener("engine", [Role(Service, new EstHttpServer(Chance, options.Tolerance)), Role(new DomainService(Service), new DomainHttp())]);
        _app.MapListener("est", [Role(Service, new EstHttpServer(Chance, options.Tolerance)), Role(new DomainService(Service), new DomainHttp())]);
        await _app.StartAsync();
        (Port, EnginePort) = (listeners[0].EndPoint.Port, listeners[1].EndPoint.Port);
    }

    private HttpServiceDriver Role(IService service, IHttpServerBinding binding) => new(new ServiceDriver(service, new Actor(EstPlayers.Server, "est", "owner"), p => new Actor(p, p.Name, "owner"),
        Witness.None, (_, _, _) => { }, (what, e) => Failures.Add($"{what}: {e}")), binding);

    /// <summary>A certificate of the EST CA that no request was made for.</summary>
    public async Task<(ECDsa Key, ImmutableArray<ReadOnlyMemory<byte>> Chain)> IssueAsync(CertificateProfile profile, TimeSpan? life = null)
    {
        var key = Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "key");
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, Chance));
        var unit = Store.Begin(Operator);
        var now = DateTimeOffset.UtcNow;
        var issued = await Authority.IssueAsync(unit, csr.Key, csr, profile, "test", null, now, now + (life ?? TimeSpan.FromDays(30)), default);
        await unit.CommitAsync(default);
        var state = await Authority.StateAsync(Store.Begin(Operator), default);
        return (key, [issued.Encoded, state.Issuer.Certificate.Encoded]);
    }

    /// <summary>An IDevID of the manufacturer.</summary>
    public (ECDsa Key, ImmutableArray<ReadOnlyMemory<byte>> Chain) MakeIdentity(string serial, DateTimeOffset? at = null, TimeSpan? life = null, CertificateAuthority? by = null)
    {
        var key = Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "idevid");
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, Chance));
        return (key, [(by ?? Manufacturer).Issue(csr, CertificateProfile.Device(serial), at ?? DateTimeOffset.UtcNow, life ?? TimeSpan.FromDays(3000), Chance)]);
    }

    public async Task AddUserAsync(string name, string password, bool oneTime = false, bool srp = false)
    {
        var unit = Store.Begin(Operator);
        unit.Insert(EstUser.Schema, EstUser.Key(name), EstUser.Create(name, new SecretText(password), "estrealm", oneTime, srp, Chance));
        await unit.CommitAsync(default);
    }

    public static SslStreamCertificateContext ContextOf((ECDsa Key, ImmutableArray<ReadOnlyMemory<byte>> Chain) identity)
    {
        using var key = SigningKeys.ToBcl(identity.Key);
        using var leaf = X509CertificateLoader.LoadCertificate(identity.Chain[0].Span);
        using var both = leaf.CopyWithPrivateKey(key);
        var others = new X509Certificate2Collection();
        foreach (var certificate in identity.Chain.Skip(1))
            others.Add(X509CertificateLoader.LoadCertificate(certificate.Span));
        return SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pkcs12), null), others, offline: true);
    }

    public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel)
    {
        lock (Asked)
            Asked.Add(request);
        return new(Decide(request));
    }

    public async Task<int> IssuedCountAsync() => (await AsOperator(async u => await u.ListAsync(IssuedCertificate.Schema, null, 10000, default))).Count(i => i.Value.Profile != "test");

    public async Task<ImmutableArray<AuditEntry>> AuditAsync() => await Store.Registry.AuditAsync(0, 10000, null, default);

    public async ValueTask DisposeAsync()
    {
        await _app!.StopAsync();
        await _app.DisposeAsync();
    }
}
