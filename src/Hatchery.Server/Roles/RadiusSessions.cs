using System.Security.Cryptography;
using System.Text;
using Hatchery.Radius;
using Hatchery.Radius.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Hatchery.Server.Roles;

/// <summary>What NASes last reported about one session (RFC 2866): who is on the network, and who was.</summary>
/// <param name="Octets">Both directions.</param>
public sealed record RadiusSession(string Client, string SessionId, string UserName, string Station, string Status, DateTimeOffset Started, DateTimeOffset Heard, long Seconds, long Octets)
{
    public static readonly Schema<RadiusSession> Schema = new Schema<RadiusSession>("radius.session", 1, new("", "", "", "", "", default, default, 0, 0))
        .Plain("Client", d => d.Client, (d, v) => d with { Client = v }, Lifetime.Factory, "a server's record")
        .Plain("SessionId", d => d.SessionId, (d, v) => d with { SessionId = v }, Lifetime.Factory, "a server's record")
        .Plain("UserName", d => d.UserName, (d, v) => d with { UserName = v }, Lifetime.Factory, "a server's record")
        .Plain("Station", d => d.Station, (d, v) => d with { Station = v }, Lifetime.Factory, "a server's record")
        .Plain("Status", d => d.Status, (d, v) => d with { Status = v }, Lifetime.Factory, "a server's record")
        .Plain("Started", d => d.Started, (d, v) => d with { Started = v }, Lifetime.Factory, "a server's record")
        .Plain("Heard", d => d.Heard, (d, v) => d with { Heard = v }, Lifetime.Factory, "a server's record")
        .Plain("Seconds", d => d.Seconds, (d, v) => d with { Seconds = v }, Lifetime.Factory, "a server's record")
        .Plain("Octets", d => d.Octets, (d, v) => d with { Octets = v }, Lifetime.Factory, "a server's record");
}

internal static class RadiusSessions
{
    private static readonly TimeSpan s_kept = TimeSpan.FromDays(30);

    /// <summary>Durable on return: only then is the NAS answered.</summary>
    public static async ValueTask RecordAsync(IRecordStore store, RadiusAccounting what, Caller caller, CancellationToken cancel)
    {
        if (what.Status is AcctStatusType.AccountingOn or AcctStatusType.AccountingOff || what.SessionId.Length == 0)
            return;
        // Session ids are the NAS's own and may be anything.
        var key = new RecordKey(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{what.Client}\0{what.SessionId}")).AsSpan(0, 16)));
        for (int tries = 0; ; tries++)
        {
            var unit = store.Begin(caller);
            var known = await unit.GetAsync(RadiusSession.Schema, key, cancel);
            var session = new RadiusSession(what.Client, what.SessionId, what.UserName ?? known?.Value.UserName ?? "", what.CallingStation ?? known?.Value.Station ?? "", what.Status.ToString(),
                known?.Value.Started ?? caller.Wall - TimeSpan.FromSeconds(what.SessionSeconds), caller.Wall, what.SessionSeconds, (long)Math.Min(long.MaxValue, what.InputOctets + what.OutputOctets));
            if (known is null)
                unit.Insert(RadiusSession.Schema, key, session, caller.Wall + s_kept);
            else
                unit.Replace(RadiusSession.Schema, key, session, known.Version, caller.Wall + s_kept);
            try
            {
                await unit.CommitAsync(cancel);
                return;
            }
            catch (ConflictException) when (tries < 3)
            {
                // Start and Stop of one session at once.
            }
        }
    }

    public static void Map(IEndpointRouteBuilder routes, RoleContext context) =>
        routes.MapGet("/radius/sessions", async (string? after, int? limit, HttpContext http) =>
            (await context.Store.Begin(Caller.Local("admin", context.Now())).ListAsync(RadiusSession.Schema, after is null ? null : new RecordKey(after), Math.Clamp(limit ?? 100, 1, 1000), http.RequestAborted))
                .Select(s => new RadiusSessionView(s.Key.Value, s.Value)))
            .Scope("radius:read").WithSummary("Sessions on the network, as NASes reported them.");
}

public sealed record RadiusSessionView(string Id, RadiusSession Session);
