using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

public sealed class PartyHostTests : IDisposable
{
    private static readonly PartyIdentity<Held> s_identity = new(new Actor(Sample.Device, "d", "o"), p => new Actor(p, p.Name, "o"), Sample.Schema);
    private readonly string _folder = Directory.CreateTempSubdirectory("party").FullName;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed record Weather(int Ticket) : Need(Ticket);
    private sealed record Sunny(int Ticket) : Supply(Ticket);

    /// <summary>Asks for a PIN, saves it, asks its surroundings, waits until its deadline, says hello, saves who answered.</summary>
    private sealed class Device(int port, SystemClock clock) : IParty<Held>
    {
        public Held State { get; private set; } = Sample.Schema.Blank;
        public TimeSpan Deadline { get; private set; } = Moment.Never;

        public void Start(Moment now, Moves<Held> moves) => moves.Ask(new HumanPrompt(Sample.Typed, Sample.Device, "PIN", null, 13));

        public void Answered(HumanAnswer answer, Moment now, Moves<Held> moves)
        {
            State = State with { Pin = answer.Value };
            moves.Save(State);
            moves.Need(new Weather(7));
        }

        public void Supplied(Supply supply, Moment now, Moves<Held> moves)
        {
            if (supply is Sunny { Ticket: 7 })
                Deadline = clock.Elapsed + TimeSpan.FromSeconds(5);
            else
                moves.End(new Outcome(false, $"{supply}"));
        }

        public void Tick(Moment now, Moves<Held> moves)
        {
            Deadline = Moment.Never;
            moves.Connect(Sample.To(port));
            moves.Send(new Word(Sample.Hello, "hello"));
        }

        public void Receive(IMessage message, Moment now, Moves<Held> moves)
        {
            State = State with { Owner = ((Word)message).Text };
            moves.Save(State);
            moves.Send(new Word(Sample.Hello, "bye"));
            moves.End(new Outcome(true, "done"));
        }

        public void Lost(CarrierFault fault, Moment now, Moves<Held> moves) => moves.End(new Outcome(false, fault.Reason));
    }

    private sealed class Surroundings(bool sunny) : INeeds
    {
        public async ValueTask<Supply> AnswerAsync(Need need, CancellationToken cancel)
        {
            await Task.Yield();
            return sunny ? new Sunny(need.Ticket) : throw new IOException("It rains.");
        }
    }

    private PartyHost<Held> Host(StateFile<Held> file, int port, HandTime time, bool sunny, TextWriter shown) =>
        new(new Device(port, new SystemClock(time)), s_identity, new HttpCarrier(_ => new WordBinding()), file)
        {
            Clock = new SystemClock(time),
            People = new ConsolePeople(new StringReader("4711\n"), shown),
            Needs = new Surroundings(sunny),
        };

    [Fact]
    public async Task A_party_runs_to_its_end_and_its_state_says_who_imparted_what()
    {
        var path = Path.Combine(_folder, "state");
        await using var server = new RawServer(RawServer.ServeAsync);
        var time = new HandTime();
        var shown = new StringWriter();
        using (var file = StateFile.Open(Sample.Schema, path, Sample.Sealer(1)))
        {
            var running = Host(file, server.Port, time, sunny: true, shown).RunAsync(Cancel);
            await time.NextAlarmAsync();
            Assert.Equal(new Outcome(true, "done"), await running);
        }
        Assert.Equal("PIN: ", shown.ToString());
        using var again = StateFile.Open(Sample.Schema, path, Sample.Sealer(1));
        Assert.Equal(new Held("welcome", new SecretText("4711"), 0), again.Load());
        Assert.Equal(Origin.User, again.Origins["pin"]);
        Assert.Equal(Origin.Protocol, again.Origins["owner"]);
        Assert.Equal(2, server.Requests.Reader.Count);
    }

    [Fact]
    public async Task What_the_surroundings_cannot_answer_reaches_the_party()
    {
        using var file = StateFile.Open(Sample.Schema, Path.Combine(_folder, "state"), Sample.Sealer(1));
        var outcome = await Host(file, 9, new HandTime(), sunny: false, new StringWriter()).RunAsync(Cancel);
        Assert.Contains("It rains.", outcome.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_save_that_fails_ends_the_party_before_anything_behind_it()
    {
        var host = new PartyHost<Held>(new Device(9, new SystemClock()), s_identity, new HttpCarrier(_ => new WordBinding()),
            (_, _, _) => throw new IOException("The disk is full."))
        { People = new ConsolePeople(new StringReader("4711\n"), new StringWriter()), Needs = new Surroundings(false) };
        Assert.Contains("The disk is full.", (await host.RunAsync(Cancel)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_ends_when_it_is_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var host = new PartyHost<Held>(new Device(9, new SystemClock()), s_identity, new HttpCarrier(_ => new WordBinding()), (_, _, _) => default);
        var running = host.RunAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }
}
