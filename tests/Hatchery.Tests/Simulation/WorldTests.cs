using System.Collections.Immutable;
using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class WorldTests
{
    [Fact]
    public void A_device_is_imprinted_over_HTTP_and_both_sides_saw_it()
    {
        var scene = new Nest.Scene();
        scene.Start();
        Assert.True(scene.Loop.RunUntil(() => scene.Outcome is not null, TimeSpan.FromMinutes(1)));
        Assert.True(scene.Outcome!.Succeeded, scene.Outcome.Reason);
        Assert.Empty(scene.Faults);
        Assert.Equal(scene.DeviceKey, scene.Held!.Key);
        Assert.True(scene.Held.Hatched);
        var ceremony = Assert.Single(new CeremonyAssembler([Toy.Protocol]).Assemble(scene.DuckLog.Snapshot(), scene.MotherLog.Snapshot()));
        Assert.Equal(["Hello", "Welcome", "Quack"], ceremony.Steps.Take(3).Select(s => s.Kind.Name));
        Assert.All(ceremony.Steps, s => Assert.Equal(1, Assert.Single(s.Hops).Frames));
        Assert.Equal(["TCP", "HTTP"], ceremony.Steps[0].Layers.Select(l => l.Name));
        Assert.NotEmpty(scene.Network.Eavesdropper!.Search(scene.DeviceKey!));
        Assert.DoesNotContain(scene.DeviceKey!, scene.File.Text, StringComparison.Ordinal);
        Assert.Equal(Origin.Protocol, scene.File.Origins["Key"]);
    }

    [Fact]
    public void A_bad_link_delays_but_does_not_prevent_it()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var scene = new Nest.Scene($"bad {seed}", conditions: new() { Delay = TimeSpan.FromMilliseconds(50), Loss = 0.3, Duplication = 0.1, Reordering = 0.1, Corruption = 0.05 });
            scene.Start();
            Assert.True(scene.Loop.RunUntil(() => scene.Outcome is not null, TimeSpan.FromHours(1)), $"seed {seed}");
            Assert.True(scene.Outcome!.Succeeded);
            Assert.Equal(scene.DeviceKey, scene.Held!.Key);
        }
    }

    [Fact]
    public void What_follows_a_save_waits_until_it_is_durable()
    {
        var loop = new SimulationLoop();
        var file = new SimulatedStateFile<Toy.State>(Toy.State.Schema, null);
        file.Write(new Toy.State("duck", null));
        var carrier = new Recording(loop, () => file.Writes);
        var world = new SimulatedWorld<Toy.State>(loop, carrier, file) { SaveTime = TimeSpan.FromSeconds(3) };
        world.Run(state => new Saver(state), new(Nest.Duck, _ => Nest.Mother, Toy.State.Schema));
        loop.Run(TimeSpan.FromMinutes(1));
        Assert.Equal([("Hello", 0.0, 1), ("Quack", 3.0, 2)], carrier.Sent);
        Assert.True(world.Outcome!.Succeeded);

        var full = new SimulatedWorld<Toy.State>(loop, carrier, file) { SaveFails = _ => new IOException("disk full") };
        full.Run(state => new Saver(state), new(Nest.Duck, _ => Nest.Mother, Toy.State.Schema));
        loop.Run(TimeSpan.FromMinutes(1));
        Assert.Contains("disk full", full.Outcome!.Reason, StringComparison.Ordinal);
        Assert.Equal(["Hello", "Quack", "Hello"], carrier.Sent.Select(s => s.Kind));
    }

    private sealed class Recording(SimulationLoop loop, Func<int> writes) : ICarrier, IConnection
    {
        public List<(string Kind, double At, int Writes)> Sent { get; } = [];
        public IConnection Open(Destination to, SessionId session, ICarrierEvents events) => this;
        public Encoded Send(IMessage message, Tag tag)
        {
            Sent.Add((message.Kind.Name, loop.Now.Elapsed.TotalSeconds, writes()));
            return new Encoded(((Toy.Message)message).Bytes, [], Medium.Tcp);
        }
        public void Close() { }
    }

    private sealed class Saver(Toy.State state) : IParty<Toy.State>
    {
        public Toy.State State { get; private set; } = state;
        public TimeSpan Deadline => Moment.Never;
        public void Start(Moment now, Moves<Toy.State> moves)
        {
            moves.Connect(Nest.At);
            moves.Send(new Toy.Message(Toy.Hello, "duck", "hi"));
            moves.Save(State = State with { Name = "duckling" });
            moves.Send(new Toy.Message(Toy.Quack, "duck", "quack"));
            moves.End(new Outcome(true, "done"));
        }
        public void Receive(IMessage message, Moment now, Moves<Toy.State> moves) { }
        public void Answered(HumanAnswer answer, Moment now, Moves<Toy.State> moves) { }
        public void Supplied(Supply supply, Moment now, Moves<Toy.State> moves) { }
        public void Lost(CarrierFault fault, Moment now, Moves<Toy.State> moves) { }
        public void Tick(Moment now, Moves<Toy.State> moves) { }
    }

    private sealed record Question(int Ticket) : Need(Ticket);
    private sealed record Reply(int Ticket, string Text) : Supply(Ticket);

    private sealed class Asker : IParty<Toy.State>
    {
        public List<string> Heard { get; } = [];
        public Toy.State State { get; } = new("", null);
        public TimeSpan Deadline { get; private set; } = TimeSpan.FromMinutes(2);
        public void Start(Moment now, Moves<Toy.State> moves)
        {
            moves.Show(new HumanPrompt(Toy.Blink, Toy.Person, "blinks", new SecretText("4"), 3));
            moves.Ask(new HumanPrompt(Toy.Count, Toy.Person, "How often?", null, 3));
            moves.Need(new Question(7));
        }
        public void Receive(IMessage message, Moment now, Moves<Toy.State> moves) { }
        public void Answered(HumanAnswer answer, Moment now, Moves<Toy.State> moves) => Heard.Add($"{answer.Value!.Reveal()} at {now.Elapsed.TotalSeconds}");
        public void Supplied(Supply supply, Moment now, Moves<Toy.State> moves) => Heard.Add($"{(supply as Reply)?.Text ?? "failed"} at {now.Elapsed.TotalSeconds}, {now.Wall is null}");
        public void Lost(CarrierFault fault, Moment now, Moves<Toy.State> moves) { }
        public void Tick(Moment now, Moves<Toy.State> moves)
        {
            Heard.Add($"tick at {now.Elapsed.TotalSeconds}");
            Deadline = Moment.Never;
            moves.End(new Outcome(false, "nobody came"));
        }
    }

    [Fact]
    public void People_answer_by_script_needs_by_handler_and_deadlines_come()
    {
        var loop = new SimulationLoop();
        var people = new ScriptedPeople();
        people.On(Toy.Count, (prompt, before) => HumanReaction.Enters(prompt, people.LastShown(Toy.Blink)!.Reveal(), TimeSpan.FromSeconds(30)));
        var party = new Asker();
        var world = new SimulatedWorld<Toy.State>(loop, new Recording(loop, () => 0), new(Toy.State.Schema, null))
        {
            People = people,
            HasClock = false,
            Needs = need => new(new Reply(need.Ticket, "yes"), TimeSpan.FromSeconds(5)),
        };
        world.Run(_ => party, new(Nest.Duck, _ => Nest.Mother, Toy.State.Schema));
        loop.Run(TimeSpan.FromMinutes(10));
        Assert.Equal(["yes at 5, True", "4 at 30", "tick at 120"], party.Heard);

        loop = new SimulationLoop();
        var alone = new Asker();
        new SimulatedWorld<Toy.State>(loop, new Recording(loop, () => 0), new(Toy.State.Schema, null)).Run(_ => alone, new(Nest.Duck, _ => Nest.Mother, Toy.State.Schema));
        loop.Run(TimeSpan.FromMilliseconds(1));
        Assert.StartsWith("failed", Assert.Single(alone.Heard), StringComparison.Ordinal);
    }
}
