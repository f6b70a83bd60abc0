using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Manufacturer;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Owner.Modules;
using Hatchery.Fdo.Transport;
using Hatchery.Pki;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class FdoOwnerOptions
{
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "public";
    /// <summary>Where devices find this owner: "http://host:port"; signed into to1d.</summary>
    public List<string> Addresses { get; set; } = [];
    /// <summary>Files that every device gets.</summary>
    public List<FdoFileOptions> Files { get; set; } = [];
    /// <summary>Delivers hatchery-agent.json, and accepts on this listener the devices that use it.</summary>
    public bool Agent { get; set; } = true;
    /// <summary>Directives that devices are to follow from then on; empty: as before.</summary>
    public List<string> Rendezvous { get; set; } = [];
    /// <summary>Keys of the types RSA2048RESTR, RSAPKCS and RSAPSS too.</summary>
    public bool Rsa { get; set; }
    /// <summary>Certifies devices that ask for it by fdo.csr, with an authority of its own; a plan has the step csr.</summary>
    public bool Certify { get; set; }
    /// <summary>How AES-CTR and AES-CBC are sealed: strict, go-fdo, java or conformance-tool.</summary>
    public string EncryptThenMac { get; set; } = "strict";
    /// <summary>Profiles of the admission policy whose devices are asked to keep their credential.</summary>
    public List<string> ReuseCredential { get; set; } = [];
    /// <summary>Asked for in TO0.</summary>
    public uint WaitSeconds { get; set; } = 7 * 24 * 3600;
}

public sealed class FdoFileOptions
{
    /// <summary>On the device.</summary>
    public string Name { get; set; } = "";
    /// <summary>Here.</summary>
    public string Path { get; set; } = "";
}

