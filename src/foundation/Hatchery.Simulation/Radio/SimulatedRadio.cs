namespace Hatchery.Simulation;

/// <summary>What was heard on the air.</summary>
/// <param name="Tag">The receiver's, on its captured frame.</param>
public sealed record RadioFrame(string From, int Channel, ReadOnlyMemory<byte> Bytes, Tag Tag);

/// <summary>A frame on the air, as somebody with a better antenna sees it.</summary>
public sealed record AirFrame(string From, int Channel, ReadOnlyMemory<byte> Bytes);

/// <summary>Null: jammed. Otherwise what is heard instead.</summary>
public delegate ReadOnlyMemory<byte>? OnAir(AirFrame frame);

/// <summary>A broadcast medium: who is attached, on the channel and in range hears a frame, each by itself well or badly.</summary>
public sealed class SimulatedRadio(SimulationLoop loop, Medium medium, string seed)
{
    private readonly List<RadioPort> _ports = [];
    private readonly Dictionary<(string, string), LinkState> _states = [];
    private readonly Dictionary<(string, string), LinkConditions> _conditions = [];
    private readonly List<OnAir> _onAir = [];

    public SimulationLoop Loop => loop;
    public Medium Medium => medium;
    /// <summary>Of pairs without conditions of their own.</summary>
    public LinkConditions Conditions { get; set; } = LinkConditions.Perfect;
    /// <summary>Whether the second address hears the first.</summary>
    public Func<string, string, bool> InRange { get; set; } = static (_, _) => true;
    public Eavesdropper? Eavesdropper { get; set; }

    /// <param name="process">Whose death detaches the port; null: nobody's.</param>
    public RadioPort Attach(string address, int channel, Action<RadioFrame> heard, IWitness? witness = null, SimulatedProcess? process = null)
    {
        var port = new RadioPort(this, address, channel, process?.Guard(heard) ?? heard, witness ?? Witness.None);
        _ports.Add(port);
        if (process is not null)
            process.Died += port.Detach;
        return port;
    }

    /// <summary>Both ways.</summary>
    public void Link(string a, string b, LinkConditions conditions)
    {
        _conditions[(a, b)] = conditions;
        _conditions[(b, a)] = conditions;
    }

    public void Intercept(OnAir onAir) => _onAir.Add(onAir);
    public void StopIntercepting(OnAir onAir) => _onAir.Remove(onAir);

    /// <summary>A frame from nowhere, whatever address it claims; not shown to interceptors.</summary>
    public void Inject(string from, int channel, ReadOnlyMemory<byte> bytes)
    {
        Eavesdropper?.Hear(medium, from, Everybody(channel), bytes, loop.Now);
        Spread(from, channel, bytes, false, null);
    }

    internal static string Everybody(int channel) => $"channel {channel}";

    internal void Transmit(RadioPort sender, ReadOnlyMemory<byte> bytes, Tag tag, bool repeats, int channel)
    {
        Eavesdropper?.Hear(medium, sender.Address, Everybody(channel), bytes, loop.Now, tag, sender.Session, repeats);
        foreach (var onAir in _onAir.ToArray())
        {
            if (onAir(new AirFrame(sender.Address, channel, bytes)) is not { } left)
                return;
            bytes = left;
        }
        Spread(sender.Address, channel, bytes, repeats, sender);
    }

    private void Spread(string from, int channel, ReadOnlyMemory<byte> bytes, bool repeats, RadioPort? sender)
    {
        foreach (var port in _ports.Where(p => p != sender && InRange(from, p.Address)))
        {
            if (!_states.TryGetValue((from, port.Address), out var state))
                _states.Add((from, port.Address), state = new LinkState($"{seed}/{from}/{port.Address}"));
            foreach (var (delay, flip) in state.Decide(_conditions.GetValueOrDefault((from, port.Address), Conditions), loop.Now.Elapsed, bytes.Length, 0))
            {
                var copy = bytes.ToArray();
                if (flip >= 0)
                    copy[flip / 8] ^= (byte)(1 << (flip % 8));
                loop.After(delay, () => port.Hear(from, channel, copy, repeats));
            }
        }
    }

    internal void Detach(RadioPort port) => _ports.Remove(port);
}

/// <summary>One antenna.</summary>
public sealed class RadioPort
{
    private readonly SimulatedRadio _radio;
    private readonly Action<RadioFrame> _heard;
    private readonly IWitness _witness;
    private bool _detached;

    internal RadioPort(SimulatedRadio radio, string address, int channel, Action<RadioFrame> heard, IWitness witness)
    {
        (_radio, Address, Channel, _heard, _witness) = (radio, address, channel, heard, witness);
        Session = witness.NewSession();
    }

    public string Address { get; }
    /// <summary>Listened on, and sent on unless a frame names another.</summary>
    public int Channel { get; set; }
    public SessionId Session { get; set; }

    public void Transmit(ReadOnlySpan<byte> frame, Tag tag = default, bool repeats = false, int? channel = null)
    {
        if (_detached)
            return;
        var copy = frame.ToArray();
        int on = channel ?? Channel;
        Capture(Way.Sent, tag, Address, SimulatedRadio.Everybody(on), repeats, copy);
        _radio.Transmit(this, copy, tag, repeats, on);
    }

    public void Detach()
    {
        _detached = true;
        _radio.Detach(this);
    }

    /// <summary>On the channel at the end of the frame's way.</summary>
    internal void Hear(string from, int channel, byte[] bytes, bool repeats)
    {
        if (_detached || channel != Channel)
            return;
        var tag = _witness.NewTag();
        Capture(Way.Received, tag, from, Address, repeats, bytes);
        _heard(new RadioFrame(from, channel, bytes, tag));
    }

    private void Capture(Way way, Tag tag, string from, string to, bool repeats, byte[] bytes)
    {
        if ((_witness.Watching & Watch.Frames) != 0)
            _witness.Captured(new Frame
            {
                Tag = tag,
                Session = Session,
                Way = way,
                Medium = _radio.Medium,
                At = _radio.Loop.Now,
                From = from,
                To = to,
                Repeats = repeats,
                Bytes = bytes,
            });
    }
}
