using System.Net;
using Hatchery.AspNetCore;
using Hatchery.Transports;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Hatchery.Server.Roles;

/// <summary>A role of a standard as this server runs it. One file per role; <see cref="RoleList"/> names them.</summary>
public interface IServerRole
{
    /// <summary>"fdo.owner"; its section under "roles".</summary>
    string Id { get; }
    Protocol Protocol { get; }

    /// <summary>Reads its options and makes its services.</summary>
    /// <exception cref="ConfigurationFault"/>
    ValueTask StartAsync(IConfigurationSection options, RoleContext context, CancellationToken cancel);
}

/// <summary>What a role gets from the server, and what it gives back.</summary>
public sealed class RoleContext
{
    private readonly Dictionary<string, List<Func<IHttpRole>>> _http = [];
    private readonly Dictionary<string, StreamRole> _streams = [];
    private readonly Dictionary<string, Func<IPEndPoint, PumpOptions, IUdpPump>> _datagrams = [];
    private readonly Dictionary<string, Func<Stream, CancellationToken, ValueTask<SecuredChannel>>> _secured = [];

    public required ServerOptions Options { get; init; }
    public required IRecordStore Store { get; init; }
    public required Chance Chance { get; init; }
    public required IAdmission Admission { get; init; }
    public required IWitness Witness { get; init; }
    public required NamedKeys Keys { get; init; }
    public required Func<Moment> Now { get; init; }
    public required ILogger Log { get; init; }
    public required RefusalLog Refused { get; init; }
    public required FaultLog Failed { get; init; }

    /// <summary>Work beside requests; runs until the server stops. One process at a time where a name is given: it holds the lease of that name.</summary>
    public List<(string Lease, Func<CancellationToken, Task> Run)> Jobs { get; } = [];
    /// <summary>Admin endpoints under /api/v1.</summary>
    public List<Action<IEndpointRouteBuilder>> Admin { get; } = [];
    /// <summary>Lines of the start-up screen.</summary>
    public List<string> Summary { get; } = [];
    /// <summary>What is insecure on purpose.</summary>
    public List<string> Insecure { get; } = [];
    /// <summary>What roles of one protocol share.</summary>
    public Dictionary<string, object> Shared { get; } = [];

    public IReadOnlyDictionary<string, List<Func<IHttpRole>>> Http => _http;

    public IReadOnlyDictionary<string, StreamRole> Streams => _streams;
    public IReadOnlyDictionary<string, Func<IPEndPoint, PumpOptions, IUdpPump>> Datagrams => _datagrams;

    public IReadOnlyDictionary<string, Func<Stream, CancellationToken, ValueTask<SecuredChannel>>> Secured => _secured;

    /// <summary>Secures an https listener whose TLS is our own engine's.</summary>
    /// <inheritdoc cref="Serve"/>
    public void Secure(string listener, string path, Func<Stream, CancellationToken, ValueTask<SecuredChannel>> handshake)
    {
        CarrierOf(listener, path, "https");
        if (Options.Listeners[listener].Tls != "engine")
            throw new ConfigurationFault(path, $"{listener} has the platform's TLS; set its tls to engine.");
        if (!_secured.TryAdd(listener, handshake))
            throw new ConfigurationFault(path, $"another role secures {listener}.");
    }

    /// <summary>Serves on an HTTP listener; made when all roles have started, so roles of one protocol may share it.</summary>
    /// <param name="path">Of the option that names the listener, for the fault.</param>
    public void Serve(string listener, string path, Func<IHttpRole> role)
    {
        CarrierOf(listener, path, "http", "https");
        (_http.TryGetValue(listener, out var list) ? list : _http[listener] = []).Add(role);
    }

    /// <summary>Serves a tcp or tls listener, alone.</summary>
    /// <inheritdoc cref="Serve"/>
    public void ServeStreams(string listener, string path, StreamRole role)
    {
        CarrierOf(listener, path, "tcp", "tls");
        if (!_streams.TryAdd(listener, role))
            throw new ConfigurationFault(path, $"another role serves {listener}; byte streams have one.");
    }

    /// <summary>Serves a udp listener, alone.</summary>
    /// <param name="pump">Binds the socket, and is started when the server starts; options carry clock and witness.</param>
    /// <inheritdoc cref="Serve"/>
    public void ServeDatagrams(string listener, string path, Func<IPEndPoint, PumpOptions, IUdpPump> pump)
    {
        CarrierOf(listener, path, "udp");
        if (!_datagrams.TryAdd(listener, pump))
            throw new ConfigurationFault(path, $"another role serves {listener}; a socket has one.");
    }

    /// <summary>The carrier of a listener that a role wants, one of those that suit it.</summary>
    public string CarrierOf(string listener, string path, params string[] suitable)
    {
        if (!Options.Listeners.TryGetValue(listener, out var settings))
            throw new ConfigurationFault(path, $"there is no listener {listener}. There are: {string.Join(", ", Options.Listeners.Keys)}.");
        if (listener == Options.Page.Listener)
            throw new ConfigurationFault(path, $"{listener} is the listener of page and admin API; roles need another.");
        return suitable.Contains(settings.Carrier) ? settings.Carrier
            : throw new ConfigurationFault(path, $"{listener} carries {settings.Carrier}; this role needs {string.Join(" or ", suitable)}.");
    }

    /// <summary>An act of a person is a step of the ceremony that the correlator names.</summary>
    /// <param name="during">A session in which the device is set up, where one is known: it goes on behind the act.</param>
    public void SawHuman(StepKind kind, string correlator, ReadOnlyMemory<byte> value, SessionId during = default)
    {
        var session = Witness.NewSession();
        Witness.Link(during, session);
        Witness.Saw(SightingOf(kind, correlator, value, session));
    }

    private Sighting SightingOf(StepKind kind, string correlator, ReadOnlyMemory<byte> value, SessionId session) => new()
    {
        Kind = kind,
        Way = Way.Received,
        At = Now(),
        Session = session,
        Here = Actor(kind.To, kind.To.Name),
        Peer = Peer(kind.From),
        Medium = new Medium(kind.Act.ToString(), IsHuman: true),
        Layers = [],
        Message = new HumanAct(kind, correlator, value),
    };

    private sealed record HumanAct(StepKind Kind, string Correlator, ReadOnlyMemory<byte> Value) : IMessage
    {
        public void Identify(ref Correlators into) => into.Add(Correlator, Value.Span);
    }

    /// <summary>Who is at the other end, as far as the role knows: the standard's player, usually operated.</summary>
    public Actor Peer(Player player) => new(player, player.Name, player.UsuallyOperatedBy);

    public Actor Actor(Player player, string instance) => new(player, instance, Options.OperatedBy);
}
