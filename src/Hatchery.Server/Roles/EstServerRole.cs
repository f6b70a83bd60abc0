using System.Collections.Frozen;
using System.Collections.Immutable;
using Hatchery.Est;
using Hatchery.Est.Server;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Hatchery.Tls;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

/// <summary>What stands behind a label, as configured.</summary>
public class EstLabelSettings
{
    /// <summary>PEM files with CA certificates of manufacturers whose IDevIDs are taken for first requests.</summary>
    public List<string> Identities { get; set; } = [];
    public bool ExpiredIdentities { get; set; }
    public bool Passwords { get; set; }
    public bool PasswordsToo { get; set; }
    /// <summary>TLS-SRP, on <see cref="EstRoleSettings.SecretListener"/>.</summary>
    public bool Secrets { get; set; }
    /// <summary>Linking of identity and proof of possession is a must.</summary>
    public bool Linking { get; set; }
    /// <summary>"P-256", "P-384", "P-521", "rsa:3072"; empty: any that is strong enough.</summary>
    public string Key { get; set; } = "";
    public bool Template { get; set; }
    /// <summary>"proven" or "asRequested".</summary>
    public string Names { get; set; } = "proven";
    public List<string> DnsNames { get; set; } = [];
    public int LifeDays { get; set; } = 365;
    public double RenewalWindow { get; set; } = 0.5;
    public bool ServerKeyGen { get; set; }
    public bool FullCmc { get; set; }
}

public sealed class EstRoleSettings : EstLabelSettings
{
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "est";
    /// <summary>An https listener with tls: engine, for TLS-SRP and for channel binding on TLS 1.3; empty: none.</summary>
    public string SecretListener { get; set => field = value.ToLowerInvariant(); } = "";
    /// <summary>Name of the embedded authority; made at the first start.</summary>
    public string Authority { get; set; } = "est";
    public string Realm { get; set; } = "estrealm";
    /// <summary>Names of <see cref="EstTolerance"/>'s switches.</summary>
    public List<string> Tolerances { get; set; } = [];
    /// <summary>A service for devices with a certificate, at /hatchery/domain.</summary>
    public bool Domain { get; set; } = true;
    /// <summary>Further labels; the settings beside are those of the default one.</summary>
    public Dictionary<string, EstLabelSettings> Labels { get; set; } = [];
}

