using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Dpp.Configurator;

/// <summary>What a Configurator brings to each of its sessions.</summary>
public sealed record ConfiguratorOptions
{
    public required ExchangeOptions Exchange { get; init; }
    /// <summary>One for each network or tenant; a Connector of another's is never taken.</summary>
    public ImmutableArray<ConfiguratorKeys> Keys { get; init; } = [];
    /// <summary>For a device to come back, while it is waiting for a decision.</summary>
    public TimeSpan HoldWithin { get; init; } = TimeSpan.FromHours(24);
    public TimeSpan ResultWithin { get; init; } = TimeSpan.FromSeconds(10);
    public TimeSpan StatusWithin { get; init; } = TimeSpan.FromSeconds(16);
    /// <summary>Reconfiguration gives a new netAccessKey.</summary>
    public bool ReplaceKeys { get; init; } = true;
}

/// <summary>What a session asks of its surroundings; answered by one of the <c>Supply</c> methods.</summary>
public abstract record ConfiguratorQuestion
{
    /// <summary>Whose bootstrapping key has this hash?</summary>
    public sealed record Peer(ReadOnlyMemory<byte> Hash) : ConfiguratorQuestion;
    /// <summary>Whose bootstrapping key has this chirp hash? None: the session ends.</summary>
    public sealed record Chirper(ReadOnlyMemory<byte> ChirpHash) : ConfiguratorQuestion;
    public sealed record Configure(ConfigurationAsked Asked) : ConfiguratorQuestion;
    /// <summary>To be made durable. No answer.</summary>
    /// <param name="Result">Null: the device did not say.</param>
    public sealed record Finished(ConfigurationAsked Asked, string? Connector, DppStatus? Result, DppConnectionStatus? Status) : ConfiguratorQuestion;
}

/// <summary>One conversation of a Configurator with one Enrollee, over whatever carries it: it answers, or initiates after an announcement or when told to. Bytes that
/// are not expected end it in silence.</summary>
public sealed class ConfiguratorSession : IDisposable
{
    private readonly ConfiguratorOptions _options;
    private readonly Chance _chance;
    private readonly Queue<DppMessage> _out = new();
    private readonly Queue<ConfiguratorQuestion> _questions = new();
    private readonly AuthenticationExchange _exchange;
    private ConfiguratorConfiguration? _configuration;
    private ReconfigConfigurator? _reconfig;
    private DppStatus? _result;
    private TimeSpan _deadline = Moment.Never;
    private bool _begun, _askedPeer, _chirped, _resultSeen, _noted;

    public ConfiguratorSession(ConfiguratorOptions options, Chance chance)
    {
        (_options, _chance) = (options, chance);
        _exchange = new AuthenticationExchange(options.Exchange, chance);
    }

    public Outcome? Outcome { get; private set; }
    /// <summary>What went wrong, for the log.</summary>
    public DppException? Fault { get; private set; }
    public TimeSpan Deadline => Outcome is not null ? Moment.Never : _deadline < _exchange.Deadline ? _deadline : _exchange.Deadline;
    public Authenticated? Authenticated => _exchange.Done ?? _reconfig?.Done;
    /// <summary>Our key, while the device's user is to scan it.</summary>
    public BootstrappingKey? ToBeScanned => _exchange.ToBeScanned;
    /// <summary>To go on there; null: stay.</summary>
    public DppChannel? Channel => _exchange.Channel;
    /// <summary>RESPONSE_PENDING was sent: <see cref="SupplyPeer"/> goes on when the key of this hash is known.</summary>
    public ReadOnlyMemory<byte>? PendingPeer => _exchange.PendingPeer;

    public bool TrySend(out DppMessage? message) => _out.TryDequeue(out message);
    public bool TryQuestion(out ConfiguratorQuestion? question) => _questions.TryDequeue(out question);

