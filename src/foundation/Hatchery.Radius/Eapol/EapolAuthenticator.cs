using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Eapol;

public sealed record EapolAuthenticatorOptions(NasPortOptions Port)
{
    /// <summary>quietPeriod: after a refusal the supplicant is not heard (IEEE 802.1X-2010 §8.6, default 60 s).</summary>
    public TimeSpan QuietPeriod { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>An authenticator's port (IEEE 802.1X-2010 §8): EAPOL towards one supplicant, a <see cref="NasPort"/> behind. Its requests to a RADIUS server come out as events, because they leave
/// by another carrier.</summary>
/// <param name="supplicant">Where frames go: the group address on wired links.</param>
public sealed class EapolAuthenticator<TPath>(EapolAuthenticatorOptions options, TPath supplicant, Chance chance) : IEngine<TPath, NasPortEvent> where TPath : notnull
{
    private readonly NasPort _port = new(options.Port, chance);
    private readonly Queue<NasPortEvent> _events = new();
    private readonly Queue<(ReadOnlyMemory<byte> Packet, bool Repeats)> _out = new();
    private TimeSpan _quietUntil = TimeSpan.MinValue;

    public bool IsAuthorized => _port.IsAuthorized;
    public TimeSpan Deadline => _port.Deadline;
    /// <inheritdoc cref="NasPort.RequestFrames"/>
    public Tag RequestFrames => _port.RequestFrames;

    /// <summary>Asks whoever is there to authenticate: when the link comes up, or again.</summary>
    public void Start(Moment now)
    {
        _port.Start(now);
        Take(now);
    }

    /// <inheritdoc cref="NasPort.Answered"/>
    public void Answered(RadiusAnswer? answer, Moment now)
    {
        _port.Answered(answer, now);
        Take(now);
    }

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        EapolFrame frame;
        try
        {
            frame = EapolFrame.Parse(datagram);
        }
        catch (RadiusException)
        {
            return;
        }
        if (now.Elapsed < _quietUntil)
            return;
        switch (frame.Type)
        {
            case EapolType.Start:
                _port.Start(now);
                break;
            case EapolType.Logoff:
                _port.Close(now, 1);
                break;
            case EapolType.EapPacket:
                _port.ReceiveFromPeer(frame.Body.ToArray(), now, tag);
                break;
        }
        Take(now);
    }

    public void Tick(Moment now)
    {
        _port.Tick(now);
        Take(now);
    }

    private void Take(Moment now)
    {
        while (_port.TryTransmit(out var packet, out bool repeats))
            _out.Enqueue((packet, repeats));
        while (_port.TryEvent(out var what))
        {
            if (what.What == NasPortHappening.Unauthorized)
                _quietUntil = now.Elapsed + options.QuietPeriod;
            _events.Enqueue(what);
        }
    }

    public bool TryEvent(out NasPortEvent happened) => _events.TryDequeue(out happened);

    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit)
    {
        if (!_out.TryPeek(out var piece) || EapolFrame.HeaderLength + piece.Packet.Length > into.Length)
        {
            transmit = default;
            return false;
        }
        _out.Dequeue();
        transmit = new(EapolFrame.Encode(EapolType.EapPacket, piece.Packet.Span, into), supplicant, default, piece.Repeats);
        return true;
    }
}
