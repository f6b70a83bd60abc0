using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery;

/// <summary>Puts the observations of all processes together into ceremonies: which sessions belong together (by links, by messages that one sent
/// and another received, by correlators), where one ceremony ends and the next begins, and what its steps were. Pure: the same observations
/// give the same ceremonies.</summary>
public sealed class CeremonyAssembler(IReadOnlyList<Protocol> protocols)
{
    /// <summary>Below this many bytes a message is the same for everybody (an empty array, a type alone) and joins nothing.</summary>
    private const int DistinctiveBytes = 16;

    private readonly Dictionary<StepKind, Protocol> _protocolOf = Index(protocols);

    private static Dictionary<StepKind, Protocol> Index(IReadOnlyList<Protocol> protocols)
    {
        var index = new Dictionary<StepKind, Protocol>();
        foreach (var protocol in protocols.Concat(protocols.SelectMany(p => p.BuildsOn)))
            foreach (var kind in protocol.Steps)
                index[kind] = protocol;
        return index;
    }

    /// <param name="processes">The observations of each process, in its own order. Their clocks may differ: order comes from pairing.</param>
    public ImmutableArray<Ceremony> Assemble(params IReadOnlyList<IReadOnlyList<Observation>> processes)
    {
        var sessions = Sessions(processes);
        var exchanges = Exchanges(sessions);
        var drafts = new List<Draft>();
        foreach (var exchange in exchanges.OrderBy(e => e.Start).ThenBy(e => e.First))
            Place(exchange, drafts);
        return [.. drafts.Where(d => d.Seen.Any()).OrderBy(d => d.Order).Select(Finish)];
    }

    private static Dictionary<SessionId, Session> Sessions(IReadOnlyList<IReadOnlyList<Observation>> processes)
    {
        var sessions = new Dictionary<SessionId, Session>();
        for (int process = 0; process < processes.Count; process++)
            foreach (var observation in processes[process])
            {
                if (observation.Session == default)
                    continue;
                if (!sessions.TryGetValue(observation.Session, out var session))
                    sessions.Add(observation.Session, session = new Session(observation.Session, process));
                session.Observations.Add(new Located(process, observation));
            }
        return sessions;
    }

    /// <summary>Sessions that are surely one conversation: linked by their process, or one received what the other sent.</summary>
    private static List<Exchange> Exchanges(Dictionary<SessionId, Session> sessions)
    {
        var joined = new Union<SessionId>(sessions.Keys);
        var sent = new Dictionary<(StepKind, string), List<SessionId>>();
        foreach (var (id, seen) in sessions.Values.SelectMany(s => s.Seen.Select(o => (s.Id, o))))
            if (seen.Way != Way.Received && seen.Size >= DistinctiveBytes)
                (sent.TryGetValue((seen.Kind, seen.Digest), out var list) ? list : sent[(seen.Kind, seen.Digest)] = []).Add(id);
        foreach (var session in sessions.Values)
            foreach (var located in session.Observations)
                switch (located.Observation)
                {
                    case Observation.Linked linked when sessions.ContainsKey(linked.Other):
                        joined.Join(session.Id, linked.Other);
                        break;
                    case Observation.Seen seen when seen.Way != Way.Sent && sent.TryGetValue((seen.Kind, seen.Digest), out var makers):
                        foreach (var maker in makers)
                            joined.Join(session.Id, maker);
                        break;
                }
        return [.. sessions.Values.GroupBy(s => joined.Find(s.Id)).Select(g => new Exchange([.. g]))];
    }

    /// <summary>An exchange joins the ceremony that shares a correlator with it, unless that one has delivered already: then only what proves
    /// operation still belongs to it, and anything else begins the next ceremony of the same device.</summary>
    private void Place(Exchange exchange, List<Draft> drafts)
    {
        bool provesOnly = exchange.Seen.Any() && exchange.Seen.All(s => s.Kind.Phase == Phase.OperationProven);
        var related = drafts.Where(d => d.Correlators.Overlaps(exchange.Correlators)).ToList();
        var open = related.Where(d => !d.Delivered || (provesOnly && !d.Succeeded)).ToList();
        Draft home;
        if (open.Count == 0)
        {
            home = new Draft(drafts.Count, related.Count > 0);
            drafts.Add(home);
        }
        else
        {
            home = open[0];
            foreach (var other in open.Skip(1))
            {
                home.Absorb(other);
                drafts.Remove(other);
            }
        }
        home.Add(exchange);
        var kinds = home.Seen.Select(s => s.Kind).ToHashSet();
        (home.Protocol, home.Method) = Recognize(kinds);
        home.Delivered = home.Method.Steps.LastOrDefault(k => home.Method.PhaseOf(k) == Phase.Delivery) is { } last && kinds.Contains(last);
        home.Succeeded = home.Method.Steps.Length > 0 && home.Method.Steps.All(kinds.Contains);
    }

    /// <summary>The outermost protocol of those seen, and of its methods the one that the steps seen fit best: most of its steps, then fewest missing.</summary>
    private (Protocol, Method) Recognize(HashSet<StepKind> kinds)
    {
        var seen = kinds.Select(k => _protocolOf.GetValueOrDefault(k)).OfType<Protocol>().Distinct().ToList();
        var protocol = seen.FirstOrDefault(p => seen.All(q => ReferenceEquals(p, q) || p.BuildsOn.Contains(q))) ?? seen.FirstOrDefault() ?? protocols[0];
        var method = protocol.Methods
            .OrderByDescending(m => m.Steps.Count(kinds.Contains)).ThenBy(m => m.Steps.Count(k => !kinds.Contains(k))).First();
        return (protocol, method);
    }

