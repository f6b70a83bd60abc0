using System.Collections.Immutable;
using System.Net;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Simulation;

namespace Hatchery.Radius.Tests;

/// <summary>A device that speaks RADIUS itself and a server, on a path that a test may disturb. Time moves only when nothing else can.</summary>
internal sealed class World
{
    public static readonly IPAddress Nas = IPAddress.Parse("192.0.2.7");
    public static readonly byte[] Psk = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    private readonly List<(bool ToServer, byte[] Bytes)> _air = [];
    private TimeSpan _elapsed = TimeSpan.FromSeconds(100);

    public World(ulong seed = 1, string secret = "testing123", string serverSecret = "testing123", ISessions? sessions = null, Func<RadiusNas, RadiusNas>? nas = null,
        ImmutableArray<EapRoute>? routes = null, RadiusServiceOptions? service = null, Func<Chance, RadiusEapClient<int>>? client = null)
    {
        Chance = new SeededChance($"radius {seed}");
        Method = new Gpsk.Method("server", Psk, Chance);
        Md5 = new Md5Method("hello", Chance);
        Sessions = sessions ?? new MemorySessions(new Clock(this));
        Engine = new RadiusServer<int>(new RadiusClients([(nas ?? (n => n))(new RadiusNas("nas", new IPNetwork(Nas, 32), new RadiusSecret(serverSecret)))]), _ => Nas, Chance);
        Eap = new EapServer(Sessions, Chance, routes ?? [new EapRoute("md5.example", Md5, Method), new EapRoute("*", Method)],
            EapObserver.None with { Refused = (_, _, f) => Refused.Add($"{f.FieldName}: {f.Message}"), Failed = (_, e) => Failed.Add(e) });
        Host = new RadiusServerHost(Engine.Answer, new RadiusEapService(Eap, service), "radius", () => Now, a => a(), (_, _, f) => Refused.Add($"{f.FieldName}: {f.Message}"),
            (_, e) => Failed.Add(e), inline: true);
        Client = client?.Invoke(Chance) ?? new RadiusEapClient<int>(new EapPeerOptions(Gpsk.Type), new NasPortOptions("nas-1") { CallingStation = "02-00-00-00-00-01" },
            [new(1, new RadiusSecret(secret))], Chance);
        Peer = new Gpsk.Peer("device@example.org", Psk, Chance);
        Device = new AnsweringPeer("device@example.org", Peer.Answer);
    }

    public Chance Chance { get; }
    public Gpsk.Method Method { get; }
    public Md5Method Md5 { get; }
    public ISessions Sessions { get; }
    public RadiusServer<int> Engine { get; }
    public EapServer Eap { get; }
    public RadiusServerHost Host { get; }
    public RadiusEapClient<int> Client { get; }
    public Gpsk.Peer Peer { get; }
    public AnsweringPeer Device { get; set; }
    public List<string> Refused { get; } = [];
    public List<Exception> Failed { get; } = [];
    public Moment Now => new(_elapsed, DateTimeOffset.UnixEpoch.AddYears(56) + _elapsed);
    /// <summary>What becomes of a datagram: its copies, in the order of arrival.</summary>
    public Func<bool, byte[], IEnumerable<byte[]>> Path { get; set; } = (_, bytes) => [bytes];
    /// <summary>Everything that was sent, in order.</summary>
    public List<(bool ToServer, byte[] Bytes)> Sent { get; } = [];

    private sealed class Clock(World world) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => world.Now.Wall!.Value;
    }

    /// <summary>Runs a conversation to its end; false: it failed or died.</summary>
    public bool Run(byte type = Gpsk.Type)
    {
        EapPeerCarrier? carrier = null;
        var mail = new Queue<Action>();
        carrier = new EapPeerCarrier(Client, new Binding(type), mail.Enqueue, () => Now);
        Device.Connection = carrier.Open(new Destination("radius", "server", 1812, new ChannelSecurity.None(), TestSteps.Server), default, Device);
        for (int turns = 0; !Device.Ended.Task.IsCompleted; turns++)
        {
            Assert.True(turns < 10000, "It does not end.");
            while (mail.TryDequeue(out var action))
                action();
            if (Turn(carrier))
                continue;
            var due = Client.Deadline < Engine.Deadline ? Client.Deadline : Engine.Deadline;
            Assert.True(due < Moment.Never, "Nothing is due and nothing moves.");
            _elapsed = due > _elapsed ? due : _elapsed;
            Client.Tick(Now);
            Engine.Tick(Now);
        }
        return Device.Ended.Task.Result;
    }

    private bool Turn(EapPeerCarrier carrier)
    {
        bool moved = false;
        var buffer = new byte[4096];
        while (Client.TryEvent(out var happened))
        {
            moved = true;
            carrier.Happened(happened);
        }
        while (Engine.TryEvent(out var asked))
        {
            moved = true;
            Host.Happened(asked);
        }
        while (Client.TryTransmit(buffer, out var piece))
            Send(true, buffer[..piece.Length]);
        while (Engine.TryTransmit(buffer, out var piece))
            Send(false, buffer[..piece.Length]);
        if (_air.Count == 0)
            return moved;
        var (toServer, bytes) = _air[0];
        _air.RemoveAt(0);
        if (toServer)
            Engine.Receive(bytes, 1, Now, default);
        else
            Client.Receive(bytes, 1, Now, default);
        return true;
    }

    private void Send(bool toServer, byte[] bytes)
    {
        Sent.Add((toServer, bytes));
        foreach (var copy in Path(toServer, bytes))
            _air.Add((toServer, [.. copy]));
    }

    /// <summary>One datagram to the server and what comes back at once.</summary>
    public List<byte[]> Ask(byte[] datagram)
    {
        Engine.Receive([.. datagram], 1, Now, default);
        while (Engine.TryEvent(out var asked))
            Host.Happened(asked);
        var answers = new List<byte[]>();
        var buffer = new byte[4096];
        while (Engine.TryTransmit(buffer, out var piece))
            answers.Add(buffer[..piece.Length]);
        return answers;
    }

    public void Wait(TimeSpan time)
    {
        _elapsed += time;
        Engine.Tick(Now);
    }
}
