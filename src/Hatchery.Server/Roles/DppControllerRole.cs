using System.Collections.Immutable;
using System.Text;
using Hatchery.AspNetCore;
using Hatchery.Dpp;
using Hatchery.Dpp.Configurator;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class DppControllerOptions
{
    /// <summary>A tcp listener, alone for this role; the standard's port is 8908.</summary>
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "dpp";
    /// <summary>P-256, P-384, P-521, BP-256, BP-384 or BP-512; of keys that are made at the first start.</summary>
    public string Curve { get; set; } = "P-256";
    /// <summary>1 to 3.</summary>
    public int Version { get; set; } = 3;
    /// <summary>Only devices whose URI was imported before are answered with credentials.</summary>
    public bool KnownDevicesOnly { get; set; } = true;
    public List<DppNetworkOptions> Networks { get; set; } = [];
}

public sealed class DppNetworkOptions
{
    /// <summary>As the admission policy's profile names it; by default the SSID.</summary>
    public string Name { get; set; } = "";
    public string Ssid { get; set; } = "";
    /// <summary>dpp, psk, sae, psk+sae, dpp+sae, dpp+psk+sae.</summary>
    public string Akm { get; set; } = "dpp";
    /// <summary>A file that holds the passphrase.</summary>
    public string PassphraseFile { get; set; } = "";
    public List<string> Groups { get; set; } = [];
    /// <summary>sta, ap.</summary>
    public List<string> Roles { get; set; } = [];
    /// <summary>Of a Connector; 0: for ever.</summary>
    public int ValidDays { get; set; }
}

/// <summary>A DPP Controller: a Configurator that devices and Relays reach by TCP.</summary>
public sealed class DppControllerRole : IServerRole
{
    public string Id => "dpp.controller";
    public Protocol Protocol => DppProfile.Protocol;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var options = ServerOptions.Bind<DppControllerOptions>(section);
        var curve = DppCurve.ByName(options.Curve) ?? throw new ConfigurationFault(section.Path + ":curve", $"{options.Curve} is no curve of DPP.");
        if (options.Version is < 1 or > 3)
            throw new ConfigurationFault(section.Path + ":version", "1, 2 and 3 are known.");
        var (keys, own) = await ConfiguratorService.OpenAsync(context.Store, Id, curve, context.Chance, context.Now(), cancel);
        ImmutableArray<NetworkProfile> networks = [.. options.Networks.Select((n, i) => Network(n, $"{section.Path}:networks:{i}"))];
        var service = new ConfiguratorService(context.Store, context.Admission, keys, networks, context.Now);
        var configurator = new ConfiguratorOptions { Exchange = new ExchangeOptions { Own = [own], Capabilities = DppCapabilities.Configurator, Version = options.Version }, Keys = [keys] };
        context.ServeStreams(options.Listener, section.Path + ":listener", (connection, stop) => new DppConnectionRun(context, service, configurator, options.KnownDevicesOnly, connection).RunAsync(stop));
        var uri = new DppUri { Key = own.Public, Version = options.Version };
        context.Admin.Add(routes => Map(routes, service, uri, context));
        context.Summary.Add($"{Id} on {options.Listener}: {uri}");
        if (!options.KnownDevicesOnly)
            context.Insecure.Add($"{Id}: any device that knows the Controller's URI may ask for credentials (knownDevicesOnly is off); the admission policy sees a name that nobody proved.");
    }

    private static NetworkProfile Network(DppNetworkOptions options, string path)
    {
        byte[] ssid = Encoding.UTF8.GetBytes(options.Ssid);
        if (ssid.Length is 0 or > 32)
            throw new ConfigurationFault(path + ":ssid", "has not 1 to 32 bytes.");
        var akm = options.Akm switch
        {
            "dpp" => DppAkm.Dpp,
            "psk" => DppAkm.Psk,
            "sae" => DppAkm.Sae,
            "psk+sae" => DppAkm.Psk | DppAkm.Sae,
            "dpp+sae" => DppAkm.Dpp | DppAkm.Sae,
            "dpp+psk+sae" => DppAkm.Dpp | DppAkm.Psk | DppAkm.Sae,
            _ => throw new ConfigurationFault(path + ":akm", $"{options.Akm} is not known."),
        };
        SecretText? pass = null;
        if ((akm & (DppAkm.Psk | DppAkm.Sae)) != 0)
        {
            if (!File.Exists(options.PassphraseFile))
                throw new ConfigurationFault(path + ":passphraseFile", "there is no such file.");
            pass = new SecretText(File.ReadAllText(options.PassphraseFile).Trim());
        }
        var network = new NetworkProfile { Name = options.Name.Length > 0 ? options.Name : options.Ssid, Ssid = ssid, Akm = akm, Pass = pass, Validity = options.ValidDays > 0 ? TimeSpan.FromDays(options.ValidDays) : null };
        if (options.Groups.Count > 0)
            network = network with { Groups = [.. options.Groups] };
        if (options.Roles.Count > 0)
            network = network with { Roles = [.. options.Roles] };
        return network;
    }

    private static void Map(IEndpointRouteBuilder routes, ConfiguratorService service, DppUri uri, RoleContext context)
    {
        routes.MapGet("/dpp/uri", () => Results.Text(uri.ToString())).Scope("dpp:read").WithSummary("The Controller's bootstrapping information, to be given to devices.");
        routes.MapPost("/dpp/peers", async (HttpContext http) =>
        {
            string text = Encoding.UTF8.GetString(await FdoAdmin.BodyAsync(http));
            try
            {
                var imported = new List<string>();
                foreach (string line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                {
                    var key = await service.ImportAsync(DppUri.Parse(line), FdoAdmin.Operator(context, http), http.RequestAborted);
                    context.SawHuman(DppSteps.ScanUri, "dpp.chirp", key.ChirpHash);
                    imported.Add(key.ToString());
                }
                return Results.Ok(imported);
            }
            catch (DppException e)
            {
                throw new BadHttpRequestException(e.Message);
            }
        }).Scope("dpp:write").WithSummary("Imports URIs of devices, one a line.");
        routes.MapGet("/dpp/enrollments", async (string? after, int? limit, HttpContext http) =>
            (await service.JournalAsync(after is null ? null : new RecordKey(after), Math.Clamp(limit ?? 100, 1, 1000), FdoAdmin.Operator(context, http), http.RequestAborted))
                .Select(e => new EnrollmentView(e.Key.Value, e.Value.Device, e.Value.Name, e.Value.NetRole, e.Value.Network, e.Value.At, e.Value.Result, e.Value.Connection)))
            .Scope("dpp:read").WithSummary("What was given to which device.");
    }

    private sealed record EnrollmentView(string NetAccessKey, string Device, string Name, string NetRole, string Network, DateTimeOffset At, string Result, int Connection);
}

