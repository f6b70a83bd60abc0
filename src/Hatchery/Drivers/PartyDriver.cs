using System.Collections.Immutable;

namespace Hatchery;

/// <summary>What surrounds a party: real in Transports, simulated in Simulation. Called on the driver's thread. Callbacks come one at a time,
/// on the same thread or serialized; they may come from within the call.</summary>
public interface IPartyWorld<TState> where TState : class
{
    Moment Now { get; }
    ICarrier Carrier { get; }
    /// <summary>Makes the state durable, then calls back. What cannot be saved calls <paramref name="failed"/>, which ends the party.</summary>
    void Save(TState state, ImmutableArray<Fact> facts, Action durable, Action<Exception> failed);
    void Show(HumanPrompt prompt);
    void Ask(HumanPrompt prompt, Action<HumanAnswer> answered);
    void Answer(Need need, Action<Supply> supplied);
    void Ended(Outcome outcome);
}

/// <summary>Who a driver works for, as its witness knows it.</summary>
public sealed record PartyIdentity<TState>(Actor Here, Func<Player, Actor> PeerOf, Schema<TState> Schema) where TState : class;

/// <summary>The driver of every party: carries out moves in order, keeps the barrier of a save, reports sightings, beliefs and costs.
/// Single-threaded: the world serializes inputs. After every input the world reads <see cref="Deadline"/> and calls <see cref="Tick"/> then.</summary>
public sealed class PartyDriver<TState> where TState : class
{
    private readonly IParty<TState> _party;
    private readonly IPartyWorld<TState> _world;
    private readonly IWitness _witness;
    private readonly PartyIdentity<TState> _identity;
    private readonly Moves<TState> _moves = new();
    private readonly Queue<Action> _inputs = new();
    private readonly Dictionary<string, Origin> _origins;
    private IConnection? _connection;
    private SessionId _session;
    private int _connectionNumber;
    private TState _saved;
    private Origin _cause;
    private ImmutableArray<Belief> _before;
    private bool _saving, _running;

    /// <param name="origins">Who imparted the items that the state holds already; empty: the factory.</param>
    public PartyDriver(IParty<TState> party, IPartyWorld<TState> world, IWitness witness, PartyIdentity<TState> identity,
        IReadOnlyDictionary<string, Origin>? origins = null)
    {
        (_party, _world, _witness, _identity) = (party, world, witness, identity);
        _origins = origins is null ? [] : new(origins);
        _saved = party.State;
    }

    /// <summary>Set when the party has ended; inputs are ignored from then on.</summary>
    public Outcome? Outcome { get; private set; }
    /// <summary>The party's, as <see cref="Moment.Elapsed"/>; never while a save is on its way or after the end.</summary>
    public TimeSpan Deadline => Outcome is null && !_saving ? _party.Deadline : Moment.Never;
    /// <summary>Who imparted each item, to be kept beside the state; during a save, of the state that is being saved.</summary>
    public IReadOnlyDictionary<string, Origin> Origins => _origins;
    /// <summary>The session of the current connection, or the party's own before the first.</summary>
    public SessionId Session => _session;

    public void Start() => Input(() =>
    {
        _session = _witness.NewSession();
        var beliefs = Project(_saved);
        _witness.Changed(_session, _identity.Here, beliefs, beliefs, _world.Now);
        Turn(Origin.Factory, () => _party.Start(_world.Now, _moves));
    });

    public void Tick() => Input(() => Turn(Origin.Protocol, () => _party.Tick(_world.Now, _moves)));

    private void Received(int connection, IMessage message, Encoded encoded, Tag tag) => Input(() =>
    {
        if (connection != _connectionNumber)
            return;
        var at = _world.Now;
        var origin = message.Kind.Phase == Phase.Manufacture ? Origin.Factory : Origin.Protocol;
        Turn(origin, () => _party.Receive(message, at, _moves), () => See(message, Way.Received, encoded, tag, at));
    });

    private void Lost(int connection, CarrierFault fault) => Input(() =>
    {
        if (connection == _connectionNumber)
            Turn(Origin.Protocol, () => _party.Lost(fault, _world.Now, _moves));
    });

    private void Supplied(Supply supply) => Input(() => Turn(_cause, () => _party.Supplied(supply, _world.Now, _moves)));

    private void Answered(HumanPrompt prompt, HumanAnswer answer) => Input(() =>
    {
        SeeHuman(prompt.Kind, prompt.EntropyBits, Way.Received);
        Turn(Origin.User, () => _party.Answered(answer, _world.Now, _moves));
    });

    private void Input(Action input)
    {
        _inputs.Enqueue(input);
        Run();
    }

    /// <summary>One thing at a time: a turn's moves are carried out before the next input is looked at, and wait with it for a save.</summary>
    private void Run()
    {
        if (_running)
            return;
        _running = true;
        try
        {
            while (!_saving && Outcome is null)
            {
                if (_moves.TryTake(out var move))
                    Carry(move);
                else if (_inputs.TryDequeue(out var input))
                    input();
                else
                    break;
            }
        }
        finally
        {
            _running = false;
        }
    }

