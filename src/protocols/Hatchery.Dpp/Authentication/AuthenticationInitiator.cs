using System.Security.Cryptography;

namespace Hatchery.Dpp;

/// <summary>The side that sends the Authentication Request (DPP §6.2), Enrollee or Configurator. For one exchange. After <see cref="Failed"/> it says nothing more.</summary>
public sealed class AuthenticationInitiator : IDisposable
{
    private readonly InitiatorOptions _options;
    private readonly DppCurve _curve;
    private readonly BootstrappingKeyPair _own;
    private readonly bool _ownIsOurs;
    private readonly AgreementKey _protocolKey;
    private readonly byte[] _nonce, _mx, _k1;
    private bool _ended, _handedOver;

    public AuthenticationInitiator(InitiatorOptions options, Chance chance)
    {
        _options = options;
        _curve = options.Responder.Curve;
        _ownIsOurs = options.Own is null;
        _own = options.Own ?? BootstrappingKeyPair.Generate(_curve, chance, "Auth.BI");
        _protocolKey = chance.NewAgreementKey(_curve.Curve, "Auth.PI");
        _nonce = chance.Bytes(_curve.NonceLength, "Auth.I-nonce");
        _mx = _protocolKey.Agree(options.Responder.Point.Span);
        _k1 = KeySchedule.K1(_curve, _mx);
        Request = MakeRequest();
    }

    /// <summary>The same again when it is repeated.</summary>
    public DppFrame Request { get; }
    public bool Failed => _ended && !_handedOver;
    /// <summary>The responder waits for a person to scan our key.</summary>
    public bool IsPending { get; private set; }
    public BootstrappingKey OwnKey => _own.Public;

    private bool FromEnrollee => (_options.Capabilities & DppCapabilities.Configurator) == 0;

    private DppFrame MakeRequest()
    {
        var attributes = new AttributeWriter()
            .Add(DppAttribute.ResponderBootstrappingKeyHash, _options.Responder.Hash.Span)
            .Add(DppAttribute.InitiatorBootstrappingKeyHash, _own.Public.Hash.Span)
            .Add(DppAttribute.InitiatorProtocolKey, _protocolKey.PublicPoint.Span[1..]);
        if (_options.Channel is { } channel)
            attributes.Add(DppAttribute.Channel, [channel.OperatingClass, channel.Number]);
        attributes.AddIf(_options.Version > 1, DppAttribute.ProtocolVersion, [(byte)_options.Version]);
        var inside = new AttributeWriter().Add(DppAttribute.InitiatorNonce, _nonce).Add(DppAttribute.InitiatorCapabilities, (byte)_options.Capabilities);
        attributes.Wrap(_k1, inside, DppFrame.HeaderOf(DppFrameType.AuthenticationRequest), attributes.ToArray());
        return DppFrame.Create(DppFrameType.AuthenticationRequest, attributes, FromEnrollee);
    }

    /// <summary>Takes an Authentication Response.</summary>
    /// <returns>Never throws for what the peer did: see <see cref="AuthenticationTurn.Failure"/>.</returns>
    public AuthenticationTurn Receive(DppFrame response)
    {
        if (_ended)
            return new(null, null, new DppException("WRONG_STATE", response.ToString(), "the exchange is over."));
        try
        {
            return Take(response);
        }
        catch (DppException fault)
        {
            return End(null, fault);
        }
        catch (CryptographicException e)
        {
            return End(null, new DppException("INVALID_KEY", "Responder Protocol Key", "The responder's keys do not add up.", e));
        }
    }