/// <summary>FDO's Owner Onboarding Service: TO2, TO0's client on a schedule, vouchers, and the service that onboarded devices use.</summary>
public sealed class FdoOwnerRole : IServerRole
{
    public string Id => "fdo.owner";
    public Protocol Protocol => FdoProfile.Protocol;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var options = ServerOptions.Bind<FdoOwnerOptions>(section);
        var (p256, _) = await context.Keys.GetAsync("fdo.owner.p256", ECCurve.NamedCurves.nistP256, null, cancel);
        var (p384, _) = await context.Keys.GetAsync("fdo.owner.p384", ECCurve.NamedCurves.nistP384, null, cancel);
        var addresses = Addresses(options, section.Path + ":addresses");
        IServiceInfoPlanner planner = new OnePlan(new ServiceInfoPlan("files", [.. options.Files.Select((f, i) => File(f, $"{section.Path}:files:{i}"))]));
        var enrollment = options.Certify ? await EnrollmentAsync(context, cancel) : null;
        var plans = new StoredPlanner(context.Store, enrollment, planner, context.Now);
        planner = plans;
        if (options.Agent)
        {
            if (context.CarrierOf(options.Listener, section.Path + ":listener", "http", "https", "tcp", "tls") is "tcp" or "tls")
                throw new ConfigurationFault(section.Path + ":agent", $"{options.Listener} carries no HTTP, over which the agent's service is used; set it to false, or take an http listener.");
            var tokens = new ServiceTokens(await context.Keys.SecretAsync("fdo.service", cancel));
            planner = new AgentPlanner(tokens, new Uri(options.Addresses[0]), planner);
            context.Serve(options.Listener, section.Path + ":listener", () => new HttpServiceDriver(new ServiceDriver(new DeviceManagementService(context.Store, tokens),
                p => context.Actor(p, p.Name), context.Peer, context.Witness, context.Refused, context.Failed), new ServiceHttpServer()));
        }
        var owner = new OwnerOptions
        {
            Keys = new OwnerKeys([p256, p384, .. await RsaAsync(options, context, cancel)]),
            EncryptThenMac = Profile(options.EncryptThenMac, section.Path + ":encryptThenMac"),
            ReuseCredential = options.ReuseCredential.Count == 0 ? null : (_, profile) => options.ReuseCredential.Contains(profile),
            Planner = planner,
            Addresses = addresses,
            WaitSeconds = options.WaitSeconds,
            ReplacementRendezvousInfo = Rendezvous(options, section.Path + ":rendezvous"),
        };
        FdoListener.Add(context, options.Listener, section.Path + ":listener", new To2Service(context.Store, context.Admission, context.Chance, owner));
        var vouchers = new OwnerVouchers(context.Store, owner.Keys, new VoucherPolicy(), context.Chance);
        var scheduler = new FdoTo0Scheduler(context, owner);
        context.Jobs.Add(("fdo.to0", scheduler.RunAsync));
        context.Admin.Add(routes => Map(routes, vouchers, owner, scheduler, context));
        context.Admin.Add(routes => FdoPlanAdmin.Map(routes, plans, context));
        if (options.ReuseCredential.Count > 0)
            context.Insecure.Add($"{Id}: devices of {string.Join(", ", options.ReuseCredential)} are asked to keep their credential, and may be onboarded again and again");
        context.Summary.Add($"{Id} on {options.Listener}: devices find it at {string.Join(", ", options.Addresses)}");
    }

    private static async ValueTask<List<FdoPrivateKey>> RsaAsync(FdoOwnerOptions options, RoleContext context, CancellationToken cancel)
    {
        var keys = new List<FdoPrivateKey>();
        if (options.Rsa)
            foreach (var (name, bits, type) in FdoRsa.Types)
                keys.Add(new FdoPrivateKey((await context.Keys.GetRsaAsync("fdo.owner." + name, bits, null, cancel)).Key, type));
        return keys;
    }

    private static async ValueTask<IDeviceEnrollment> EnrollmentAsync(RoleContext context, CancellationToken cancel)
    {
        var (key, certificate) = await context.Keys.GetAsync("fdo.operations-ca", ECCurve.NamedCurves.nistP256,
            k => CertificateAuthority.CreateRoot("CN=FDO owner operations CA", k, context.Now().Wall!.Value.AddMinutes(-5), TimeSpan.FromDays(365 * 20), context.Chance).Chain[0], cancel);
        return new CaEnrollment(new CertificateAuthority(key, [certificate]), TimeSpan.FromDays(365));
    }

    private static EncryptThenMacProfile Profile(string name, string path) => name.ToLowerInvariant() switch
    {
        "strict" => EncryptThenMacProfile.Strict,
        "go-fdo" => EncryptThenMacProfile.GoFdo,
        "java" => EncryptThenMacProfile.Java,
        "conformance-tool" => EncryptThenMacProfile.ConformanceTool,
        _ => throw new ConfigurationFault(path, $"{name}; it is strict, go-fdo, java or conformance-tool."),
    };

    private static RendezvousInfo? Rendezvous(FdoOwnerOptions options, string path)
    {
        try
        {
            return options.Rendezvous.Count == 0 ? null : RendezvousText.Parse([.. options.Rendezvous]);
        }
        catch (FormatException e)
        {
            throw new ConfigurationFault(path, e.Message);
        }
    }

    private static ImmutableArray<To2AddressEntry> Addresses(FdoOwnerOptions options, string path)
    {
        if (options.Addresses.Count == 0)
            throw new ConfigurationFault(path, "devices must be told at least one address, such as http://owner.example:8080");
        var entries = ImmutableArray.CreateBuilder<To2AddressEntry>();
        foreach (string text in options.Addresses)
        {
            if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || FdoSchemes.Transport(uri.Scheme) is not { } transport || uri.Port is < 1 or > 65535 || uri.AbsolutePath.Length > 1)
                throw new ConfigurationFault(path, $"{text} is no address of the form http://host:port");
            bool isAddress = IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address);
            entries.Add(new To2AddressEntry(isAddress ? address : null, isAddress ? null : uri.Host, (ushort)uri.Port, transport));
        }
        return entries.ToImmutable();
    }

    private static Download File(FdoFileOptions file, string path)
    {
        if (file.Name.Length == 0 || file.Path.Length == 0)
            throw new ConfigurationFault(path, "name and path are needed.");
        return System.IO.File.Exists(file.Path) ? new Download(file.Name, System.IO.File.ReadAllBytes(file.Path)) : throw new ConfigurationFault(path + ":path", $"there is no file {file.Path}.");
    }

    private static void Map(IEndpointRouteBuilder routes, OwnerVouchers vouchers, OwnerOptions owner, FdoTo0Scheduler scheduler, RoleContext context)
    {
        routes.MapGet("/fdo/owner-keys", () => owner.Keys.Public.Select(k => new KeyView(k.Type.ToString(), k.Fingerprint, PemEncoding.WriteString("PUBLIC KEY", k.SubjectPublicKeyInfo.Span))))
            .Scope("fdo:read").WithSummary("The public keys to give to sellers.");
        routes.MapGet("/fdo/vouchers", async (Guid? after, int? limit, HttpContext http) =>
            (await vouchers.ListAsync(after, Math.Clamp(limit ?? 100, 1, 1000), FdoAdmin.Operator(context, http), http.RequestAborted)).Select(View))
            .Scope("fdo:read").WithSummary("Devices of this owner.");
        routes.MapGet("/fdo/vouchers/{guid:guid}", async (Guid guid, HttpContext http) =>
            await vouchers.GetAsync(guid, FdoAdmin.Operator(context, http), http.RequestAborted) is { } voucher ? Results.Ok(View(voucher)) : Results.NotFound())
            .Scope("fdo:read").WithSummary("One device of this owner.");
        routes.MapGet("/fdo/vouchers/{guid:guid}/pem", async (Guid guid, HttpContext http) =>
            await vouchers.GetAsync(guid, FdoAdmin.Operator(context, http), http.RequestAborted) is { } voucher
                ? Results.Text(VoucherFile.ToPem(OwnershipVoucher.Parse(voucher.Voucher)), "application/x-pem-file") : Results.NotFound())
            .Scope("fdo:read").WithSummary("A voucher, PEM.");
        routes.MapPost("/fdo/vouchers", async (HttpContext http) =>
        {
            var voucher = VoucherFile.Read(await FdoAdmin.BodyAsync(http), out _);
            var imported = await vouchers.ImportAsync(voucher, FdoAdmin.Operator(context, http), http.RequestAborted);
            FdoAdmin.SawHuman(context, FdoSteps.ImportVoucher, voucher.Guid);
            scheduler.Wake();
            return Results.Ok(View(imported));
        }).Scope("fdo:write").WithSummary("Imports a voucher (PEM or CBOR) that names one of our keys, and registers it.");
        routes.MapPost("/fdo/vouchers/import", async (HttpContext http) =>
        {
            var imported = await vouchers.ImportAsync(VoucherFile.ReadAll(await FdoAdmin.BodyAsync(http)), FdoAdmin.Operator(context, http), http.RequestAborted);
            foreach (var (guid, refused) in imported)
                if (refused is null)
                    FdoAdmin.SawHuman(context, FdoSteps.ImportVoucher, guid);
            scheduler.Wake();
            return Results.Ok(imported.Select(i => new ImportView(i.Guid, i.Refused)));
        }).Scope("fdo:write").WithSummary("Imports many vouchers (PEM blocks or CBOR items one behind the other), each by itself; says of each why it was refused.");
        routes.MapPost("/fdo/vouchers/{guid:guid}/extend", async (Guid guid, HttpContext http) =>
        {
            var sold = await vouchers.SellAsync(guid, await FdoAdmin.PublicKeyAsync(http), FdoAdmin.Operator(context, http), http.RequestAborted);
            FdoAdmin.SawHuman(context, FdoSteps.ResellVoucher, guid);
            return Results.Text(VoucherFile.ToPem(sold), "application/x-pem-file");
        }).Scope("fdo:write").WithSummary("Sells a device on: extends its voucher to the public key in the body (PEM).");
        routes.MapGet("/fdo/to0/{guid:guid}", async (Guid guid, HttpContext http) =>
            (await context.Store.Begin(FdoAdmin.Operator(context, http)).GetAsync(To0Schedule.Schema, To0Schedule.Key(guid), http.RequestAborted)) is { Value: var schedule }
                ? Results.Ok(new ScheduleView(schedule.Guid, schedule.NextAt, schedule.Granted, schedule.Failures, schedule.LastError)) : Results.NotFound())
            .Scope("fdo:read").WithSummary("When a device is registered at its rendezvous servers.");
        routes.MapPost("/fdo/sell/{guid:guid}", async (Guid guid, HttpContext http) =>
        {
            if (!context.Shared.TryGetValue("fdo.made", out var made))
                return Results.Problem("This server is no manufacturer.", statusCode: StatusCodes.Status409Conflict);
            var caller = FdoAdmin.Operator(context, http);
            var device = await ((ManufacturerVouchers)made).GetAsync(guid, caller, http.RequestAborted);
            if (device is null)
                return Results.NotFound();
            var type = OwnershipVoucher.Parse(device.Voucher).Header.PublicKey.Type;
            var key = owner.Keys.Public.First(k => k.Type == type);
            FdoAdmin.SawHuman(context, FdoSteps.GiveOwnerKey, guid);
            var voucher = await ((ManufacturerVouchers)made).ExtendAsync(guid, key, caller, http.RequestAborted);
            FdoAdmin.SawHuman(context, FdoSteps.ExtendVoucher, guid);
            var imported = await vouchers.ImportAsync(voucher, caller, http.RequestAborted);
            FdoAdmin.SawHuman(context, FdoSteps.ImportVoucher, guid);
            scheduler.Wake();
            return Results.Ok(View(imported));
        }).Scope("fdo:write").WithSummary("Where one server is both manufacturer and owner: extends a device's voucher to ourselves and imports it.");
    }

    private static VoucherView View(OwnerVoucher v) => new(v.Guid, v.State.ToString(), v.Successor == default ? null : v.Successor, v.Serial, v.OwnerKey, v.Since);

    private sealed record ImportView(Guid Guid, string? Refused);
    private sealed record KeyView(string Type, string Fingerprint, string Pem);
    private sealed record VoucherView(Guid Guid, string State, Guid? Successor, string Serial, string OwnerKey, DateTimeOffset Since);
    private sealed record ScheduleView(Guid Guid, DateTimeOffset NextAt, DateTimeOffset? Granted, int Failures, string LastError);
}
