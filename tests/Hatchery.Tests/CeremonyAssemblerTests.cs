using System.Collections.Immutable;

namespace Hatchery.Tests;

public sealed class CeremonyAssemblerTests
{
    private static readonly Actor s_duck = new(Toy.Device, "duck", "owner"), s_mother = new(Toy.Owner, "mother", "owner"), s_reed = new(Toy.Relay, "reed", "owner"), s_keeper = new(Toy.Person, "keeper", "owner");

    /// <summary>One process with a witness and a clock of its own.</summary>
    private sealed class Process(int id, double clock = 0)
    {
        private int _sessions;
        private readonly ObservationLog _log = new();
        private Witness? _witness;
        private double _time = clock;
        public Witness Witness => _witness ??= new(Toy.Key, Watch.Steps | Watch.Frames | Watch.Costs, () => new SessionId(new Guid(id, 0, (short)++_sessions, new byte[8])), _log);
        public ImmutableArray<Observation> All => _log.Snapshot();
        public Moment Now => Toy.At(_time += 0.001);
        public void See(SessionId session, Actor here, Way way, Toy.Message message, Tag tag = default) => Witness.Saw(new Sighting
        {
            Kind = message.Kind,
            Way = way,
            At = Now,
            Session = session,
            Here = here,
            Medium = Medium.Udp,
            Layers = [],
            Message = message,
            Bytes = message.Bytes,
            Frames = tag == default ? [] : new[] { tag },
        });
    }

    private static readonly Toy.Message s_hello = new(Toy.Hello, "duck", "hello hello hello"), s_welcome = new(Toy.Welcome, "duck", "welcome welcome"), s_quack = new(Toy.Quack, "duck", "quack quack quack");
    private readonly CeremonyAssembler _assembler = new([Toy.Protocol]);

    private static void Run(Process duck, Process mother, params Toy.Message[] messages)
    {
        SessionId d = duck.Witness.NewSession(), m = mother.Witness.NewSession();
        foreach (var message in messages)
        {
            bool up = message.Kind.From == Toy.Device;
            (up ? duck : mother).See(up ? d : m, up ? s_duck : s_mother, Way.Sent, message);
            (up ? mother : duck).See(up ? m : d, up ? s_mother : s_duck, Way.Received, message);
        }
    }

    [Fact]
    public void Two_processes_whose_clocks_differ_by_an_hour_make_one_ceremony_in_order()
    {
        Process duck = new(1), mother = new(2, clock: -3600);
        Run(duck, mother, s_hello, s_welcome, s_quack);
        var ceremony = Assert.Single(_assembler.Assemble(duck.All, mother.All));
        Assert.Equal([Toy.Hello, Toy.Welcome, Toy.Quack], ceremony.Steps.Select(s => s.Kind));
        Assert.Equal([1, 2, 3], ceremony.Steps.Select(s => s.Number));
        Assert.All(ceremony.Steps, s => Assert.NotNull(s.Received));
        Assert.Equal((s_duck, s_mother), (ceremony.Steps[0].From, ceremony.Steps[0].To));
        Assert.Equal(Toy.Imprint, ceremony.Method);
        Assert.True(ceremony.Outcome.Succeeded);
    }

    [Fact]
    public void A_relay_makes_two_hops_of_one_step()
    {
        Process duck = new(1), reed = new(2), mother = new(3);
        SessionId d = duck.Witness.NewSession(), m = mother.Witness.NewSession(), r1 = reed.Witness.NewSession(), r2 = reed.Witness.NewSession();
        reed.Witness.Link(r1, r2);
        duck.See(d, s_duck, Way.Sent, s_hello);
        reed.See(r2, s_reed, Way.Forwarded, s_hello);
        mother.See(m, s_mother, Way.Received, s_hello);
        var step = Assert.Single(Assert.Single(_assembler.Assemble(duck.All, reed.All, mother.All)).Steps);
        Assert.Equal([(s_duck, s_reed), (s_reed, s_mother)], step.Hops.Select(h => (h.From, h.To)));
    }

    [Fact]
    public void A_third_party_without_sightings_still_is_a_player()
    {
        Process mother = new(1);
        var session = mother.Witness.NewSession();
        mother.See(session, s_mother, Way.Received, s_hello);
        mother.See(session, s_mother, Way.Sent, s_welcome);
        var ceremony = Assert.Single(_assembler.Assemble(mother.All));
        Assert.Equal("Duckling", ceremony.Steps[0].From.Instance);
        Assert.Null(ceremony.Steps[1].Received);
    }

