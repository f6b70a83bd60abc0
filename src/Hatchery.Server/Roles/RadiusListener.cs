using System.Collections.Immutable;
using System.Net;
using Hatchery.AspNetCore;
using Hatchery.Pki;
using Hatchery.Radius;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;

namespace Hatchery.Server.Roles;

/// <summary>The section "radius" of a role that serves an EAP method.</summary>
public sealed class RadiusOptions
{
    /// <summary>Listeners by name: udp for RADIUS, tls for RadSec.</summary>
    public List<string> Listeners { get; set => field = [.. value.Select(l => l.ToLowerInvariant())]; } = [];
    public List<RadiusClientOption> Clients { get; set; } = [];
    /// <summary>What admitted devices' ports get, by the name of the admission policy's profile.</summary>
    public Dictionary<string, RadiusProfileOptions> Profiles { get; set; } = [];
    /// <summary>Keeps what NASes report about sessions; off: accounting is not answered.</summary>
    public bool Accounting { get; set; } = true;
}

/// <summary>A NAS or proxy.</summary>
public sealed class RadiusClientOption
{
    /// <summary>Ours, for logs and policy.</summary>
    public string Name { get; set; } = "";
    /// <summary>On udp: an address or a prefix, "192.0.2.7" or "192.0.2.0/24".</summary>
    public string Address { get; set; } = "";
    /// <summary>On udp.</summary>
    public string Secret { get; set; } = "";
    /// <summary>On udp: a file with the secret in its first line, instead.</summary>
    public string SecretFile { get; set; } = "";
    /// <summary>On tls: PEM, the client's own certificate.</summary>
    public string Certificate { get; set; } = "";
    /// <summary>On tls: PEM, the certificate authority of the client's, together with <see cref="DnsName"/>.</summary>
    public string Authority { get; set; } = "";
    /// <summary>On tls: a DNS name that stands in the client's certificate.</summary>
    public string DnsName { get; set; } = "";
    /// <summary>Only for a NAS that cannot send it.</summary>
    public bool RequireMessageAuthenticator { get; set; } = true;
}

public sealed class RadiusProfileOptions
{
    /// <summary>VLAN by number or name.</summary>
    public string Vlan { get; set; } = "";
    public string FilterId { get; set; } = "";
    /// <summary>After so long the device authenticates again; 0: the NAS decides.</summary>
    public int SessionSeconds { get; set; }
}

/// <summary>EAP methods on RADIUS listeners. Roles that share a listener share clients and profiles: the first one's.</summary>
internal static class RadiusListener
{
    /// <param name="path">Of the section in the configuration.</param>
    /// <exception cref="ConfigurationFault"/>
    public static void Add(RoleContext context, RadiusOptions options, string path, params ImmutableArray<EapRoute> routes)
    {
        if (options.Listeners.Count == 0)
            throw new ConfigurationFault(path + ":listeners", "at least one listener, of carrier udp or tls.");
        foreach (string listener in options.Listeners)
        {
            string key = "radius@" + listener;
            if (context.Shared.TryGetValue(key, out var known))
            {
                ((List<EapRoute>)known).AddRange(routes);
                continue;
            }
            var all = new List<EapRoute>(routes);
            context.Shared[key] = all;
            string at = $"{path}:listeners";
            if (context.CarrierOf(listener, at, "udp", "tls") == "udp")
                AddDatagrams(context, options, path, listener, all);
            else
                AddTls(context, options, path, listener, all);
            context.Summary.Add($"RADIUS on {listener} for {string.Join(", ", options.Clients.Where(c => c.Address.Length > 0 == (context.Options.Listeners[listener].Carrier == "udp")).Select(c => c.Name))}");
        }
        foreach (var client in options.Clients.Where(c => !c.RequireMessageAuthenticator))
            context.Insecure.Add($"{path}: {client.Name} need not send Message-Authenticator");
        if (options.Accounting && context.Shared.TryAdd("radius.sessions", true))
            context.Admin.Add(routes => RadiusSessions.Map(routes, context));
    }

