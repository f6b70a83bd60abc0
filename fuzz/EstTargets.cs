using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Cryptography;
using Hatchery.Est;
using Hatchery.Est.Server;
using Hatchery.Est.Transport;
using Hatchery.Pki;

namespace Hatchery.Fuzz;

/// <summary>EST: HTTP on both sides, and the service behind it.</summary>
internal static class EstTargets
{
    private static readonly SystemChance s_chance = new();
    private static readonly Lazy<(EstService Service, Caller Caller)> s_server = new(Start);

    /// <summary>First byte: operation, side and tolerance. A line: the header Content-Type, or Authorization, or WWW-Authenticate. The rest: body.</summary>
    public static void Http(byte[] bytes)
    {
        if (bytes.Length == 0)
            return;
        int newline = Array.IndexOf(bytes, (byte)'\n');
        string header = Encoding.Latin1.GetString(bytes[1..Math.Max(1, newline)]);
        var body = bytes.AsMemory(newline < 0 ? bytes.Length : newline + 1);
        var operation = (EstOperation)(bytes[0] % 6);
        var tolerance = (bytes[0] & 0x40) != 0 ? EstTolerance.All : EstTolerance.Strict;
        KeyValuePair<string, string>[] headers = [new("Content-Type", header), new("Authorization", header), new("WWW-Authenticate", header), new("Retry-After", header)];
        if ((bytes[0] & 0x80) != 0)
            Program.Declared(() => _ = ((EstRequest)new EstHttpServer(s_chance, tolerance).Parse(new PlainHttpRequest("POST", EstHttp.Path(operation, ""), headers, body), Caller.Local("fuzz", default))).Body);
        else
            Program.Declared(() => new EstHttpClient(tolerance).Parse(new PlainHttpResponse((bytes[0] & 0x20) != 0 ? 401 : 200, headers, body), new EstRequest(operation, "", default)));
        HttpChallenge.Parse([header]);
    }

    /// <summary>First byte: operation. The rest: DER of a request, from a client whose certificate is known.</summary>
    public static void Service(byte[] bytes)
    {
        if (bytes.Length == 0)
            return;
        var (service, caller) = s_server.Value;
        Program.Declared(() => service.HandleAsync(new EstRequest((EstOperation)(bytes[0] % 6), "", bytes.AsMemory(1)), caller, default).AsTask().GetAwaiter().GetResult());
    }

    private static (EstService, Caller) Start()
    {
        var now = new Moment(TimeSpan.Zero, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var store = new RecordStore(new MemoryBackend(TimeProvider.System), new AesGcmSealer(new byte[32], s_chance));
        var authority = new EmbeddedAuthority(store, "est", s_chance);
        new AuthorityKeeper(authority).CreateAsync(new AuthoritySetup(), Caller.Local("fuzz", now), default).AsTask().GetAwaiter().GetResult();
        var key = s_chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "maker");
        var maker = CertificateAuthority.CreateRoot("CN=maker", key, now.Wall!.Value.AddDays(-1), TimeSpan.FromDays(365), s_chance);
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=x") }.Sign(key, s_chance));
        var device = maker.Issue(csr, CertificateProfile.Device("1"), now.Wall.Value, TimeSpan.FromDays(100), s_chance);
        var label = new EstLabel
        {
            Authority = new EmbeddedEstAuthority(authority), Implicit = new TrustStore([maker.Certificate]), Names = EstNames.AsRequested, KeyGeneration = new KeyGenerationOptions(),
            FullCmc = new CmcOptions { Signer = key, SignerChain = maker.Chain, SecretOf = _ => new SecretText("secret") },
        };
        var service = new EstService(store, new Everybody(), s_chance, new EstServerOptions { Labels = new Dictionary<string, EstLabel> { [""] = label }.ToFrozenDictionary(), NonceKey = new SecretBytes(new byte[32]) });
        return (service, new Caller { Now = now, Listener = "fuzz", ClientChain = [device.ToArray()] });
    }

    private sealed class Everybody : IAdmission
    {
        public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));
    }
}
