using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Dpp.Device;

/// <summary>What came of a message of configuration.</summary>
/// <param name="ComeBack">Ask again after this time by sending what <see cref="EnrolleeConfiguration.ComeBack"/> makes; null: no.</param>
/// <param name="Received">The end: to be saved, then answered by <see cref="EnrolleeConfiguration.Result"/>.</param>
public readonly record struct ConfigurationTurn(GasMessage? Send, TimeSpan? ComeBack, ReceivedConfiguration? Received);

/// <summary>What was received and verified.</summary>
/// <param name="Credentials">In the Configurator's order of preference.</param>
/// <param name="Backup">Set where we become a Configurator.</param>
public sealed record ReceivedConfiguration(ImmutableArray<DppCredential> Credentials, ConfiguratorBackup? Backup, bool SendConnectionStatus, string? Connector);

/// <summary>The Enrollee's half of configuration (DPP §6.4): it asks, whoever initiated.</summary>
public sealed class EnrolleeConfiguration
{
    private const int MaxRounds = 4, MaxResponse = 60000;
    private readonly Authenticated _session;
    private readonly ConfigurationRequestObject _request;
    private readonly Chance _chance;
    private readonly AgreementKey? _reusedKey;
    private AgreementKey _key;
    private DppCurve _keyCurve;
    private byte[] _nonce = [];
    private byte _token;
    private List<byte>? _fragments;
    private ReadOnlyMemory<byte> _csr;
    private int _rounds, _version;

    /// <param name="netAccessKey">Null: the protocol key becomes the netAccessKey. After a reconfiguration that keeps the key: that key.</param>
    public EnrolleeConfiguration(Authenticated session, ConfigurationRequestObject request, int version, Chance chance, AgreementKey? netAccessKey = null)
    {
        (_session, _request, _chance, _version, _reusedKey) = (session, request, chance, version, netAccessKey);
        _key = netAccessKey ?? session.OwnProtocolKey ?? throw new ArgumentException("The session has no key.", nameof(session));
        _keyCurve = session.Curve;
    }

    /// <summary>What came cannot be used; the Configurator is to be told by <see cref="Result"/>.</summary>
    public bool Rejected { get; private set; }

    public GasMessage Start() => Ask(_request, null, null);

    private GasMessage Ask(ConfigurationRequestObject request, AgreementKey? newKey, ReadOnlyMemory<byte>? configuratorKey)
    {
        if (++_rounds > MaxRounds)
            throw new DppException("WRONG_STATE", "Configuration Request", "The Configurator asks again and again.");
        _nonce = _chance.Bytes(_session.Curve.NonceLength, "Conf.E-nonce");
        byte[] tag = [];
        if (newKey is not null && configuratorKey is { } pc)
        {
            byte[] s = newKey.Agree(pc.Span);
            tag = KeySchedule.NewKeyTag(_session.Curve, _session.Bk, s, _nonce, pc, newKey.PublicPoint);
            CryptographicOperations.ZeroMemory(s);
        }
        _fragments = null;
        return GasMessage.Request(_token++, ConfigurationMessages.Request(_session,
            new(_nonce, newKey is null ? default : newKey.PublicPoint[1..], tag, request.Encode())));
    }

    /// <summary>What to send when the time to come back has come.</summary>
    public GasMessage ComeBack() => GasMessage.Comeback((byte)(_token - 1));

    /// <exception cref="DppException">The exchange is over, and nothing is sent.</exception>
    public ConfigurationTurn Receive(GasMessage message, Moment now)
    {
        if (message.Action is not (DppMessage.GasInitialResponse or DppMessage.GasComebackResponse) || message.DialogToken != (byte)(_token - 1) || message.Status != 0)
            throw DppException.Malformed("GAS response", "is none to our request.");
        if (message.Delay > 0 && message.Content.IsEmpty)
            return new(null, TimeSpan.FromMicroseconds(1024L * message.Delay), null);
        if (message.Action == DppMessage.GasComebackResponse && (message.HasMore || _fragments is not null))
        {
            _fragments ??= [];
            if (_fragments.Count + message.Content.Length > MaxResponse)
                throw DppException.Malformed("GAS response", "is too long.");
            _fragments.AddRange(message.Content.Span);
            if (message.HasMore)
                return new(ComeBack(), null, null);
        }
        byte[]? whole = _fragments?.ToArray();
        _fragments = null;
        return Take(ConfigurationMessages.OpenResponse(_session, whole ?? message.Content), message, now);
    }