/// <summary>EST's server over the embedded authority.</summary>
public sealed class EstServerRole : IServerRole
{
    public string Id => "est.server";
    public Protocol Protocol => EstProfile.Protocol;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var settings = ServerOptions.Bind<EstRoleSettings>(section);
        var authority = new EmbeddedAuthority(context.Store, settings.Authority, context.Chance, context.Shared.GetValueOrDefault(CaRole.LocationsOf(settings.Authority)) as AuthorityLocations);
        try
        {
            await new AuthorityKeeper(authority).CreateAsync(new AuthoritySetup(), Caller.Local("start", context.Now()), cancel);
        }
        catch (ConflictException)
        {
            // Another process made it meanwhile.
        }
        var state = await authority.StateAsync(context.Store.Begin(Caller.Local("start", context.Now())), cancel);
        var est = new EmbeddedEstAuthority(authority);
        var labels = new Dictionary<string, EstLabel> { [""] = EstLabels.Make(settings, est, section.Path) };
        foreach (var (name, label) in settings.Labels)
            labels[EstHttp.IsLabel(name) ? name : throw new ConfigurationFault($"{section.Path}:labels:{name}", "this cannot be a label.")] = EstLabels.Make(label, est, $"{section.Path}:labels:{name}");
        // Signs CMC answers and generated keys: an RA's certificate of this CA.
        if (labels.Values.Any(l => l.FullCmc is not null || l.KeyGeneration is not null))
            labels = await WithSignerAsync(labels, settings, authority, state, context, cancel);
        var options = new EstServerOptions
        {
            Labels = labels.ToFrozenDictionary(),
            Realm = settings.Realm,
            NonceKey = await context.Keys.SecretAsync("est.nonce", cancel),
            Tolerance = EstLabels.Tolerance(settings.Tolerances, section.Path + ":tolerances"),
        };
        var service = new EstService(context.Store, context.Admission, context.Chance, options);
        foreach (string listener in settings.SecretListener.Length > 0 ? new[] { settings.Listener, settings.SecretListener } : [settings.Listener])
            EstLabels.Serve(context, listener, section.Path, service, options, settings.Domain);
        if (settings.SecretListener.Length > 0)
            await SecureAsync(settings, section, context, cancel);
        context.Admin.Add(routes => EstAdmin.Map(routes, service, authority, settings.Realm, context));
        context.Summary.Add($"{Id} on {settings.Listener}: root {state.Roots[^1].SubjectText}, SHA-256 {Convert.ToHexString(state.Roots[^1].Sha256())}");
        if (labels.Values.Any(l => l.Names == EstNames.AsRequested))
            context.Insecure.Add($"{Id}: clients may ask for any name");
        if (options.Tolerance != EstTolerance.Strict)
            context.Insecure.Add($"{Id}: tolerates {string.Join(", ", settings.Tolerances)}");
    }

    private static async ValueTask<Dictionary<string, EstLabel>> WithSignerAsync(Dictionary<string, EstLabel> labels, EstRoleSettings settings, EmbeddedAuthority authority, AuthorityState state,
        RoleContext context, CancellationToken cancel)
    {
        var (key, certificate) = await context.Keys.GetAsync("est.signer." + settings.Authority, System.Security.Cryptography.ECCurve.NamedCurves.nistP256, null, cancel);
        var unit = context.Store.Begin(Caller.Local("start", context.Now()));
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=EST server") }.Sign(key, context.Chance));
        var at = context.Now().Wall!.Value;
        // Issued anew at each start: the key stays, and clients verify the path, not the certificate.
        var issued = await authority.IssueAsync(unit, csr.Key, csr, CertificateProfile.CmcRa("est-server"), "signer", null, at, state.Issuer.Certificate.NotAfter, cancel);
        await unit.CommitAsync(cancel);
        ImmutableArray<ReadOnlyMemory<byte>> chain = [issued.Encoded, .. state.Issuer.Chain.Where(c => !Certificate.Parse(c).IsSelfIssued)];
        return labels.ToDictionary(l => l.Key, l => l.Value with
        {
            FullCmc = l.Value.FullCmc is null ? null : l.Value.FullCmc with { Signer = key, SignerChain = chain },
            KeyGeneration = l.Value.KeyGeneration is null ? null : l.Value.KeyGeneration with { Signer = key, SignerChain = chain },
        });
    }

    private static async ValueTask SecureAsync(EstRoleSettings settings, IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var users = new SrpUsers(context.Store, await context.Keys.SecretAsync("est.srp", cancel), context.Now);
        string certificate = context.Options.Listeners.GetValueOrDefault(settings.SecretListener)?.Certificate ?? "";
        var issued = (IssuedCertificates)context.Shared[nameof(IssuedCertificates)];
        context.Secure(settings.SecretListener, section.Path + ":secretListener", EngineTls.Server(() => new TlsServerOptions
        {
            Identity = issued.Current(certificate) is { } shown ? new TlsIdentity([.. shown.Chain.Select(c => c.ToArray())], shown.Key) : null,
            ClientCertificates = ClientCertificates.Allow,
            SrpVerifierOf = users.Of,
        }, context.Chance, context.Now, (user, succeeded) =>
        {
            if (succeeded)
                users.Succeeded(user);
            else
                users.Failed(user);
        }));
    }
}

