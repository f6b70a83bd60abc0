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

    /// <summary>Serves on a listener; made when all roles have started, so roles of one protocol may share it.</summary>
    public void Serve(string listener, string path, Func<IHttpRole> role)
    {
        if (!Options.Listeners.ContainsKey(listener))
            throw new ConfigurationFault(path, $"there is no listener {listener}. There are: {string.Join(", ", Options.Listeners.Keys)}.");
        if (listener == Options.Page.Listener)
            throw new ConfigurationFault(path, $"{listener} is the listener of page and admin API; roles need another.");
        (_http.TryGetValue(listener, out var list) ? list : _http[listener] = []).Add(role);
    }

    /// <summary>An act of a person is a step of the ceremony that the correlator names.</summary>
    public void SawHuman(StepKind kind, string correlator, ReadOnlyMemory<byte> value) => Witness.Saw(new Sighting
    {
        Kind = kind,
        Way = Way.Received,
        At = Now(),
        Session = Witness.NewSession(),
        Here = Actor(kind.To, kind.To.Name),
        Peer = Peer(kind.From),
        Medium = new Medium(kind.Act.ToString(), IsHuman: true),
        Layers = [],
        Message = new HumanAct(kind, correlator, value),
    });

    private sealed record HumanAct(StepKind Kind, string Correlator, ReadOnlyMemory<byte> Value) : IMessage
    {
        public void Identify(ref Correlators into) => into.Add(Correlator, Value.Span);
    }

    /// <summary>Who is at the other end, as far as the role knows: the standard's player, usually operated.</summary>
    public Actor Peer(Player player) => new(player, player.Name, player.UsuallyOperatedBy);

    public Actor Actor(Player player, string instance) => new(player, instance, Options.OperatedBy);
}
