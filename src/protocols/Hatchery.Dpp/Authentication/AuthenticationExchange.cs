using System.Collections.Immutable;

namespace Hatchery.Dpp;

/// <summary>What a side brings to authentication, whoever initiates.</summary>
public sealed record ExchangeOptions
{
    /// <summary>Keys that we answer to; the first is the one to initiate with.</summary>
    public required ImmutableArray<BootstrappingKeyPair> Own { get; init; }
    public required DppCapabilities Capabilities { get; init; }
    public int Version { get; init; } = 3;
    public bool RequiresMutual { get; init; }
    /// <summary>Answered to, or to be initiated with; null: no PKEX.</summary>
    public PkexOptions? Pkex { get; init; }
    /// <summary>PKEX of version 1: on radio only.</summary>
    public bool AllowsPkexVersion1 { get; init; }
    /// <summary>For each answer of the peer.</summary>
    public TimeSpan AnswerWithin { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>For a person to scan a key.</summary>
    public TimeSpan PendingWithin { get; init; } = TimeSpan.FromSeconds(300);
}

/// <summary>PKEX where there is a code, then authentication, on either side. Bytes that are not expected end it; after the end it is silent.</summary>
public sealed class AuthenticationExchange : IDisposable
{
    private readonly ExchangeOptions _options;
    private readonly Chance _chance;
    private readonly Queue<DppFrame> _out = new();
    private AuthenticationInitiator? _initiator;
    private AuthenticationResponder? _responder;
    private PkexInitiator? _pkexInitiator;
    private PkexResponder? _pkexResponder;
    private BootstrappingKey? _pkexPeer;
    private bool _askedPeer;

    public AuthenticationExchange(ExchangeOptions options, Chance chance) => (_options, _chance) = (options, chance);

    public Authenticated? Done { get; private set; }
    public DppException? Failure { get; private set; }
    public TimeSpan Deadline { get; private set; } = Moment.Never;
    /// <summary>To go on there, as agreed; null: stay.</summary>
    public DppChannel? Channel => _responder?.Channel;
    /// <summary>Set while the initiator's key is to be looked up, by its hash: answer with <see cref="SupplyPeer"/>.</summary>
    public ReadOnlyMemory<byte>? WantedPeer { get; private set; }
    /// <summary>The responder waits until somebody scans this key of ours.</summary>
    public BootstrappingKey? ToBeScanned => _initiator is { IsPending: true } ? _initiator.OwnKey : null;
    /// <summary>RESPONSE_PENDING was sent for the key of this hash; <see cref="SupplyPeer"/> goes on when it is known.</summary>
    public ReadOnlyMemory<byte>? PendingPeer { get; private set; }
    public bool TrySend(out DppFrame? frame) => _out.TryDequeue(out frame);
    private bool IsOver => Done is not null || Failure is not null;

    public void Initiate(BootstrappingKey responder, Moment now, DppChannel? channel = null)
    {
        var own = _options.Own.FirstOrDefault(k => k.Curve == responder.Curve);
        Initiate(new InitiatorOptions { Responder = responder, Own = own, Capabilities = _options.Capabilities, Version = _options.Version, RequiresMutual = _options.RequiresMutual, Channel = channel }, now);
    }

    private void Initiate(InitiatorOptions options, Moment now)
    {
        _initiator = new AuthenticationInitiator(options, _chance);
        Send(_initiator.Request, now);
    }

    public void InitiatePkex(Moment now)
    {
        try
        {
            _pkexInitiator = new PkexInitiator(_options.Pkex ?? throw new InvalidOperationException("There is no code."), _chance);
            Send(_pkexInitiator.Request, now);
        }
        catch (DppException fault)
        {
            Fail(fault);
        }
    }

    /// <param name="peerMac">Of the sender; for PKEX of version 1.</param>
    public void Receive(DppFrame frame, Moment now, ReadOnlyMemory<byte> peerMac = default)
    {
        if (IsOver)
            return;
        try
        {
            Take(frame, now, peerMac);
        }
        catch (DppException fault)
        {
            Fail(fault);
        }
    }

