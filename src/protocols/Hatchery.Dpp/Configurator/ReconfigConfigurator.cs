namespace Hatchery.Dpp.Configurator;

/// <summary>The Configurator's half of reconfiguration authentication (DPP §6.5).</summary>
internal sealed class ReconfigConfigurator(ConfiguratorOptions options, Chance chance)
{
    private const byte Transaction = 1;
    private ConfiguratorKeys? _keys;
    private DppCurve? _curve;
    private byte[] _nonce = [];

    public Authenticated? Done { get; private set; }
    /// <summary>For the next Connector, uncompressed: a new key, or the one that the device showed.</summary>
    public ReadOnlyMemory<byte> NetAccessKey { get; private set; }
    public Connector? Shown { get; private set; }
    /// <summary>The same for all announcements of one episode.</summary>
    public ReadOnlyMemory<byte> EnrolleeId { get; private set; }

    /// <exception cref="DppException">Not a network of ours: silence.</exception>
    public DppFrame Announced(DppFrame frame)
    {
        var attributes = frame.Attributes;
        var hash = attributes.Get(DppAttribute.CSignKeyHash, 32);
        _keys = options.Keys.FirstOrDefault(k => k.CSign.Hash.Span.SequenceEqual(hash.Span)) ?? throw new DppException("UNKNOWN_PEER", "C-sign-key Hash", "The device is of another network.");
        var group = attributes.Get(DppAttribute.FiniteCyclicGroup, 2).Span;
        _curve = DppCurve.ByGroup(group[0] | group[1] << 8) ?? throw DppException.Malformed("Finite Cyclic Group", "is not known.");
        EnrolleeId = _keys.EnrolleeId(_keys.Curve.Point(attributes.Get(DppAttribute.EPrimeId).Span, "E'-id"), _keys.Curve.Point(attributes.Get(DppAttribute.ANonce).Span, "A-NONCE"));
        _nonce = chance.Bytes(_curve.NonceLength, "Reconfig.C-nonce");
        return Reconfig.Request(Transaction, options.Exchange.Version, _keys.Own(_curve).Connector.Text, _nonce);
    }

    /// <exception cref="DppException">The exchange is over.</exception>
    public DppFrame Receive(DppFrame frame)
    {
        var attributes = frame.Attributes;
        if (attributes.GetByte(DppAttribute.TransactionId) != Transaction)
            throw DppException.Malformed("Transaction ID", "is of another request.");
        int version = Reconfig.VersionOf(attributes);
        // Its expiry is not looked at: devices that come too late are to come back.
        Shown = Connector.Verify(Reconfig.ConnectorOf(frame), _keys!.CSign);
        if (Shown.Curve != _curve)
            throw new DppException(DppStatus.InvalidConnector, "netAccessKey", "The Connector's key is on another curve than announced.");
        var enrolleeNonce = attributes.Get(DppAttribute.EnrolleeNonce, _curve.NonceLength);
        byte[] point = _curve.Point(attributes.Get(DppAttribute.ResponderProtocolKey).Span, "Responder Protocol Key");
        byte[] m = Reconfig.ConfiguratorSecret(_curve, _keys.Own(_curve).Key, Shown.NetAccessKey.Span, point);
        byte[] ke = KeySchedule.ReconfigKe(_curve, _nonce, enrolleeNonce.Span, m);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(m);
        var inside = attributes.Unwrap(ke, "Reconfig Authentication Response", frame.Header, attributes.BeforeWrapped);
        if (!inside.Get(DppAttribute.ConfiguratorNonce).Span.SequenceEqual(_nonce))
            throw DppException.Malformed("Configurator Nonce", "is of another request.");
        DppConnectionStatus.Parse(inside.Get(DppAttribute.ConnectionStatus));
        NetAccessKey = options.ReplaceKeys ? point : Shown.NetAccessKey;
        Done = new Authenticated(_curve, ke, []) { Role = DppCapabilities.Configurator, IsMutual = true, PeerVersion = version, PeerProtocolKey = point };
        return Reconfig.Confirm(Transaction, version, _nonce, enrolleeNonce.Span, options.ReplaceKeys, ke);
    }
}
