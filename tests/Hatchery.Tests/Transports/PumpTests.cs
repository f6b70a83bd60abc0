using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

/// <summary>Sends back what it gets, and one byte at its deadline; says what came.</summary>
internal sealed class EchoEngine<TPath>(TimeSpan deadline) : IEngine<TPath, int> where TPath : struct
{
    private readonly Queue<(byte[] Bytes, TPath Path)> _out = new();
    private readonly Queue<int> _events = new();
    private TPath _last;

    public TimeSpan Deadline { get; private set; } = deadline;

    public void Send(byte[] bytes, TPath path) => _out.Enqueue((bytes, path));

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        _last = path;
        _out.Enqueue((datagram.ToArray(), path));
        _events.Enqueue(datagram.Length);
    }

    public void Tick(Moment now)
    {
        if (now.Elapsed < Deadline)
            return;
        Deadline = Moment.Never;
        _out.Enqueue(([0xFF], _last));
    }

    public bool TryEvent(out int happened) => _events.TryDequeue(out happened);

    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit)
    {
        transmit = default;
        if (!_out.TryPeek(out var next) || next.Bytes.Length > into.Length)
            return false;
        _out.Dequeue();
        next.Bytes.CopyTo(into);
        transmit = new Transmit<TPath>(next.Bytes.Length, next.Path, default, false);
        return true;
    }
}

public sealed class PumpTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stream_larger_than_all_buffers_comes_back_whole_while_nobody_waits_for_the_other()
    {
        var ends = Channel.CreateUnbounded<PumpEnd>();
        int seen = 0;
        await using var listener = new TcpEngineListener(new(IPAddress.Loopback, 0), async (socket, cancel) =>
        {
            var pump = new TcpEnginePump<int>(new EchoEngine<StreamPath>(Moment.Never), (in int n) => seen += n);
            ends.Writer.TryWrite(await pump.RunAsync(socket, cancel));
        }, e => ends.Writer.TryComplete(e));
        using var client = await TcpDialer.ConnectAsync("localhost", listener.EndPoint.Port, TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);
        var sent = new byte[64 * 1024 * 1024];
        new Random(1).NextBytes(sent);
        await using var stream = new NetworkStream(client);
        var back = new byte[sent.Length];
        // Everything is written before anything is read, more than all sockets hold: the pump must go on reading while its write waits.
        await stream.WriteAsync(sent, Cancel);
        client.Shutdown(SocketShutdown.Send);
        await stream.ReadExactlyAsync(back, Cancel);
        Assert.True(sent.AsSpan().SequenceEqual(back));
        Assert.Equal(PumpEnd.PeerClosed, await ends.Reader.ReadAsync(Cancel));
        Assert.Equal(sent.Length, seen);
    }

    [Fact]
    public async Task A_stream_engine_ticks_at_its_deadline_and_an_idle_connection_ends()
    {
        var time = new HandTime();
        var clock = new SystemClock(time);
        var end = new TaskCompletionSource<PumpEnd>();
        await using var listener = new TcpEngineListener(new(IPAddress.Loopback, 0), async (socket, cancel) =>
            end.SetResult(await new TcpEnginePump<int>(new EchoEngine<StreamPath>(clock.Elapsed + TimeSpan.FromSeconds(3)), (in int _) => { },
                new PumpOptions { Clock = clock, IdleTimeout = TimeSpan.FromSeconds(60) }).RunAsync(socket, cancel)), end.SetException);
        using var client = new TcpClient();
        await client.ConnectAsync(listener.EndPoint, Cancel);
        await time.NextAlarmAsync();
        var one = new byte[1];
        Assert.Equal(1, await client.GetStream().ReadAsync(one, Cancel));
        Assert.Equal(0xFF, one[0]);
        while (!end.Task.IsCompleted)
            await time.NextAlarmAsync(end.Task);
        Assert.Equal(PumpEnd.Idle, await end.Task);
        Assert.Equal(0, await client.GetStream().ReadAsync(one, Cancel));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task Datagrams_go_back_where_they_came_from_and_a_post_wakes_the_thread(string address)
    {
        var engine = new EchoEngine<UdpPath>(Moment.Never);
        int seen = 0;
        await using var pump = new UdpEnginePump<int>(new(IPAddress.Parse(address), 0), engine, (in int n) => seen += n);
        pump.Start();
        using var one = new UdpClient(pump.EndPoint.AddressFamily);
        using var two = new UdpClient(pump.EndPoint.AddressFamily);
        one.Connect(pump.EndPoint);
        two.Connect(pump.EndPoint);
        for (byte n = 0; n < 50; n++)
        {
            await one.SendAsync(new byte[] { 1, n }, Cancel);
            await two.SendAsync(new byte[] { 2, n }, Cancel);
            Assert.Equal([1, n], (await one.ReceiveAsync(Cancel)).Buffer);
            Assert.Equal([2, n], (await two.ReceiveAsync(Cancel)).Buffer);
        }
        pump.Post(() => engine.Send([9], UdpPath.From((IPEndPoint)two.Client.LocalEndPoint!)));
        Assert.Equal([9], (await two.ReceiveAsync(Cancel)).Buffer);
        Assert.Equal(200, seen);
        await pump.DisposeAsync();
        await pump.Completion;
    }

    [Fact]
    public async Task A_datagram_engine_ticks_at_its_deadline()
    {
        var clock = new SystemClock();
        var engine = new EchoEngine<UdpPath>(Moment.Never);
        await using var pump = new UdpEnginePump<int>(new(IPAddress.Loopback, 0), new EchoEngine<UdpPath>(clock.Elapsed), (in int _) => { });
        using var client = new UdpClient(AddressFamily.InterNetwork);
        client.Connect(pump.EndPoint);
        await client.SendAsync(new byte[] { 5 }, Cancel);
        pump.Start();
        byte[][] got = [(await client.ReceiveAsync(Cancel)).Buffer, (await client.ReceiveAsync(Cancel)).Buffer];
        Assert.Contains(got, b => b is [5]);
        Assert.Contains(got, b => b is [0xFF]);
        Assert.Equal(Moment.Never, engine.Deadline);
    }

    [Theory]
    [InlineData("10.1.2.3", 5683, true)]
    [InlineData("fe80::1%3", 1, false)]
    public void A_path_is_the_endpoint(string address, int port, bool v4)
    {
        var endpoint = new IPEndPoint(IPAddress.Parse(address), port);
        var path = UdpPath.From(endpoint);
        Assert.Equal(endpoint, path.ToEndPoint());
        Assert.Equal(v4, path.IsV4);
        Assert.Equal(path, UdpPath.From(endpoint));
    }
}