    private void Take(DppFrame frame, Moment now, ReadOnlyMemory<byte> peerMac)
    {
        switch (frame.Type)
        {
            case DppFrameType.AuthenticationRequest when _initiator is null && _responder is null && _pkexInitiator is null && (_pkexResponder is null || _pkexPeer is not null):
                TakeRequest(frame, now);
                break;
            case DppFrameType.AuthenticationResponse when _initiator is not null:
                bool pending = _initiator.IsPending;
                Turn(_initiator.Receive(frame), now);
                if (!pending && _initiator.IsPending)
                    Deadline = now.Elapsed + _options.PendingWithin;
                break;
            case DppFrameType.AuthenticationConfirm when _responder is not null:
                Turn(_responder.Confirm(frame), now);
                break;
            case DppFrameType.PkexExchangeRequest or DppFrameType.PkexVersion1ExchangeRequest when _options.Pkex is not null && _pkexInitiator is null && _pkexResponder is null && _responder is null:
                if (frame.Type == DppFrameType.PkexVersion1ExchangeRequest && !_options.AllowsPkexVersion1)
                    throw PkexDerivations.Wrong(frame.ToString(), "PKEX of version 1 is not taken here.");
                _pkexResponder = new PkexResponder(_options.Pkex with { Version = frame.Type == DppFrameType.PkexVersion1ExchangeRequest ? 1 : 2 }, _chance);
                Send(_pkexResponder.Receive(frame, peerMac), now);
                if (_pkexResponder.Refused)
                    Fail(new DppException(DppStatus.BadGroup, "Finite Cyclic Group", "The initiator's curve is not ours."));
                break;
            case DppFrameType.PkexExchangeResponse when _pkexInitiator is not null:
                Send(_pkexInitiator.Receive(frame, peerMac), now);
                break;
            case DppFrameType.PkexCommitRevealRequest when _pkexResponder is not null && _pkexPeer is null:
                (_pkexPeer, var answer) = _pkexResponder.Finish(frame);
                Send(answer, now);
                break;
            case DppFrameType.PkexCommitRevealResponse when _pkexInitiator is not null && _initiator is null:
                var peer = _pkexInitiator.Finish(frame);
                Initiate(new InitiatorOptions { Responder = peer, Own = _options.Pkex!.Own, Capabilities = _options.Capabilities, Version = _options.Version, RequiresMutual = true }, now);
                break;
            default:
                throw new DppException("WRONG_STATE", frame.ToString(), $"{frame} is not expected now.");
        }
    }

    private void TakeRequest(DppFrame frame, Moment now)
    {
        var hash = frame.Attributes.Get(DppAttribute.ResponderBootstrappingKeyHash, 32);
        BootstrappingKeyPair? own = _pkexPeer is not null ? _options.Pkex!.Own : null;
        foreach (var key in _pkexPeer is null ? _options.Own : [])
            own = key.Public.Hash.Span.SequenceEqual(hash.Span) ? key : own;
        if (own is null)
            throw DppException.Malformed("Responder Bootstrapping Key Hash", "is of a key that is not here.");
        _responder = new AuthenticationResponder(new ResponderOptions
        {
            Own = own,
            Capabilities = _options.Capabilities,
            Version = _options.Version,
            RequiresMutual = _options.RequiresMutual,
            OnlyPeer = _pkexPeer,
        }, _chance);
        if (_responder.Receive(frame) is { } fault)
            throw fault;
        if (_pkexPeer is not null)
            Turn(_responder.Respond(_pkexPeer), now);
        else
            (WantedPeer, Deadline) = (_responder.InitiatorHash, now.Elapsed + _options.AnswerWithin);
    }

    /// <summary>The initiator's key, or that it is not known.</summary>
    public void SupplyPeer(BootstrappingKey? peer, Moment now)
    {
        if (IsOver || _responder is null || WantedPeer is null && (PendingPeer is null || peer is null))
            return;
        if (peer is not null && !peer.Hash.Span.SequenceEqual(_responder.InitiatorHash.Span))
            throw new ArgumentException("Another key than was asked for.", nameof(peer));
        WantedPeer = null;
        var turn = _responder.Respond(peer);
        bool pending = peer is null && _options.RequiresMutual && turn.Failure is null;
        PendingPeer = pending ? _responder.InitiatorHash : (ReadOnlyMemory<byte>?)null;
        Turn(turn, now);
        if (pending)
            Deadline = now.Elapsed + _options.PendingWithin;
        _askedPeer = true;
    }

    public void Tick(Moment now)
    {
        if (!IsOver && now.Elapsed >= Deadline)
            Fail(new DppException("TIMEOUT", "exchange", _askedPeer && PendingPeer is not null ? "Nobody scanned the initiator's key in time." : "The peer did not answer in time."));
    }

    private void Turn(AuthenticationTurn turn, Moment now)
    {
        if (turn.Reply is { } reply)
            Send(reply, now);
        if (turn.Failure is { } failure)
            Fail(failure);
        if (turn.Done is { } done)
            (Done, Deadline) = (done, Moment.Never);
    }

    private void Send(DppFrame frame, Moment now)
    {
        _out.Enqueue(frame);
        Deadline = now.Elapsed + _options.AnswerWithin;
    }

    private void Fail(DppException failure) => (Failure, Deadline, WantedPeer, PendingPeer) = (failure, Moment.Never, null, null);

    public void Dispose()
    {
        _initiator?.Dispose();
        _responder?.Dispose();
        _pkexInitiator?.Dispose();
        _pkexResponder?.Dispose();
    }
}
