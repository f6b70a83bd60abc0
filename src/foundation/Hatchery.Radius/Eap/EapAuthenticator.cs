namespace Hatchery.Radius.Eap;

public sealed record EapAuthenticatorOptions
{
    /// <summary>Before a request is repeated; doubled each time (RFC 3748 §4.3). A Session-Timeout from the server takes its place.</summary>
    public TimeSpan Retransmission { get; init; } = TimeSpan.FromSeconds(3);
    public TimeSpan MaxRetransmission { get; init; } = TimeSpan.FromSeconds(20);
    /// <summary>Repetitions of one request; then the peer is gone.</summary>
    public int MaxRepetitions { get; init; } = 5;
}

public enum EapAuthenticatorHappening
{
    /// <summary>A response for the server.</summary>
    Response,
    /// <summary>The server accepted the peer, and the peer was told.</summary>
    Accepted,
    /// <summary>The server refused the peer, or does not answer; the peer was told.</summary>
    Refused,
    /// <summary>The peer does not answer.</summary>
    Gone,
}

/// <param name="Packet">The EAP packet of a response; the memory is the receiver's.</param>
public readonly record struct EapAuthenticatorEvent(EapAuthenticatorHappening What, ReadOnlyMemory<byte> Packet);

/// <summary>The pass-through authenticator of RFC 4137 §7: asks for the identity, passes the peer's responses to the server and the server's requests to the peer, and repeats those.</summary>
public sealed class EapAuthenticator(Chance chance, EapAuthenticatorOptions? options = null)
{
    private enum State { Ended, AwaitsPeer, AwaitsServer }

    private readonly EapAuthenticatorOptions _options = options ?? new();
    private readonly Queue<EapAuthenticatorEvent> _events = new();
    private readonly Queue<(byte[] Packet, bool Repeats)> _out = new();
    private State _state;
    private byte[] _request = [];
    private TimeSpan _wait;
    private int _repetitions;

    public bool IsRunning => _state != State.Ended;
    /// <summary>What the peer said of itself in this conversation; empty before.</summary>
    public ReadOnlyMemory<byte> Identity { get; private set; }
    /// <summary>As <see cref="Moment.Elapsed"/>.</summary>
    public TimeSpan Deadline { get; private set; } = Moment.Never;

    /// <summary>Begins a conversation; what was under way is forgotten.</summary>
    public void Start(Moment now)
    {
        _events.Clear();
        _out.Clear();
        Identity = default;
        Ask(new EapPacket(EapCode.Request, chance.Bytes(1, "EAP.Identifier")[0], EapType.Identity, default).Encode(), null, now);
    }

    private void Ask(byte[] request, TimeSpan? wait, Moment now)
    {
        (_state, _request, _wait, _repetitions) = (State.AwaitsPeer, request, wait ?? _options.Retransmission, 0);
        Deadline = now.Elapsed + _wait;
        _out.Enqueue((request, false));
    }

    /// <summary>Discards whatever is not in order.</summary>
    public void ReceiveFromPeer(ReadOnlyMemory<byte> bytes)
    {
        if (_state != State.AwaitsPeer)
            return;
        EapPacket packet;
        try
        {
            packet = EapPacket.Parse(bytes);
        }
        catch (RadiusException)
        {
            return;
        }
        if (packet.Code != EapCode.Response || packet.Identifier != _request[1])
            return;
        if (packet.Type == EapType.Identity)
            Identity = packet.Data.ToArray();
        (_state, Deadline) = (State.AwaitsServer, Moment.Never);
        _events.Enqueue(new(EapAuthenticatorHappening.Response, bytes[..packet.Length].ToArray()));
    }

    /// <summary>The server's next request.</summary>
    /// <param name="wait">The server's hint how long the peer may take; null: none.</param>
    public void ReceiveRequest(byte[] packet, TimeSpan? wait, Moment now)
    {
        if (_state == State.AwaitsServer)
            Ask(packet, wait, now);
    }

    /// <summary>The server's verdict.</summary>
    /// <param name="packet">EAP-Success or EAP-Failure as it came; one is made where none came or it contradicts the verdict (RFC 3579 §2.6.3).</param>
    public void ReceiveVerdict(bool accepted, byte[]? packet)
    {
        if (!IsRunning)
            return;
        var code = accepted ? EapCode.Success : EapCode.Failure;
        if (packet is not { Length: 4 } || packet[0] != (byte)code)
            packet = new EapPacket(code, _request[1], 0, default).Encode();
        (_state, Deadline) = (State.Ended, Moment.Never);
        _out.Enqueue((packet, false));
        _events.Enqueue(new(accepted ? EapAuthenticatorHappening.Accepted : EapAuthenticatorHappening.Refused, default));
    }

    public void Stop() => (_state, Deadline) = (State.Ended, Moment.Never);

    public void Tick(Moment now)
    {
        if (now.Elapsed < Deadline)
            return;
        if (++_repetitions > _options.MaxRepetitions)
        {
            Stop();
            _events.Enqueue(new(EapAuthenticatorHappening.Gone, default));
            return;
        }
        _wait = _wait * 2 < _options.MaxRetransmission ? _wait * 2 : _options.MaxRetransmission;
        Deadline = now.Elapsed + _wait;
        _out.Enqueue((_request, true));
    }

    public bool TryEvent(out EapAuthenticatorEvent happened) => _events.TryDequeue(out happened);

    /// <summary>A packet for the peer.</summary>
    public bool TryTransmit(out ReadOnlyMemory<byte> packet, out bool repeats)
    {
        bool has = _out.TryDequeue(out var piece);
        (packet, repeats) = (piece.Packet, piece.Repeats);
        return has;
    }
}
