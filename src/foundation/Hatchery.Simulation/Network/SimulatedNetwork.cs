using System.Net;

namespace Hatchery.Simulation;

/// <summary>What somebody on the path does with a packet.</summary>
public abstract record PathVerdict
{
    private PathVerdict() { }
    public sealed record Pass : PathVerdict;
    public sealed record Drop : PathVerdict;
    public sealed record Replace(SimulatedPacket Packet) : PathVerdict;
    /// <param name="Copies">Sent in all.</param>
    public sealed record Repeat(int Copies) : PathVerdict;
    public sealed record Hold(TimeSpan By) : PathVerdict;

    public static readonly PathVerdict Passes = new Pass(), Drops = new Drop();
}

/// <summary>Sees every packet as it leaves its sender.</summary>
public delegate PathVerdict OnPath(SimulatedPacket packet);

/// <summary>Hosts with names and IPv4 addresses, joined by links that delay, lose, repeat, reorder and corrupt. Names resolve at once and without packets.</summary>
/// <param name="seed">Of faults, port and sequence numbers.</param>
public sealed class SimulatedNetwork(SimulationLoop loop, string seed)
{
    private readonly Dictionary<IPAddress, SimulatedHost> _hosts = [];
    private readonly Dictionary<string, IPAddress> _names = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<(SimulatedHost, SimulatedHost), LinkConditions> _links = [];
    private readonly Dictionary<(SimulatedHost, SimulatedHost), LinkState> _states = [];
    private readonly List<OnPath> _onPath = [];

    public SimulationLoop Loop => loop;
    internal string Seed => seed;
    /// <summary>Of links without conditions of their own.</summary>
    public LinkConditions Conditions { get; set; } = LinkConditions.Perfect;
    /// <summary>Hears every packet as it leaves its sender.</summary>
    public Eavesdropper? Eavesdropper { get; set; }

    /// <param name="witness">Of the process on that host; takes the frames that it sends and receives.</param>
    /// <param name="address">IPv4; by default the next of 10.0.0.1, 10.0.0.2, …</param>
    public SimulatedHost AddHost(string name, IWitness? witness = null, string? address = null)
    {
        var at = address is null ? new IPAddress([10, 0, (byte)((_hosts.Count + 1) >> 8), (byte)(_hosts.Count + 1)]) : IPAddress.Parse(address);
        var host = new SimulatedHost(this, name, at, witness ?? Witness.None);
        _hosts.Add(at, host);
        AddName(name, host);
        return host;
    }

    /// <summary>A further name; or, for an attacker on the name service, the old name of somebody else.</summary>
    public void AddName(string name, SimulatedHost host) => _names[name] = host.Address;

    public IPAddress? Resolve(string host) => IPAddress.TryParse(host, out var address) ? address : _names.GetValueOrDefault(host);

    /// <summary>Both ways.</summary>
    public void Link(SimulatedHost a, SimulatedHost b, LinkConditions conditions)
    {
        LinkOneWay(a, b, conditions);
        LinkOneWay(b, a, conditions);
    }

    public void LinkOneWay(SimulatedHost from, SimulatedHost to, LinkConditions conditions) => _links[(from, to)] = conditions;

    /// <summary>Interceptors are asked in the order of their addition, each about what the one before left.</summary>
    public void Intercept(OnPath onPath) => _onPath.Add(onPath);
    public void StopIntercepting(OnPath onPath) => _onPath.Remove(onPath);

    /// <summary>Puts a packet on the medium behind the interceptors, whoever it claims to be from.</summary>
    public void Inject(SimulatedPacket packet, TimeSpan delay = default) => loop.After(delay, () =>
    {
        Hear(packet);
        Deliver(packet, TimeSpan.Zero, 1);
    });

    internal void Send(SimulatedPacket packet)
    {
        Hear(packet);
        var delay = TimeSpan.Zero;
        int copies = 1;
        foreach (var onPath in _onPath.ToArray())
        {
            switch (onPath(packet))
            {
                case PathVerdict.Drop:
                    return;
                case PathVerdict.Replace(var other):
                    packet = other;
                    break;
                case PathVerdict.Repeat(var count):
                    copies *= count;
                    break;
                case PathVerdict.Hold(var by):
                    delay += by;
                    break;
            }
        }
        Deliver(packet, delay, copies);
    }

    private void Hear(SimulatedPacket packet) => Eavesdropper?.Hear(packet, loop.Now);

    private void Deliver(SimulatedPacket packet, TimeSpan delay, int copies)
    {
        var from = _hosts.GetValueOrDefault(packet.From.Address);
        var destination = packet.To.Address;
        if (IsGroup(destination))
        {
            foreach (var member in _hosts.Values.Where(h => h != from && h.Groups.Contains(destination)))
                Travel(packet, from, member, delay, copies);
        }
        else if (_hosts.TryGetValue(destination, out var to))
            Travel(packet, from, to, delay, copies);
    }

    private void Travel(SimulatedPacket packet, SimulatedHost? from, SimulatedHost to, TimeSpan delay, int copies)
    {
        from ??= to;
        if (!_states.TryGetValue((from, to), out var state))
            _states.Add((from, to), state = new LinkState($"{seed}/{from.Name}/{to.Name}"));
        var conditions = from == to ? LinkConditions.Perfect : _links.GetValueOrDefault((from, to), Conditions);
        int firstCorruptible = packet.IsTcp ? SimulatedPacket.IpHeader : packet.PayloadOffset;
        for (int i = 0; i < copies; i++)
            foreach (var (after, flip) in state.Decide(conditions, loop.Now.Elapsed, packet.Bytes.Length, firstCorruptible))
                loop.After(delay + after, () => to.Arrived(flip < 0 ? packet : packet.Flip(flip)));
    }

    /// <summary>224.0.0.0/4.</summary>
    private static bool IsGroup(IPAddress address) => address.GetAddressBytes()[0] >> 4 == 14;
}
