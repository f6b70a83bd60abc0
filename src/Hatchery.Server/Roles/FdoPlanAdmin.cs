using System.Text;
using Hatchery.Fdo.Owner;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Hatchery.Server.Roles;

/// <summary>Admin endpoints for ServiceInfo plans and for what devices gave.</summary>
internal static class FdoPlanAdmin
{
    public static void Map(IEndpointRouteBuilder routes, StoredPlanner plans, RoleContext context)
    {
        routes.MapGet("/fdo/plans", async (HttpContext http, CancellationToken cancel) =>
            (await plans.ListAsync(FdoAdmin.Operator(context, http), cancel)).Select(p => new PlanView(p.Target, p.At)))
            .Scope("fdo:read").WithSummary("Targets that have a plan of their own. What is in a plan is not shown: it may hold secrets.");
        routes.MapPut("/fdo/plans/{target}", async (string target, HttpContext http) =>
        {
            string text = new UTF8Encoding(false).GetString(await FdoAdmin.BodyAsync(http));
            return await SetAsync(() => plans.SetAsync(target, text, FdoAdmin.Operator(context, http), http.RequestAborted));
        }).Scope("fdo:write").WithSummary("Stores the plan (JSON) of a target: default, device:GUID, serial:NUMBER or profile:NAME.");
        routes.MapDelete("/fdo/plans/{target}", async (string target, HttpContext http) =>
            await SetAsync(() => plans.SetAsync(target, null, FdoAdmin.Operator(context, http), http.RequestAborted)))
            .Scope("fdo:write").WithSummary("Removes a plan.");
        routes.MapGet("/fdo/vouchers/{guid:guid}/results", async (Guid guid, HttpContext http) =>
            (await OwnerResults.OfAsync(context.Store, guid, FdoAdmin.Operator(context, http), http.RequestAborted))
                .Select(r => new ResultView(r.Number, r.Name, r.Outcome, r.At, r.Content?.Length ?? 0, r.Content is { } c ? Convert.ToBase64String(c.Reveal()) : "")))
            .Scope("fdo:write").WithSummary("What a device gave in ServiceInfo: uploaded files, output of commands; content in base64.");
    }

    private static async ValueTask<IResult> SetAsync(Func<ValueTask> set)
    {
        try
        {
            await set();
            return Results.NoContent();
        }
        catch (FormatException e)
        {
            return Results.Problem(e.Message, statusCode: StatusCodes.Status400BadRequest);
        }
        catch (ConflictException)
        {
            return Results.Problem("Somebody else changed it at the same time.", statusCode: StatusCodes.Status409Conflict);
        }
    }

    private sealed record PlanView(string Target, DateTimeOffset At);
    private sealed record ResultView(int Number, string Name, string Outcome, DateTimeOffset At, int Length, string Content);
}