    private ConfigurationTurn Take(ConfigurationResponseContent content, GasMessage message, Moment now)
    {
        if (!CryptographicOperations.FixedTimeEquals(content.EnrolleeNonce.Span, _nonce))
            throw DppException.Malformed("Enrollee Nonce", "is of another request.");
        switch (content.Status)
        {
            case DppStatus.Ok:
                Rejected = true;
                var received = Accept(content, now);
                Rejected = false;
                message.GivenConnector = received.Connector;
                return new(null, null, received);
            case DppStatus.CsrNeeded when _version > 1 && _csr.IsEmpty && _session.Bk.Length > 0:
                _csr = CsrForm.Make(_session, _request.Name, _key, _chance);
                return new(Ask(_request with { Pkcs10 = _csr }, null, null), null, null);
            case DppStatus.NewKeyNeeded when _version > 2 && content.NewCurve is { } curve && _keyCurve == _session.Curve && _session.Bk.Length > 0:
                byte[] pc = curve.Point(content.ConfiguratorKey.Span, "Responder Protocol Key");
                (_key, _keyCurve) = (_chance.NewAgreementKey(curve.Curve, "Conf.Pe"), curve);
                return new(Ask(_request, _key, pc), null, null);
            default:
                throw new DppException(content.Status, "DPP Status", $"The Configurator says {content.Status}.");
        }
    }

    private ReceivedConfiguration Accept(ConfigurationResponseContent content, Moment now)
    {
        ConfiguratorBackup? backup = null;
        if (!content.EnvelopedData.IsEmpty)
        {
            if (_request.NetRole != DppGroup.Configurator)
                throw new DppException(DppStatus.ConfigRejected, "DPPEnvelopedData", "We did not ask to become a Configurator.");
            backup = ConfiguratorBackup.Open(content.EnvelopedData, KeySchedule.EnvelopedDataPassword(_session.Curve, _session.Bk));
        }
        var credentials = ImmutableArray.CreateBuilder<DppCredential>();
        DppException? last = null;
        foreach (var text in content.Objects)
        {
            // One that we cannot use does not spoil the others.
            try
            {
                credentials.Add(Verify(ConfigurationObject.Parse(text), now));
            }
            catch (DppException e)
            {
                last = e;
            }
        }
        if (credentials.Count == 0 && backup is null)
            throw last ?? throw DppException.Malformed("Configuration Object", "is missing.");
        return new(credentials.ToImmutable(), backup, content.SendConnectionStatus, credentials.FirstOrDefault(c => c.Connector is not null)?.Connector);
    }

    /// <summary>DPP §6.4.3: nothing is believed that does not verify.</summary>
    private DppCredential Verify(ConfigurationObject o, Moment now)
    {
        if (o.SignedConnector is { } text)
        {
            var connector = Connector.Verify(text, o.CSign!);
            if (connector.Curve != _keyCurve || !connector.NetAccessKey.Span.SequenceEqual(_key.PublicPoint.Span))
                throw new DppException(DppStatus.InvalidConnector, "netAccessKey", "The Connector is for another key than ours.");
            if (connector.HasExpired(now.Wall))
                throw new DppException(DppStatus.InvalidConnector, "expiry", "The Connector has expired.");
        }
        if (o.Enterprise is { } enterprise)
            CertificateBag.CheckLeaf(enterprise.CertificateBag, _keyCurve, _key.PublicPoint);
        using var scalar = _key.ExportScalar();
        return DppCredential.From(o, _keyCurve, scalar);
    }

    public DppFrame Result(DppStatus status) => ConfigurationMessages.Result(_session, status, _nonce);

    public DppFrame ConnectionStatus(DppConnectionStatus status) => ConfigurationMessages.ConnectionStatus(_session, status.Encode(), _nonce);
}
