using System.Net;
using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class PumpTests
{
    /// <summary>Asks until it is answered: one byte, the number of the attempt.</summary>
    private sealed class Asking(IPEndPoint? to) : IEngine<IPEndPoint, int>
    {
        private (byte Value, IPEndPoint To)? _out;
        private int? _event;
        private byte _attempt;
        public TimeSpan Deadline { get; private set; } = to is null ? Moment.Never : TimeSpan.Zero;

        public void Receive(Span<byte> datagram, in IPEndPoint path, Moment now, Tag tag)
        {
            if (to is null)
                _out = (datagram[0], path);
            else
                (_event, Deadline) = (datagram[0], Moment.Never);
        }

        public void Tick(Moment now)
        {
            _out = (_attempt++, to!);
            Deadline = now.Elapsed + TimeSpan.FromSeconds(1);
        }

        public bool TryEvent(out int happened)
        {
            happened = _event ?? 0;
            bool any = _event is not null;
            _event = null;
            return any;
        }

        public bool TryTransmit(Span<byte> into, out Transmit<IPEndPoint> transmit)
        {
            transmit = default;
            if (_out is not { } o)
                return false;
            into[0] = o.Value;
            transmit = new(1, o.To, default, o.Value > 0);
            _out = null;
            return true;
        }
    }

    [Fact]
    public void An_engine_repeats_by_its_deadline_until_it_is_answered()
    {
        var loop = new SimulationLoop();
        var network = new SimulatedNetwork(loop, "pump") { Eavesdropper = new Eavesdropper() };
        var (a, b) = (network.AddHost("a"), network.AddHost("b"));
        network.Intercept(Faults.DropNth(1));
        // Asked about what the first one left: the answer to the second attempt.
        network.Intercept(Faults.DropNth(2));
        _ = new DatagramPump<int>(b, 7, new Asking(null), _ => { });
        var answers = new List<(int, double)>();
        new DatagramPump<int>(a, 0, new Asking(new IPEndPoint(b.Address, 7)), e => answers.Add((e, loop.Now.Elapsed.TotalSeconds))).Run();
        Assert.True(loop.Run(TimeSpan.FromMinutes(1)));
        Assert.Equal([(2, 2.0)], answers);
        Assert.Equal([false, true, true, true, true], network.Eavesdropper.Frames.Select(f => f.Repeats));
    }
}
