using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>What a responder brings.</summary>
public sealed record ResponderOptions
{
    public required BootstrappingKeyPair Own { get; init; }
    public required DppCapabilities Capabilities { get; init; }
    /// <summary>1 to 3.</summary>
    public int Version { get; init; } = 3;
    /// <summary>An initiator that is not known gets RESPONSE_PENDING until somebody scans its key.</summary>
    public bool RequiresMutual { get; init; }
    /// <summary>The key that PKEX gave: nobody else may initiate.</summary>
    public BootstrappingKey? OnlyPeer { get; init; }
}

/// <summary>The side that answers an Authentication Request (DPP §6.2), Enrollee or Configurator. For one exchange.</summary>
public sealed class AuthenticationResponder : IDisposable
{
    private readonly ResponderOptions _options;
    private readonly Chance _chance;
    private readonly DppCurve _curve;
    private DppFrame? _request;
    private BootstrappingKey? _peer;
    private AgreementKey? _protocolKey;
    private byte[] _mx = [], _k1 = [], _k2 = [], _initiatorPoint = [], _responderNonce = [], _iAuth = [], _bk = [], _ke = [];
    private ReadOnlyMemory<byte> _initiatorNonce;
    private DppCapabilities _role;
    private int _peerVersion = 1;
    private bool _ended, _handedOver, _answered;

    public AuthenticationResponder(ResponderOptions options, Chance chance) => (_options, _chance, _curve) = (options, chance, options.Own.Curve);

    /// <summary>Of the initiator's bootstrapping key, from the request.</summary>
    public ReadOnlyMemory<byte> InitiatorHash { get; private set; }
    /// <summary>To go on there; null: stay.</summary>
    public DppChannel? Channel { get; private set; }
    /// <summary>What we shall be, once the request was taken.</summary>
    public DppCapabilities Role => _role;

    /// <summary>Opens a request; <see cref="Respond"/> comes next. A request that does not open is not answered at all.</summary>
    public DppException? Receive(DppFrame request)
    {
        if (_ended || _request is not null)
            return new DppException("WRONG_STATE", request.ToString(), "there was a request already.");
        try
        {
            Open(request);
            return null;
        }
        catch (DppException fault)
        {
            _ended = true;
            return fault;
        }
        catch (CryptographicException e)
        {
            _ended = true;
            return new DppException("INVALID_KEY", "Initiator Protocol Key", "The agreement failed.", e);
        }
    }

    private void Open(DppFrame request)
    {
        if (request.Type != DppFrameType.AuthenticationRequest)
            throw new DppException("WRONG_STATE", request.ToString(), $"{request} came in place of an Authentication Request.");
        var attributes = request.Attributes;
        if (!attributes.Get(DppAttribute.ResponderBootstrappingKeyHash, 32).Span.SequenceEqual(_options.Own.Public.Hash.Span))
            throw DppException.Malformed("Responder Bootstrapping Key Hash", "is of a key that is not here.");
        InitiatorHash = attributes.Get(DppAttribute.InitiatorBootstrappingKeyHash, 32);
        _peerVersion = AuthenticationInitiator.VersionOf(attributes, _options.Version);
        if (attributes.TryGet(DppAttribute.Channel, out var channel))
        {
            Channel = channel.Length == 2 ? new DppChannel(channel.Span[0], channel.Span[1]) : throw DppException.Malformed("Channel", "has not two bytes.");
            if (Channel.Value.Frequency is null)
                throw DppException.Malformed("Channel", $"{Channel} is not known.");
        }
        _initiatorPoint = _curve.Point(attributes.Get(DppAttribute.InitiatorProtocolKey).Span, "Initiator Protocol Key");
        _mx = _options.Own.Key.Agree(_initiatorPoint);
        _k1 = KeySchedule.K1(_curve, _mx);
        var inside = attributes.Unwrap(_k1, "Authentication Request", request.Header, attributes.BeforeWrapped);
        _initiatorNonce = inside.Get(DppAttribute.InitiatorNonce, _curve.NonceLength);
        var theirs = (DppCapabilities)(inside.GetByte(DppAttribute.InitiatorCapabilities) & 3);
        if (theirs == DppCapabilities.None)
            throw DppException.Malformed("Initiator Capabilities", "has no role.");
        _role = RoleFor(theirs);
        _request = request;
    }

