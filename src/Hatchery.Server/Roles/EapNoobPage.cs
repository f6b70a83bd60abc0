using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Server;
using Hatchery.Server.Admin;

namespace Hatchery.Server.Roles;

/// <summary>Where the URL leads that a device shows: the user says who he is, is told what the device claims to be, and confirms that it is the one in his hand. Plain HTML, no script.
/// A user is a token with the scope eapnoob:oob, an account its name.</summary>
internal sealed class EapNoobPage(RoleContext context, OobMessages oob, TokenStore tokens, SecretBytes confirmKey) : IHttpRole
{
    public const string Path = "/noob", Scope = "eapnoob:oob";
    private const int MaxFailures = 10;
    private static readonly TimeSpan s_confirmLife = TimeSpan.FromMinutes(10), s_failureLife = TimeSpan.FromMinutes(10);
    private readonly ConcurrentDictionary<string, (int Count, DateTimeOffset Since)> _failures = new();

    public ImmutableArray<string> Routes => ["GET " + Path, "POST " + Path];
    public int MaxBody => 8192;

    public async ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
    {
        try
        {
            if (request.Method == "GET")
                return Ask(OobMessage.Parse(request.Path), "");
            var form = Form(Encoding.UTF8.GetString(request.Body.Span));
            var message = OobMessage.Parse(form.GetValueOrDefault("code", ""));
            return form.TryGetValue("confirm", out string? ticket) ? await TakeAsync(message, ticket, form.GetValueOrDefault("account", ""), caller, cancel)
                : await ShowAsync(message, form.GetValueOrDefault("token", ""), caller, cancel);
        }
        catch (NoobException fault)
        {
            context.Refused(caller, NoobSteps.DeliverToServer, fault);
            return Html(400, "Not registered", $"<p>{WebUtility.HtmlEncode(fault.Message)}</p>");
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            context.Failed(NoobSteps.DeliverToServer.Name, fault);
            return Html(500, "Not registered", "<p>Something is wrong at this server.</p>");
        }
    }

    private static PlainHttpResponse Ask(OobMessage message, string complaint) => Html(complaint.Length > 0 ? 403 : 200, "Register a device",
        $"""{(complaint.Length > 0 ? $"<p><strong>{complaint}</strong></p>" : "")}<form method="post" action="{Path}">{Hidden("code", message.ToQuery().Reveal())}<p><label>Your token <input name="token" type="password" autocomplete="current-password" required autofocus></label></p><p><button>Go on</button></p></form>""");

    private async ValueTask<PlainHttpResponse> ShowAsync(OobMessage message, string token, Caller caller, CancellationToken cancel)
    {
        if (await tokens.FindAsync(token, cancel) is not { } user || !user.Allows(Scope))
            return Ask(message, "This token is not one that may register devices.");
        if (Blocked(user.Name, caller.Wall))
            return Html(429, "Later", "<p>Too many wrong codes. Try again in ten minutes.</p>");
        if (await oob.FindAsync(message.PeerId, caller, cancel) is not { } device)
        {
            Count(user.Name, caller.Wall);
            return Html(404, "Not found", "<p>No such device waits here: it is another server's, it began anew, or it is registered already.</p>");
        }
        return Html(200, "Is it this one?", $"""
            <p>The device that you want to register says that it is:</p><p><strong>{WebUtility.HtmlEncode(device.Claims)}</strong></p>
            <p>It waits since {device.Since:u}{(device.Station.Length > 0 ? $"; the network sees it at {WebUtility.HtmlEncode(device.Station)}" : "")}.</p>
            <p>Go on only if it is the device in your hand.</p>
            <form method="post" action="{Path}">{Hidden("code", message.ToQuery().Reveal())}{Hidden("account", user.Name)}{Hidden("confirm", Ticket(message, user.Name, caller.Wall + s_confirmLife))}<p><button>It is mine: register it</button></p></form>
            """);
    }

    private async ValueTask<PlainHttpResponse> TakeAsync(OobMessage message, string ticket, string account, Caller caller, CancellationToken cancel)
    {
        byte[] at = new byte[8];
        int dot = ticket.IndexOf('.', StringComparison.Ordinal);
        bool valid = dot == 16 && Convert.FromHexString(ticket.AsSpan(0, 16), at, out _, out _) == System.Buffers.OperationStatus.Done
            && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(ticket), Encoding.ASCII.GetBytes(Ticket(message, account, new DateTimeOffset(BinaryPrimitives.ReadInt64BigEndian(at), TimeSpan.Zero))))
            && BinaryPrimitives.ReadInt64BigEndian(at) > caller.Wall.UtcTicks;
        if (!valid)
            return Ask(message, "That took too long. Once more, please.");
        if (Blocked(account, caller.Wall))
            return Html(429, "Later", "<p>Too many wrong codes. Try again in ten minutes.</p>");
        EapNoobAdmin.Saw(context, message.PeerId, await oob.FindAsync(message.PeerId, caller, cancel), NoobSteps.ConfirmDevice, NoobSteps.DeliverToServer);
        try
        {
            var device = await oob.ReceiveAsync(message, account, caller, cancel);
            return Html(200, "Done", $"<p>{WebUtility.HtmlEncode(device.Claims)} is yours as soon as it asks again, which takes a moment.</p>");
        }
        catch (NoobException)
        {
            Count(account, caller.Wall);
            throw;
        }
    }

    /// <summary>That this account was shown this device, until then.</summary>
    private string Ticket(OobMessage message, string account, DateTimeOffset until)
    {
        Span<byte> at = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(at, until.UtcTicks);
        byte[] input = [.. at, .. SHA256.HashData(Encoding.UTF8.GetBytes(account)), .. message.ToBytes()];
        return $"{Convert.ToHexStringLower(at)}.{Convert.ToHexStringLower(HMACSHA256.HashData(confirmKey.Reveal(), input))}";
    }

    private bool Blocked(string account, DateTimeOffset now) => _failures.TryGetValue(account, out var f) && f.Count >= MaxFailures && f.Since + s_failureLife > now;

    private void Count(string account, DateTimeOffset now) =>
        _failures.AddOrUpdate(account, (1, now), (_, f) => f.Since + s_failureLife > now ? (f.Count + 1, f.Since) : (1, now));

    private static string Hidden(string name, string value) => $"""<input type="hidden" name="{name}" value="{WebUtility.HtmlEncode(value)}">""";

    private static Dictionary<string, string> Form(string body)
    {
        var form = new Dictionary<string, string>();
        foreach (string pair in body.Split('&'))
            if (pair.IndexOf('=', StringComparison.Ordinal) is > 0 and var at)
                form[WebUtility.UrlDecode(pair[..at])] = WebUtility.UrlDecode(pair[(at + 1)..]);
        return form;
    }

    private static PlainHttpResponse Html(int status, string title, string body) => new(status,
    [
        new("Content-Type", "text/html; charset=utf-8"), new("Cache-Control", "no-store"), new("Referrer-Policy", "no-referrer"), new("X-Content-Type-Options", "nosniff"),
        new("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ], Encoding.UTF8.GetBytes($$"""
        <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{title}}</title>
        <style>:root{color-scheme:light dark}body{font:17px/1.5 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem}input,button{font:inherit;padding:.4rem}</style></head>
        <body><h1>{{title}}</h1>{{body}}</body></html>
        """));
}
