using System.Text;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Hatchery.Server.Roles;

/// <summary>EAP-NOOB's admin endpoints: who waits, whose device is what, OOB messages in both directions.</summary>
internal static class EapNoobAdmin
{
    public static void Map(IEndpointRouteBuilder routes, OobMessages oob, string url, RoleContext context)
    {
        routes.MapGet("/eapnoob/waiting", async (string? after, int? limit, HttpContext http) =>
            (await oob.ListAsync(after, Math.Clamp(limit ?? 100, 1, 1000), FdoAdmin.Operator(context, http), http.RequestAborted)).Select(View))
            .Scope("eapnoob:read").WithSummary("Devices that wait for their users, with what they claim to be.");
        routes.MapGet("/eapnoob/devices", async (string? account, string? after, int? limit, HttpContext http) =>
            await oob.OwnedAsync(account, after, Math.Clamp(limit ?? 100, 1, 1000), FdoAdmin.Operator(context, http), http.RequestAborted))
            .Scope("eapnoob:read").WithSummary("Registered devices, of one account or all.");
        routes.MapDelete("/eapnoob/devices/{peerId}", async (string peerId, HttpContext http) =>
            await oob.RemoveAsync(peerId, Name(http), FdoAdmin.Operator(context, http), http.RequestAborted) ? Results.NoContent() : Results.NotFound())
            .Scope("eapnoob:write").WithSummary("Forgets a registered device; it must be reset before it can be registered again.");
        routes.MapPost("/eapnoob/oob/look", async (HttpContext http, CancellationToken cancel) => await ReadAsync(http, async message =>
            await oob.FindAsync(message.PeerId, FdoAdmin.Operator(context, http), cancel) is { } device ? Results.Ok(View(device)) : Results.NotFound()))
            .Scope("eapnoob:oob").WithSummary("What the device claims to be whose OOB message (URL or query) is in the body: to be shown to the user before he confirms.");
        routes.MapPost("/eapnoob/oob", async (string? account, HttpContext http) => await ReadAsync(http, async message =>
        {
            var caller = FdoAdmin.Operator(context, http);
            Saw(context, message.PeerId, await oob.FindAsync(message.PeerId, caller, http.RequestAborted), NoobSteps.ConfirmDevice, NoobSteps.DeliverToServer);
            return Results.Ok(View(await oob.ReceiveAsync(message, Account(account, http), caller, http.RequestAborted)));
        })).Scope("eapnoob:oob").WithSummary("Takes an OOB message (URL or query) that a user brought from a device and confirmed; the device becomes the account's.");
        routes.MapPost("/eapnoob/waiting/{peerId}/code", async (string peerId, string? account, HttpContext http) => await RefuseAsync(async () =>
        {
            var caller = FdoAdmin.Operator(context, http);
            Saw(context, peerId, await oob.FindAsync(peerId, caller, http.RequestAborted), NoobSteps.ConfirmDevice, NoobSteps.ShowAtServer);
            var message = await oob.IssueAsync(peerId, Account(account, http), caller, http.RequestAborted);
            string text = url.Length > 0 ? message.ToUrl(url).Reveal() : message.ToQuery().Reveal();
            return http.Request.Headers.Accept.Contains("image/png") ? Results.Bytes(QrPicture.Png(text), "image/png") : Results.Ok(new CodeView(peerId, text));
        })).Scope("eapnoob:oob").WithSummary("An OOB message for the user to take to the device; as a picture with Accept: image/png.");
    }

    /// <summary>What a user does is part of the device's ceremony.</summary>
    internal static void Saw(RoleContext context, string peerId, WaitingDevice? device, params ReadOnlySpan<StepKind> kinds)
    {
        foreach (var kind in kinds)
            context.SawHuman(kind, "noob.peerid", Encoding.UTF8.GetBytes(peerId), device?.Session ?? default);
    }

    private static string Name(HttpContext http) => ((Admin.AdminToken)http.Items[typeof(Admin.AdminToken)]!).Name;

    /// <summary>An operator names any account; a user's token is the account.</summary>
    private static string Account(string? wanted, HttpContext http)
    {
        var token = (Admin.AdminToken)http.Items[typeof(Admin.AdminToken)]!;
        if (wanted is null || wanted == token.Name)
            return token.Name;
        return token.Allows("eapnoob:write") && Storable.Is(wanted) ? wanted : throw new BadHttpRequestException("This token acts for its own account only.", StatusCodes.Status403Forbidden);
    }

    private static async Task<IResult> ReadAsync(HttpContext http, Func<OobMessage, Task<IResult>> act) =>
        await RefuseAsync(async () => await act(OobMessage.Parse(Encoding.UTF8.GetString(await FdoAdmin.BodyAsync(http)))));

    private static async Task<IResult> RefuseAsync(Func<Task<IResult>> act)
    {
        try
        {
            return await act();
        }
        catch (NoobException fault)
        {
            return Results.Problem(fault.Message, statusCode: StatusCodes.Status400BadRequest, title: $"EAP-NOOB error {fault.Error}");
        }
    }

    private static WaitingView View(WaitingDevice d) => new(d.PeerId, d.Claims, d.PeerInfo, d.Station, d.Since, d.State.ToString(), d.Directions.ToString(), d.Account);

    private sealed record WaitingView(string PeerId, string Claims, string PeerInfo, string Station, DateTimeOffset Since, string State, string Directions, string Account);
    private sealed record CodeView(string PeerId, string Code);
}
