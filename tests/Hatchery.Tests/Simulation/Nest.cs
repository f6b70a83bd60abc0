using System.Collections.Immutable;
using System.Text;
using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

/// <summary>The made-up protocol over simulated HTTP: Hello is answered by Welcome with a key, Quack by nothing.</summary>
internal static class Nest
{
    public static readonly Actor Duck = new(Toy.Device, "duck", "owner"), Mother = new(Toy.Owner, "mother", "owner");
    public static readonly Destination At = new("http", "nest.example", 8080, new ChannelSecurity.None(), Toy.Owner);

    public static Toy.Message Parse(ReadOnlySpan<byte> bytes)
    {
        var parts = Encoding.UTF8.GetString(bytes).Split(':');
        var kind = parts.Length == 3 ? Toy.Protocol.Step(parts[0]) : null;
        return new Toy.Message(kind ?? throw new Toy.Fault("Kind"), parts[1], parts[2]);
    }

    public sealed class ClientBinding : IHttpClientBinding
    {
        public PlainHttpRequest Encode(IMessage message) => new("POST", "/toy/" + message.Kind.Name, [new("Content-Type", "text/toy")], ((Toy.Message)message).Bytes);
        public IMessage? Parse(PlainHttpResponse response, IMessage request) =>
            response.Status != 200 ? throw new Toy.Fault("Status") : response.Body.IsEmpty ? null : Nest.Parse(response.Body.Span);
    }

    public sealed class ServerBinding : IHttpServerBinding
    {
        public ImmutableArray<string> Routes => ["POST /toy/"];
        public int MaxBody => 200;
        public IMessage Parse(PlainHttpRequest request, Caller caller) => Nest.Parse(request.Body.Span);
        public PlainHttpResponse Encode(Reply reply, PlainHttpRequest request) => new(200, [], reply.Message is Toy.Message m ? m.Bytes : default);
        public Reply Refuse(ProtocolException? fault, PlainHttpRequest request, Caller caller) => new(new Toy.Message(Toy.Welcome, "", "error"));
    }

    /// <summary>What the nest keeps of a duck.</summary>
    public sealed record Egg(string Key, bool Hatched)
    {
        public static readonly Schema<Egg> Schema = new Schema<Egg>("toy.egg", 1, new("", false))
            .Plain("Key", e => e.Key, (e, v) => e with { Key = v }, Lifetime.Imparted, "a test")
            .Plain("Hatched", e => e.Hatched, (e, v) => e with { Hatched = v }, Lifetime.Imparted, "a test");
    }