    [Fact]
    public void What_is_sent_again_unchanged_is_a_repetition_and_no_step()
    {
        Process duck = new(1);
        var session = duck.Witness.NewSession();
        for (int i = 0; i < 5; i++)
            duck.See(session, s_duck, Way.Sent, s_hello);
        var step = Assert.Single(Assert.Single(_assembler.Assemble(duck.All)).Steps);
        Assert.Equal(4, step.Hops[0].Retransmissions);
    }

    [Fact]
    public void Sessions_of_different_days_join_by_correlator_until_delivery_and_then_a_new_ceremony_begins()
    {
        Process duck = new(1), mother = new(2);
        Run(duck, mother, s_hello);
        Run(duck, mother, s_hello, s_welcome);
        Run(duck, mother, s_quack);
        Run(duck, mother, new Toy.Message(Toy.Hello, "duck", "again again again"));
        var ceremonies = _assembler.Assemble(duck.All, mother.All);
        Assert.Equal(2, ceremonies.Length);
        Assert.Equal([Toy.Hello, Toy.Hello, Toy.Welcome, Toy.Quack], ceremonies[0].Steps.Select(s => s.Kind));
        Assert.True(ceremonies[0].Outcome.Succeeded);
        Assert.Equal((Purpose.FirstSetup, Purpose.Renewal), (ceremonies[0].Purpose, ceremonies[1].Purpose));
        Assert.False(ceremonies[1].Outcome.Succeeded);
    }

    [Fact]
    public void Devices_with_other_names_are_other_ceremonies()
    {
        Process duck = new(1), swan = new(2), mother = new(3);
        Run(duck, mother, s_hello, s_welcome);
        Run(swan, mother, s_hello with { Name = "swan" }, s_welcome with { Name = "swan" });
        Assert.Equal(2, _assembler.Assemble(duck.All, swan.All, mother.All).Length);
    }

    [Fact]
    public void A_human_act_is_a_step_with_entropy_and_no_bytes_and_chooses_the_method()
    {
        Process duck = new(1), mother = new(2);
        SessionId d = duck.Witness.NewSession(), m = mother.Witness.NewSession();
        duck.See(d, s_duck, Way.Sent, s_hello);
        mother.See(m, s_mother, Way.Received, s_hello);
        foreach (var (kind, way) in new[] { (Toy.Blink, Way.Sent), (Toy.Count, Way.Received) })
            duck.Witness.Saw(new Sighting { Kind = kind, Way = way, At = duck.Now, Session = d, Here = s_duck, Peer = s_keeper, Medium = new("light", IsHuman: true), Layers = [], EntropyBits = 7 });
        var ceremony = Assert.Single(_assembler.Assemble(duck.All, mother.All));
        Assert.Equal(Toy.Shown, ceremony.Method);
        Assert.Equal((s_duck, s_keeper, 7, ""), (ceremony.Steps[1].From, ceremony.Steps[1].To, ceremony.Steps[1].EntropyBits, ceremony.Steps[1].Digest));
        Assert.Equal((s_keeper, s_duck), (ceremony.Steps[2].From, ceremony.Steps[2].To));
    }

    [Fact]
    public void Frames_costs_and_changes_hang_on_their_steps()
    {
        Process duck = new(1), mother = new(2);
        SessionId d = duck.Witness.NewSession(), m = mother.Witness.NewSession();
        var tag = duck.Witness.NewTag();
        duck.See(d, s_duck, Way.Sent, s_hello, tag);
        foreach (bool repeats in new[] { false, true })
            duck.Witness.Captured(new Frame { Tag = tag, Session = d, Way = Way.Sent, Medium = Medium.Udp, At = duck.Now, From = "a", To = "b", Repeats = repeats, Bytes = new byte[100] });
        mother.See(m, s_mother, Way.Received, s_hello);
        mother.See(m, s_mother, Way.Sent, s_welcome);
        duck.See(d, s_duck, Way.Received, s_welcome);
        var key = new Belief("Key", BeliefKind.SymmetricSecret, About.Network, Origin.Protocol, "ff", 128);
        duck.Witness.Changed(d, s_duck, [], [key], duck.Now);
        duck.Witness.Spent(d, s_duck, new Dictionary<string, int> { ["sign P-256"] = 2 }, duck.Now);
        var ceremony = Assert.Single(_assembler.Assemble(duck.All, mother.All));
        Assert.Equal((2, 200, 1), (ceremony.Steps[0].Hops[0].Frames, ceremony.Steps[0].Hops[0].Bytes, ceremony.Steps[0].Hops[0].Retransmissions));
        Assert.Equal(new BeliefChange(Change.Added, key), Assert.Single(ceremony.Steps[1].Changes));
        Assert.Equal([new Cost("duck", "sign P-256", 2)], ceremony.Costs);
        Assert.Equal([key], ceremony.After);
        Assert.Empty(ceremony.Before);
    }
}
