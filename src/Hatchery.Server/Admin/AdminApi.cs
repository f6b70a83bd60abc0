using Hatchery.Server.Policy;
using Hatchery.Server.Roles;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Hatchery.Server.Admin;

/// <summary>The admin REST API under /api/v1, with its OpenAPI document, and health.</summary>
internal static class AdminApi
{
    public static void AddServices(IServiceCollection services)
    {
        services.AddRouting();
        services.AddProblemDetails();
        services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
        services.AddOpenApi("v1");
    }

    public static void Map(WebApplication app, RoleContext context, TokenStore tokens)
    {
        app.UseExceptionHandler(errors => errors.Run(ProblemAsync));
        app.UseStatusCodePages();
        app.MapOpenApi("/openapi/{documentName}.json");
        app.MapGet("/healthz", () => Results.Text("ok")).ExcludeFromDescription();
        app.MapGet("/readyz", async (IRecordStore store, CancellationToken cancel) =>
        {
            await store.Registry.ListAsync(null, 1, cancel);
            return Results.Text("ready");
        }).ExcludeFromDescription();

        var api = app.MapGroup("/api/v1").AddEndpointFilter(async (call, next) =>
            await AllowedAsync(call.HttpContext, tokens) is { } refusal ? refusal : await next(call));
        api.MapGet("/server", (StartUpScreen screen) => new ServerView(screen.Database, [.. screen.Listeners.Select(l => $"{l.Name} {l.Address}")], screen.Roles, screen.Insecure))
            .Scope("server:read").WithSummary("What listens where, and what is insecure on purpose.");
        MapDevices(api);
        MapPolicy(api, context);
        MapTokens(api, tokens);
        api.MapGet("/ceremonies", (Observatory observatory) => observatory.Ceremonies().Select(View)).Scope("devices:read").WithSummary("Ceremonies seen lately by this process.");
        foreach (var map in context.Admin)
            map(api);
    }

    private static void MapDevices(RouteGroupBuilder api)
    {
        api.MapGet("/devices", async (Guid? after, int? limit, IRecordStore store, CancellationToken cancel) =>
            (await store.Registry.ListAsync(after, Math.Clamp(limit ?? 100, 1, 1000), cancel)).Select(View)).Scope("devices:read").WithSummary("The device registry, in pages.");
        api.MapGet("/devices/{id:guid}", async (Guid id, IRecordStore store, CancellationToken cancel) =>
            await store.Registry.GetAsync(id, cancel) is { } device ? Results.Ok(View(device)) : Results.NotFound()).Scope("devices:read").WithSummary("One device.");
        api.MapGet("/devices/find", async (string kind, string value, IRecordStore store, CancellationToken cancel) =>
            await store.Registry.FindAsync(new Identifier(kind, value), cancel) is { } device ? Results.Ok(View(device)) : Results.NotFound())
            .Scope("devices:read").WithSummary("A device by one of its identifiers.");
        api.MapGet("/audit", async (long? after, int? limit, Guid? device, IRecordStore store, CancellationToken cancel) =>
            await store.Registry.AuditAsync(after ?? 0, Math.Clamp(limit ?? 100, 1, 1000), device, cancel)).Scope("audit:read").WithSummary("The audit log, in pages.");
        api.MapGet("/audit/verify", async (IRecordStore store, CancellationToken cancel) =>
        {
            var (head, broken) = await AuditChain.VerifyAsync(store.Registry, cancel);
            return new AuditView(broken is null, broken, head.Number);
        }).Scope("audit:read").WithSummary("Whether an entry was altered or removed.");
    }

    private static void MapPolicy(RouteGroupBuilder api, RoleContext context)
    {
        api.MapGet("/policy/rules", (ServerOptions options) => options.Admission).Scope("policy:read").WithSummary("The configured rules, in order.");
        api.MapGet("/policy/held", async (IRecordStore store, CancellationToken cancel) =>
            (await store.Begin(Caller.Local("admin", context.Now())).FindAsync(HeldDevice.Schema, "verdict", "waiting", 1000, cancel)).Select(h => h.Value))
            .Scope("policy:read").WithSummary("Devices that wait for an operator.");
        api.MapPost("/policy/held/decide", async (Verdict verdict, HttpContext http, IRecordStore store, CancellationToken cancel) =>
        {
            if (verdict.Decision is not ("admit" or "refuse"))
                throw new BadHttpRequestException("decision: admit or refuse.");
            var unit = store.Begin(FdoAdmin.Operator(context, http));
            if (await unit.GetAsync(HeldDevice.Schema, new(verdict.Subject), cancel) is not { } held)
                return Results.NotFound();
            unit.Replace(HeldDevice.Schema, held.Key, held.Value with { Verdict = verdict.Decision, Profile = verdict.Profile ?? "default" }, held.Version);
            string[] parts = verdict.Subject.Split(':', 2);
            unit.Report(new Fact.Administered(new Identifier(parts[0], parts[^1]), $"{verdict.Decision} by an operator", "admin"));
            await unit.CommitAsync(cancel);
            return Results.NoContent();
        }).Scope("policy:write").WithSummary("Admits or refuses a device that waits.");
    }