    private void Turn(Origin cause, Action turn, Action? seen = null)
    {
        _cause = cause;
        Dictionary<string, int>? ledger = (_witness.Watching & Watch.Costs) != 0 ? [] : null;
        var before = ledger is null ? null : OperationMeter.Charge(ledger);
        try
        {
            turn();
        }
        catch (ProtocolException fault)
        {
            _moves.End(new Outcome(false, $"{fault.FieldName}: {fault.Message}", fault.Error));
        }
        finally
        {
            if (ledger is not null)
            {
                OperationMeter.Charge(before);
                _witness.Spent(_session, _identity.Here, ledger, _world.Now);
            }
        }
        seen?.Invoke();
    }

    private void Carry(Move<TState> move)
    {
        switch (move)
        {
            case Move<TState>.Connect(var to):
                _connection?.Close();
                int number = ++_connectionNumber;
                var last = _session;
                _session = _witness.NewSession();
                _witness.Link(last, _session);
                _connection = _world.Carrier.Open(to, _session, new ConnectionEvents(this, number));
                break;
            case Move<TState>.Send(var message):
                if (_connection is null)
                    throw new InvalidOperationException($"{message.Kind} was to be sent before any connect.");
                var tag = _witness.NewTag();
                var encoded = _connection.Send(message, tag);
                See(message, Way.Sent, encoded, tag, _world.Now);
                break;
            case Move<TState>.Save(var state, var facts):
                _saving = true;
                Attribute(state);
                _world.Save(state, facts, () => Saved(state, facts), error => Ended(new Outcome(false, $"The state could not be saved: {error.Message}")));
                break;
            case Move<TState>.Show(var prompt):
                SeeHuman(prompt.Kind, prompt.EntropyBits, Way.Sent);
                _world.Show(prompt);
                break;
            case Move<TState>.Ask(var prompt):
                _world.Ask(prompt, answer => Answered(prompt, answer));
                break;
            case Move<TState>.Want(var need):
                _world.Answer(need, Supplied);
                break;
            case Move<TState>.End(var outcome):
                Ended(outcome);
                break;
        }
    }

    /// <summary>Before the save, so that origins and state become durable together.</summary>
    private void Attribute(TState state)
    {
        _before = Project(_saved);
        var held = _before.ToDictionary(b => b.Item, b => b.Fingerprint);
        foreach (var belief in Project(state))
            if (held.GetValueOrDefault(belief.Item) != belief.Fingerprint)
                _origins[belief.Item] = _cause;
    }

    private void Saved(TState state, ImmutableArray<Fact> facts)
    {
        var before = _before;
        _saved = state;
        _witness.Changed(_session, _identity.Here, before, Project(state), _world.Now);
        foreach (var fact in facts)
            _witness.Reported(_session, fact, _world.Now);
        _saving = false;
        Run();
    }

    private void Ended(Outcome outcome)
    {
        if (Outcome is not null)
            return;
        Outcome = outcome;
        _saving = false;
        _connection?.Close();
        _connection = null;
        _witness.Close(_session, outcome, _world.Now);
        _world.Ended(outcome);
    }

    private ImmutableArray<Belief> Project(TState state) => _identity.Schema.Project(state, _witness.Key, item => _origins.GetValueOrDefault(item, Origin.Factory));

    private void See(IMessage message, Way way, Encoded encoded, Tag tag, Moment at)
    {
        if ((_witness.Watching & Watch.Steps) == 0)
            return;
        var layers = encoded.Layers.IsDefault ? [] : encoded.Layers;
        _witness.Saw(new Sighting
        {
            Kind = message.Kind,
            Way = way,
            At = at,
            Session = _session,
            Here = _identity.Here,
            Peer = _identity.PeerOf(way == Way.Sent ? message.Kind.To : message.Kind.From),
            Medium = encoded.Medium,
            Layers = message.Protection == Protection.Clear ? layers : layers.Add(new Layer("message", message.Protection)),
            Frames = new ReadOnlySpan<Tag>(in tag),
            Message = message,
            Bytes = encoded.Bytes.Span,
        });
    }

    private void SeeHuman(StepKind kind, int entropy, Way way) => _witness.Saw(new Sighting
    {
        Kind = kind,
        Way = way,
        At = _world.Now,
        Session = _session,
        Here = _identity.Here,
        Peer = _identity.PeerOf(way == Way.Sent ? kind.To : kind.From),
        Medium = new Medium(kind.Act.ToString(), IsHuman: true),
        Layers = [],
        EntropyBits = entropy,
    });

    /// <summary>Events of a connection that was given up are dropped.</summary>
    private sealed class ConnectionEvents(PartyDriver<TState> driver, int number) : ICarrierEvents
    {
        public void Received(IMessage message, Encoded encoded, Tag tag) => driver.Received(number, message, encoded, tag);
        public void Supplied(Supply supply) => driver.Input(() =>
        {
            if (number == driver._connectionNumber)
                driver.Turn(Origin.Protocol, () => driver._party.Supplied(supply, driver._world.Now, driver._moves));
        });
        public void Lost(CarrierFault fault) => driver.Lost(number, fault);
    }
}