    private DppCapabilities RoleFor(DppCapabilities theirs)
    {
        if ((theirs & DppCapabilities.Configurator) != 0 && (_options.Capabilities & DppCapabilities.Enrollee) != 0)
            return DppCapabilities.Enrollee;
        return (theirs & DppCapabilities.Enrollee) != 0 ? _options.Capabilities & DppCapabilities.Configurator : DppCapabilities.None;
    }

    /// <param name="peer">The initiator's key if it is known: then authentication is mutual.</param>
    /// <returns>Failure with a reply: the roles do not fit. A reply alone: pending (call again when the key is known), or the response.</returns>
    public AuthenticationTurn Respond(BootstrappingKey? peer)
    {
        if (_ended || _answered || _request is null)
            throw new InvalidOperationException("There is no request to respond to.");
        if (_role == DppCapabilities.None)
        {
            _ended = true;
            return new(Status(DppStatus.NotCompatible, peer is not null), null, new DppException(DppStatus.NotCompatible, "Initiator Capabilities", "Both sides want the same role."));
        }
        if (_options.OnlyPeer is { } only && !InitiatorHash.Span.SequenceEqual(only.Hash.Span))
            return Fail(new DppException(DppStatus.AuthFailure, "Initiator Bootstrapping Key Hash", "The initiator is not the one of the exchange before."));
        peer = _options.OnlyPeer ?? peer;
        if (peer is null && _options.RequiresMutual)
            return new(Status(DppStatus.ResponsePending, false), null, null);
        if (peer is not null && peer.Curve != _curve)
            return Fail(new DppException(DppStatus.AuthFailure, "Initiator Bootstrapping Key Hash", "The initiator's key is on another curve than ours."));
        try
        {
            return new(Response(peer), null, null);
        }
        catch (CryptographicException e)
        {
            return Fail(new DppException("INVALID_KEY", "Initiator Protocol Key", "The keys do not add up.", e));
        }
    }

    private AuthenticationTurn Fail(DppException failure)
    {
        _ended = true;
        return new(null, null, failure);
    }

    private AttributeWriter Head(DppStatus status, bool mutual) => new AttributeWriter().Add(DppAttribute.Status, (byte)status)
        .Add(DppAttribute.ResponderBootstrappingKeyHash, _options.Own.Public.Hash.Span).AddIf(mutual, DppAttribute.InitiatorBootstrappingKeyHash, InitiatorHash.Span);

    private bool SaysVersion => _options.Version > 1 && _peerVersion > 1;
    private bool FromEnrollee => _role == DppCapabilities.Enrollee || _role == DppCapabilities.None && _options.Capabilities == DppCapabilities.Enrollee;

    private DppFrame Status(DppStatus status, bool mutual)
    {
        var head = Head(status, mutual).AddIf(SaysVersion, DppAttribute.ProtocolVersion, [(byte)_options.Version]);
        var role = _role == DppCapabilities.None ? _options.Capabilities : _role;
        var inside = new AttributeWriter().Add(DppAttribute.InitiatorNonce, _initiatorNonce.Span).Add(DppAttribute.ResponderCapabilities, (byte)role);
        head.Wrap(_k1, inside, DppFrame.HeaderOf(DppFrameType.AuthenticationResponse), head.ToArray());
        return DppFrame.Create(DppFrameType.AuthenticationResponse, head, FromEnrollee);
    }

    private DppFrame Response(BootstrappingKey? peer)
    {
        _protocolKey = _chance.NewAgreementKey(_curve.Curve, "Auth.PR");
        _responderNonce = _chance.Bytes(_curve.NonceLength, "Auth.R-nonce");
        byte[] nx = _protocolKey.Agree(_initiatorPoint);
        _k2 = KeySchedule.K2(_curve, nx);
        byte[] lx = peer is null ? [] : MutualSecret(peer);
        _bk = KeySchedule.Bk(_curve, _initiatorNonce.Span, _responderNonce, _mx, nx, lx);
        _ke = KeySchedule.Ke(_curve, _bk);
        CryptographicOperations.ZeroMemory(nx);
        CryptographicOperations.ZeroMemory(lx);
        var bi = peer is null ? default : peer.Point;
        byte[] rAuth = KeySchedule.RAuth(_curve, _initiatorNonce, _responderNonce, _initiatorPoint, _protocolKey.PublicPoint, bi, _options.Own.Public.Point);
        _iAuth = KeySchedule.IAuth(_curve, _initiatorNonce, _responderNonce, _initiatorPoint, _protocolKey.PublicPoint, bi, _options.Own.Public.Point);
        var head = Head(DppStatus.Ok, peer is not null).Add(DppAttribute.ResponderProtocolKey, _protocolKey.PublicPoint.Span[1..])
            .AddIf(SaysVersion, DppAttribute.ProtocolVersion, [(byte)_options.Version]);
        var inside = new AttributeWriter().Add(DppAttribute.ResponderNonce, _responderNonce).Add(DppAttribute.InitiatorNonce, _initiatorNonce.Span)
            .Add(DppAttribute.ResponderCapabilities, (byte)_role).Wrap(_ke, new AttributeWriter().Add(DppAttribute.ResponderAuthenticationTag, rAuth));
        head.Wrap(_k2, inside, DppFrame.HeaderOf(DppFrameType.AuthenticationResponse), head.ToArray());
        (_peer, _answered) = (peer, true);
        return DppFrame.Create(DppFrameType.AuthenticationResponse, head, FromEnrollee);
    }

