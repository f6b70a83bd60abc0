using System.Security.Claims;
using Hatchery.Server.Admin;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Hatchery.Server.Page;

/// <summary>The page: plain HTML from Razor components, live by server-sent events. Reads without script too.</summary>
internal static class LivePage
{
    public static void AddServices(IServiceCollection services)
    {
        services.AddRazorComponents();
        services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(o =>
        {
            o.Cookie.Name = "hatchery";
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.HttpOnly = true;
            o.LoginPath = "/login";
            // A token that was revoked or has expired ends the sessions that it opened.
            o.Events.OnValidatePrincipal = async context =>
            {
                var tokens = context.HttpContext.RequestServices.GetRequiredService<TokenStore>();
                if (await tokens.FindByIdAsync(context.Principal?.FindFirstValue("token"), context.HttpContext.RequestAborted) is null)
                    context.RejectPrincipal();
            };
        });
        services.AddAuthorization();
        services.AddHttpContextAccessor();
    }

    public static void Map(WebApplication app, ServerOptions options)
    {
        // A page of somebody else's, rebound by DNS to this address, comes with a name of its own.
        app.Use((http, next) => IsOurs(http.Request.Host.Host, options) ? next(http) : Refuse(http));
        app.Use((http, next) =>
        {
            http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
            http.Response.Headers.XContentTypeOptions = "nosniff";
            return next(http);
        });
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseAntiforgery();
        app.MapGet("/live.js", () => Results.Text(Script, "text/javascript")).ExcludeFromDescription();
        app.MapGet("/style.css", () => Results.Text(Style, "text/css")).ExcludeFromDescription();
        app.MapGet("/favicon.ico", () => Results.Text(Icon, "image/svg+xml")).ExcludeFromDescription();
        app.MapPost("/sign-in", async (HttpContext http, TokenStore tokens, Microsoft.AspNetCore.Antiforgery.IAntiforgery antiforgery) =>
        {
            await antiforgery.ValidateRequestAsync(http);
            var form = await http.Request.ReadFormAsync();
            if (await tokens.FindAsync(form["token"], http.RequestAborted) is not { } token || !token.Allows("devices:read"))
                return Results.Redirect("/login?wrong=1");
            await http.SignInAsync(new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, token.Name), new Claim("token", token.Id)], CookieAuthenticationDefaults.AuthenticationScheme)));
            return Results.Redirect("/");
        }).ExcludeFromDescription();
        var events = app.MapGet("/events", async (HttpContext http, Observatory observatory) =>
        {
            http.Response.ContentType = "text/event-stream";
            http.Response.Headers.CacheControl = "no-store";
            await http.Response.WriteAsync(": hello\n\n");
            await http.Response.Body.FlushAsync();
            await foreach (bool _ in observatory.ChangesAsync(http.RequestAborted))
            {
                await http.Response.WriteAsync("data: changed\n\n");
                await http.Response.Body.FlushAsync();
                // At most a few times a second, however much happens.
                await Task.Delay(250, http.RequestAborted);
            }
        }).ExcludeFromDescription();
        var pages = app.MapRazorComponents<App>();
        if (!options.Page.OpenForReading)
        {
            events.RequireAuthorization();
            pages.Add(endpoint =>
            {
                if (endpoint is not Microsoft.AspNetCore.Routing.RouteEndpointBuilder { RoutePattern.RawText: "/login" })
                    endpoint.Metadata.Add(new Microsoft.AspNetCore.Authorization.AuthorizeAttribute());
            });
        }
    }

    /// <summary>An address, localhost, or a name that the page's listener is configured with.</summary>
    private static bool IsOurs(string host, ServerOptions options) => host is "localhost" || System.Net.IPAddress.TryParse(host.Trim('[', ']'), out _)
        || options.Page.Names.Contains(host, StringComparer.OrdinalIgnoreCase);

    private static Task Refuse(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        return http.Response.WriteAsync("This name is none of page:names.");
    }

    private const string Script = """
        // When the server has seen something, the main part is fetched again; nothing else on the page changes.
        const events = new EventSource('/events');
        events.onmessage = async () => {
          const answer = await fetch(location.href);
          if (!answer.ok) return;
          const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
          if (fresh) document.querySelector('main').replaceWith(fresh);
        };
        """;

    private const string Style = """
        :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 60%, transparent); }
        body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; }
        header { display: flex; gap: 1.5rem; align-items: baseline; border-bottom: 1px solid var(--line); margin-bottom: 1rem; }
        header h1 { font-size: 1.2rem; margin: .3rem 0; }
        table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
        th { color: var(--soft); font-weight: 600; } code, .ladder { font-family: ui-monospace, monospace; font-size: .86rem; }
        .ladder { overflow-x: auto; white-space: pre; padding: .6rem; border: 1px solid var(--line); border-radius: .4rem; }
        .warn { border-left: 4px solid #c60; padding-left: .8rem; } .ok { color: #183; } .no { color: #b22; } .soft { color: var(--soft); }
        @media (prefers-color-scheme: dark) { .ok { color: #6d6; } .no { color: #f77; } }
        """;

    private const string Icon = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><ellipse cx="8" cy="9" rx="5" ry="6.5" fill="#e8b84a"/><path d="M3 9l2-2 2 2 2-2 2 2 2-2" fill="none" stroke="#7a5b12"/></svg>""";
}
