using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Dpp;

/// <summary>What both sides of PKEX derive (DPP §5.6).</summary>
internal static class PkexDerivations
{
    /// <summary>Qi or Qr: the hash of the code as a scalar, times the role's element.</summary>
    /// <exception cref="CryptographicException">It is infinity.</exception>
    public static byte[] Q(DppCurve curve, PkexCode code, ReadOnlyMemory<byte> mac, ReadOnlySpan<byte> element)
    {
        byte[] identifier = Encoding.UTF8.GetBytes(code.Identifier ?? ""), bytes = code.Bytes.ToArray();
        byte[] hash = curve.HashOf(mac, identifier, bytes), scalar = curve.Group.Reduce(hash);
        byte[] q = curve.Group.Multiply(scalar, element);
        foreach (byte[] secret in (ReadOnlySpan<byte[]>)[bytes, hash, scalar])
            CryptographicOperations.ZeroMemory(secret);
        return q;
    }

    /// <param name="m">Uncompressed, as N.</param>
    /// <param name="binding">The two MAC addresses, or the two versions; initiator's first.</param>
    public static byte[] Z(DppCurve curve, PkexCode code, ReadOnlySpan<byte> binding, ReadOnlyMemory<byte> m, ReadOnlyMemory<byte> n, ReadOnlySpan<byte> kx)
    {
        byte[] info = [.. binding, .. KeySchedule.X(m).Span, .. KeySchedule.X(n).Span, .. code.Bytes];
        byte[] z = curve.Hkdf([], info, kx);
        CryptographicOperations.ZeroMemory(info);
        return z;
    }

    /// <summary>u and v: under the x of one's bootstrapping key times the other's ephemeral one.</summary>
    public static byte[] Tag(DppCurve curve, ReadOnlySpan<byte> secret, ReadOnlyMemory<byte> mac, ReadOnlyMemory<byte> bootstrapping, ReadOnlyMemory<byte> first, ReadOnlyMemory<byte> second) =>
        curve.HmacOf(secret, mac, KeySchedule.X(bootstrapping), KeySchedule.X(first), KeySchedule.X(second));

    public static bool SameIdentifier(AttributeList attributes, PkexCode code)
    {
        bool there = attributes.TryGet(DppAttribute.CodeIdentifier, out var identifier);
        return there == code.Identifier is not null && (!there || identifier.Span.SequenceEqual(Encoding.UTF8.GetBytes(code.Identifier!)));
    }

    public static DppException Wrong(string field, string sentence) => new(DppStatus.AuthFailure, field, sentence);
}

/// <summary>The side that sends the Exchange Request.</summary>
public sealed class PkexInitiator : IDisposable
{
    private static readonly byte[] s_request = [0], s_response = [1];
    private readonly PkexOptions _options;
    private readonly DppCurve _curve;
    private readonly AgreementKey _x;
    private readonly byte[] _m;
    private byte[] _z = [], _y = [];
    private ReadOnlyMemory<byte> _ownMac, _peerMac;
    private bool _began;

    /// <exception cref="DppException">The code is of no more use, or another exchange is on its way.</exception>
    public PkexInitiator(PkexOptions options, Chance chance)
    {
        (_options, _curve) = (options, options.Own.Curve);
        _began = options.Code.TryBegin() ? true : throw PkexDerivations.Wrong("code", "The code was used up, or is in use.");
        _ownMac = options.Version == 1 ? options.OwnMac : default;
        _x = chance.NewAgreementKey(_curve.Curve, "PKEX.x");
        _m = _curve.Group.Add(_x.PublicPoint.Span, PkexDerivations.Q(_curve, options.Code, _ownMac, PkexElements.Initiator(_curve)));
        var attributes = new AttributeWriter().AddIf(options.Version > 1, DppAttribute.ProtocolVersion, [(byte)options.ProtocolVersion]).AddGroup(_curve);
        if (options.Code.Identifier is { } identifier)
            attributes.Add(DppAttribute.CodeIdentifier, Encoding.UTF8.GetBytes(identifier));
        attributes.Add(DppAttribute.EncryptedKey, _m.AsSpan(1));
        Request = DppFrame.Create(options.Version == 1 ? DppFrameType.PkexVersion1ExchangeRequest : DppFrameType.PkexExchangeRequest, attributes, options.FromEnrollee);
    }

    public DppFrame Request { get; }

