using System.Net;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>A node of a simulated network with an endpoint and a host on one UDP socket.</summary>
internal sealed class Node
{
    public const int Port = 5683;
    private readonly DatagramPump<CoapEvent<IPEndPoint>> _pump;

    public Node(SimulatedNetwork network, string name, CoapApp? app = null, CoapSettings? settings = null)
    {
        Machine = network.AddHost(name);
        Endpoint = new CoapEndpoint<IPEndPoint>(settings ?? new(), new SeededChance(name));
        Host = new CoapHost<IPEndPoint>(Endpoint, Post, () => Machine.Loop.Now, app, Failures.Add);
        _pump = new DatagramPump<CoapEvent<IPEndPoint>>(Machine, Port, Endpoint, happened =>
        {
            Events.Add(happened);
            Host.Handle(happened);
        });
    }

    public SimulatedHost Machine { get; }
    public CoapEndpoint<IPEndPoint> Endpoint { get; }
    public CoapHost<IPEndPoint> Host { get; }
    public List<Exception> Failures { get; } = [];
    public List<CoapEvent<IPEndPoint>> Events { get; } = [];
    public IPEndPoint Address => new(Machine.Address, Port);

    public CoapClient<IPEndPoint> To(Node other) => Host.To(other.Address);

    public void Post(Action action) => Machine.Loop.Post(() =>
    {
        action();
        _pump.Run();
    });

    public void Send(ReadOnlySpan<byte> datagram, IPEndPoint to) => _pump.Socket.Send(datagram, to);
}

internal static class Virtual
{
    public static readonly TimeSpan Long = TimeSpan.FromHours(2);

    public static SimulatedNetwork Network(string seed, LinkConditions? conditions = null) =>
        new(new SimulationLoop(), seed) { Conditions = conditions ?? new LinkConditions { Delay = TimeSpan.FromMilliseconds(20) }, Eavesdropper = new Eavesdropper() };

    /// <summary>Runs the loop until the task has ended.</summary>
    public static T Await<T>(this SimulatedNetwork network, Func<Task<T>> work)
    {
        Task<T>? task = null;
        network.Loop.Post(() => task = work());
        network.Loop.RunUntil(() => task is { IsCompleted: true }, Long);
        Assert.True(task!.IsCompleted, "Nothing is left to do, and the task has not ended.");
        return task.GetAwaiter().GetResult();
    }

    public static byte[] Pattern(int length)
    {
        var bytes = new byte[length];
        for (int i = 0; i < length; i++)
            bytes[i] = (byte)(i * 7 + (i >> 8) * 13);
        return bytes;
    }

    /// <summary>CoAP messages that passed, in order, without TCP.</summary>
    public static IEnumerable<CoapMessage> Messages(this SimulatedNetwork network) =>
        network.Eavesdropper!.Frames.Select(f => CoapMessage.ParseDatagram(f.Bytes[28..].ToArray()));
}