    private static Ceremony Finish(Draft draft)
    {
        var observations = draft.Observations;
        var steps = StepBuilder.Build(observations, draft.Method);
        var changes = observations.Select(l => l.Observation).OfType<Observation.BeliefsChanged>().Where(c => c.Holder.Player.Kind == PlayerKind.Device).ToList();
        // What the factory put in is where a ceremony starts from, also where the factory's own steps were seen.
        int factory = changes.FindLastIndex(c => !c.After.IsEmpty && c.After.All(b => b.ImpartedBy == Origin.Factory));
        var before = changes.Count == 0 ? [] : factory >= 0 ? changes[factory].After : changes[0].Before;
        var after = changes.Count == 0 ? [] : changes[^1].After;
        var facts = observations.Select(l => l.Observation).OfType<Observation.FactReported>().Select(f => f.Fact).Distinct();
        var costs = observations.Select(l => l.Observation).OfType<Observation.OperationsSpent>()
            .SelectMany(o => o.Operations.Select(p => (o.Here.Instance, Operation: p.Key, Count: p.Value)))
            .GroupBy(o => (o.Instance, o.Operation)).Select(g => new Cost(g.Key.Instance, g.Key.Operation, g.Sum(o => o.Count)))
            .OrderBy(c => c.Instance, StringComparer.Ordinal).ThenBy(c => c.Operation, StringComparer.Ordinal);
        return new Ceremony(draft.Id, draft.Protocol, draft.Method, draft.Follows ? Purpose.Renewal : Purpose.FirstSetup, steps, before, after,
            [.. facts], [.. costs], [.. draft.Correlators.Order(StringComparer.Ordinal)], OutcomeOf(draft, observations));
    }

    private static Outcome OutcomeOf(Draft draft, IReadOnlyList<Located> observations)
    {
        var closed = observations.Select(l => l.Observation).OfType<Observation.Closed>().Select(c => c.Outcome).ToList();
        if (draft.Succeeded)
            return new Outcome(true, "every step of the method was seen");
        // A process that was not there when somebody pressed the power switch still saw that the device works.
        if (draft.Delivered && draft.Seen.Any(s => s.Kind == draft.Method.Steps[^1]))
            return new Outcome(true, "operation was proven; some steps were not seen here");
        if (draft.Delivered && closed.Any(o => o.Succeeded))
            return new Outcome(true, "delivered");
        return closed.LastOrDefault(o => !o.Succeeded) ?? new Outcome(false, draft.Delivered ? "delivered; operation was not proven" : "under way");
    }

    internal readonly record struct Located(int Process, Observation Observation);

    private sealed class Session(SessionId id, int process)
    {
        public SessionId Id => id;
        public int Process => process;
        public List<Located> Observations { get; } = [];
        public IEnumerable<Observation.Seen> Seen => Observations.Select(l => l.Observation).OfType<Observation.Seen>();
    }

    private sealed class Exchange(ImmutableArray<Session> sessions)
    {
        public ImmutableArray<Session> Sessions => sessions;
        public IEnumerable<Observation.Seen> Seen => sessions.SelectMany(s => s.Seen);
        public HashSet<string> Correlators { get; } = [.. sessions.SelectMany(s => s.Seen).SelectMany(o => o.Correlators)];
        public TimeSpan Start { get; } = sessions.Min(s => Absolute(s.Observations[0].Observation.At));
        public long First { get; } = sessions.Min(s => s.Observations[0].Observation.Number);
    }

    internal static TimeSpan Absolute(Moment at) => at.Wall is { } wall ? TimeSpan.FromTicks(wall.UtcTicks) : at.Elapsed;

    private sealed class Draft(int order, bool follows)
    {
        private readonly List<Session> _sessions = [];
        public int Order => order;
        /// <summary>An earlier ceremony of the same device was completed.</summary>
        public bool Follows => follows;
        public HashSet<string> Correlators { get; } = [];
        public Protocol Protocol { get; set; } = null!;
        public Method Method { get; set; } = null!;
        public bool Delivered { get; set; }
        public bool Succeeded { get; set; }
        public IEnumerable<Observation.Seen> Seen => _sessions.SelectMany(s => s.Seen);
        public IReadOnlyList<Located> Observations => [.. _sessions.SelectMany(s => s.Observations).OrderBy(l => Absolute(l.Observation.At)).ThenBy(l => l.Process).ThenBy(l => l.Observation.Number)];
        public Guid Id => new(SHA256.HashData(Encoding.UTF8.GetBytes(_sessions[0].Id.ToString())).AsSpan(0, 16));

        public void Add(Exchange exchange)
        {
            _sessions.AddRange(exchange.Sessions);
            Correlators.UnionWith(exchange.Correlators);
        }

        public void Absorb(Draft other)
        {
            _sessions.AddRange(other._sessions);
            Correlators.UnionWith(other.Correlators);
        }
    }

    private sealed class Union<T>(IEnumerable<T> all) where T : notnull
    {
        private readonly Dictionary<T, T> _parent = all.ToDictionary(x => x, x => x);

        public T Find(T x)
        {
            while (!_parent[x].Equals(x))
                x = _parent[x] = _parent[_parent[x]];
            return x;
        }

        public void Join(T a, T b) => _parent[Find(a)] = Find(b);
    }
}