    /// <summary>Begins: the device is known by its URI.</summary>
    public void Initiate(BootstrappingKey enrollee, Moment now, DppChannel? channel = null)
    {
        _begun = true;
        _exchange.Initiate(enrollee, now, channel);
        Pump(now);
    }

    public void InitiatePkex(Moment now)
    {
        _begun = true;
        _exchange.InitiatePkex(now);
        Pump(now);
    }

    /// <param name="peerMac">Of the sender, on radio.</param>
    public void Receive(DppMessage message, Moment now, ReadOnlyMemory<byte> peerMac = default)
    {
        if (Outcome is not null)
            return;
        try
        {
            Take(message, now, peerMac);
        }
        catch (DppException fault)
        {
            End(fault);
        }
        catch (CryptographicException e)
        {
            End(new DppException("INVALID_KEY", message.ToString(), "The keys do not add up.", e));
        }
        _begun = true;
        Pump(now);
    }

    private void Take(DppMessage message, Moment now, ReadOnlyMemory<byte> peerMac)
    {
        switch (message)
        {
            case DppFrame { Type: DppFrameType.PresenceAnnouncement } chirp when !_begun:
                _chirped = true;
                _deadline = now.Elapsed + _options.Exchange.AnswerWithin;
                _questions.Enqueue(new ConfiguratorQuestion.Chirper(chirp.Attributes.Get(DppAttribute.ResponderBootstrappingKeyHash, 32)));
                break;
            case DppFrame { Type: DppFrameType.ReconfigAnnouncement } announcement when !_begun:
                _reconfig = new ReconfigConfigurator(_options, _chance);
                Send(_reconfig.Announced(announcement), now, _options.Exchange.AnswerWithin);
                break;
            case DppFrame { Type: DppFrameType.ReconfigAuthenticationResponse } response when _reconfig is { Done: null }:
                Send(_reconfig.Receive(response), now, _options.Exchange.AnswerWithin);
                _configuration = new ConfiguratorConfiguration(_reconfig.Done!, _options.Exchange.Version, _chance, new(_reconfig.NetAccessKey, _reconfig.Shown!));
                break;
            case DppFrame { Type: DppFrameType.ConfigurationResult } result when _configuration is { IsProvided: true } && !_resultSeen && Authenticated!.PeerVersion > 1:
                TakeResult(result, now);
                break;
            case DppFrame { Type: DppFrameType.ConnectionStatusResult } status when _resultSeen && _configuration!.StatusWanted:
                Finish(_configuration.Status(status));
                break;
            case GasMessage gas when _configuration is not null:
                _configuration.Receive(gas);
                _deadline = Moment.Never;
                if (_configuration.BadCsr is { } bad)
                {
                    Send(_configuration.Decide(new ConfigurationDecision.Refuse(DppStatus.CsrBad, bad.Message)), now, _options.ResultWithin);
                    End(bad);
                }
                else
                    _questions.Enqueue(new ConfiguratorQuestion.Configure(_configuration.Asked!));
                break;
            case DppFrame frame when _configuration is null && _reconfig is null:
                _exchange.Receive(frame, now, peerMac);
                break;
            default:
                throw new DppException("WRONG_STATE", message.ToString(), $"{message} is not expected now.");
        }
    }

    private void TakeResult(DppFrame frame, Moment now)
    {
        _result = _configuration!.Result(frame);
        _resultSeen = true;
        if (_result == DppStatus.Ok && _configuration.StatusWanted)
            _deadline = now.Elapsed + _options.StatusWithin;
        else
            Finish(null);
    }

    private void Finish(DppConnectionStatus? status)
    {
        Note(_result, status);
        Outcome = _result == DppStatus.Ok ? new Outcome(true, "The device is provisioned.") : new Outcome(false, $"The device says {_result}.", _result?.ToString());
    }

