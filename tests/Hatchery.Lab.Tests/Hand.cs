using System.Collections.Immutable;

namespace Hatchery.Lab.Tests;

/// <summary>A small protocol and ceremonies made by hand.</summary>
internal static class Hand
{
    public static readonly Player Device = new("Device", PlayerKind.Device, Reach.During, true, "owner", "§1"),
        Server = new("Server", PlayerKind.Service, Reach.During, false, "manufacturer", "§1"),
        User = new("User", PlayerKind.User, Reach.During, true, "owner", "§1");

    public static readonly StepKind Press = new("press", null, Phase.NetworkAttachment, User, Device, "§2", Act.Press),
        Hello = new("Hello", 1, Phase.TrustEstablishment, Device, Server, "§2"),
        Welcome = new("Welcome", 2, Phase.Delivery, Server, Device, "§2"),
        Use = new("Use", 3, Phase.OperationProven, Device, Server, "§2");

    public static readonly Method Method = new("hand.one", "By hand", [Device, Server, User], [Press, Hello, Welcome, Use], ImmutableDictionary<StepKind, Phase>.Empty, "§3");

    public static Protocol Protocol(params ImmutableArray<Term> terms) => new("hand", "Hand <script>", terms, [Device, Server, User], [Press, Hello, Welcome, Use], [Method], []);

    public static Term Term(string word, StepKind start, StepKind end, WordUse use = WordUse.Phase) => new(word, use, "a word | with \"signs\"", "§4", [new Span(start, end, [])]);

    public static Belief Belief(string item, BeliefKind kind, About about, int? bits = null, string fingerprint = "00", Origin by = Origin.Factory) => new(item, kind, about, by, fingerprint, bits);

    public static Step Step(int number, StepKind kind, int at, int size = 10, string operatedBy = "owner", params ImmutableArray<BeliefChange> changes)
    {
        Actor Of(Player p) => new(p, p == Device ? "device <1>" : p.Name, p == Server ? operatedBy : "owner");
        var sent = new Moment(TimeSpan.FromSeconds(at), null);
        bool human = kind.Act != Act.Message;
        var medium = human ? new Medium("button", IsHuman: true) : Medium.Udp;
        return new Step(number, kind, kind.Phase, Of(kind.From), Of(kind.To), sent, sent with { Elapsed = sent.Elapsed + TimeSpan.FromSeconds(1) },
            [new Hop(Of(kind.From), Of(kind.To), medium, 0, 0, 0)], [], human ? 0 : size, human ? "" : $"digest{number}", 0, changes);
    }

    public static ImmutableArray<Step> Steps(params StepKind[] kinds) => [.. kinds.Select((k, i) => Step(i + 1, k, i * 10))];

    public static Ceremony Ceremony(Protocol protocol, ImmutableArray<Step> steps, ImmutableArray<Belief> before = default, ImmutableArray<Belief> after = default) =>
        new(Guid.Empty, protocol, Method, Purpose.FirstSetup, steps, before.IsDefault ? [] : before, after.IsDefault ? [] : after, [], [], [], new Outcome(true, "done"));

    public static LabRun Run(Ceremony ceremony, ImmutableArray<CapturedFrame> frames = default, ImmutableArray<HeldItem> held = default) =>
        new("hand.one-run", ceremony.Protocol, Method, LabConditions.Plain("hand"), Scenario.FirstSetup, null, [ceremony], [], frames.IsDefault ? [] : frames,
            held.IsDefault ? [] : held, [], NetworkStatistics.None, [TimeSpan.Zero], new LabOutcome(Result.Works, "done"));

    public static MethodRuns Runs(LabRun run) => new(run.Protocol, Method, [run]);

    public static CapturedFrame Frame(int at, string flow, ReadOnlyMemory<byte> payload) => new(TimeSpan.FromSeconds(at), "UDP", flow, "device <1>", "", payload, payload.Length + 28, false, default);
}
