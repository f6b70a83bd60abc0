using System.Security.Cryptography;
using Hatchery.Pki;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Hatchery.Server.Roles;

/// <summary>The authority's admin endpoints: what it consists of, and its renewal and rollover.</summary>
internal static class CaAdmin
{
    public static void Map(IEndpointRouteBuilder routes, EmbeddedAuthority authority, RoleContext context)
    {
        var keeper = new AuthorityKeeper(authority);
        routes.MapGet("/ca", async (HttpContext http, CancellationToken cancel) => View(await authority.StateAsync(context.Store.Begin(FdoAdmin.Operator(context, http)), cancel)))
            .Scope("ca:read").WithSummary("The authority's certificates, which of them signs, and whether a rollover is under way.");
        Act("/ca/rollover/begin", "Stage one of a root rollover: a new root, links and a new issuer are published; the old issuer signs. The root's key in the body (PEM) where it is kept elsewhere; "
            + "the new root's key is answered once where keepRootKey=false.",
            async (key, http) =>
            {
                bool keep = !string.Equals(http.Request.Query["keepRootKey"], "false", StringComparison.OrdinalIgnoreCase);
                var state = await authority.StateAsync(context.Store.Begin(FdoAdmin.Operator(context, http)), http.RequestAborted);
                return await keeper.BeginRolloverAsync(Setup(state) with { KeepRootKey = keep }, key, FdoAdmin.Operator(context, http), http.RequestAborted);
            });
        Act("/ca/rollover/complete", "Stage two: the new issuer signs.", async (_, http) =>
        {
            await keeper.CompleteRolloverAsync(FdoAdmin.Operator(context, http), http.RequestAborted);
            return null;
        });
        Act("/ca/rollover/retire", "Stage three: old roots and what is below them are no longer published, nor trusted.", async (_, http) =>
        {
            await keeper.RetireOldRootsAsync(FdoAdmin.Operator(context, http), http.RequestAborted);
            return null;
        });
        Act("/ca/issuer/renew", "A new issuer under the newest root, which signs at once. The root's key in the body (PEM) where it is kept elsewhere.", async (key, http) =>
        {
            var state = await authority.StateAsync(context.Store.Begin(FdoAdmin.Operator(context, http)), http.RequestAborted);
            await keeper.RenewIssuerAsync(Setup(state), key, FdoAdmin.Operator(context, http), http.RequestAborted);
            return null;
        });

        void Act(string path, string summary, Func<SignatureKey?, HttpContext, Task<SecretBytes?>> act) => routes.MapPost(path, async (HttpContext http, CancellationToken cancel) =>
        {
            byte[] body = await FdoAdmin.BodyAsync(http);
            try
            {
                using var made = await act(body.Length == 0 ? null : PrivateKeys.FromPkcs8(PemFile.Read(System.Text.Encoding.UTF8.GetString(body), "PRIVATE KEY")), http);
                return made is null ? Results.NoContent() : Results.Text(PemEncoding.WriteString("PRIVATE KEY", made.Reveal()) + "\n", "application/x-pem-file");
            }
            catch (PkiException e)
            {
                return Results.Problem(e.Message, statusCode: StatusCodes.Status409Conflict);
            }
            catch (ConflictException)
            {
                return Results.Problem("Somebody else did something to the authority at this moment; look, and try again.", statusCode: StatusCodes.Status409Conflict);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(body);
            }
        }).Scope("ca:write").WithSummary(summary);
    }

    /// <summary>Names go on.</summary>
    private static AuthoritySetup Setup(AuthorityState state) => new() { RootSubject = state.Roots[^1].SubjectText, IssuerSubject = state.Issuer.Certificate.SubjectText };

    private static AuthorityView View(AuthorityState state) => new(state.Issuer.Certificate.SubjectText, state.Next is not null,
        [.. state.Published.Select(c => new CertificateView(c.SubjectText, c.IssuerText, c.SerialText, c.NotAfter, Convert.ToHexString(c.Sha256()),
            state.Roots.Contains(c) ? "root" : c.Equals(state.Issuer.Certificate) ? "signs" : c.Equals(state.Next?.Certificate) ? "next" : c.IsSelfIssued ? "link" : "issuer"))]);

    private sealed record AuthorityView(string Issuer, bool RolloverUnderWay, IReadOnlyList<CertificateView> Certificates);
    private sealed record CertificateView(string Subject, string IssuedBy, string Serial, DateTimeOffset NotAfter, string Sha256, string Is);
}