/// <summary>One connection: the engine on the pump's thread; what must be looked up is looked up beside it.</summary>
internal sealed class DppConnectionRun(RoleContext context, ConfiguratorService service, ConfiguratorOptions options, bool knownOnly, StreamConnection stream)
{
    private static readonly Medium s_medium = Medium.Tcp;
    private TcpEnginePump<ControllerEvent>? _pump;
    private ControllerConnection? _connection;
    private Task _last = Task.CompletedTask;

    public async Task RunAsync(CancellationToken stop)
    {
        using var connection = _connection = new ControllerConnection(options, context.Chance, context.Now(), context.Witness);
        _pump = new TcpEnginePump<ControllerEvent>(connection, (in ControllerEvent happened) => Handle(happened, stop));
        if (await _pump.RunAsync(stream.Stream, stop) != PumpEnd.Closed)
        {
            connection.Lost();
            while (connection.TryEvent(out var left))
                Handle(left, CancellationToken.None);
        }
        await _last;
    }

    private void Handle(in ControllerEvent happened, CancellationToken stop)
    {
        if (happened.Message is { } message)
            See(message, happened.IsSent, happened.Tag);
        if (happened.Question is { } question)
            _last = AnswerAsync(question, _last, stop);
        if (happened.Ended is { } outcome)
        {
            context.Witness.Close(stream.Session, outcome, context.Now());
            _pump!.Close();
        }
    }

    /// <summary>One at a time: the journal of a connection is written in order.</summary>
    private async Task AnswerAsync(ConfiguratorQuestion question, Task before, CancellationToken stop)
    {
        await before;
        var caller = stream.CallerAt(context.Now());
        try
        {
            switch (question)
            {
                case ConfiguratorQuestion.Peer(var hash):
                    var peer = await service.FindPeerAsync(hash, caller, stop);
                    _pump!.Post(() => _connection!.SupplyPeer(peer, context.Now()));
                    break;
                case ConfiguratorQuestion.Chirper(var hash):
                    var chirper = await service.FindChirperAsync(hash, caller, stop);
                    _pump!.Post(() => _connection!.SupplyPeer(chirper, context.Now()));
                    break;
                case ConfiguratorQuestion.Configure(var asked):
                    ConfigurationDecision decision = knownOnly && asked.Peer is null && asked.ReconfigurationOf is null
                        ? new ConfigurationDecision.Refuse(DppStatus.ConfigureFailure, "The device is not known here.") : await service.DecideAsync(asked, caller, stop);
                    _pump!.Post(() => _connection!.SupplyDecision(decision, context.Now()));
                    break;
                case ConfiguratorQuestion.Finished finished:
                    await service.FinishAsync(finished, caller, CancellationToken.None);
                    break;
            }
        }
        catch (Exception) when (!stop.IsCancellationRequested)
        {
            // What broke on our side is told to nobody: the connection ends, and the device tries again.
            _pump!.Close();
            throw;
        }
    }

    private void See(DppMessage message, bool sent, Tag tag)
    {
        if ((context.Witness.Watching & Watch.Steps) == 0)
            return;
        context.Witness.Saw(new Sighting
        {
            Kind = message.Kind,
            Way = sent ? Way.Sent : Way.Received,
            At = context.Now(),
            Session = stream.Session,
            Here = context.Actor(DppPlayers.Configurator, "dpp.controller"),
            Peer = context.Peer(DppPlayers.Enrollee),
            Medium = s_medium,
            Layers = message.Protection == Protection.Clear ? [new Layer("TCP", Protection.Clear)] : [new Layer("TCP", Protection.Clear), new Layer("message", message.Protection)],
            Frames = new ReadOnlySpan<Tag>(in tag),
            Message = message,
            Bytes = message.Body.Span,
        });
    }
}
