using System.Text;

namespace Hatchery.Dtls.Tests;

/// <summary>A client and a server on a wire that a test may bend, in virtual time.</summary>
internal sealed class Pair : IDisposable
{
    public static readonly Moment Start = new(TimeSpan.FromHours(1), TestPki.Today);
    public readonly DtlsServer<string> Server;
    public readonly List<Side> Clients = [];
    public readonly List<string> ServerEvents = [];
    public readonly List<DtlsSession> Connected = [];
    public readonly List<DtlsFailure> ServerFailures = [];
    public readonly Queue<DtlsQuestion> ServerQuestions = new();
    public Func<DtlsQuestion, DtlsAnswer?>? AnswerServer { get; set; }
    /// <summary>Given each datagram; returns what arrives instead, each with a delay.</summary>
    public Func<byte[], bool, IEnumerable<(byte[] Datagram, TimeSpan Delay)>>? Bend { get; set; }
    public int ToServer, ToClient;
    public long BytesToServer, BytesToClient;
    private readonly PriorityQueue<(byte[] Datagram, string From, string To), (TimeSpan At, long Order)> _wire = new();
    private long _order;

    public Moment Now = Start;

    public Pair(DtlsServerOptions server, string seed = "server") => Server = new(server, new SeededChance(seed), Start);

    public sealed class Side(DtlsClient<string> engine, string name)
    {
        public readonly DtlsClient<string> Engine = engine;
        public string Name = name;
        public readonly List<string> Data = [];
        public DtlsFailure? Failure;
        public bool Closed;
        public Func<DtlsQuestion, DtlsAnswer?>? Answer { get; set; }
        public bool IsConnected => Engine.Connection is not null;
    }

    public Side Connect(DtlsClientOptions options, string name = "client", string? seed = null)
    {
        var side = new Side(new DtlsClient<string>(options, "server", new SeededChance(seed ?? name), Now), name);
        Clients.Add(side);
        Drain();
        return side;
    }

    public void Put(byte[] datagram, string from, string to, TimeSpan delay = default) => _wire.Enqueue((datagram, from, to), (Now.Elapsed + delay, _order++));

    private void Sent(ReadOnlySpan<byte> datagram, string from, string to)
    {
        bool toServer = to == "server";
        (toServer ? ref ToServer : ref ToClient)++;
        (toServer ? ref BytesToServer : ref BytesToClient) += datagram.Length;
        if (Bend is null)
            Put(datagram.ToArray(), from, to);
        else
            foreach (var (bytes, delay) in Bend(datagram.ToArray(), toServer))
                Put(bytes, from, to, delay);
    }

    public void Drain()
    {
        byte[] buffer = new byte[8192];
        foreach (var side in Clients)
        {
            if (side.Answer is not null)
                Answer(side.Engine, side.Answer);
            while (side.Engine.TryEvent(out var happened))
                Took(side, happened);
            while (side.Engine.TryTransmit(buffer, out var transmit))
                Sent(buffer.AsSpan(0, transmit.Length), side.Name, "server");
        }
        Answer(Server, AnswerServer);
        while (Server.TryEvent(out var happened))
        {
            switch (happened.Kind)
            {
                case DtlsEventKind.Connected:
                    Connected.Add(happened.Session);
                    break;
                case DtlsEventKind.Failed:
                    ServerFailures.Add(happened.Failure!);
                    break;
            }
            ServerEvents.Add(happened.Kind == DtlsEventKind.Data ? "Data " + Encoding.ASCII.GetString(happened.Data.Span) : happened.Kind.ToString());
        }
        while (Server.TryTransmit(buffer, out var transmit))
            Sent(buffer.AsSpan(0, transmit.Length), "server", transmit.Path);
    }