    /// <param name="early">The planted defect: answers first, commits a moment later.</param>
    public sealed class Service(IRecordStore store, Chance chance, SimulatedProcess process, bool early) : IService
    {
        public async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel)
        {
            var message = (Toy.Message)request;
            var unit = store.Begin(caller);
            var held = await unit.GetAsync(Egg.Schema, new(message.Name), cancel);
            if (message.Kind == Toy.Hello)
            {
                var egg = held?.Value ?? new Egg(Convert.ToHexStringLower(chance.Bytes(16, "Welcome.key")), false);
                if (held is null)
                    unit.Insert(Egg.Schema, new(message.Name), egg);
                await Commit();
                return new Reply(new Toy.Message(Toy.Welcome, message.Name, egg.Key));
            }
            if (held is null || held.Value.Key != message.Text)
                throw new Toy.Fault("Text");
            if (!held.Value.Hatched)
                unit.Replace(Egg.Schema, held.Key, held.Value with { Hatched = true }, held.Version);
            await Commit();
            return new Reply(new Toy.Message(Toy.Quack, message.Name, "heard"));

            ValueTask Commit()
            {
                if (!early)
                    return unit.CommitAsync(cancel);
                process.Loop.After(TimeSpan.FromMilliseconds(1), process.Guard(() => process.Loop.Await(async () =>
                {
                    await unit.CommitAsync(cancel);
                    return true;
                }, _ => { }, e => throw e)));
                return default;
            }
        }
    }

    /// <summary>Asks until it is welcomed, saves the key, proves it until it is heard.</summary>
    public sealed class Duckling(Toy.State state) : IParty<Toy.State>
    {
        private TimeSpan _deadline = Moment.Never;

        public Toy.State State { get; private set; } = state;
        public TimeSpan Deadline => _deadline;

        public void Start(Moment now, Moves<Toy.State> moves)
        {
            _deadline = Moment.Never;
            moves.Connect(At);
            if (State.Key is { } key)
                moves.Send(new Toy.Message(Toy.Quack, State.Name, Encoding.UTF8.GetString(key.Reveal())));
            else
                moves.Send(new Toy.Message(Toy.Hello, State.Name, "hi"));
        }

        public void Receive(IMessage message, Moment now, Moves<Toy.State> moves)
        {
            var toy = (Toy.Message)message;
            if (toy.Text == "error")
                moves.End(new Outcome(false, "refused"));
            else if (toy.Kind == Toy.Welcome)
            {
                State = State with { Key = new SecretBytes(Encoding.UTF8.GetBytes(toy.Text)) };
                moves.Save(State, new Fact.Imparted(new("toy.name", State.Name), "Key", null));
                moves.Send(new Toy.Message(Toy.Quack, State.Name, toy.Text));
            }
            else
                moves.End(new Outcome(true, "imprinted"));
        }

        public void Answered(HumanAnswer answer, Moment now, Moves<Toy.State> moves) { }
        public void Supplied(Supply supply, Moment now, Moves<Toy.State> moves) { }
        public void Lost(CarrierFault fault, Moment now, Moves<Toy.State> moves) => _deadline = now.Elapsed + TimeSpan.FromSeconds(10);
        public void Tick(Moment now, Moves<Toy.State> moves) => Start(now, moves);
    }

    /// <summary>A device and a nest, each in a process of its own over what is durable.</summary>
    public sealed class Scene
    {
        public SimulationLoop Loop { get; } = new();
        public SimulatedNetwork Network { get; }
        public SimulatedStateFile<Toy.State> File { get; }
        public MemoryBackend Durable { get; }
        public ObservationLog DuckLog { get; } = new();
        public ObservationLog MotherLog { get; } = new();
        public SimulatedProcess Device { get; }
        public SimulatedProcess Owner { get; }
        public Outcome? Outcome { get; private set; }
        public List<Outcome> Outcomes { get; } = [];
        public List<string> Faults { get; } = [];
        public Dictionary<string, int> KeysGiven { get; } = [];

        public Scene(string seed = "scene", bool early = false, LinkConditions? conditions = null)
        {
            int session = 0;
            SessionId Next() => new(new Guid(++session, 0, 0, new byte[8]));
            Network = new SimulatedNetwork(Loop, seed) { Conditions = conditions ?? new() { Delay = TimeSpan.FromMilliseconds(10) }, Eavesdropper = new Eavesdropper() };
            var duck = Network.AddHost("duck", new Witness(Toy.Key, Watch.Steps | Watch.Frames, Next, DuckLog));
            var mother = Network.AddHost("nest.example", new Witness(Toy.Key, Watch.Steps | Watch.Frames, Next, MotherLog));
            var chance = new SeededChance(seed);
            var sealer = new AesGcmSealer(new byte[32], chance);
            File = new SimulatedStateFile<Toy.State>(Toy.State.Schema, sealer);
            File.Write(new Toy.State("duck-4711", null));
            Durable = new MemoryBackend(Loop.Time);
            Owner = mother.Run(process =>
            {
                var store = new RecordStore(new CrashingBackend(Durable, process), sealer);
                var driver = new ServiceDriver(new Service(store, chance, process, early), Mother, _ => Duck, mother.Witness,
                    (_, _, fault) => Faults.Add("refused: " + fault.Message), (what, fault) => Faults.Add($"{what}: {fault.Message}"));
                new SimulatedHttpServer(mother, 8080, "nest").Map(new HttpServiceDriver(driver, new ServerBinding()));
            });
            Device = duck.Run(process =>
            {
                var world = new SimulatedWorld<Toy.State>(Loop, new SimulatedHttpCarrier(duck, _ => new ClientBinding()), File, process);
                world.WhenEnded += outcome =>
                {
                    Outcome = outcome;
                    Outcomes.Add(outcome);
                };
                world.Run(state => new Duckling(state), new(Duck, _ => Mother, Toy.State.Schema), duck.Witness);
            });
        }

        public void Start()
        {
            Owner.Start();
            Device.Start();
        }

        public Egg? Held => Loop.Complete(new RecordStore(Durable, new AesGcmSealer(new byte[32], new SeededChance("look")))
            .Begin(Caller.Local("test", Loop.Now)).GetAsync(Egg.Schema, new("duck-4711"), default))?.Value;

        public string? DeviceKey => File.Read().Key is { } key ? Encoding.UTF8.GetString(key.Reveal()) : null;
    }
}