    private AuthenticationTurn Take(DppFrame response)
    {
        if (response.Type != DppFrameType.AuthenticationResponse)
            throw new DppException("WRONG_STATE", response.ToString(), $"{response} came in place of an Authentication Response.");
        var attributes = response.Attributes;
        if (!attributes.Get(DppAttribute.ResponderBootstrappingKeyHash, 32).Span.SequenceEqual(_options.Responder.Hash.Span))
            throw DppException.Malformed("Responder Bootstrapping Key Hash", "is another than the key that was asked.");
        bool mutual = attributes.TryGet(DppAttribute.InitiatorBootstrappingKeyHash, out var ownHash);
        if (mutual && !ownHash.Span.SequenceEqual(_own.Public.Hash.Span))
            throw DppException.Malformed("Initiator Bootstrapping Key Hash", "is not ours.");
        if (!mutual && _options.RequiresMutual)
            throw new DppException(DppStatus.AuthFailure, "Initiator Bootstrapping Key Hash", "The responder leaves mutual authentication out.");
        int version = VersionOf(attributes, _options.Version);
        var status = (DppStatus)attributes.GetByte(DppAttribute.Status);
        if (status != DppStatus.Ok)
            return TakeStatus(response, status);
        byte[] point = _curve.Point(attributes.Get(DppAttribute.ResponderProtocolKey).Span, "Responder Protocol Key");
        byte[] nx = _protocolKey.Agree(point), k2 = KeySchedule.K2(_curve, nx);
        var inside = attributes.Unwrap(k2, "Authentication Response", response.Header, attributes.BeforeWrapped);
        var responderNonce = inside.Get(DppAttribute.ResponderNonce, _curve.NonceLength);
        CheckNonce(inside);
        byte capabilities = inside.GetByte(DppAttribute.ResponderCapabilities);
        byte[] lx = mutual ? _own.Key.Agree(_curve.Group.Add(_options.Responder.Point.Span, point)) : [];
        byte[] bk = KeySchedule.Bk(_curve, _nonce, responderNonce.Span, _mx, nx, lx), ke = KeySchedule.Ke(_curve, bk);
        CryptographicOperations.ZeroMemory(lx);
        CryptographicOperations.ZeroMemory(nx);
        if (RoleFor((DppCapabilities)(capabilities & 3)) is not { } role)
            return End(Confirm(DppStatus.NotCompatible, k2, mutual, responderNonce), new DppException(DppStatus.NotCompatible, "Responder Capabilities", "The responder chose a role that does not fit ours."));
        var bi = mutual ? _own.Public.Point : default;
        var tag = inside.Unwrap(ke, "Responder Authentication Tag").Get(DppAttribute.ResponderAuthenticationTag);
        byte[] expected = KeySchedule.RAuth(_curve, _nonce, responderNonce, _protocolKey.PublicPoint, point, bi, _options.Responder.Point);
        if (!CryptographicOperations.FixedTimeEquals(expected, tag.Span))
            return End(Confirm(DppStatus.AuthFailure, k2, mutual, responderNonce), new DppException(DppStatus.AuthFailure, "Responder Authentication Tag", "The responder's tag is wrong."));
        var iAuth = KeySchedule.IAuth(_curve, _nonce, responderNonce, _protocolKey.PublicPoint, point, bi, _options.Responder.Point);
        CryptographicOperations.ZeroMemory(k2);
        var done = new Authenticated(_curve, ke, bk)
        {
            Role = role,
            IsInitiator = true,
            IsMutual = mutual,
            PeerVersion = version,
            PeerBootstrapping = _options.Responder,
            PeerProtocolKey = point,
            OwnProtocolKey = _protocolKey,
        };
        _handedOver = true;
        return End(Confirm(ke, mutual, iAuth), null) with { Done = done };
    }

    private AuthenticationTurn TakeStatus(DppFrame response, DppStatus status)
    {
        var inside = response.Attributes.Unwrap(_k1, "Authentication Response", response.Header, response.Attributes.BeforeWrapped);
        CheckNonce(inside);
        if (status == DppStatus.ResponsePending)
        {
            IsPending = true;
            return AuthenticationTurn.Wait;
        }
        throw new DppException(status, "DPP Status", $"The responder says {status}.");
    }

    private void CheckNonce(AttributeList inside)
    {
        if (!CryptographicOperations.FixedTimeEquals(inside.Get(DppAttribute.InitiatorNonce, _curve.NonceLength).Span, _nonce))
            throw new DppException(DppStatus.AuthFailure, "Initiator Nonce", "The response is to another request.");
    }

    /// <exception cref="DppException">Neither single role.</exception>
    private DppCapabilities? RoleFor(DppCapabilities theirs)
    {
        if (theirs is not (DppCapabilities.Enrollee or DppCapabilities.Configurator))
            throw DppException.Malformed("Responder Capabilities", "is not one role.");
        var ours = theirs == DppCapabilities.Enrollee ? DppCapabilities.Configurator : DppCapabilities.Enrollee;
        return (_options.Capabilities & ours) != 0 ? ours : null;
    }

    private AttributeWriter ConfirmHead(DppStatus status, bool mutual) => new AttributeWriter().Add(DppAttribute.Status, (byte)status)
        .Add(DppAttribute.ResponderBootstrappingKeyHash, _options.Responder.Hash.Span).AddIf(mutual, DppAttribute.InitiatorBootstrappingKeyHash, _own.Public.Hash.Span);

    private DppFrame Confirm(byte[] ke, bool mutual, byte[] iAuth) => Finish(ConfirmHead(DppStatus.Ok, mutual), ke, new AttributeWriter().Add(DppAttribute.InitiatorAuthenticationTag, iAuth));

    private DppFrame Confirm(DppStatus status, byte[] k2, bool mutual, ReadOnlyMemory<byte> responderNonce) =>
        Finish(ConfirmHead(status, mutual), k2, new AttributeWriter().Add(DppAttribute.ResponderNonce, responderNonce.Span));

    private DppFrame Finish(AttributeWriter head, byte[] key, AttributeWriter inside)
    {
        head.Wrap(key, inside, DppFrame.HeaderOf(DppFrameType.AuthenticationConfirm), head.ToArray());
        return DppFrame.Create(DppFrameType.AuthenticationConfirm, head, FromEnrollee);
    }

    private AuthenticationTurn End(DppFrame? reply, DppException? failure)
    {
        _ended = true;
        return new(reply, null, failure);
    }

    /// <summary>Absent, or not looked at by a side of version 1: 1.</summary>
    internal static int VersionOf(AttributeList attributes, int own)
    {
        if (own < 2 || !attributes.TryGet(DppAttribute.ProtocolVersion, out var version))
            return 1;
        return version.Length >= 1 && version.Span[0] != 0 ? version.Span[0] : throw DppException.Malformed("Protocol Version", "is empty or 0.");
    }

    public void Dispose()
    {
        _ended = true;
        CryptographicOperations.ZeroMemory(_mx);
        CryptographicOperations.ZeroMemory(_k1);
        if (!_handedOver)
            _protocolKey.Dispose();
        if (_ownIsOurs)
            _own.Dispose();
    }
}
