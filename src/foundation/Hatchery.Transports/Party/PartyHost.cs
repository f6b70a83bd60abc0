using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;

namespace Hatchery.Transports;

/// <summary>A carrier that goes on sending, for a limited time, what was handed to it before its connection was closed.</summary>
public interface IFlushes
{
    /// <summary>Returns when nothing is left to be sent.</summary>
    Task FlushAsync(CancellationToken cancel);
}

/// <summary>Runs one party on real carriers, files, people and time. Inputs pass through one mailbox with one consumer. For one run.</summary>
public sealed class PartyHost<TState> where TState : class
{
    private readonly IParty<TState> _party;
    private readonly PartyIdentity<TState> _identity;
    private readonly ICarrier _carrier;
    private readonly Func<TState, ImmutableArray<Fact>, IReadOnlyDictionary<string, Origin>, CancellationToken, ValueTask> _save;
    private readonly IReadOnlyDictionary<string, Origin>? _origins;

    /// <summary>State and origins in a file.</summary>
    public PartyHost(IParty<TState> party, PartyIdentity<TState> identity, ICarrier carrier, StateFile<TState> file)
    {
        (_party, _identity, _carrier, _origins) = (party, identity, carrier, file.Origins);
        _save = (state, _, origins, _) =>
        {
            file.Save(state, origins);
            return default;
        };
    }

    /// <summary>State and facts where the caller keeps them: the save returns when they are durable.</summary>
    public PartyHost(IParty<TState> party, PartyIdentity<TState> identity, ICarrier carrier,
        Func<TState, ImmutableArray<Fact>, CancellationToken, ValueTask> save, IReadOnlyDictionary<string, Origin>? origins = null)
    {
        (_party, _identity, _carrier, _origins) = (party, identity, carrier, origins);
        _save = (state, facts, _, cancel) => save(state, facts, cancel);
    }

    public IWitness Witness { get; init; } = Hatchery.Witness.None;
    public IPeople People { get; init; } = new NoPeople();
    public INeeds Needs { get; init; } = new NoNeeds();
    public SystemClock Clock { get; init; } = new();

    /// <summary>Until the party ends. What it sent last has left when this returns. Cancellation and what only a defect throws come out as exceptions.</summary>
    public async Task<Outcome> RunAsync(CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var world = new World(this, stop.Token);
        var driver = new PartyDriver<TState>(_party, world, Witness, _identity, _origins);
        world.Driver = driver;
        await using var timer = Clock.Provider.CreateTimer(static w => ((World)w!).Post(static () => { }), world, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        try
        {
            driver.Start();
            while (driver.Outcome is null)
            {
                var deadline = driver.Deadline;
                var wait = Clock.Until(deadline);
                if (wait == TimeSpan.Zero)
                {
                    driver.Tick();
                    if (driver.Deadline == deadline && driver.Outcome is null)
                        throw new InvalidOperationException($"{_party.GetType().Name} does not move its deadline when it is called at that time.");
                    continue;
                }
                timer.Change(wait, Timeout.InfiniteTimeSpan);
                (await world.Mail.ReadAsync(cancel))();
            }
        }
        catch
        {
            world.Connection?.Close();
            if (driver.Outcome is null)
                Witness.Close(driver.Session, new Outcome(false, "The run was stopped."), Clock.Now);
            throw;
        }
        finally
        {
            await stop.CancelAsync();
        }
        if (_carrier is IFlushes flushes)
            await flushes.FlushAsync(cancel);
        return driver.Outcome;
    }

    private sealed class World(PartyHost<TState> host, CancellationToken cancel) : IPartyWorld<TState>, ICarrier
    {
        private readonly Channel<Action> _mail = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });

        public PartyDriver<TState> Driver { get; set; } = null!;
        public IConnection? Connection { get; private set; }
        public ChannelReader<Action> Mail => _mail.Reader;
        public Moment Now => host.Clock.Now;
        public ICarrier Carrier => this;

        public void Post(Action input) => _mail.Writer.TryWrite(input);

        public IConnection Open(Destination to, SessionId session, ICarrierEvents events) =>
            Connection = host._carrier.Open(to, session, new Posted(this, events));

        public void Save(TState state, ImmutableArray<Fact> facts, Action durable, Action<Exception> failed) =>
            Await(() => Nothing(host._save(state, facts, Driver.Origins, cancel)), _ => durable(), failed);

        public void Show(HumanPrompt prompt) => Await(() => Nothing(host.People.ShowAsync(prompt, cancel)), _ => { }, Broken);

        public void Ask(HumanPrompt prompt, Action<HumanAnswer> answered) => Await(() => host.People.AskAsync(prompt, cancel), answer =>
        {
            if (answer is not null)
                answered(answer);
        }, Broken);

        public void Answer(Need need, Action<Supply> supplied) =>
            Await(() => host.Needs.AnswerAsync(need, cancel), supplied, e => supplied(new Supply.Failed(need.Ticket, e.Message)));

        public void Ended(Outcome outcome) { }

        /// <summary>What is done at once is reported at once, the rest through the mailbox.</summary>
        private void Await<T>(Func<ValueTask<T>> work, Action<T> done, Action<Exception> failed)
        {
            ValueTask<T> task;
            try
            {
                task = work();
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failed(e);
                return;
            }
            if (task.IsCompletedSuccessfully)
                done(task.Result);
            else
                _ = Later();

            async Task Later()
            {
                try
                {
                    var result = await task;
                    Post(() => done(result));
                }
                catch (OperationCanceledException) when (cancel.IsCancellationRequested)
                {
                }
                catch (Exception e)
                {
                    Post(() => failed(e));
                }
            }
        }

        private static ValueTask<bool> Nothing(ValueTask task)
        {
            return task.IsCompletedSuccessfully ? new(true) : Wait(task);

            static async ValueTask<bool> Wait(ValueTask task)
            {
                await task;
                return true;
            }
        }

        private static void Broken(Exception e) => ExceptionDispatchInfo.Throw(e);
    }

    /// <summary>Carriers report from threads of their own.</summary>
    private sealed class Posted(World world, ICarrierEvents events) : ICarrierEvents
    {
        public void Received(IMessage message, Encoded encoded, Tag tag) => world.Post(() => events.Received(message, encoded, tag));
        public void Supplied(Supply supply) => world.Post(() => events.Supplied(supply));
        public void Lost(CarrierFault fault) => world.Post(() => events.Lost(fault));
    }
}