    /// <summary>Takes the Exchange Response and makes the Commit-Reveal Request.</summary>
    /// <param name="peerMac">Of who sent it; for version 1.</param>
    /// <exception cref="DppException">The exchange is over.</exception>
    public DppFrame Receive(DppFrame response, ReadOnlyMemory<byte> peerMac = default)
    {
        if (response.Type != DppFrameType.PkexExchangeResponse || _z.Length > 0)
            throw new DppException("WRONG_STATE", response.ToString(), $"{response} came in place of an Exchange Response.");
        var attributes = response.Attributes;
        var status = (DppStatus)attributes.GetByte(DppAttribute.Status);
        if (status == DppStatus.BadGroup)
            throw new DppException(status, "Finite Cyclic Group", "The responder wants another curve.");
        if (status != DppStatus.Ok)
            throw new DppException(status, "DPP Status", $"The responder says {status}.");
        if (!PkexDerivations.SameIdentifier(attributes, _options.Code))
            throw PkexDerivations.Wrong("Code Identifier", "The identifiers differ.");
        _peerMac = _options.Version == 1 ? peerMac : default;
        try
        {
            byte[] n = Counted(attributes.Get(DppAttribute.EncryptedKey));
            _y = _curve.Group.Subtract(n, PkexDerivations.Q(_curve, _options.Code, _peerMac, PkexElements.Responder(_curve)));
            byte[] binding = _options.Version == 1 ? [.. _ownMac.Span, .. _peerMac.Span] : [(byte)_options.ProtocolVersion, attributes.GetByte(DppAttribute.ProtocolVersion)];
            _z = PkexDerivations.Z(_curve, _options.Code, binding, _m, n, _x.Agree(_y));
        }
        catch (CryptographicException e)
        {
            _options.Code.Fail();
            throw new DppException("INVALID_KEY", "Encrypted Key", "The responder's key does not decrypt to a point.", e);
        }
        byte[] u = PkexDerivations.Tag(_curve, _options.Own.Key.Agree(_y), _ownMac, _options.Own.Public.Point, _y, _x.PublicPoint);
        var inside = new AttributeWriter().Add(DppAttribute.BootstrappingKey, _options.Own.Public.Point.Span[1..]).Add(DppAttribute.InitiatorAuthenticationTag, u);
        return DppFrame.Create(DppFrameType.PkexCommitRevealRequest,
            new AttributeWriter().Wrap(_z, inside, DppFrame.HeaderOf(DppFrameType.PkexCommitRevealRequest), s_request), _options.FromEnrollee);
    }

    /// <summary>Takes the Commit-Reveal Response: the responder's bootstrapping key. The code is used up.</summary>
    /// <exception cref="DppException">The exchange is over.</exception>
    public BootstrappingKey Finish(DppFrame response)
    {
        if (response.Type != DppFrameType.PkexCommitRevealResponse || _z.Length == 0)
            throw new DppException("WRONG_STATE", response.ToString(), $"{response} came in place of a Commit-Reveal Response.");
        try
        {
            var inside = response.Attributes.Unwrap(_z, "Commit-Reveal Response", response.Header, s_response);
            byte[] b = _curve.Point(inside.Get(DppAttribute.BootstrappingKey).Span, "Bootstrapping Key");
            byte[] v = PkexDerivations.Tag(_curve, _x.Agree(b), _peerMac, b, _x.PublicPoint, _y);
            if (!CryptographicOperations.FixedTimeEquals(inside.Get(DppAttribute.ResponderAuthenticationTag).Span, v))
                throw PkexDerivations.Wrong("v", "The responder's tag is wrong.");
            _options.Code.Spend();
            return BootstrappingKey.FromPoint(_curve, b);
        }
        catch (DppException)
        {
            _options.Code.Fail();
            throw;
        }
    }

    private byte[] Counted(ReadOnlyMemory<byte> encrypted)
    {
        try
        {
            return _curve.Point(encrypted.Span, "Encrypted Key");
        }
        catch (DppException)
        {
            _options.Code.Fail();
            throw;
        }
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_z);
        _x.Dispose();
        if (_began)
            _options.Code.End();
        _began = false;
    }
}

/// <summary>The side that answers the Exchange Request.</summary>
public sealed class PkexResponder : IDisposable
{
    private static readonly byte[] s_request = [0], s_response = [1];
    private readonly PkexOptions _options;
    private readonly DppCurve _curve;
    private readonly Chance _chance;
    private AgreementKey? _y;
    private byte[] _z = [], _x = [];
    private ReadOnlyMemory<byte> _ownMac, _peerMac;
    private bool _began;

    public PkexResponder(PkexOptions options, Chance chance) => (_options, _curve, _chance) = (options, options.Own.Curve, chance);

