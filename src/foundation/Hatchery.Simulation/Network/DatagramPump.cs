using System.Net;

namespace Hatchery.Simulation;

/// <summary>Drives an engine on a simulated UDP socket as Transports does on a real one: events first, then transmissions, then the deadline.</summary>
public sealed class DatagramPump<TEvent> where TEvent : struct
{
    private readonly SimulatedHost _host;
    private readonly IEngine<IPEndPoint, TEvent> _engine;
    private readonly Action<TEvent> _happened;
    private readonly byte[] _buffer = new byte[SimulatedPacket.Mtu];
    private SimulatedTimer? _timer;
    private bool _running, _again, _closed;

    /// <param name="port">0: the next free one.</param>
    /// <param name="happened">Takes each event; what it refers to is valid for the call only.</param>
    public DatagramPump(SimulatedHost host, int port, IEngine<IPEndPoint, TEvent> engine, Action<TEvent> happened)
    {
        (_host, _engine, _happened) = (host, engine, happened);
        Socket = host.OpenDatagrams(port, (datagram, from, tag) =>
        {
            _engine.Receive(datagram.ToArray(), from, host.Loop.Now, tag);
            Run();
        });
    }

    public SimulatedDatagrams Socket { get; }

    /// <summary>After every call into the engine that does not come from the pump itself.</summary>
    public void Run()
    {
        if (_running)
        {
            _again = true;
            return;
        }
        _running = true;
        try
        {
            do
            {
                _again = false;
                while (_engine.TryEvent(out var happened))
                    _happened(happened);
                while (!_closed && _engine.TryTransmit(_buffer, out var transmit))
                    Socket.Send(_buffer.AsSpan(0, transmit.Length), transmit.Path, transmit.Tag, transmit.Repeats);
            }
            while (_again);
        }
        finally
        {
            _running = false;
        }
        Arm();
    }

    public void Close()
    {
        _closed = true;
        _timer?.Cancel();
        Socket.Close();
    }

    private void Arm()
    {
        _timer?.Cancel();
        var deadline = _engine.Deadline;
        if (_closed || deadline == Moment.Never)
            return;
        Action tick = () =>
        {
            _engine.Tick(_host.Loop.Now);
            Run();
        };
        _timer = _host.Loop.At(deadline, _host.Process?.Guard(tick) ?? tick);
    }
}
