using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Client;

/// <summary>A peer and the authenticator in front of it in one engine that speaks RADIUS: a device without a link to authenticate on, and the way to try a server. Compares, as the
/// authenticator, the keys that the server delivers with the peer's.</summary>
public sealed class RadiusEapClient<TPath> : IEngine<TPath, EapPeerEvent>, IEapPeerEngine where TPath : notnull
{
    private readonly EapPeer _peer;
    private readonly NasPort _port;
    private readonly RadiusClient<TPath> _client;
    private readonly Queue<EapPeerEvent> _events = new();
    private long _ticket;
    private Tag _frames;
    private bool _ended;

    public RadiusEapClient(EapPeerOptions peer, NasPortOptions nas, IReadOnlyList<RadiusServerPath<TPath>> servers, Chance chance, RadiusClientOptions? client = null) =>
        (_peer, _port, _client) = (new(peer), new(nas, chance), new(servers, chance, client));

    public Medium Medium { get; } = new("RADIUS");

    /// <summary>The last Access-Accept; null: the last conversation ended otherwise.</summary>
    public RadiusAnswer? Accept { get; private set; }
    /// <summary>Whether the keys that the server delivered with the last Access-Accept are the peer's; null: one of the two had none.</summary>
    public bool? KeysAgree { get; private set; }
    /// <summary>Whether accounting is sent.</summary>
    public bool Accounts { get; init; }

    public TimeSpan Deadline
    {
        get
        {
            var first = _peer.Deadline < _port.Deadline ? _peer.Deadline : _port.Deadline;
            return _client.Deadline < first ? _client.Deadline : first;
        }
    }

    public void Start(Moment now)
    {
        (Accept, KeysAgree) = (null, null);
        _peer.Restart(now);
        _port.Start(now);
        Run(now);
    }

    public void Identify(ReadOnlyMemory<byte> identity, Tag tag, Moment now)
    {
        _peer.Identify(identity, tag, now);
        Run(now);
    }

    public void Respond(in EapPeerResponse response, Tag tag, Moment now)
    {
        _peer.Respond(response, tag, now);
        Run(now);
    }

    public void Stop(Moment now) => _peer.Stop();

    /// <summary>Ends the session that an Access-Accept began.</summary>
    public void Logoff(Moment now)
    {
        _port.Close(now, 1);
        Run(now);
    }

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        _client.Receive(datagram, path, now, tag);
        Run(now);
    }

    public void Tick(Moment now)
    {
        _client.Tick(now);
        _port.Tick(now);
        _peer.Tick(now);
        Run(now);
    }

    /// <summary>Passes packets between the three machines until they are at rest.</summary>
    private void Run(Moment now)
    {
        bool moved;
        do
        {
            moved = false;
            while (_client.TryEvent(out var answered))
            {
                moved = true;
                if (answered.Ticket != _ticket)
                    continue;
                _frames = answered.Answer?.Frames ?? default;
                if (answered.Answer is null)
                    _peer.Abandon("No RADIUS server answers.");
                _port.Answered(answered.Answer, now);
            }
            while (_port.TryEvent(out var what))
            {
                moved = true;
                Port(what, now);
            }
            while (_port.TryTransmit(out var packet, out _))
            {
                moved = true;
                _peer.Receive(packet, now, _frames);
            }
            while (_peer.TryResponse(out var response, out var tag, out _))
            {
                moved = true;
                _port.ReceiveFromPeer(response, now, tag);
            }
        }
        while (moved);
        // A peer in the middle of its method does not believe in a verdict; here it comes from the server for sure.
        if (_ended)
            _peer.Abandon("The server ended the conversation in the middle of the method.");
        _ended = false;
        while (_peer.TryEvent(out var happened))
        {
            if (happened.What == EapPeerHappening.Success)
                Compare(happened.Keys);
            _events.Enqueue(happened);
        }
    }

    private void Port(NasPortEvent what, Moment now)
    {
        switch (what.What)
        {
            case NasPortHappening.Ask when what.Request!.Code == RadiusCode.AccessRequest:
                _ticket = _client.Send(what.Request, now, _port.RequestFrames);
                break;
            case NasPortHappening.Ask when Accounts:
                _client.Send(what.Request!, now);
                break;
            case NasPortHappening.Authorized:
                Accept = what.Accept;
                _ended = true;
                break;
            case NasPortHappening.Unauthorized:
                _ended = true;
                break;
        }
    }

    private void Compare(EapKeys? keys)
    {
        using var delivered = Accept?.Msk();
        KeysAgree = keys is null || delivered is null ? null
            : System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(keys.Msk.Reveal()[..64], delivered.Reveal());
    }

    public bool TryEvent(out EapPeerEvent happened) => _events.TryDequeue(out happened);

    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit) => _client.TryTransmit(into, out transmit);
}
