using System.Text;

namespace Hatchery.Tls.Tests;

/// <summary>One engine and all that came out of it.</summary>
internal sealed class Side(TlsEngine engine)
{
    private readonly MemoryStream _data = new();

    public TlsEngine Engine => engine;
    public TlsConnection? Connection { get; private set; }
    public TlsEvent? End { get; private set; }
    public TlsFailure? Failure => End?.Failure;
    public byte[] Data => _data.ToArray();
    public List<Tag> DataTags { get; } = [];
    /// <summary>All bytes that it transmitted.</summary>
    public List<byte> Sent { get; } = [];
    public List<(Tag Tag, int Length)> Frames { get; } = [];

    public void Drain()
    {
        while (engine.TryEvent(out var e))
        {
            Assert.Null(End);
            switch (e.Kind)
            {
                case TlsEventKind.Connected:
                    Assert.Null(Connection);
                    Connection = e.Connection;
                    Assert.NotNull(Connection);
                    break;
                case TlsEventKind.Data:
                    Assert.NotNull(Connection);
                    _data.Write(e.Data.Span);
                    DataTags.Add(e.Tag);
                    break;
                default:
                    End = e;
                    Assert.Equal(e.Kind == TlsEventKind.Failed, e.Failure is not null);
                    break;
            }
        }
    }

    public byte[] Transmit()
    {
        var all = new List<byte>();
        byte[] buffer = new byte[1500];
        while (engine.TryTransmit(buffer, out var transmit))
        {
            Assert.InRange(transmit.Length, 1, buffer.Length);
            all.AddRange(buffer.AsSpan(0, transmit.Length));
            Frames.Add((transmit.Tag, transmit.Length));
        }
        Sent.AddRange(all);
        return [.. all];
    }
}

/// <summary>Two engines and the bytes between them, in pieces of any size.</summary>
internal sealed class Pair : IDisposable
{
    public static readonly Moment Start = new(TimeSpan.FromSeconds(100), TestPki.Today);

    private readonly Queue<byte> _toServer = new(), _toClient = new();

    public Pair(TlsClientOptions client, TlsServerOptions server, int seed = 1)
    {
        ClientChance = new SeededChance(seed);
        ServerChance = new SeededChance(seed + 1000);
        Client = new(new TlsClientEngine(client, ClientChance, Start));
        Server = new(new TlsServerEngine(server, ServerChance, Start));
    }

    public SeededChance ClientChance { get; }
    public SeededChance ServerChance { get; }
    public Side Client { get; }
    public Side Server { get; }
    public Moment Now { get; set; } = Start;
    /// <summary>How many bytes go at once.</summary>
    public Func<int> Chunk { get; init; } = () => 4096;
    /// <summary>May change what passes: direction, offset of the first byte in the stream, bytes.</summary>
    public Action<bool, int, byte[]>? Tamper { get; init; }

    public Pair Run()
    {
        do
        {
            Move(Client, _toServer, toServer: true);
            Move(Server, _toClient, toServer: false);
        }
        while (Deliver(_toServer, Server) | Deliver(_toClient, Client));
        return this;
    }

    private void Move(Side from, Queue<byte> to, bool toServer)
    {
        from.Drain();
        int offset = from.Sent.Count;
        byte[] bytes = from.Transmit();
        Tamper?.Invoke(toServer, offset, bytes);
        foreach (byte b in bytes)
            to.Enqueue(b);
    }

    private bool Deliver(Queue<byte> from, Side to)
    {
        if (from.Count == 0)
            return false;
        byte[] piece = new byte[Math.Min(from.Count, Math.Max(1, Chunk()))];
        for (int i = 0; i < piece.Length; i++)
            piece[i] = from.Dequeue();
        to.Engine.Receive(piece, default, Now, new Tag(7));
        to.Drain();
        // The engine keeps no reference to the caller's buffer.
        Array.Fill(piece, (byte)0xEE);
        return true;
    }

    /// <summary>Both ways, and back.</summary>
    public Pair Talk()
    {
        Assert.Equal(Accepted.Yes, Client.Engine.Send("ping"u8, new Tag(11), Now));
        Run();
        Assert.Equal("ping", Encoding.ASCII.GetString(Server.Data));
        Assert.Equal(Accepted.Yes, Server.Engine.Send("pong"u8, new Tag(12), Now));
        Run();
        Assert.Equal("pong", Encoding.ASCII.GetString(Client.Data));
        return this;
    }

    public void AssertConnected()
    {
        Assert.True(Client.Failure is null && Server.Failure is null, $"client: {Client.Failure}, server: {Server.Failure}");
        Assert.NotNull(Client.Connection);
        Assert.NotNull(Server.Connection);
    }

    public void Dispose()
    {
        Client.Engine.Dispose();
        Server.Engine.Dispose();
    }
}
