using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Manufacturer;
using Hatchery.Pki;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class FdoManufacturerOptions
{
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "public";
    /// <summary>Directives for devices: "http://host:port", then ;bypass ;delay=SECONDS.</summary>
    public List<string> Rendezvous { get; set; } = [];
    /// <summary>Keys of the types RSA2048RESTR, RSAPKCS and RSAPSS too, for devices and buyers that need them.</summary>
    public bool Rsa { get; set; }
}

/// <summary>FDO's Manufacturing Server: DI, device CA, first extension of vouchers.</summary>
public sealed class FdoManufacturerRole : IServerRole
{
    private static readonly TimeSpan s_caLife = TimeSpan.FromDays(365 * 40);

    public string Id => "fdo.manufacturer";
    public Protocol Protocol => FdoProfile.Protocol;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var options = ServerOptions.Bind<FdoManufacturerOptions>(section);
        if (options.Rendezvous.Count == 0)
            throw new ConfigurationFault(section.Path + ":rendezvous", "a device needs at least one directive, such as http://rendezvous.example:8080");
        RendezvousInfo rendezvous;
        try
        {
            rendezvous = RendezvousText.Parse([.. options.Rendezvous]);
        }
        catch (FormatException e)
        {
            throw new ConfigurationFault(section.Path + ":rendezvous", e.Message);
        }
        ReadOnlyMemory<byte> Root(string name, ECDsa key) =>
            CertificateAuthority.CreateRoot($"CN={name}", key, context.Now().Wall!.Value.AddMinutes(-5), s_caLife, context.Chance).Chain[0];
        var (p256, chain256) = await context.Keys.GetAsync("fdo.manufacturer.p256", ECCurve.NamedCurves.nistP256, k => Root("FDO manufacturer P-256", k), cancel);
        var (p384, chain384) = await context.Keys.GetAsync("fdo.manufacturer.p384", ECCurve.NamedCurves.nistP384, k => Root("FDO manufacturer P-384", k), cancel);
        var (ca, caCertificate) = await context.Keys.GetAsync("fdo.device-ca", ECCurve.NamedCurves.nistP256, k => Root("FDO device CA", k), cancel);
        List<FdoPrivateKey> keys = [p256, p384];
        List<ImmutableArray<ReadOnlyMemory<byte>>> chains = [[chain256], [chain384]];
        if (options.Rsa)
            foreach (var (name, bits, type) in FdoRsa.Types)
            {
                var (key, certificate) = await context.Keys.GetRsaAsync("fdo.manufacturer." + name, bits, k => FdoRsa.SelfSigned($"CN=FDO manufacturer {type}", k, context.Now().Wall!.Value, s_caLife, context.Chance), cancel);
                keys.Add(new FdoPrivateKey(key, type));
                chains.Add([certificate]);
            }
        var manufacturer = new ManufacturerOptions
        {
            Keys = [.. keys],
            KeyChains = [.. chains],
            DeviceCa = new CertificateAuthority(ca, [caCertificate]),
            RendezvousInfo = rendezvous,
        };
        FdoListener.Add(context, options.Listener, section.Path + ":listener", new DeviceInitializeService(context.Store, context.Admission, context.Chance, manufacturer));
        var vouchers = new ManufacturerVouchers(context.Store, manufacturer.Keys, context.Chance);
        context.Shared["fdo.made"] = vouchers;
        context.Admin.Add(routes => Map(routes, vouchers, context));
        context.Admin.Add(routes => MapBulk(routes, vouchers, context));
        context.Summary.Add($"{Id} on {options.Listener}: devices are sent to {string.Join(", ", options.Rendezvous)}");
        context.Insecure.Add($"{Id}: DI authenticates nobody; keep {options.Listener} inside the factory");
    }

    private static void Map(IEndpointRouteBuilder routes, ManufacturerVouchers vouchers, RoleContext context)
    {
        routes.MapGet("/fdo/manufactured", async (Guid? after, int? limit, HttpContext http) =>
            (await vouchers.ListAsync(after, Math.Clamp(limit ?? 100, 1, 1000), FdoAdmin.Operator(context, http), http.RequestAborted))
                .Select(d => new ManufacturedView(d.Guid, d.Serial, d.DeviceInfo, d.Made, d.SoldTo)))
            .Scope("fdo:read").WithSummary("Devices that this manufacturer made.");
        routes.MapGet("/fdo/manufactured/{guid:guid}/voucher", async (Guid guid, HttpContext http) =>
            await vouchers.GetAsync(guid, FdoAdmin.Operator(context, http), http.RequestAborted) is { } device
                ? Results.Text(VoucherFile.ToPem(OwnershipVoucher.Parse(device.Voucher)), "application/x-pem-file") : Results.NotFound())
            .Scope("fdo:read").WithSummary("A device's voucher, PEM.");
        routes.MapPost("/fdo/manufactured/{guid:guid}/extend", async (Guid guid, HttpContext http) =>
        {
            var next = await FdoAdmin.PublicKeyAsync(http);
            var extended = await vouchers.ExtendAsync(guid, next, FdoAdmin.Operator(context, http), http.RequestAborted);
            FdoAdmin.SawHuman(context, FdoSteps.ExtendVoucher, guid);
            return Results.Text(VoucherFile.ToPem(extended), "application/x-pem-file");
        }).Scope("fdo:write").WithSummary("Extends a device's voucher to the public key in the body (PEM); answers the extended voucher.");
    }

    private static void MapBulk(IEndpointRouteBuilder routes, ManufacturerVouchers vouchers, RoleContext context)
    {
        routes.MapPost("/fdo/manufactured/extend", async ([Microsoft.AspNetCore.Mvc.FromQuery] string[]? serial, int? limit, HttpContext http) =>
        {
            var extended = await vouchers.ExtendAsync([.. serial ?? []], await FdoAdmin.PublicKeyAsync(http), Math.Clamp(limit ?? 1000, 1, 10_000), FdoAdmin.Operator(context, http), http.RequestAborted);
            foreach (var voucher in extended)
                FdoAdmin.SawHuman(context, FdoSteps.ExtendVoucher, voucher.Guid);
            return Results.Text(VoucherFile.ToPem(extended), "application/x-pem-file");
        }).Scope("fdo:write").WithSummary("Extends many vouchers to the public key in the body: of the serial numbers given, or of all devices that are not sold; answers them, PEM.");
        routes.MapGet("/fdo/manufactured/vouchers", async (string? soldTo, Guid? after, int? limit, HttpContext http) =>
            soldTo is null ? Results.Problem("soldTo is missing: the fingerprint of a key.", statusCode: StatusCodes.Status400BadRequest)
                : Results.Text(VoucherFile.ToPem(await vouchers.SoldToAsync(soldTo, after, Math.Clamp(limit ?? 1000, 1, 10_000), FdoAdmin.Operator(context, http), http.RequestAborted)), "application/x-pem-file"))
            .Scope("fdo:read").WithSummary("Vouchers that were extended to the key of this fingerprint, PEM.");
    }

    private sealed record ManufacturedView(Guid Guid, string Serial, string DeviceInfo, DateTimeOffset Made, string SoldTo);
}