    private static void AddDatagrams(RoleContext context, RadiusOptions options, string path, string listener, List<EapRoute> routes)
    {
        var clients = Clients(options, path);
        context.ServeDatagrams(listener, path, (at, pumpOptions) =>
        {
            var engine = new RadiusServer<UdpPath>(clients, p => p.ToEndPoint().Address, context.Chance);
            RadiusServerHost? host = null;
            var pump = new UdpEnginePump<RadiusServerEvent>(at, engine, (in RadiusServerEvent what) => host!.Happened(what), pumpOptions);
            host = new RadiusServerHost(engine.Answer, Service(context, options, routes), listener, context.Now, pump.Post, context.Refused, context.Failed);
            return pump;
        });
    }

    private static void AddTls(RoleContext context, RadiusOptions options, string path, string listener, List<EapRoute> routes)
    {
        if (context.Options.Listeners[listener].ClientCertificates != "require")
            throw new ConfigurationFault($"listeners:{listener}:clientCertificates", "RadSec knows its clients by their certificates: require.");
        var clients = TlsClients(options, path);
        RadiusEapService? service = null;
        context.ServeStreams(listener, path, async (connection, stop) =>
        {
            service ??= Service(context, options, routes);
            var caller = connection.CallerAt(context.Now());
            if (clients.FirstOrDefault(c => c.Is(caller.ClientChain, caller.Wall)) is not { } client)
            {
                context.Refused(caller, null, new RadiusException("discarded", "certificate", "It is no client's of ours."));
                return;
            }
            var nas = new RadiusNas(client.Name, new IPNetwork(IPAddress.Any, 0), RadiusSecret.RadSec);
            var engine = new RadiusStreamServer(nas, connection.Remote ?? "", context.Chance);
            TcpEnginePump<RadiusServerEvent>? pump = null;
            RadiusServerHost? host = null;
            // A NAS may be silent for long; it watches the connection with Status-Server if it cares (RFC 6614 §2.6).
            pump = new TcpEnginePump<RadiusServerEvent>(engine, (in RadiusServerEvent what) =>
            {
                host!.Happened(what);
                if (engine.IsBroken)
                    pump!.Close();
            }, new PumpOptions { Witness = context.Witness, IdleTimeout = TimeSpan.FromHours(1) });
            host = new RadiusServerHost(engine.Answer, service, listener, context.Now, pump.Post, context.Refused, context.Failed, stop: stop);
            await pump.RunAsync(connection.Stream, stop);
        });
    }

    private static RadiusEapService Service(RoleContext context, RadiusOptions options, List<EapRoute> routes)
    {
        var observer = new EapObserver(p => context.Actor(p, p.Name), context.Peer, context.Witness, context.Refused, context.Failed);
        var eap = new EapServer(context.Store.Sessions, context.Chance, [.. routes], observer);
        return new RadiusEapService(eap, new RadiusServiceOptions
        {
            Profiles = options.Profiles.ToImmutableDictionary(p => p.Key, p => new RadiusProfile(p.Key)
            {
                Vlan = p.Value.Vlan,
                FilterId = p.Value.FilterId,
                SessionTimeout = p.Value.SessionSeconds > 0 ? TimeSpan.FromSeconds(p.Value.SessionSeconds) : null,
            }),
            Account = options.Accounting ? (what, caller, cancel) => RadiusSessions.RecordAsync(context.Store, what, caller, cancel) : null,
        });
    }