/// <summary>What the two roles of EST have in common.</summary>
internal static class EstLabels
{
    public static EstLabel Make(EstLabelSettings settings, IEstAuthority authority, string path) => new()
    {
        Authority = authority,
        Implicit = Anchors(settings.Identities, path + ":identities"),
        ExpiredIdentities = settings.ExpiredIdentities,
        Passwords = settings.Passwords,
        PasswordsToo = settings.PasswordsToo,
        Secrets = settings.Secrets,
        Demands = CsrDemands.None with { ChallengePassword = settings.Linking, Key = Key(settings.Key, path + ":key") },
        Template = settings.Template,
        Names = settings.Names switch
        {
            "proven" => EstNames.Proven,
            "asRequested" => EstNames.AsRequested,
            _ => throw new ConfigurationFault(path + ":names", $"{settings.Names}; it is proven or asRequested."),
        },
        DnsNames = [.. settings.DnsNames],
        Life = settings.LifeDays > 0 ? TimeSpan.FromDays(settings.LifeDays) : throw new ConfigurationFault(path + ":lifeDays", "at least 1."),
        RenewalWindow = settings.RenewalWindow is > 0 and <= 1 ? settings.RenewalWindow : throw new ConfigurationFault(path + ":renewalWindow", "more than 0, at most 1."),
        KeyGeneration = settings.ServerKeyGen ? new KeyGenerationOptions() : null,
        // The role puts its signer in.
        FullCmc = settings.FullCmc ? new CmcOptions { Signer = null!, SignerChain = [] } : null,
    };

    public static TrustStore Anchors(IEnumerable<string> files, string path)
    {
        try
        {
            return TrustStore.Of(files.SelectMany(f => PemFile.ReadAll(File.ReadAllText(f), "CERTIFICATE")).Select(c => (ReadOnlyMemory<byte>)c));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PkiException)
        {
            throw new ConfigurationFault(path, e.Message);
        }
    }

    private static KeyDemand? Key(string name, string path) => name switch
    {
        "" => null,
        "P-256" => new KeyDemand(Oids.EcPublicKey, Oids.P256),
        "P-384" => new KeyDemand(Oids.EcPublicKey, Oids.P384),
        "P-521" => new KeyDemand(Oids.EcPublicKey, Oids.P521),
        _ when name.StartsWith("rsa:", StringComparison.Ordinal) && int.TryParse(name[4..], out int bits) && bits is >= 2048 and <= 8192 => new KeyDemand(Oids.RsaEncryption, Bits: bits),
        _ => throw new ConfigurationFault(path, $"{name}; it is P-256, P-384, P-521 or rsa:BITS."),
    };

    public static EstTolerance Tolerance(IEnumerable<string> names, string path)
    {
        var tolerance = EstTolerance.Strict;
        foreach (string name in names)
            tolerance = name.ToLowerInvariant() switch
            {
                "pem" => tolerance with { Pem = true },
                "rawder" => tolerance with { RawDer = true },
                "anycontenttype" => tolerance with { AnyContentType = true },
                "sha1requests" => tolerance with { Sha1Requests = true },
                "pkcs1keys" => tolerance with { Pkcs1Keys = true },
                "libestclients" => tolerance with { LibestClients = true },
                "openmultipart" => tolerance with { OpenMultipart = true },
                _ => throw new ConfigurationFault(path, $"{name} is none of pem, rawDer, anyContentType, sha1Requests, pkcs1Keys, openMultipart, libestClients."),
            };
        return tolerance;
    }

    public static void Serve(RoleContext context, string listener, string path, EstService service, EstServerOptions options, bool domain)
    {
        context.CarrierOf(listener, path + ":listener", "https");
        if (context.Options.Listeners[listener] is { Tls: "platform", ClientCertificates: "none" })
            throw new ConfigurationFault($"listeners:{listener}:clientCertificates", "EST asks for client certificates and does not require them: allow.");
        HttpServiceDriver Driver(IService what, IHttpServerBinding binding) =>
            new(new ServiceDriver(what, p => context.Actor(p, p.Name), context.Peer, context.Witness, context.Refused, context.Failed), binding);
        context.Serve(listener, path + ":listener", () => Driver(service, new EstHttpServer(context.Chance, options.Tolerance)));
        if (domain)
            context.Serve(listener, path + ":listener", () => Driver(new DomainService(service), new DomainHttp()));
    }
}