    /// <summary>Takes an Exchange Request and makes the response, which may refuse the curve (then the exchange is over: see <see cref="Refused"/>).</summary>
    /// <exception cref="DppException">Nothing is answered.</exception>
    public DppFrame Receive(DppFrame request, ReadOnlyMemory<byte> peerMac = default)
    {
        bool first = request.Type == DppFrameType.PkexVersion1ExchangeRequest;
        if (!first && request.Type != DppFrameType.PkexExchangeRequest || first != (_options.Version == 1) || _y is not null)
            throw new DppException("WRONG_STATE", request.ToString(), $"{request} came in place of an Exchange Request.");
        var attributes = request.Attributes;
        if (!PkexDerivations.SameIdentifier(attributes, _options.Code))
            throw PkexDerivations.Wrong("Code Identifier", "The identifiers differ.");
        if (!_options.Code.TryBegin())
            throw PkexDerivations.Wrong("code", "The code was used up, or is in use.");
        _began = true;
        var group = attributes.Get(DppAttribute.FiniteCyclicGroup, 2).Span;
        if ((group[0] | group[1] << 8) != _curve.IkeGroup)
        {
            Refused = true;
            return DppFrame.Create(DppFrameType.PkexExchangeResponse, Head(DppStatus.BadGroup).AddGroup(_curve), _options.FromEnrollee);
        }
        (_ownMac, _peerMac) = first ? (_options.OwnMac, peerMac) : (default, default);
        try
        {
            return Answer(attributes);
        }
        catch (Exception e) when (e is CryptographicException or DppException { Error: "INVALID_KEY" or "MALFORMED" })
        {
            _options.Code.Fail();
            throw e as DppException ?? new DppException("INVALID_KEY", "Encrypted Key", "The initiator's key does not decrypt to a point.", e);
        }
    }

    /// <summary>The initiator was told to use our curve.</summary>
    public bool Refused { get; private set; }

    private DppFrame Answer(AttributeList attributes)
    {
        byte[] m = _curve.Point(attributes.Get(DppAttribute.EncryptedKey).Span, "Encrypted Key");
        _x = _curve.Group.Subtract(m, PkexDerivations.Q(_curve, _options.Code, _peerMac, PkexElements.Initiator(_curve)));
        _y = _chance.NewAgreementKey(_curve.Curve, "PKEX.y");
        byte[] n = _curve.Group.Add(_y.PublicPoint.Span, PkexDerivations.Q(_curve, _options.Code, _ownMac, PkexElements.Responder(_curve)));
        byte[] binding = _options.Version == 1 ? [.. _peerMac.Span, .. _ownMac.Span] : [attributes.GetByte(DppAttribute.ProtocolVersion), (byte)_options.ProtocolVersion];
        _z = PkexDerivations.Z(_curve, _options.Code, binding, m, n, _y.Agree(_x));
        return DppFrame.Create(DppFrameType.PkexExchangeResponse, Head(DppStatus.Ok).Add(DppAttribute.EncryptedKey, n.AsSpan(1)), _options.FromEnrollee);
    }

    private AttributeWriter Head(DppStatus status)
    {
        var head = new AttributeWriter().Add(DppAttribute.Status, (byte)status).AddIf(_options.Version > 1, DppAttribute.ProtocolVersion, [(byte)_options.ProtocolVersion]);
        if (status == DppStatus.Ok && _options.Code.Identifier is { } identifier)
            head.Add(DppAttribute.CodeIdentifier, Encoding.UTF8.GetBytes(identifier));
        return head;
    }

    /// <summary>Takes the Commit-Reveal Request: the initiator's bootstrapping key, and the response. The code is used up.</summary>
    /// <exception cref="DppException">Nothing is answered; the exchange is over.</exception>
    public (BootstrappingKey Peer, DppFrame Response) Finish(DppFrame request)
    {
        if (request.Type != DppFrameType.PkexCommitRevealRequest || _y is null)
            throw new DppException("WRONG_STATE", request.ToString(), $"{request} came in place of a Commit-Reveal Request.");
        byte[] a;
        try
        {
            var inside = request.Attributes.Unwrap(_z, "Commit-Reveal Request", request.Header, s_request);
            a = _curve.Point(inside.Get(DppAttribute.BootstrappingKey).Span, "Bootstrapping Key");
            byte[] u = PkexDerivations.Tag(_curve, _y.Agree(a), _peerMac, a, _y.PublicPoint, _x);
            if (!CryptographicOperations.FixedTimeEquals(inside.Get(DppAttribute.InitiatorAuthenticationTag).Span, u))
                throw PkexDerivations.Wrong("u", "The initiator's tag is wrong.");
        }
        catch (DppException)
        {
            _options.Code.Fail();
            throw;
        }
        byte[] v = PkexDerivations.Tag(_curve, _options.Own.Key.Agree(_x), _ownMac, _options.Own.Public.Point, _x, _y.PublicPoint);
        var revealed = new AttributeWriter().Add(DppAttribute.BootstrappingKey, _options.Own.Public.Point.Span[1..]).Add(DppAttribute.ResponderAuthenticationTag, v);
        _options.Code.Spend();
        return (BootstrappingKey.FromPoint(_curve, a), DppFrame.Create(DppFrameType.PkexCommitRevealResponse,
            new AttributeWriter().Wrap(_z, revealed, DppFrame.HeaderOf(DppFrameType.PkexCommitRevealResponse), s_response), _options.FromEnrollee));
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_z);
        _y?.Dispose();
        if (_began)
            _options.Code.End();
        _began = false;
    }
}
