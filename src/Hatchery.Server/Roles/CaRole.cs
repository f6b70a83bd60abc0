using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Est;
using Hatchery.Pki;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class CaRoleSettings
{
    /// <summary>An http listener: what is said there is signed, and whoever checks a certificate may not be able to check another first.</summary>
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "ca";
    /// <summary>Name of the embedded authority; made at the first start.</summary>
    public string Authority { get; set; } = "est";
    public string RootSubject { get; set; } = new AuthoritySetup().RootSubject;
    public string IssuerSubject { get; set; } = new AuthoritySetup().IssuerSubject;
    /// <summary>Where the first start writes the root's key, PEM, instead of keeping it: move the file to a safe place. Empty: the database keeps it, sealed.</summary>
    public string RootKeyFile { get; set; } = "";
    /// <summary>PEM or PKCS#12 of an authority to take over at the first start: its key, and its certificates up to the root.</summary>
    public string Import { get; set; } = "";
    public string ImportPasswordFile { get; set; } = "";
    /// <summary>As devices reach this role, "http://ca.example:8082"; written into certificates as where lists and OCSP are. Empty: not written.</summary>
    public string Address { get; set; } = "";
    /// <summary>A list that is older is made anew when asked for.</summary>
    public int CrlMinutes { get; set; } = 1;
    public int CrlDays { get; set; } = 7;
    public int OcspHours { get; set; } = 1;
}

/// <summary>The embedded authority itself: revocation lists at /crl and OCSP at /ocsp, its first start, and its rollover in the admin API.</summary>
public sealed class CaRole : IServerRole
{
    public string Id => "ca";
    public Protocol Protocol => EstProfile.Protocol;

    /// <summary>Under which other roles find what they write into certificates of this authority. "ca" starts before them: sections are in the order of their names.</summary>
    internal static string LocationsOf(string authority) => "ca.locations." + authority;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var settings = ServerOptions.Bind<CaRoleSettings>(section);
        if (settings.CrlMinutes < 0 || settings.CrlDays < 1 || settings.OcspHours < 1)
            throw new ConfigurationFault(section.Path, "crlMinutes is at least 0, crlDays and ocspHours at least 1.");
        var authority = new EmbeddedAuthority(context.Store, settings.Authority, context.Chance);
        var start = Caller.Local("start", context.Now());
        if (await authority.FindAsync(context.Store.Begin(start), cancel) is null)
            try
            {
                await FirstAsync(settings, section.Path, new AuthorityKeeper(authority), start, cancel);
            }
            catch (ConflictException)
            {
                // Another process made it meanwhile.
            }
        if (settings.Address.Length > 0)
        {
            if (!Uri.TryCreate(settings.Address, UriKind.Absolute, out var address) || address.Scheme != "http")
                throw new ConfigurationFault(section.Path + ":address", "an http:// address, such as http://ca.example:8082.");
            string at = settings.Address.TrimEnd('/');
            context.Shared[LocationsOf(settings.Authority)] = new AuthorityLocations(at + "/crl", at + "/ocsp");
        }
        var state = await authority.StateAsync(context.Store.Begin(start), cancel);
        context.Serve(settings.Listener, section.Path + ":listener", () => new RevocationHttp(authority, settings));
        context.Admin.Add(routes => CaAdmin.Map(routes, authority, context));
        context.Summary.Add($"{Id} on {settings.Listener}: /crl and /ocsp of {state.Issuer.Certificate.SubjectText}");
    }

    private static async ValueTask FirstAsync(CaRoleSettings settings, string path, AuthorityKeeper keeper, Caller caller, CancellationToken cancel)
    {
        if (settings.Import.Length > 0)
        {
            try
            {
                var (key, chain) = await ReadAsync(settings, cancel);
                await keeper.ImportAsync(key, chain, caller, cancel);
            }
            catch (Exception e) when (e is PkiException or IOException or UnauthorizedAccessException)
            {
                throw new ConfigurationFault(path + ":import", e.Message);
            }
            return;
        }
        var setup = new AuthoritySetup { RootSubject = settings.RootSubject, IssuerSubject = settings.IssuerSubject, KeepRootKey = settings.RootKeyFile.Length == 0 };
        if (setup.KeepRootKey)
        {
            await keeper.CreateAsync(setup, caller, cancel);
            return;
        }
        // The file is made first: a key that cannot be written would be lost.
        FileStream file;
        try
        {
            file = PrivateFile.Create(settings.RootKeyFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationFault(path + ":rootKeyFile", e.Message);
        }
        await using (file)
            if (await keeper.CreateAsync(setup, caller, cancel) is { } rootKey)
            {
                await file.WriteAsync(System.Text.Encoding.ASCII.GetBytes(PemEncoding.WriteString("PRIVATE KEY", rootKey.Reveal()) + "\n"), cancel);
                file.Flush(flushToDisk: true);
                rootKey.Dispose();
            }
    }

    private static async ValueTask<(SignatureKey, ImmutableArray<ReadOnlyMemory<byte>>)> ReadAsync(CaRoleSettings settings, CancellationToken cancel)
    {
        byte[] bytes = await File.ReadAllBytesAsync(settings.Import, cancel);
        var password = settings.ImportPasswordFile.Length > 0 ? new SecretText((await File.ReadAllTextAsync(settings.ImportPasswordFile, cancel)).TrimEnd('\r', '\n')) : null;
        try
        {
            return bytes is [0x30, ..] ? PrivateKeys.FromPkcs12(bytes, password) : PrivateKeys.FromPem(System.Text.Encoding.UTF8.GetString(bytes), password);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>RFC 5280's lists and RFC 6960's questions over plain HTTP.</summary>
    private sealed class RevocationHttp(EmbeddedAuthority authority, CaRoleSettings settings) : IHttpRole
    {
        // GET /crl is the list of the issuer that signs now; below it stand the lists of all, by key identifier.
        public ImmutableArray<string> Routes => ["GET /crl", "GET /crl/", "POST /ocsp", "GET /ocsp/"];
        public int MaxBody => 16384;

        public async ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
        {
            if (request.Path.StartsWith("/crl", StringComparison.Ordinal))
            {
                string? id = request.Path.Length > 5 ? request.Path[5..].ToLowerInvariant().Replace(".crl", "", StringComparison.Ordinal) : null;
                var list = await authority.RevocationListAsync(caller, id, TimeSpan.FromMinutes(settings.CrlMinutes), TimeSpan.FromDays(settings.CrlDays), cancel);
                return list is { } found ? Answer("application/pkix-crl", found) : new(404, [], default);
            }
            if (request.Method == "POST")
                return request.Header("Content-Type") is { } type && type.StartsWith("application/ocsp-request", StringComparison.OrdinalIgnoreCase)
                    ? await AskAsync(request.Body, caller, cancel) : new(415, [], default);
            // RFC 6960, appendix A.1: base64, percent-encoded where a path needs it.
            string text = Uri.UnescapeDataString(request.Path["/ocsp/".Length..]);
            byte[] body = new byte[text.Length];
            return Convert.TryFromBase64String(text, body, out int length) ? await AskAsync(body.AsMemory(0, length), caller, cancel) : new(400, [], default);
        }

        private async ValueTask<PlainHttpResponse> AskAsync(ReadOnlyMemory<byte> body, Caller caller, CancellationToken cancel) =>
            Answer("application/ocsp-response", await authority.AnswerOcspAsync(body, caller, TimeSpan.FromHours(settings.OcspHours), cancel));

        private static PlainHttpResponse Answer(string type, ReadOnlyMemory<byte> body) => new(200, [new("Content-Type", type)], body);
    }
}
