namespace Hatchery.Radius.Eap;

public enum EapPeerHappening
{
    /// <summary>To be answered by <see cref="EapPeer.Identify"/>.</summary>
    Identity,
    /// <summary>A request of the method, to be answered by <see cref="EapPeer.Respond"/>.</summary>
    Request,
    /// <summary>A displayable text; it was acknowledged (RFC 3748 §5.2).</summary>
    Notification,
    Success,
    Failure,
    /// <summary>The authenticator asks for a conversation while none is under way: it wants the device to authenticate again.</summary>
    Wanted,
}

/// <param name="Data">Type-data of the request; valid until the next call.</param>
/// <param name="Keys">At Success, what the method exported.</param>
/// <param name="Reason">At Failure: why.</param>
/// <param name="Carrier">At Failure: the lower layer or the time ran out; the server did not say so.</param>
/// <param name="Tag">Of the frame that brought it.</param>
/// <param name="Identifier">Of the request; a few methods hash it.</param>
public readonly record struct EapPeerEvent(EapPeerHappening What, ReadOnlyMemory<byte> Data, EapKeys? Keys, string Reason, bool Carrier, Tag Tag, byte Identifier = 0);

/// <param name="Method">The one method that this peer runs.</param>
public sealed record EapPeerOptions(byte Method)
{
    /// <summary>As <see cref="IEapPeerBinding.Proposal"/>.</summary>
    public byte Proposal { get; init; } = Method;
    /// <summary>Without a request for so long the conversation has failed (RFC 4137 §4.1, ClientTimeout).</summary>
    public TimeSpan ClientTimeout { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>As <see cref="ClientTimeout"/>, before the first request: an authenticator that just refused this device may be silent for a minute (802.1X, quietPeriod).</summary>
    public TimeSpan FirstTimeout { get; init; } = TimeSpan.FromSeconds(120);
    /// <summary>Notifications accepted in one conversation; further ones are discarded.</summary>
    public int MaxNotifications { get; init; } = 4;
}

/// <summary>The peer of RFC 4137 §4, for one method and one conversation at a time. A method may take its time: requests that come before it has answered are discarded,
/// and the authenticator repeats them.</summary>
public sealed class EapPeer(EapPeerOptions options)
{
    private enum State { Ended, Idle, Identifying, InMethod }

    private readonly Queue<EapPeerEvent> _events = new();
    private State _state = State.Ended;
    private EapMethodState _methodState;
    private EapDecision _decision;
    private EapKeys? _keys;
    private bool _selected;
    private int _lastId, _requestId, _notifications;
    private byte[] _last = [];
    private byte[]? _response;
    private Tag _responseTag;
    private bool _repeats;

    /// <summary>A conversation is under way.</summary>
    public bool IsRunning => _state != State.Ended;
    /// <summary>As <see cref="Moment.Elapsed"/>.</summary>
    public TimeSpan Deadline { get; private set; } = Moment.Never;

    /// <summary>Begins to wait for a request; what was under way is forgotten.</summary>
    public void Restart(Moment now)
    {
        (_state, _methodState, _decision, _keys, _selected) = (State.Idle, EapMethodState.MayContinue, EapDecision.Fail, null, false);
        (_lastId, _notifications, _last, _response) = (-1, 0, [], null);
        _events.Clear();
        Deadline = now.Elapsed + options.FirstTimeout;
    }

    /// <summary>Nothing is expected any more; nothing is reported.</summary>
    public void Stop()
    {
        (_state, _response, Deadline) = (State.Ended, null, Moment.Never);
        _events.Clear();
    }

    /// <summary>The lower layer has failed, or says that it is of no use to wait (RFC 4137 §4.1, altReject).</summary>
    public void Abandon(string reason)
    {
        if (IsRunning)
            End(false, reason, carrier: true, default);
    }

