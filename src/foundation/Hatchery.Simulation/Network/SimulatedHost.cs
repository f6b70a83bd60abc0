using System.Net;

namespace Hatchery.Simulation;

/// <summary>A host: an address, datagram sockets, and TCP.</summary>
public sealed class SimulatedHost
{
    private readonly Dictionary<int, SimulatedDatagrams> _datagrams = [];
    private readonly Dictionary<int, Func<IByteStream, IStreamEvents>> _listeners = [];
    private readonly Dictionary<(int, IPEndPoint), TcpConnection> _connections = [];
    private readonly SeededNumbers _numbers;
    private int _nextPort;

    internal SimulatedHost(SimulatedNetwork network, string name, IPAddress address, IWitness witness)
    {
        (Network, Name, Address, Witness) = (network, name, address, witness);
        _numbers = new SeededNumbers($"{network.Seed}/host/{name}");
        _nextPort = 49152 + _numbers.Below(8192);
    }

    public SimulatedNetwork Network { get; }
    public SimulationLoop Loop => Network.Loop;
    public string Name { get; }
    public IPAddress Address { get; }
    public IWitness Witness { get; }
    /// <summary>What runs here; its death closes all sockets, with a reset to every peer. Null: nothing that can be killed.</summary>
    public SimulatedProcess? Process { get; private set; }
    /// <summary>Switched off or out of reach: sends and hears nothing.</summary>
    public bool IsDown { get; set; }
    internal HashSet<IPAddress> Groups { get; } = [];

    public SimulatedProcess Run(Action<SimulatedProcess> start)
    {
        if (Process is not null)
            throw new InvalidOperationException($"{Name} has a process.");
        Process = new SimulatedProcess(Name, Loop, start);
        Process.Died += Reset;
        return Process;
    }

    /// <param name="port">0: the next free one.</param>
    public SimulatedDatagrams OpenDatagrams(int port, DatagramReceived received)
    {
        port = port == 0 ? FreePort() : port;
        var socket = new SimulatedDatagrams(this, new IPEndPoint(Address, port), received);
        if (!_datagrams.TryAdd(port, socket))
            throw new InvalidOperationException($"{Name} uses UDP port {port} already.");
        return socket;
    }

    /// <summary>Joins a multicast group, 224.0.0.0/4.</summary>
    public void Join(IPAddress group) => Groups.Add(group);

    /// <param name="accept">Called when a connection has been made; returns who takes its events.</param>
    public void Listen(int port, Func<IByteStream, IStreamEvents> accept)
    {
        if (!_listeners.TryAdd(port, accept))
            throw new InvalidOperationException($"{Name} listens on TCP port {port} already.");
    }

    public void StopListening(int port) => _listeners.Remove(port);

    /// <summary>Events come later, never from within this call.</summary>
    public IByteStream Connect(IPEndPoint to, IStreamEvents events, SessionId session)
    {
        var connection = new TcpConnection(this, new IPEndPoint(Address, FreePort()), to, (uint)_numbers.Next(), session, Process);
        _connections.Add((connection.Local.Port, to), connection);
        connection.Open(events);
        return connection;
    }

    internal void Send(SimulatedPacket packet)
    {
        if (IsDown)
            return;
        Capture(packet, Way.Sent, packet.Tag, packet.Session);
        Network.Send(packet);
    }

    internal void Arrived(SimulatedPacket packet)
    {
        if (IsDown || !packet.IsIntact)
            return;
        if (packet.IsTcp)
            ArrivedSegment(packet);
        else if (_datagrams.TryGetValue(packet.To.Port, out var socket))
            socket.Arrived(packet);
    }

    private void ArrivedSegment(SimulatedPacket packet)
    {
        if (_connections.TryGetValue((packet.To.Port, packet.From), out var connection))
        {
            Capture(packet, Way.Received, packet.Payload.IsEmpty ? default : connection.ReceiveTag, connection.Session);
            connection.Arrived(packet);
        }
        else if ((packet.Flags & (SimulatedPacket.Syn | SimulatedPacket.Ack | SimulatedPacket.Rst)) == SimulatedPacket.Syn
            && _listeners.TryGetValue(packet.To.Port, out var accept))
        {
            connection = new TcpConnection(this, packet.To, packet.From, (uint)_numbers.Next(), Witness.NewSession(), Process);
            _connections.Add((packet.To.Port, packet.From), connection);
            Capture(packet, Way.Received, default, connection.Session);
            connection.Accept(packet, accept);
        }
        else if ((packet.Flags & SimulatedPacket.Rst) == 0)
            Send(TcpConnection.Refusal(packet));
    }

