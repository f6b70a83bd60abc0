using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Dpp.Configurator;

/// <summary>The Configurator's half of configuration (DPP §6.4). A request raises <see cref="Asked"/>, which <see cref="Decide"/> answers; a device that must wait is told
/// to come back, and asked for again then.</summary>
internal sealed class ConfiguratorConfiguration(Authenticated session, int version, Chance chance, AgreementKeyOf? netAccessKey)
{
    private const int MaxRounds = 4;
    private ConfigurationRequestContent? _request;
    private byte _token;
    private bool _viaComeback, _csrWanted;
    private int _rounds;
    private AgreementKey? _newKey;
    private DppCurve? _newCurve;
    private ConfigurationAsked? _last;

    /// <summary>The question that is open.</summary>
    public ConfigurationAsked? Asked { get; private set; }
    /// <summary>An answer was given that the device confirms by a result.</summary>
    public bool IsProvided { get; private set; }
    public bool StatusWanted { get; private set; }
    /// <summary>The Connector given.</summary>
    public string? Given { get; private set; }
    public ConfigurationAsked? Last => _last;

    /// <summary>Returns an answer where none has to be asked for.</summary>
    /// <exception cref="DppException">The exchange is over, and nothing is sent.</exception>
    public void Receive(GasMessage message)
    {
        if (Asked is not null || IsProvided)
            throw new DppException("WRONG_STATE", message.ToString(), "no request is expected now.");
        if (message.Action == DppMessage.GasComebackRequest)
        {
            if (_last is null || _request is null || message.DialogToken != _token)
                throw DppException.Malformed("dialog token", "is of no request.");
            _viaComeback = true;
            Asked = _last;
            return;
        }
        if (message.Action != DppMessage.GasInitialRequest || ++_rounds > MaxRounds)
            throw new DppException("WRONG_STATE", message.ToString(), "no such message is expected now.");
        _token = message.DialogToken;
        _viaComeback = false;
        _request = ConfigurationMessages.OpenRequest(session, message.Content);
        var request = ConfigurationRequestObject.Parse(_request.Json);
        var (curve, key) = KeyOf(_request);
        if (!request.Pkcs10.IsEmpty)
        {
            if (!_csrWanted)
                throw new DppException(DppStatus.CsrBad, "pkcs10", "A signing request was not asked for.");
            // What is wrong with it is told to the device: the question is answered here.
            try
            {
                CsrForm.Check(session, request.Pkcs10);
            }
            catch (DppException bad) when (bad.Error == nameof(DppStatus.CsrBad))
            {
                _bad = bad;
            }
        }
        Asked = _last = new ConfigurationAsked(request, session.PeerBootstrapping, session.IsMutual, session.PeerVersion, version, curve, key, _newKey is not null,
            _newKey is null && netAccessKey is null && session.Bk.Length > 0 && version > 2 && session.PeerVersion > 2, netAccessKey?.Shown);
    }

    private DppException? _bad;
    /// <summary>Set with a question that is to be answered by CSR_BAD.</summary>
    public DppException? BadCsr => _bad;

    private (DppCurve, ReadOnlyMemory<byte>) KeyOf(ConfigurationRequestContent request)
    {
        if (_newKey is null)
            return request.NewProtocolKey.IsEmpty ? (session.Curve, netAccessKey?.Point ?? session.PeerProtocolKey)
                : throw new DppException("WRONG_STATE", "Initiator Protocol Key", "A new key was not asked for.");
        byte[] point = _newCurve!.Point(request.NewProtocolKey.Span, "Initiator Protocol Key");
        byte[] s = _newKey.Agree(point);
        byte[] tag = KeySchedule.NewKeyTag(session.Curve, session.Bk, s, request.EnrolleeNonce, _newKey.PublicPoint, point);
        CryptographicOperations.ZeroMemory(s);
        return CryptographicOperations.FixedTimeEquals(tag, request.NewKeyTag.Span) ? (_newCurve, point)
            : throw new DppException(DppStatus.AuthFailure, "Initiator Authentication Tag", "The new key is not of the device that was authenticated.");
    }

