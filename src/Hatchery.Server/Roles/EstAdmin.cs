using System.Security.Cryptography;
using Hatchery.Est;
using Hatchery.Est.Server;
using Hatchery.Pki;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Hatchery.Server.Roles;

/// <summary>EST's admin endpoints: users, requests that wait, the CA as people compare it.</summary>
internal static class EstAdmin
{
    /// <summary>Without characters that people confuse.</summary>
    private const string Alphabet = "abcdefghijkmnpqrstuvwxyz23456789";

    public static void Map(IEndpointRouteBuilder routes, EstService service, EmbeddedAuthority authority, string realm, RoleContext context)
    {
        routes.MapGet("/est/ca", async (HttpContext http, CancellationToken cancel) =>
        {
            var state = await authority.StateAsync(context.Store.Begin(FdoAdmin.Operator(context, http)), cancel);
            return state.Published.Select(c => new CertificateView(c.SubjectText, c.IssuerText, c.NotAfter, Convert.ToHexString(c.Sha256()), PemEncoding.WriteString("CERTIFICATE", c.Encoded.Span)));
        }).Scope("est:read").WithSummary("The CA certificates, with the fingerprints that an installer compares.");
        routes.MapGet("/est/users", async (HttpContext http, CancellationToken cancel) =>
            (await context.Store.Begin(FdoAdmin.Operator(context, http)).ListAsync(EstUser.Schema, null, 1000, cancel)).Select(u => View(u.Value)))
            .Scope("est:read").WithSummary("Who may enroll by password; passwords are not shown.");
        routes.MapPost("/est/users", async (NewUser wanted, HttpContext http) =>
        {
            if (string.IsNullOrWhiteSpace(wanted.Name) || wanted.Name.Contains(':', StringComparison.Ordinal) || wanted.Name.Length > 128)
                throw new BadHttpRequestException("name: 1 to 128 characters, no colon.");
            string password = wanted.Password ?? RandomNumberGenerator.GetString(Alphabet, 10);
            var user = EstUser.Create(wanted.Name, new SecretText(password), realm, wanted.OneTime ?? true, wanted.Srp ?? false, context.Chance);
            var unit = context.Store.Begin(FdoAdmin.Operator(context, http));
            if (await unit.GetAsync(EstUser.Schema, EstUser.Key(wanted.Name), http.RequestAborted) is { } old)
                unit.Replace(EstUser.Schema, old.Key, user, old.Version);
            else
                unit.Insert(EstUser.Schema, EstUser.Key(wanted.Name), user);
            unit.Report(new Fact.Administered(new Identifier("est.user", wanted.Name), "may enroll by password", "admin"));
            await unit.CommitAsync(http.RequestAborted);
            context.SawHuman(EstSteps.GivePassword, "est.user", System.Text.Encoding.UTF8.GetBytes(wanted.Name));
            return Results.Ok(new MadeUser(wanted.Name, password));
        }).Scope("est:write").WithSummary("Makes or replaces a user; the password is shown this once. oneTime (by default true), srp.");
        routes.MapDelete("/est/users/{name}", async (string name, HttpContext http) =>
        {
            var unit = context.Store.Begin(FdoAdmin.Operator(context, http));
            if (await unit.GetAsync(EstUser.Schema, EstUser.Key(name), http.RequestAborted) is not { } user)
                return Results.NotFound();
            unit.Delete(EstUser.Schema, user.Key, user.Version);
            unit.Report(new Fact.Administered(new Identifier("est.user", name), "may no longer enroll by password", "admin"));
            await unit.CommitAsync(http.RequestAborted);
            return Results.NoContent();
        }).Scope("est:write").WithSummary("Removes a user.");
        routes.MapGet("/est/waiting", async (string? label, HttpContext http) =>
            (await service.WaitingAsync(label ?? "", FdoAdmin.Operator(context, http), http.RequestAborted)).Select(w => new WaitingView(w.Value.Label, w.Value.Operation, w.Value.Device, w.Value.Subject, w.Value.Since)))
            .Scope("est:read").WithSummary("Requests that wait for a decision; decide with /policy/held/decide.");
        routes.MapGet("/est/issued", async (string? after, int? limit, HttpContext http) =>
            (await context.Store.Begin(FdoAdmin.Operator(context, http)).ListAsync(IssuedCertificate.Schema, after is null ? null : new RecordKey(after), Math.Clamp(limit ?? 100, 1, 1000), http.RequestAborted))
                .Where(i => i.Value.Authority == authority.Name).Select(i => new IssuedView(i.Key.Value, i.Value.Certificate.SubjectText, i.Value.Certificate.SerialText, i.Value.Device, i.Value.Issued, i.Value.NotAfter, i.Value.Revoked, i.Value.SupersededBy)))
            .Scope("est:read").WithSummary("Certificates that were issued, in pages.");
        routes.MapPost("/est/revoke", async (Revocation wanted, HttpContext http) =>
        {
            if (!Enum.TryParse<RevocationReason>(wanted.Reason ?? "Unspecified", ignoreCase: true, out var reason))
                throw new BadHttpRequestException($"reason: one of {string.Join(", ", Enum.GetNames<RevocationReason>())}.");
            var caller = FdoAdmin.Operator(context, http);
            var unit = context.Store.Begin(caller);
            var found = await unit.FindAsync(IssuedCertificate.Schema, "serial", wanted.Serial.ToLowerInvariant().TrimStart('0'), 10, http.RequestAborted);
            if (found.FirstOrDefault(f => f.Value.Authority == authority.Name) is not { } issued)
                return Results.NotFound();
            if (!EmbeddedAuthority.Revoke(unit, issued, reason, caller.Wall))
                return Results.Problem("It is revoked already.", statusCode: StatusCodes.Status409Conflict);
            unit.Report(new Fact.Administered(issued.Value.Device?.Split(':', 2) is [var kind, var value] ? new(kind, value) : new("x509.serial", issued.Value.Certificate.SerialText), $"certificate {issued.Value.Certificate.SerialText} revoked: {reason}", "admin"));
            await unit.CommitAsync(http.RequestAborted);
            return Results.NoContent();
        }).Scope("est:write").WithSummary("Revokes a certificate by its serial number (hex).");
    }

    private static UserView View(EstUser u) => new(u.Name, u.OneTime, u.Used, u.SrpBits > 0);

    private sealed record CertificateView(string Subject, string Issuer, DateTimeOffset NotAfter, string Sha256, string Pem);
    private sealed record UserView(string Name, bool OneTime, DateTimeOffset? Used, bool Srp);
    internal sealed record NewUser(string Name, string? Password, bool? OneTime, bool? Srp);
    private sealed record MadeUser(string Name, string Password);
    private sealed record WaitingView(string Label, string Operation, string Device, string Subject, DateTimeOffset Since);
    private sealed record IssuedView(string Id, string Subject, string Serial, string? Device, DateTimeOffset Issued, DateTimeOffset NotAfter, DateTimeOffset? Revoked, string? SupersededBy);
    internal sealed record Revocation(string Serial, string? Reason);
}