    /// <summary>x of (bR + pR) * BI.</summary>
    private byte[] MutualSecret(BootstrappingKey peer)
    {
        using var b = _options.Own.Key.ExportScalar();
        using var p = _protocolKey!.ExportScalar();
        byte[] sum = _curve.Group.AddScalars(b.Reveal(), p.Reveal());
        using var key = EcAgreement.FromPrivate(_curve.Curve, sum);
        CryptographicOperations.ZeroMemory(sum);
        return key.Agree(peer.Point.Span);
    }

    /// <summary>Takes an Authentication Confirm.</summary>
    public AuthenticationTurn Confirm(DppFrame confirm)
    {
        if (_ended || !_answered)
            return new(null, null, new DppException("WRONG_STATE", confirm.ToString(), "no Confirm is expected."));
        _ended = true;
        try
        {
            return Take(confirm);
        }
        catch (DppException fault)
        {
            return new(null, null, fault);
        }
    }

    private AuthenticationTurn Take(DppFrame confirm)
    {
        if (confirm.Type != DppFrameType.AuthenticationConfirm)
            throw new DppException("WRONG_STATE", confirm.ToString(), $"{confirm} came in place of an Authentication Confirm.");
        var attributes = confirm.Attributes;
        if (!attributes.Get(DppAttribute.ResponderBootstrappingKeyHash, 32).Span.SequenceEqual(_options.Own.Public.Hash.Span))
            throw DppException.Malformed("Responder Bootstrapping Key Hash", "is another than before.");
        bool mutual = attributes.TryGet(DppAttribute.InitiatorBootstrappingKeyHash, out var hash);
        if (mutual != _peer is not null || mutual && !hash.Span.SequenceEqual(InitiatorHash.Span))
            throw DppException.Malformed("Initiator Bootstrapping Key Hash", "is another than before.");
        var status = (DppStatus)attributes.GetByte(DppAttribute.Status);
        if (status != DppStatus.Ok)
        {
            var reason = attributes.Unwrap(_k2, "Authentication Confirm", confirm.Header, attributes.BeforeWrapped);
            if (!CryptographicOperations.FixedTimeEquals(reason.Get(DppAttribute.ResponderNonce).Span, _responderNonce))
                throw new DppException(DppStatus.AuthFailure, "Responder Nonce", "The Confirm is to another response.");
            throw new DppException(status, "DPP Status", $"The initiator says {status}.");
        }
        var inside = attributes.Unwrap(_ke, "Authentication Confirm", confirm.Header, attributes.BeforeWrapped);
        if (!CryptographicOperations.FixedTimeEquals(inside.Get(DppAttribute.InitiatorAuthenticationTag).Span, _iAuth))
            throw new DppException(DppStatus.AuthFailure, "Initiator Authentication Tag", "The initiator's tag is wrong.");
        _handedOver = true;
        return new(null, new Authenticated(_curve, _ke, _bk)
        {
            Role = _role,
            IsMutual = _peer is not null,
            PeerVersion = _peerVersion,
            PeerBootstrapping = _peer,
            PeerProtocolKey = _initiatorPoint,
            OwnProtocolKey = _protocolKey,
        }, null);
    }

    public void Dispose()
    {
        _ended = true;
        foreach (byte[] secret in (ReadOnlySpan<byte[]>)[_mx, _k1, _k2, _iAuth])
            CryptographicOperations.ZeroMemory(secret);
        if (_handedOver)
            return;
        CryptographicOperations.ZeroMemory(_ke);
        CryptographicOperations.ZeroMemory(_bk);
        _protocolKey?.Dispose();
    }
}
