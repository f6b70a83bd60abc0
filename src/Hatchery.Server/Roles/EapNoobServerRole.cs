using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;
using Hatchery.Radius.Eap;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class EapNoobOptions
{
    /// <summary>NASes, listeners, profiles.</summary>
    public RadiusOptions Radius { get; set; } = new();
    /// <summary>Of carrier https (http is listed as insecure): where users bring what their devices show.</summary>
    public string OobListener { get; set => field = value.ToLowerInvariant(); } = "public";
    /// <summary>As users and devices see that listener: "https://noob.example.org/noob", at most 60 characters.</summary>
    public string Url { get; set; } = "";
    /// <summary>Who runs the server, in ServerInfo.</summary>
    public string ServerName { get; set; } = "";
    /// <summary>Wireless networks that the device may use, in ServerInfo.</summary>
    public List<string> SsidList { get; set; } = [];
    /// <summary>Seconds between two Waiting Exchanges, 0 to 3600.</summary>
    public int SleepSeconds { get; set; } = 60;
    /// <summary>1 (X25519), 2 (P-256), best first; empty: both.</summary>
    public List<int> Cryptosuites { get; set; } = [];
    /// <summary>"both", "peer-to-server" or "server-to-peer".</summary>
    public string Direction { get; set; } = "both";
    /// <summary>KeyingMode 2 rather than 1 when devices reconnect.</summary>
    public bool ForwardSecrecy { get; set; } = true;
    /// <summary>Members of PeerInfo that a device must have ("SerialNumber").</summary>
    public List<string> RequirePeerInfo { get; set; } = [];
    /// <summary>Values of Manufacturer that are taken; empty: any.</summary>
    public List<string> Manufacturers { get; set; } = [];
    /// <summary>Further realms, each with what differs there.</summary>
    public List<EapNoobRealmOptions> Realms { get; set; } = [];
    /// <summary>The NAI that devices get ("noob@iot.example.org"): its realm leads them to this server from then on. Empty: they keep theirs.</summary>
    public string NewNai { get; set; } = "";
    /// <summary>rfc9140, rfc9140-literal, draft-examples, legacy-draft02.</summary>
    public string Variant { get; set; } = "rfc9140";
}

public sealed class EapNoobRealmOptions
{
    public string Realm { get; set; } = "";
    public string Variant { get; set; } = "rfc9140";
    public string NewNai { get; set; } = "";
    public int? SleepSeconds { get; set; }
}

/// <summary>EAP-NOOB's server behind RADIUS, the page where users bring OOB messages, and the admin endpoints for both.</summary>
public sealed class EapNoobServerRole : IServerRole
{
    public string Id => "eapnoob.server";
    public Protocol Protocol => NoobProfile.Protocol;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var options = ServerOptions.Bind<EapNoobOptions>(section);
        var common = Read(options, section.Path);
        var routes = ImmutableArray.CreateBuilder<EapRoute>();
        foreach (var (realm, i) in options.Realms.Select((r, i) => (r, i)))
        {
            string at = $"{section.Path}:realms:{i}";
            if (realm.Realm.Length == 0)
                throw new ConfigurationFault(at + ":realm", "a realm is needed.");
            routes.Add(new EapRoute(realm.Realm, Method(context, common with
            {
                Variant = Variant(realm.Variant, at + ":variant"),
                NewNai = Nai(realm.NewNai, at + ":newNai"),
                SleepTime = realm.SleepSeconds ?? common.SleepTime,
            })));
        }
        var method = Method(context, common);
        // RFC 9965: the two are synonyms. The last is what forks before the RFC ask for.
        foreach (string realm in new[] { "noob.eap.arpa", "eap-noob.arpa", "eap-noob.net" })
            routes.Add(new EapRoute(realm, method));
        if (common.NewNai is { } nai)
            routes.Add(new EapRoute(nai[(nai.LastIndexOf('@') + 1)..], method));
        RadiusListener.Add(context, options.Radius, section.Path + ":radius", routes.ToImmutable());