    internal void Forget(TcpConnection connection)
    {
        if (_connections.GetValueOrDefault((connection.Local.Port, connection.Remote)) == connection)
            _connections.Remove((connection.Local.Port, connection.Remote));
    }

    internal void Forget(SimulatedDatagrams socket)
    {
        if (_datagrams.GetValueOrDefault(socket.Local.Port) == socket)
            _datagrams.Remove(socket.Local.Port);
    }

    internal void Capture(SimulatedPacket packet, Way way, Tag tag, SessionId session)
    {
        if ((Witness.Watching & Watch.Frames) != 0)
            Witness.Captured(new Frame
            {
                Tag = tag,
                Session = session,
                Way = way,
                Medium = packet.IsTcp ? Medium.Tcp : Medium.Udp,
                At = Loop.Now,
                From = packet.From.ToString(),
                To = packet.To.ToString(),
                Repeats = packet.Repeats,
                Bytes = packet.Bytes,
            });
    }

    /// <summary>The end of the process, as its kernel handles it.</summary>
    private void Reset()
    {
        foreach (var connection in _connections.Values.ToArray())
            connection.Die();
        _connections.Clear();
        _listeners.Clear();
        _datagrams.Clear();
        Groups.Clear();
    }

    private int FreePort()
    {
        do
            _nextPort = _nextPort >= 65535 ? 49152 : _nextPort + 1;
        while (_datagrams.ContainsKey(_nextPort) || _connections.Keys.Any(k => k.Item1 == _nextPort));
        return _nextPort;
    }

    public override string ToString() => $"{Name} ({Address})";
}

/// <summary>A datagram that arrived. The tag is the receiver's and is on its captured frame.</summary>
public delegate void DatagramReceived(ReadOnlyMemory<byte> datagram, IPEndPoint from, Tag tag);

/// <summary>A UDP socket.</summary>
public sealed class SimulatedDatagrams
{
    /// <summary>What fits a packet of 1500 bytes; nothing is fragmented here.</summary>
    public const int MaxDatagram = SimulatedPacket.Mtu - SimulatedPacket.IpHeader - SimulatedPacket.UdpHeader;

    private readonly SimulatedHost _host;
    private readonly Action<(byte[] Datagram, IPEndPoint From, Tag Tag)> _received;
    private bool _closed;

    internal SimulatedDatagrams(SimulatedHost host, IPEndPoint local, DatagramReceived received)
    {
        (_host, Local) = (host, local);
        Action<(byte[] Datagram, IPEndPoint From, Tag Tag)> deliver = d => received(d.Datagram, d.From, d.Tag);
        _received = host.Process?.Guard(deliver) ?? deliver;
        Session = host.Witness.NewSession();
    }

    public IPEndPoint Local { get; }
    /// <summary>On frames received, and on frames sent without a session of their own.</summary>
    public SessionId Session { get; set; }

    public Accepted Send(ReadOnlySpan<byte> datagram, IPEndPoint to, Tag tag = default, bool repeats = false, SessionId session = default)
    {
        if (_closed)
            return Accepted.Closed;
        if (datagram.Length > MaxDatagram)
            return Accepted.TooLarge;
        _host.Send(SimulatedPacket.Datagram(Local, to, datagram, tag, session == default ? Session : session, repeats));
        return Accepted.Yes;
    }

    public void Close()
    {
        _closed = true;
        _host.Forget(this);
    }

    internal void Arrived(SimulatedPacket packet)
    {
        var tag = _host.Witness.NewTag();
        _host.Capture(packet, Way.Received, tag, Session);
        _received((packet.Payload.ToArray(), packet.From, tag));
    }
}
