using System.Collections.Immutable;

namespace Hatchery.Simulation;

/// <summary>What a need is answered with.</summary>
/// <param name="Supply">Null: never answered.</param>
public sealed record NeedAnswer(Supply? Supply, TimeSpan After = default);

/// <summary>Runs a party under virtual time: its state in a file of bytes, people by script, needs by a handler, deadlines as events. One per run of a party; dies with its process.
/// Points at which it may be killed: before and after every save and every send.</summary>
/// <param name="process">Whose party it is; null: one that is never killed.</param>
public sealed class SimulatedWorld<TState>(SimulationLoop loop, ICarrier carrier, SimulatedStateFile<TState> file, SimulatedProcess? process = null)
    : IPartyWorld<TState>, ICarrier where TState : class
{
    private PartyDriver<TState>? _driver;
    private SimulatedTimer? _timer;
    private readonly int _life = process?.Life ?? 0;

    public ScriptedPeople People { get; init; } = new();
    /// <summary>Without it every need fails.</summary>
    public Func<Need, NeedAnswer> Needs { get; init; } = static need => new(new Supply.Failed(need.Ticket, "Nothing here can answer that."));
    /// <summary>Of making a state durable.</summary>
    public TimeSpan SaveTime { get; init; } = TimeSpan.FromMilliseconds(1);
    /// <summary>For a full disk: null, or what the save fails with.</summary>
    public Func<TState, Exception?>? SaveFails { get; init; }
    /// <summary>Whether the party knows wall time.</summary>
    public bool HasClock { get; init; } = true;
    /// <summary>Facts of durable saves.</summary>
    public List<Fact> Facts { get; } = [];
    public Outcome? Outcome { get; private set; }
    /// <summary>When the party had ended.</summary>
    public event Action<Outcome>? WhenEnded;

    public Moment Now => HasClock ? loop.Now : loop.Now with { Wall = null };
    ICarrier IPartyWorld<TState>.Carrier => this;
    private bool IsAlive => process is null || (process.IsAlive && process.Life == _life);

    /// <summary>Starts the party as an event of its own.</summary>
    /// <param name="make">From the state in the file; a state that was never written is the schema's blank.</param>
    public PartyDriver<TState> Run(Func<TState, IParty<TState>> make, PartyIdentity<TState> identity, IWitness? witness = null)
    {
        if (_driver is not null)
            throw new InvalidOperationException("A world is for one run.");
        _driver = new PartyDriver<TState>(make(file.Read()), this, witness ?? Witness.None, identity, file.Origins);
        Enter(_driver.Start);
        return _driver;
    }

    IConnection ICarrier.Open(Destination to, SessionId session, ICarrierEvents events) => new Connection(this, carrier.Open(to, session, new Inputs(this, events)));

    void IPartyWorld<TState>.Save(TState state, ImmutableArray<Fact> facts, Action durable, Action<Exception> failed)
    {
        process?.Point(Point("save before"));
        Enter(() =>
        {
            if (SaveFails?.Invoke(state) is { } error)
            {
                failed(error);
                return;
            }
            file.Write(state, _driver!.Origins);
            Facts.AddRange(facts);
            process?.Point(Point("save after"));
            durable();
        }, SaveTime);
    }

    void IPartyWorld<TState>.Show(HumanPrompt prompt) => People.Show(prompt);

    void IPartyWorld<TState>.Ask(HumanPrompt prompt, Action<HumanAnswer> answered)
    {
        var reaction = People.React(prompt);
        if (reaction.Answer is { } answer)
            Enter(() => answered(answer), reaction.After);
    }

    void IPartyWorld<TState>.Answer(Need need, Action<Supply> supplied)
    {
        NeedAnswer answer;
        try
        {
            answer = Needs(need);
        }
        catch (Exception e) when (e is not ProcessKilledException)
        {
            answer = new(new Supply.Failed(need.Ticket, e.Message));
        }
        if (answer.Supply is { } supply)
            Enter(() => supplied(supply), answer.After);
    }

    void IPartyWorld<TState>.Ended(Outcome outcome)
    {
        Outcome = outcome;
        _timer?.Cancel();
        WhenEnded?.Invoke(outcome);
    }

    private string Point(string what) => $"{process!.Name} {what}";

    private void Enter(Action input, TimeSpan after = default) => loop.After(after, () => Input(input));

    private void Input(Action input)
    {
        if (!IsAlive)
            return;
        input();
        Arm();
    }

    private void Arm()
    {
        _timer?.Cancel();
        var deadline = _driver!.Deadline;
        if (deadline != Moment.Never && IsAlive)
            _timer = loop.At(deadline, () => Input(() =>
            {
                _driver.Tick();
                if (_driver.Deadline == deadline && _driver.Outcome is null)
                    throw new InvalidOperationException("The party does not move its deadline when it is called at that time.");
            }));
    }

    private sealed class Inputs(SimulatedWorld<TState> world, ICarrierEvents events) : ICarrierEvents
    {
        public void Received(IMessage message, Encoded encoded, Tag tag) => world.Input(() => events.Received(message, encoded, tag));
        public void Supplied(Supply supply) => world.Input(() => events.Supplied(supply));
        public void Lost(CarrierFault fault) => world.Input(() => events.Lost(fault));
    }

    private sealed class Connection(SimulatedWorld<TState> world, IConnection inner) : IConnection
    {
        public Encoded Send(IMessage message, Tag tag)
        {
            world.Process?.Point(world.Point("send before"));
            var encoded = inner.Send(message, tag);
            world.Process?.Point(world.Point("send after"));
            return encoded;
        }

        public void Close() => inner.Close();
    }

    private SimulatedProcess? Process => process;
}