        var oob = new OobMessages(context.Store, context.Chance, common);
        var page = new EapNoobPage(context, oob, new Admin.TokenStore(context.Store, context.Chance, context.Now), await context.Keys.SecretAsync("eapnoob.confirm", cancel));
        context.Serve(options.OobListener, section.Path + ":oobListener", () => page);
        context.Admin.Add(routes => EapNoobAdmin.Map(routes, oob, options.Url, context));
        context.Summary.Add($"{Id}: devices of {string.Join(", ", routes.Select(r => r.Realm))}; users bring their codes to {(options.Url.Length > 0 ? options.Url : "the admin API")}");
        if (options.Url.StartsWith("http:", StringComparison.OrdinalIgnoreCase))
            context.Insecure.Add($"{section.Path}: users bring OOB messages over plain http");
        if (options.Variant != "rfc9140" || options.Realms.Any(r => r.Variant != "rfc9140"))
            context.Summary.Add($"{Id}: speaks variants of the protocol: {string.Join(", ", options.Realms.Select(r => r.Variant).Append(options.Variant).Distinct())}");
    }

    private static NoobServer Method(RoleContext context, NoobServerOptions options) => new(context.Store, context.Admission, context.Chance, options);

    private static NoobServerOptions Read(EapNoobOptions options, string path)
    {
        if (options.SleepSeconds is < 0 or > NoobLimits.SleepTime)
            throw new ConfigurationFault(path + ":sleepSeconds", $"0 to {NoobLimits.SleepTime}.");
        if (options.Cryptosuites.Any(s => Cryptosuites.Strength(s) == 0) || options.Cryptosuites.Distinct().Count() != options.Cryptosuites.Count)
            throw new ConfigurationFault(path + ":cryptosuites", "1 and 2 there are, each at most once.");
        if (options.Url.Length > 0 && !options.Url.EndsWith(EapNoobPage.Path, StringComparison.Ordinal))
            throw new ConfigurationFault(path + ":url", $"it ends in {EapNoobPage.Path}.");
        try
        {
            return new NoobServerOptions
            {
                Variant = Variant(options.Variant, path + ":variant"),
                NewNai = Nai(options.NewNai, path + ":newNai"),
                SleepTime = options.SleepSeconds,
                Cryptosuites = options.Cryptosuites.Count > 0 ? [.. options.Cryptosuites] : [Cryptosuites.X25519, Cryptosuites.P256],
                Directions = options.Direction switch
                {
                    "both" => OobDirections.Both,
                    "peer-to-server" => OobDirections.PeerToServer,
                    "server-to-peer" => OobDirections.ServerToPeer,
                    _ => throw new ConfigurationFault(path + ":direction", $"{options.Direction}; it is both, peer-to-server or server-to-peer."),
                },
                ForwardSecrecy = options.ForwardSecrecy,
                JudgePeerInfo = options.RequirePeerInfo.Count + options.Manufacturers.Count > 0 ? info => Judge(info, options) : null,
                ServerInfo = ServerInfo(options),
            };
        }
        catch (ArgumentException e)
        {
            throw new ConfigurationFault(path + ":url", e.Message);
        }
    }

    private static string ServerInfo(EapNoobOptions options)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (options.ServerName.Length > 0)
                json.WriteString("ServerName", options.ServerName);
            if (options.Url.Length > 0)
                json.WriteString("ServerURL", options.Url);
            if (options.SsidList.Count > 0)
            {
                json.WriteStartArray("SSIDList");
                foreach (string ssid in options.SsidList)
                    json.WriteStringValue(ssid);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(text.ToArray());
    }

    /// <summary>Null: welcome.</summary>
    private static string? Judge(ReadOnlyMemory<byte> info, EapNoobOptions options)
    {
        using var json = JsonDocument.Parse(info);
        foreach (string member in options.RequirePeerInfo)
            if (!json.RootElement.TryGetProperty(member, out _))
                return $"PeerInfo lacks {member}.";
        return options.Manufacturers.Count == 0 || (json.RootElement.TryGetProperty("Manufacturer", out var maker) && maker.ValueKind == JsonValueKind.String
            && options.Manufacturers.Contains(maker.GetString()!)) ? null : "Devices of this manufacturer are not taken.";
    }

    private static NoobVariant Variant(string name, string path) => NoobVariant.All.FirstOrDefault(v => v.Name == name)
        ?? throw new ConfigurationFault(path, $"{name}; there are {string.Join(", ", NoobVariant.All.Select(v => v.Name))}.");

    private static string? Nai(string text, string path)
    {
        if (text.Length == 0)
            return null;
        try
        {
            return Radius.Eap.Nai.Parse(text).Realm is not null ? text : throw new ConfigurationFault(path, $"{text} has no realm.");
        }
        catch (Radius.RadiusException e)
        {
            throw new ConfigurationFault(path, e.Message);
        }
    }
}
