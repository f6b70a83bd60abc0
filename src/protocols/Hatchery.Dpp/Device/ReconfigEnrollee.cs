using System.Security.Cryptography;

namespace Hatchery.Dpp.Device;

/// <summary>The Enrollee's half of reconfiguration authentication (DPP §6.5). For one episode: E-id stays, and every announcement hides it anew.</summary>
internal sealed class ReconfigEnrollee
{
    private readonly DppCredential _credential;
    private readonly DppPublicKey _csign, _pp;
    private readonly DppCurve _curve;
    private readonly Chance _chance;
    private readonly byte[] _id;
    private readonly int _version;
    private byte _transaction;
    private byte[] _configuratorNonce = [], _enrolleeNonce = [], _ke = [];
    private AgreementKey? _protocolKey;

    /// <exception cref="DppException">The credential has no keys for it.</exception>
    public ReconfigEnrollee(DppCredential credential, int version, Chance chance)
    {
        (_credential, _version, _chance) = (credential, version, chance);
        _csign = credential.CSignKey ?? throw Missing();
        _pp = credential.PrivacyKey ?? throw Missing();
        _curve = DppCurve.ByGroup(credential.NetAccessKeyGroup) ?? throw Missing();
        if (credential.Connector is null || credential.NetAccessKey is null)
            throw Missing();
        using var id = chance.NewAgreementKey(_pp.Curve.Curve, "Reconfig.E-id");
        _id = id.PublicPoint.ToArray();

        static DppException Missing() => new("NO_CREDENTIAL", "credential", "This credential cannot be reconfigured: Connector, keys or ppKey are missing.");
    }

    public Authenticated? Done { get; private set; }
    /// <summary>The key that the next Connector will be for.</summary>
    public AgreementKey? NetAccessKey { get; private set; }

    public DppFrame Announcement()
    {
        using var a = _chance.NewAgreementKey(_pp.Curve.Curve, "Reconfig.a");
        using var scalar = a.ExportScalar();
        return Reconfig.Announcement(_csign, _curve, a.PublicPoint.Span, _pp.Curve.Group.Add(_id, _pp.Curve.Group.Multiply(scalar.Reveal(), _pp.Point.Span)));
    }

    /// <exception cref="DppException">The exchange is over.</exception>
    public DppFrame Receive(DppFrame request, DppConnectionStatus status, Moment now)
    {
        var attributes = request.Attributes;
        _transaction = attributes.GetByte(DppAttribute.TransactionId);
        Reconfig.VersionOf(attributes);
        var connector = Connector.Verify(Reconfig.ConnectorOf(request), _csign);
        if (connector.HasExpired(now.Wall))
            throw new DppException(DppStatus.InvalidConnector, "expiry", "The Configurator's Connector has expired.");
        if (connector.Curve != _curve || !connector.Groups.Any(g => g.NetRole == DppGroup.Configurator))
            throw new DppException(DppStatus.NoMatch, "groups", "The Connector is not a Configurator's for our key.");
        _configuratorNonce = attributes.Get(DppAttribute.ConfiguratorNonce, _curve.NonceLength).ToArray();
        _enrolleeNonce = _chance.Bytes(_curve.NonceLength, "Reconfig.E-nonce");
        _protocolKey = _chance.NewAgreementKey(_curve.Curve, "Reconfig.PR");
        using var own = _credential.OpenNetAccessKey()!;
        byte[] m = Reconfig.EnrolleeSecret(_curve, own, _protocolKey, connector.NetAccessKey.Span);
        _ke = KeySchedule.ReconfigKe(_curve, _configuratorNonce, _enrolleeNonce, m);
        CryptographicOperations.ZeroMemory(m);
        return Reconfig.Response(_transaction, _version, _credential.Connector!, _enrolleeNonce, _protocolKey, _configuratorNonce, status, _ke);
    }

    /// <exception cref="DppException">The exchange is over.</exception>
    public void Confirm(DppFrame confirm)
    {
        if (_protocolKey is null)
            throw new DppException("WRONG_STATE", confirm.ToString(), "no Confirm is expected.");
        var attributes = confirm.Attributes;
        var status = (DppStatus)attributes.GetByte(DppAttribute.Status);
        if (status != DppStatus.Ok)
            throw new DppException(status, "DPP Status", $"The Configurator says {status}.");
        var inside = attributes.Unwrap(_ke, "Reconfig Authentication Confirm", confirm.Header, attributes.BeforeWrapped);
        if (inside.GetByte(DppAttribute.TransactionId) != _transaction || inside.GetByte(DppAttribute.ProtocolVersion) != _version
            || !inside.Get(DppAttribute.ConfiguratorNonce).Span.SequenceEqual(_configuratorNonce) || !inside.Get(DppAttribute.EnrolleeNonce).Span.SequenceEqual(_enrolleeNonce))
            throw new DppException(DppStatus.AuthFailure, "Reconfig Authentication Confirm", "The Confirm is of another exchange.");
        bool replace = (inside.GetByte(DppAttribute.ReconfigFlags) & 1) != 0;
        NetAccessKey = replace ? _protocolKey : _credential.OpenNetAccessKey();
        Done = new Authenticated(_curve, _ke, []) { Role = DppCapabilities.Enrollee, IsMutual = true, PeerVersion = 2, OwnProtocolKey = _protocolKey };
    }
}
