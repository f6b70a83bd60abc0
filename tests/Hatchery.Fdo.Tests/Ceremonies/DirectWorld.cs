using System.Collections.Immutable;

namespace Hatchery.Fdo.Tests.Ceremonies;

/// <summary>The shortest way between a party and HTTP roles: each request is answered at once, in the same process. For tests of what the two
/// sides say to each other; loss, time and crashes are the simulation's.</summary>
internal sealed class DirectWorld<TState>(Func<Destination, IHttpRole?> roleOf, Func<Destination, IHttpClientBinding> bindings) : IPartyWorld<TState>, ICarrier where TState : class
{
    private readonly Queue<Action> _inputs = new();
    private TimeSpan _elapsed;

    public List<TState> Saved { get; } = [];
    public List<string> Sent { get; } = [];
    public Func<Need, Supply>? Needs { get; init; }
    /// <summary>Called with each request; may throw it away (null) or change it.</summary>
    public Func<PlainHttpRequest, PlainHttpRequest?> Outgoing { get; set; } = r => r;
    public Func<PlainHttpResponse, PlainHttpResponse?> Incoming { get; set; } = r => r;

    public static readonly DateTimeOffset Start = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);
    public Moment Now => new(_elapsed, Start + _elapsed);
    public ICarrier Carrier => this;

    public Outcome Run(PartyDriver<TState> driver, int limit = 10_000)
    {
        driver.Start();
        while (driver.Outcome is null && limit-- > 0)
        {
            if (_inputs.TryDequeue(out var input))
                input();
            else if (driver.Deadline != Moment.Never)
            {
                _elapsed = driver.Deadline > _elapsed ? driver.Deadline : _elapsed;
                driver.Tick();
            }
            else
                throw new InvalidOperationException($"Nothing happens any more after {string.Join(", ", Sent)}.");
        }
        // What was handed over still leaves: an error message, say, on which the party ended.
        while (_inputs.TryDequeue(out var left))
            left();
        return driver.Outcome ?? throw new InvalidOperationException("The party does not end.");
    }

    public IConnection Open(Destination to, SessionId session, ICarrierEvents events) => new Connection(this, to, bindings(to), events);
    public void Save(TState state, ImmutableArray<Fact> facts, Action durable, Action<Exception> failed)
    {
        Saved.Add(state);
        durable();
    }
    public void Show(HumanPrompt prompt) { }
    public void Ask(HumanPrompt prompt, Action<HumanAnswer> answered) { }
    public void Answer(Need need, Action<Supply> supplied)
    {
        var supply = Needs?.Invoke(need) ?? new Supply.Failed(need.Ticket, "nobody answers");
        _inputs.Enqueue(() => supplied(supply));
    }
    public void Ended(Outcome outcome) { }

    private sealed class Connection(DirectWorld<TState> world, Destination to, IHttpClientBinding binding, ICarrierEvents events) : IConnection
    {
        public Encoded Send(IMessage message, Tag tag)
        {
            world.Sent.Add(message.Kind.Name);
            var request = binding.Encode(message);
            var role = world.RoleOf(to);
            world._inputs.Enqueue(() =>
            {
                if (role is null || world.Outgoing(request) is not { } sent)
                {
                    events.Lost(new CarrierFault($"{to} does not answer", role is not null));
                    return;
                }
                var caller = new Caller { Now = world.Now, Listener = "test", Remote = "test", Session = new SessionId(Guid.NewGuid()) };
                var handled = role.HandleAsync(sent, caller, default);
                Assert.True(handled.IsCompleted, "a service over the store in memory answers at once");
                if (world.Incoming(handled.Result) is not { } response)
                {
                    events.Lost(new CarrierFault("the answer was lost", true));
                    return;
                }
                try
                {
                    if (binding.Parse(response, message) is { } answer)
                        events.Received(answer, new Encoded(response.Body, [], Medium.Http), default);
                }
                catch (ProtocolException fault)
                {
                    events.Lost(new CarrierFault(fault.Message, true, fault));
                }
            });
            return new Encoded(request.Body, [], Medium.Http);
        }

        public void Close() { }
    }

    private Func<Destination, IHttpRole?> RoleOf => roleOf;
}
