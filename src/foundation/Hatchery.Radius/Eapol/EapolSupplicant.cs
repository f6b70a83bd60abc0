using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Eapol;

public sealed record EapolSupplicantOptions
{
    /// <summary>startPeriod: between two EAPOL-Starts that nobody answers (IEEE 802.1X-2010 §8.6).</summary>
    public TimeSpan StartPeriod { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>maxStart: then the authenticator's own request is waited for, within <see cref="EapPeerOptions.FirstTimeout"/>.</summary>
    public int MaxStarts { get; init; } = 3;
}

/// <summary>A supplicant (IEEE 802.1X-2010 §8): EAPOL under an EAP peer. On wired links all frames go to the group address of the port access entity.</summary>
/// <param name="authenticator">Where frames go: 01-80-C2-00-00-03, or the access point.</param>
public sealed class EapolSupplicant<TPath>(EapPeerOptions peer, TPath authenticator, EapolSupplicantOptions? options = null)
    : IEngine<TPath, EapPeerEvent>, IEapPeerEngine where TPath : notnull
{
    private readonly EapolSupplicantOptions _options = options ?? new();
    private readonly EapPeer _peer = new(peer);
    private readonly Queue<EapPeerEvent> _events = new();
    private readonly Queue<(EapolType Type, bool Repeats)> _control = new();
    private TPath _from = default!;
    private bool _hasFrom;
    private TimeSpan _startAt = Moment.Never;
    private int _starts;
    private (ReadOnlyMemory<byte> Packet, Tag Tag, bool Repeats)? _response;

    public Medium Medium { get; } = new("EAPOL");

    public TimeSpan Deadline => _startAt < _peer.Deadline ? _startAt : _peer.Deadline;

    public void Start(Moment now)
    {
        _peer.Restart(now);
        (_hasFrom, _starts, _response) = (false, 0, null);
        SendStart(now);
    }

    private void SendStart(Moment now)
    {
        _control.Enqueue((EapolType.Start, _starts > 0));
        _startAt = ++_starts < _options.MaxStarts ? now.Elapsed + _options.StartPeriod : Moment.Never;
    }

    public void Identify(ReadOnlyMemory<byte> identity, Tag tag, Moment now)
    {
        _peer.Identify(identity, tag, now);
        Take();
    }

    public void Respond(in EapPeerResponse response, Tag tag, Moment now)
    {
        _peer.Respond(response, tag, now);
        Take();
    }

    public void Stop(Moment now)
    {
        _peer.Stop();
        _startAt = Moment.Never;
    }

    /// <summary>Tells the authenticator that the device leaves.</summary>
    public void Logoff(Moment now)
    {
        Stop(now);
        _control.Enqueue((EapolType.Logoff, false));
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
        // Keys of the link and announcements are not the supplicant's; requests alone come from an authenticator (responses of neighbors reach the group too).
        if (frame.Type != EapolType.EapPacket || frame.Body.IsEmpty || frame.Body[0] == (byte)EapCode.Response)
            return;
        if (!_peer.IsRunning)
        {
            if (frame.Body[0] == (byte)EapCode.Request && frame.Body.Length >= 5 && frame.Body[4] == EapType.Identity && _events.Count < 4)
                _events.Enqueue(new(EapPeerHappening.Wanted, default, null, "", false, tag));
            return;
        }
        // Where several authenticators hear the Start, the first that asks has the conversation.
        if (_hasFrom && !_from.Equals(path))
            return;
        if (frame.Body[0] == (byte)EapCode.Request)
            (_from, _hasFrom, _startAt) = (path, true, Moment.Never);
        _peer.Receive(frame.Body.ToArray(), now, tag);
        Take();
    }

    public void Tick(Moment now)
    {
        if (now.Elapsed >= _startAt)
            SendStart(now);
        _peer.Tick(now);
        Take();
    }

    private void Take()
    {
        if (_peer.TryResponse(out var packet, out var tag, out bool repeats))
            _response = (packet, tag, repeats);
        while (_peer.TryEvent(out var happened))
            _events.Enqueue(happened);
    }

    public bool TryEvent(out EapPeerEvent happened) => _events.TryDequeue(out happened);

    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit)
    {
        if (_control.TryDequeue(out var control))
        {
            transmit = new(EapolFrame.Encode(control.Type, default, into), authenticator, default, control.Repeats);
            return true;
        }
        if (_response is not { } response || EapolFrame.HeaderLength + response.Packet.Length > into.Length)
        {
            transmit = default;
            return false;
        }
        _response = null;
        transmit = new(EapolFrame.Encode(EapolType.EapPacket, response.Packet.Span, into), authenticator, response.Tag, response.Repeats);
        return true;
    }
}