    public GasMessage Decide(ConfigurationDecision decision)
    {
        var asked = Asked ?? throw new InvalidOperationException("Nothing was asked.");
        Asked = null;
        var nonce = _request!.EnrolleeNonce;
        switch (decision)
        {
            case ConfigurationDecision.NotYet(var delay):
                ushort units = (ushort)Math.Clamp((long)(delay.TotalMicroseconds / 1024), 1, 60000);
                return _viaComeback ? GasMessage.ComebackAnswer(_token, units, 0, default) : GasMessage.Response(_token, units, default);
            case ConfigurationDecision.Refuse(var status, _):
                return Answer(new(status, nonce));
            case ConfigurationDecision.NeedCsr(var attributes) when asked.PeerVersion > 1:
                _csrWanted = true;
                byte[] der = attributes.IsEmpty ? CsrForm.MinimalAttributes : attributes.ToArray();
                return Answer(new(DppStatus.CsrNeeded, nonce) { CsrAttributes = Encoding.ASCII.GetBytes(Convert.ToBase64String(der)) });
            case ConfigurationDecision.NeedNewKey(var curve) when asked.CanNewKey:
                (_newKey, _newCurve) = (chance.NewAgreementKey(curve.Curve, "Conf.Pc"), curve);
                return Answer(new(DppStatus.NewKeyNeeded, nonce) { NewCurve = curve, ConfiguratorKey = _newKey.PublicPoint[1..] });
            case ConfigurationDecision.Provide provide when IsFit(provide, asked):
                return Provide(provide, asked, nonce);
            default:
                return Answer(new(DppStatus.ConfigureFailure, nonce));
        }
    }

    /// <summary>A password identifier goes only to those that know it (version 3).</summary>
    private static bool IsFit(ConfigurationDecision.Provide provide, ConfigurationAsked asked) =>
        (provide.Objects.Length > 0 || provide.Backup is not null) && (asked.Request.KnowsPasswordIdentifier || provide.Objects.All(o => o.PasswordIdentifier is null));

    private GasMessage Provide(ConfigurationDecision.Provide provide, ConfigurationAsked asked, ReadOnlyMemory<byte> nonce)
    {
        IsProvided = true;
        StatusWanted = provide.AskStatus && asked.PeerVersion > 1 && asked.Request.NetRole == DppGroup.Station;
        Given = provide.Objects.FirstOrDefault(o => o.SignedConnector is not null)?.SignedConnector;
        ReadOnlyMemory<byte> enveloped = provide.Backup is { } backup && asked.IsMutual && session.Bk.Length > 0
            ? backup.Seal(KeySchedule.EnvelopedDataPassword(session.Curve, session.Bk), chance) : default;
        return Answer(new(DppStatus.Ok, nonce)
        {
            Objects = [.. provide.Objects.Take(asked.PeerVersion > 1 ? ConfigurationMessages.MaxObjects : 1).Select(o => (ReadOnlyMemory<byte>)o.Encode())],
            SendConnectionStatus = StatusWanted,
            EnvelopedData = enveloped,
        });
    }

    private GasMessage Answer(ConfigurationResponseContent content)
    {
        byte[] response = ConfigurationMessages.Response(session, content);
        var message = _viaComeback ? GasMessage.ComebackAnswer(_token, 0, 0, response) : GasMessage.Response(_token, 0, response);
        message.GivenConnector = Given;
        return message;
    }

    /// <exception cref="DppException"/>
    public DppStatus Result(DppFrame frame) => (DppStatus)ConfigurationMessages.OpenSealed(session, frame, _request!.EnrolleeNonce).GetByte(DppAttribute.Status);

    /// <exception cref="DppException"/>
    public DppConnectionStatus Status(DppFrame frame) =>
        DppConnectionStatus.Parse(ConfigurationMessages.OpenSealed(session, frame, _request!.EnrolleeNonce).Get(DppAttribute.ConnectionStatus));
}

/// <summary>After a reconfiguration: the key that the next Connector is for, and the Connector that was shown.</summary>
internal sealed record AgreementKeyOf(ReadOnlyMemory<byte> Point, Connector Shown);