    private static RadiusClients Clients(RadiusOptions options, string path)
    {
        var all = new List<RadiusNas>();
        for (int i = 0; i < options.Clients.Count; i++)
        {
            var client = options.Clients[i];
            string at = $"{path}:clients:{i}";
            if (client.Name.Length == 0)
                throw new ConfigurationFault(at + ":name", "a name is needed.");
            if (client.Address.Length == 0)
                continue;
            string prefix = client.Address.Contains('/', StringComparison.Ordinal) ? client.Address : client.Address + (client.Address.Contains(':', StringComparison.Ordinal) ? "/128" : "/32");
            if (!IPNetwork.TryParse(prefix, out var network))
                throw new ConfigurationFault(at + ":address", $"{client.Address} is no address and no prefix.");
            all.Add(new RadiusNas(client.Name, network, new RadiusSecret(SecretOf(client, at))) { RequireMessageAuthenticator = client.RequireMessageAuthenticator });
        }
        try
        {
            return all.Count > 0 ? new RadiusClients(all) : throw new ConfigurationFault(path + ":clients", "at least one client with an address.");
        }
        catch (ArgumentException e)
        {
            throw new ConfigurationFault(path + ":clients", e.Message);
        }
    }

    private static string SecretOf(RadiusClientOption client, string at)
    {
        if ((client.Secret.Length > 0) == (client.SecretFile.Length > 0))
            throw new ConfigurationFault(at + ":secret", "one of secret and secretFile.");
        try
        {
            string secret = client.Secret.Length > 0 ? client.Secret : File.ReadLines(client.SecretFile).FirstOrDefault() ?? "";
            return secret.Length > 0 ? secret : throw new ConfigurationFault(at + ":secretFile", "its first line is empty.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationFault(at + ":secretFile", e.Message);
        }
    }

    private static ImmutableArray<TlsClient> TlsClients(RadiusOptions options, string path)
    {
        var all = ImmutableArray.CreateBuilder<TlsClient>();
        for (int i = 0; i < options.Clients.Count; i++)
        {
            var client = options.Clients[i];
            string at = $"{path}:clients:{i}";
            if (client.Certificate.Length == 0 && client.Authority.Length == 0)
                continue;
            if (client.Certificate.Length > 0 && client.Authority.Length > 0)
                throw new ConfigurationFault(at + ":authority", "one of certificate and authority.");
            if (client.Authority.Length > 0 && client.DnsName.Length == 0)
                throw new ConfigurationFault(at + ":dnsName", "an authority makes certificates for many; which name is this client's?");
            string file = client.Certificate + client.Authority;
            try
            {
                var found = PemFile.ReadAll(File.ReadAllText(file), "CERTIFICATE");
                if (found.IsEmpty)
                    throw new ConfigurationFault(at, $"there is no certificate in {file}.");
                all.Add(new TlsClient(client.Name, client.Certificate.Length > 0 ? found[0] : null, [.. found], client.DnsName));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or PkiException)
            {
                throw new ConfigurationFault(at, e.Message);
            }
        }
        return all.Count > 0 ? all.ToImmutable() : throw new ConfigurationFault(path + ":clients", "at least one client with a certificate or an authority.");
    }

    private sealed record TlsClient(string Name, byte[]? Pinned, ImmutableArray<ReadOnlyMemory<byte>> Anchors, string DnsName)
    {
        public TlsClient(string name, byte[]? pinned, IEnumerable<byte[]> anchors, string dnsName) : this(name, pinned, [.. anchors.Select(a => (ReadOnlyMemory<byte>)a)], dnsName) { }

        public bool Is(ImmutableArray<byte[]> chain, DateTimeOffset at)
        {
            if (chain.IsDefaultOrEmpty)
                return false;
            if (Pinned is not null)
                return chain[0].AsSpan().SequenceEqual(Pinned);
            try
            {
                CertificateChains.Verify([.. chain.Select(c => (ReadOnlyMemory<byte>)c)], Anchors, at);
                using var leaf = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(chain[0]);
                return leaf.MatchesHostname(DnsName, allowWildcards: false, allowCommonName: true);
            }
            catch (PkiException)
            {
                return false;
            }
        }
    }
}
