using System.Collections.Immutable;

namespace Hatchery.Tests;

public sealed class PartyDriverTests
{
    private static readonly Actor s_duck = new(Toy.Device, "duck", "owner"), s_mother = new(Toy.Owner, "mother", "owner");
    private static readonly Destination s_nest = new("toy", "nest", 1, new ChannelSecurity.None(), Toy.Owner);

    /// <summary>Saves the key that Welcome brings, then quacks.</summary>
    private sealed class Duck : IParty<Toy.State>
    {
        public Toy.State State { get; private set; } = new("duck", null);
        public TimeSpan Deadline { get; set; } = Moment.Never;
        public List<string> Inputs { get; } = [];

        public void Start(Moment now, Moves<Toy.State> moves)
        {
            moves.Connect(s_nest);
            moves.Send(new Toy.Message(Toy.Hello, "duck", "hi"));
        }

        public void Receive(IMessage message, Moment now, Moves<Toy.State> moves)
        {
            var toy = (Toy.Message)message;
            Inputs.Add(toy.Text);
            if (toy.Text == "bad")
                throw new Toy.Fault("Text");
            State = State with { Key = new SecretBytes("0123456789abcdef"u8) };
            moves.Save(State, new Fact.Imparted(new("toy.name", "duck"), "Key", null));
            moves.Send(new Toy.Message(Toy.Quack, "duck", "quack"));
            moves.End(new Outcome(true, "imprinted"));
        }

        public void Answered(HumanAnswer answer, Moment now, Moves<Toy.State> moves) => Inputs.Add("answered");
        public void Supplied(Supply supply, Moment now, Moves<Toy.State> moves) => Inputs.Add("supplied");
        public void Lost(CarrierFault fault, Moment now, Moves<Toy.State> moves)
        {
            Inputs.Add("lost");
            moves.Connect(s_nest);
        }
        public void Tick(Moment now, Moves<Toy.State> moves) => Inputs.Add("tick");
    }

    private sealed class World : IPartyWorld<Toy.State>, ICarrier, IConnection
    {
        public List<string> Done { get; } = [];
        public List<ICarrierEvents> Opened { get; } = [];
        public Action? Durable { get; private set; }
        public Action<Exception>? Failed { get; private set; }
        public Moment Now => Toy.At(1);
        public ICarrier Carrier => this;
        public IConnection Open(Destination to, SessionId session, ICarrierEvents events)
        {
            Done.Add("connect");
            Opened.Add(events);
            return this;
        }
        public Encoded Send(IMessage message, Tag tag)
        {
            Done.Add("send " + message.Kind);
            return new Encoded(((Toy.Message)message).Bytes, [], Medium.Udp);
        }
        public void Close() => Done.Add("close");
        public void Save(Toy.State state, ImmutableArray<Fact> facts, Action durable, Action<Exception> failed)
        {
            Done.Add("save");
            (Durable, Failed) = (durable, failed);
        }
        public void Show(HumanPrompt prompt) => Done.Add("show");
        public void Ask(HumanPrompt prompt, Action<HumanAnswer> answered) => Done.Add("ask");
        public void Answer(Need need, Action<Supply> supplied) => Done.Add("need");
        public void Ended(Outcome outcome) => Done.Add("end " + outcome.Succeeded);
    }

    private readonly World _world = new();
    private readonly Duck _duck = new();
    private readonly ObservationLog _log = new();
    private readonly PartyDriver<Toy.State> _driver;

    public PartyDriverTests()
    {
        int sessions = 0;
        var witness = new Witness(Toy.Key, Watch.Steps, () => new SessionId(new Guid(++sessions, 0, 0, new byte[8])), _log);
        _driver = new PartyDriver<Toy.State>(_duck, _world, witness, new PartyIdentity<Toy.State>(s_duck, _ => s_mother, Toy.State.Schema));
        _driver.Start();
    }

    private void Welcome(string text) =>
        _world.Opened[^1].Received(new Toy.Message(Toy.Welcome, "duck", text), new Encoded(new Toy.Message(Toy.Welcome, "duck", text).Bytes, [], Medium.Udp), default);

    [Fact]
    public void Nothing_behind_a_save_happens_before_it_is_durable()
    {
        Welcome("come");
        Assert.Equal(["connect", "send Hello", "save"], _world.Done);
        _world.Durable!();
        Assert.Equal(["connect", "send Hello", "save", "send Quack", "close", "end True"], _world.Done);
        Assert.True(_driver.Outcome!.Succeeded);
    }

    [Fact]
    public void Inputs_wait_while_a_save_is_on_its_way()
    {
        _duck.Deadline = TimeSpan.FromSeconds(5);
        Welcome("come");
        _driver.Tick();
        Assert.DoesNotContain("tick", _duck.Inputs);
        Assert.Equal(Moment.Never, _driver.Deadline);
        _world.Failed!(new IOException("disk full"));
        Assert.False(_driver.Outcome!.Succeeded);
        Assert.Contains("disk full", _driver.Outcome.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("send Quack", _world.Done);
        _driver.Tick();
        Assert.DoesNotContain("tick", _duck.Inputs);
    }

    [Fact]
    public void Events_of_a_connection_that_was_given_up_are_dropped()
    {
        var first = _world.Opened[0];
        first.Lost(new CarrierFault("reset", true));
        Assert.Equal(2, _world.Opened.Count);
        first.Received(new Toy.Message(Toy.Welcome, "duck", "late"), default, default);
        Assert.DoesNotContain("late", _duck.Inputs);
    }

    [Fact]
    public void A_protocol_fault_ends_the_party_with_its_error()
    {
        Welcome("bad");
        Assert.Equal("toy-error", _driver.Outcome!.ProtocolError);
        Assert.Contains("Text", _driver.Outcome.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_save_changed_is_imparted_by_what_was_received()
    {
        Welcome("come");
        _world.Durable!();
        var changed = _log.Snapshot().OfType<Observation.BeliefsChanged>().Last();
        Assert.Equal(["Name"], changed.Before.Select(b => b.Item));
        Assert.Equal((Origin.Factory, Origin.Protocol), (changed.After[0].ImpartedBy, changed.After[1].ImpartedBy));
        Assert.Equal(Origin.Protocol, _driver.Origins["Key"]);
        var seen = _log.Snapshot().OfType<Observation.Seen>().ToList();
        Assert.Equal([Toy.Hello, Toy.Welcome, Toy.Quack], seen.Select(s => s.Kind));
        Assert.True(seen[1].Number < changed.Number, "the message that caused a change is seen before it");
        Assert.DoesNotContain(_log.Snapshot(), o => o.ToString()!.Contains("0123456789abcdef", StringComparison.Ordinal));
    }
}