    private static void MapTokens(RouteGroupBuilder api, TokenStore tokens)
    {
        api.MapGet("/tokens", async (CancellationToken cancel) => await tokens.ListAsync(cancel)).Scope("tokens:read").WithSummary("Tokens, without their text.");
        api.MapPost("/tokens", async (NewToken wanted, HttpContext http, CancellationToken cancel) =>
        {
            if (string.IsNullOrWhiteSpace(wanted.Name) || wanted.Scopes is null or { Length: 0 } || wanted.Scopes.Contains(null))
                throw new BadHttpRequestException("name and scopes are needed.");
            var mine = (AdminToken)http.Items[typeof(AdminToken)]!;
            if (wanted.Scopes.FirstOrDefault(s => !mine.Allows(s)) is { } beyond)
                return Results.Problem($"This token may not give the scope {beyond}, which it has not itself.", statusCode: StatusCodes.Status403Forbidden);
            if (mine.Expires is { } end && !(wanted.Expires <= end))
                return Results.Problem($"This token expires at {end:u}; it may not give one that lives longer.", statusCode: StatusCodes.Status403Forbidden);
            var (text, token) = await tokens.CreateAsync(wanted.Name, [.. wanted.Scopes], wanted.Expires, cancel);
            return Results.Ok(new MadeToken(text, token.Id));
        }).Scope("tokens:write").WithSummary("Makes a token; its text is shown this once.");
        api.MapDelete("/tokens/{id}", async (string id, CancellationToken cancel) => await tokens.RevokeAsync(id, cancel) ? Results.NoContent() : Results.NotFound())
            .Scope("tokens:write").WithSummary("Revokes a token.");
    }

    /// <summary>Null: go on.</summary>
    private static async ValueTask<IResult?> AllowedAsync(HttpContext http, TokenStore tokens)
    {
        string? header = http.Request.Headers.Authorization;
        var token = await tokens.FindAsync(header?.StartsWith("Bearer ", StringComparison.Ordinal) == true ? header["Bearer ".Length..] : null, http.RequestAborted);
        if (token is null)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
            return Results.Problem("A valid token is needed.", statusCode: StatusCodes.Status401Unauthorized);
        }
        http.Items[typeof(AdminToken)] = token;
        string? scope = http.GetEndpoint()?.Metadata.GetMetadata<RequiredScope>()?.Scope;
        return scope is not null && token.Allows(scope) ? null : Results.Problem($"The token lacks the scope {scope}.", statusCode: StatusCodes.Status403Forbidden);
    }

    private static async Task ProblemAsync(HttpContext http)
    {
        var fault = http.Features.Get<IExceptionHandlerFeature>()?.Error;
        var (status, sentence) = fault switch
        {
            BadHttpRequestException bad => (bad.StatusCode, bad.Message),
            AntiforgeryValidationException => (StatusCodes.Status400BadRequest, "The form is not one of this page, or too old: load the page again."),
            ProtocolException { Error: "6" } missing => (StatusCodes.Status404NotFound, missing.Message),
            ProtocolException refused => (StatusCodes.Status422UnprocessableEntity, $"{refused.FieldName}: {refused.Message}"),
            ConflictException conflict => (StatusCodes.Status409Conflict, conflict.Message),
            _ => (StatusCodes.Status500InternalServerError, "Something of ours broke; the log says more."),
        };
        await Results.Problem(sentence, statusCode: status).ExecuteAsync(http);
    }

    private static DeviceView View(RegisteredDevice d) => new(d.Id, d.FirstSeen, d.LastSeen, d.LastProtocol, d.Owner, d.Profile, d.State,
        [.. d.Identifiers.Select(i => new IdentifierView(i.Identifier.Kind, i.Identifier.Value, i.Proven))]);

    private static CeremonyView View(Ceremony c) => new(c.Id, c.Protocol.Id, c.Method.Id, c.Purpose.ToString(), c.Outcome.Succeeded, c.Outcome.Reason,
        [.. c.Steps.Select(s => new StepView(s.Number, s.Kind.Name, s.Phase.ToString(), s.From.Instance, s.To.Instance, s.Size, s.Readable.ToString()))]);

    private sealed record ServerView(string Database, IReadOnlyList<string> Listeners, IReadOnlyList<string> Roles, IReadOnlyList<string> Insecure);
    private sealed record DeviceView(Guid Id, DateTimeOffset FirstSeen, DateTimeOffset LastSeen, string LastProtocol, string? Owner, string? Profile, string State, IReadOnlyList<IdentifierView> Identifiers);
    private sealed record IdentifierView(string Kind, string Value, bool Proven);
    private sealed record AuditView(bool Intact, long? FirstBroken, long Head);
    private sealed record CeremonyView(Guid Id, string Protocol, string Method, string Purpose, bool Succeeded, string Reason, IReadOnlyList<StepView> Steps);
    private sealed record StepView(int Number, string Kind, string Phase, string From, string To, int Size, string Readable);
    internal sealed record Verdict(string Subject, string Decision, string? Profile);
    internal sealed record NewToken(string Name, string[] Scopes, DateTimeOffset? Expires);
    private sealed record MadeToken(string Token, string Id);
}