    private void Note(DppStatus? result, DppConnectionStatus? status)
    {
        if (!_noted && _configuration is { IsProvided: true, Last: { } asked })
            _questions.Enqueue(new ConfiguratorQuestion.Finished(asked, _configuration.Given, result, status));
        _noted = true;
    }

    /// <summary>The answer to <see cref="ConfiguratorQuestion.Peer"/> and <see cref="ConfiguratorQuestion.Chirper"/>, and to a key that was pending.</summary>
    public void SupplyPeer(BootstrappingKey? peer, Moment now)
    {
        if (Outcome is not null)
            return;
        if (_chirped && !_askedPeer)
        {
            _askedPeer = true;
            _deadline = Moment.Never;
            if (peer is null)
                End(new DppException("UNKNOWN_PEER", "Responder Bootstrapping Key Hash", "The device that announces itself is not known."));
            else
                _exchange.Initiate(peer, now);
        }
        else
            _exchange.SupplyPeer(peer, now);
        Pump(now);
    }

    /// <summary>The answer to <see cref="ConfiguratorQuestion.Configure"/>.</summary>
    public void SupplyDecision(ConfigurationDecision decision, Moment now)
    {
        if (Outcome is not null || _configuration?.Asked is null)
            return;
        var message = _configuration.Decide(decision);
        Send(message, now, decision is ConfigurationDecision.NotYet ? _options.HoldWithin : decision is ConfigurationDecision.Provide ? _options.ResultWithin : _options.Exchange.AnswerWithin);
        if (decision is ConfigurationDecision.Refuse refused)
            End(new DppException(refused.Status, "Configuration Request", refused.Reason));
        else if (!_configuration.IsProvided && decision is ConfigurationDecision.Provide)
            End(new DppException(DppStatus.ConfigureFailure, "Configuration Request", "The device cannot take what it was to be given."));
        else if (_configuration.IsProvided && Authenticated!.PeerVersion < 2)
        {
            // Version 1 knows no result.
            Note(null, null);
            Outcome = new Outcome(true, "The device was given its configuration; its version does not confirm.");
        }
    }

    public void Tick(Moment now)
    {
        if (Outcome is not null)
            return;
        _exchange.Tick(now);
        if (now.Elapsed >= _deadline)
        {
            if (_resultSeen)
                Finish(null);
            else
            {
                Note(null, null);
                End(new DppException("TIMEOUT", "session", "The device did not answer in time."));
            }
        }
        Pump(now);
    }

    /// <summary>The carrier is gone.</summary>
    public void Lost()
    {
        if (Outcome is not null)
            return;
        if (_resultSeen)
            Finish(null);
        else
        {
            Note(null, null);
            End(new DppException("LOST", "session", "The connection ended too early."));
        }
    }

    private void Pump(Moment now)
    {
        while (_exchange.TrySend(out var frame))
            _out.Enqueue(frame!);
        if (_exchange.WantedPeer is { } hash && !_askedPeer)
        {
            _askedPeer = true;
            _questions.Enqueue(new ConfiguratorQuestion.Peer(hash));
        }
        if (_exchange.Failure is { } fault)
            End(fault);
        else if (_exchange.Done is { } done && _configuration is null && Outcome is null)
        {
            if (done.Role != DppCapabilities.Configurator)
            {
                End(new DppException(DppStatus.NotCompatible, "capabilities", "We did not become the Configurator."));
                return;
            }
            _configuration = new ConfiguratorConfiguration(done, _options.Exchange.Version, _chance, null);
            _deadline = now.Elapsed + _options.Exchange.AnswerWithin;
        }
    }

    private void Send(DppMessage message, Moment now, TimeSpan within)
    {
        _out.Enqueue(message);
        _deadline = now.Elapsed + within;
    }

    private void End(DppException fault)
    {
        Fault ??= fault;
        Outcome ??= new Outcome(false, fault.Message, fault.Error);
    }

    public void Dispose()
    {
        _exchange.Dispose();
        Authenticated?.Dispose();
    }
}