    private void Answer(ISuspends<DtlsQuestion, DtlsAnswer> engine, Func<DtlsQuestion, DtlsAnswer?>? answer)
    {
        while (engine.TryNeed(out int ticket, out var question))
        {
            if (answer?.Invoke(question) is { } known)
                engine.Supply(ticket, known, Now);
            else
                ServerQuestions.Enqueue(question);
        }
    }

    private static void Took(Side side, in DtlsEvent happened)
    {
        switch (happened.Kind)
        {
            case DtlsEventKind.Data:
                side.Data.Add(Encoding.ASCII.GetString(happened.Data.Span));
                break;
            case DtlsEventKind.Failed:
                side.Failure = happened.Failure;
                break;
            case DtlsEventKind.Closed:
                side.Closed = true;
                break;
        }
    }

    /// <summary>The next datagram or timer; false: nothing is left but what lies behind the limit.</summary>
    public bool Step(TimeSpan limit)
    {
        var due = Clients.Select(c => c.Engine.Deadline).Append(Server.Deadline).Min();
        if (_wire.TryPeek(out var next, out var priority) && priority.At <= due)
        {
            if (priority.At > limit)
                return false;
            _wire.Dequeue();
            Now = Now with { Elapsed = priority.At > Now.Elapsed ? priority.At : Now.Elapsed };
            if (next.To == "server")
                Server.Receive(next.Datagram, next.From, Now, default);
            else
                Clients.FindLast(c => c.Name == next.To)?.Engine.Receive(next.Datagram, next.From, Now, default);
        }
        else
        {
            if (due > limit)
                return false;
            Now = Now with { Elapsed = due > Now.Elapsed ? due : Now.Elapsed };
            foreach (var side in Clients)
                if (side.Engine.Deadline <= Now.Elapsed)
                    side.Engine.Tick(Now);
            if (Server.Deadline <= Now.Elapsed)
                Server.Tick(Now);
        }
        Drain();
        return true;
    }

    public void Run(TimeSpan? forAtMost = null)
    {
        var limit = Now.Elapsed + (forAtMost ?? TimeSpan.FromSeconds(300));
        while (Step(limit))
        {
        }
    }

    public void RunUntil(Func<bool> done, TimeSpan? forAtMost = null)
    {
        var limit = Now.Elapsed + (forAtMost ?? TimeSpan.FromSeconds(300));
        while (!done() && Step(limit))
        {
        }
    }

    /// <summary>Connects, and proves it with data both ways.</summary>
    public Side Works(DtlsClientOptions options, string name = "client", string? seed = null)
    {
        int before = Connected.Count;
        var side = Connect(options, name, seed);
        RunUntil(() => side.IsConnected && Connected.Count > before || side.Failure is not null || ServerFailures.Count > 0);
        Assert.Null(side.Failure);
        Assert.Empty(ServerFailures);
        Assert.True(side.IsConnected);
        Exchange(side, Connected[^1]);
        return side;
    }

    /// <summary>As <see cref="Works"/>, after a failure that a test wanted.</summary>
    public Side WorksAfterFailure(DtlsClientOptions options, string name)
    {
        ServerFailures.Clear();
        return Works(options, name);
    }

    public void Exchange(Side side, DtlsSession session)
    {
        int pings = ServerEvents.Count(e => e == "Data ping"), pongs = side.Data.Count;
        Assert.Equal(Accepted.Yes, side.Engine.Send("ping"u8, default, Now));
        Drain();
        RunUntil(() => ServerEvents.Count(e => e == "Data ping") > pings, TimeSpan.FromSeconds(1));
        Assert.Equal(pings + 1, ServerEvents.Count(e => e == "Data ping"));
        Assert.Equal(Accepted.Yes, Server.Send(session, "pong"u8, default, Now));
        Drain();
        RunUntil(() => side.Data.Count > pongs, TimeSpan.FromSeconds(1));
        Assert.Equal("pong", side.Data[^1]);
    }

    public void Dispose()
    {
        foreach (var side in Clients)
            side.Engine.Dispose();
        Server.Dispose();
    }
}
