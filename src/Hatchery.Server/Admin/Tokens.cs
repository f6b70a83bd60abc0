using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Server.Admin;

/// <summary>A token of the admin API. Its text is shown once; kept is its SHA-256.</summary>
/// <param name="Scopes">"devices:read", "fdo:write"…; "*": all.</param>
public sealed record AdminToken(string Id, string Name, ImmutableArray<string> Scopes, DateTimeOffset? Expires, bool Revoked)
{
    public static readonly Schema<AdminToken> Schema = new Schema<AdminToken>("server.token", 1, new("", "", [], null, false))
        .Plain("Id", t => t.Id, (t, v) => t with { Id = v }, Lifetime.Factory, "a server's record")
        .Plain("Name", t => t.Name, (t, v) => t with { Name = v }, Lifetime.Factory, "a server's record")
        .Plain("Scopes", t => t.Scopes, (t, v) => t with { Scopes = v }, Lifetime.Factory, "a server's record")
        .Plain("Expires", t => t.Expires, (t, v) => t with { Expires = v }, Lifetime.Factory, "a server's record")
        .Plain("Revoked", t => t.Revoked, (t, v) => t with { Revoked = v }, Lifetime.Factory, "a server's record")
        .Index("id", t => t.Id);

    /// <summary>Also of a scope to be given on: "fdo:*" is allowed by "fdo:*" and "*" only.</summary>
    public bool Allows(string scope) => Scopes.Contains("*") || Scopes.Contains(scope)
        || Scopes.Contains(scope[..(scope.IndexOf(':', StringComparison.Ordinal) + 1)] + "*");
}

/// <summary>Makes, finds and revokes tokens: 32 random bytes as "hatch_…" in base64url.</summary>
public sealed class TokenStore(IRecordStore store, Chance chance, Func<Moment> now)
{
    private const string Prefix = "hatch_";

    public async ValueTask<(string Text, AdminToken Token)> CreateAsync(string name, ImmutableArray<string> scopes, DateTimeOffset? expires, CancellationToken cancel)
    {
        string text = Prefix + Convert.ToBase64String(chance.Bytes(32, "admin.token")).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        string key = Hash(text);
        var token = new AdminToken(key[..12], name, scopes, expires, false);
        var unit = store.Begin(Caller.Local("admin", now()));
        unit.Insert(AdminToken.Schema, new(key), token);
        unit.Report(new Fact.Administered(new Identifier("admin.token", token.Id), $"token {name} made for {string.Join(", ", scopes)}", "admin"));
        await unit.CommitAsync(cancel);
        return (text, token);
    }

    /// <summary>Null: unknown, expired or revoked.</summary>
    public async ValueTask<AdminToken?> FindAsync(string? text, CancellationToken cancel)
    {
        if (text is null || !text.StartsWith(Prefix, StringComparison.Ordinal) || text.Length > 100)
            return null;
        var found = await store.Begin(Caller.Local("admin", now())).GetAsync(AdminToken.Schema, new(Hash(text)), cancel);
        return found is { Value: { Revoked: false } token } && (token.Expires is null || token.Expires > now().Wall) ? token : null;
    }

    public async ValueTask<ImmutableArray<AdminToken>> ListAsync(CancellationToken cancel) =>
        [.. (await store.Begin(Caller.Local("admin", now())).ListAsync(AdminToken.Schema, null, 1000, cancel)).Select(t => t.Value)];

    public async ValueTask<bool> RevokeAsync(string id, CancellationToken cancel)
    {
        var unit = store.Begin(Caller.Local("admin", now()));
        if (await unit.FindAsync(AdminToken.Schema, "id", id, 1, cancel) is not [{ } found])
            return false;
        unit.Replace(AdminToken.Schema, found.Key, found.Value with { Revoked = true }, found.Version);
        unit.Report(new Fact.Administered(new Identifier("admin.token", id), $"token {found.Value.Name} revoked", "admin"));
        await unit.CommitAsync(cancel);
        return true;
    }

    /// <summary>Null: unknown, expired or revoked meanwhile.</summary>
    public async ValueTask<AdminToken?> FindByIdAsync(string? id, CancellationToken cancel) =>
        id is not null && await store.Begin(Caller.Local("admin", now())).FindAsync(AdminToken.Schema, "id", id, 1, cancel) is [{ Value: { Revoked: false } token }]
            && (token.Expires is null || token.Expires > now().Wall) ? token : null;

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