    /// <summary>Discards whatever is not in order.</summary>
    public void Receive(ReadOnlyMemory<byte> bytes, Moment now, Tag tag)
    {
        if (!IsRunning)
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
        switch (packet.Code)
        {
            case EapCode.Request when packet.Identifier == _lastId:
                (_response, _repeats) = (_last, true);
                Deadline = now.Elapsed + options.ClientTimeout;
                break;
            case EapCode.Request when _state == State.Idle:
                Request(packet, now, tag);
                break;
            case EapCode.Success when packet.Identifier == _lastId && _state == State.Idle:
                if (_decision != EapDecision.Fail)
                    End(true, "", false, tag);
                else if (_methodState != EapMethodState.Continue)
                    End(false, "The server accepts what the method did not.", false, tag);
                break;
            case EapCode.Failure when packet.Identifier == _lastId && _state == State.Idle && _methodState != EapMethodState.Continue && _decision != EapDecision.UnconditionalSuccess:
                End(false, "EAP-Failure.", false, tag);
                break;
        }
    }

    private void Request(EapPacket packet, Moment now, Tag tag)
    {
        _requestId = packet.Identifier;
        switch (packet.Type)
        {
            case EapType.Identity when !_selected:
                _state = State.Identifying;
                _events.Enqueue(new(EapPeerHappening.Identity, packet.Data, null, "", false, tag, packet.Identifier));
                break;
            case EapType.Identity:
                break;
            case EapType.Notification:
                if (_notifications++ >= options.MaxNotifications)
                    break;
                _events.Enqueue(new(EapPeerHappening.Notification, packet.Data, null, "", false, tag));
                Send(EapType.Notification, default, default, now);
                break;
            case var type when type == options.Method && (!_selected || _methodState != EapMethodState.Done):
                _selected = true;
                _state = State.InMethod;
                _events.Enqueue(new(EapPeerHappening.Request, packet.Data, null, "", false, tag, packet.Identifier));
                break;
            case > EapType.Nak when !_selected:
                // RFC 3748 §5.3.1: a legacy Nak also answers an expanded type that is unknown here.
                Send(EapType.Nak, new byte[] { options.Proposal }, default, now);
                break;
        }
    }

    /// <summary>Answers <see cref="EapPeerHappening.Identity"/>; without effect if that is no longer open.</summary>
    public void Identify(ReadOnlyMemory<byte> identity, Tag tag, Moment now)
    {
        if (_state != State.Identifying)
            return;
        Send(EapType.Identity, identity, tag, now);
    }

    /// <summary>Answers <see cref="EapPeerHappening.Request"/>; without effect if that is no longer open.</summary>
    public void Respond(in EapPeerResponse response, Tag tag, Moment now)
    {
        if (_state != State.InMethod)
            return;
        (_methodState, _decision) = (response.State, response.Decision);
        _keys = response.Keys ?? _keys;
        Send(options.Method, response.Data, tag, now);
    }

    private void Send(byte type, ReadOnlyMemory<byte> data, Tag tag, Moment now)
    {
        _last = new EapPacket(EapCode.Response, (byte)_requestId, type, data).Encode();
        (_state, _lastId, _response, _responseTag, _repeats) = (State.Idle, _requestId, _last, tag, false);
        Deadline = now.Elapsed + options.ClientTimeout;
    }

    public void Tick(Moment now)
    {
        if (!IsRunning || now.Elapsed < Deadline)
            return;
        // RFC 4137 §4.4: a success whose announcement was lost.
        bool success = _state == State.Idle && _decision == EapDecision.UnconditionalSuccess;
        End(success, success ? "" : "No request came in time.", carrier: !success, default);
    }

    private void End(bool success, string reason, bool carrier, Tag tag)
    {
        (_state, _response, Deadline) = (State.Ended, null, Moment.Never);
        _events.Enqueue(success ? new(EapPeerHappening.Success, default, _keys, "", false, tag) : new(EapPeerHappening.Failure, default, null, reason, carrier, tag));
    }

    public bool TryEvent(out EapPeerEvent happened) => _events.TryDequeue(out happened);

    /// <summary>A response for the authenticator.</summary>
    public bool TryResponse(out ReadOnlyMemory<byte> packet, out Tag tag, out bool repeats)
    {
        (packet, tag, repeats) = (_response, _responseTag, _repeats);
        bool has = _response is { Length: > 0 };
        _response = null;
        return has;
    }
}
