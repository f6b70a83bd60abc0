using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Dpp.Device;

/// <summary>What a session wants done, in order.</summary>
public abstract record EnrolleeMove
{
    public sealed record Send(DppMessage Message) : EnrolleeMove;
    /// <summary>To be durable before anything behind it is sent.</summary>
    public sealed record Save(ReceivedConfiguration Received) : EnrolleeMove;
    /// <summary>Whose bootstrapping key has this hash? Answered by <see cref="EnrolleeSession.SupplyPeer"/>.</summary>
    public sealed record FindPeer(ReadOnlyMemory<byte> Hash) : EnrolleeMove;
    /// <summary>Connect with what was saved and say how it went, by <see cref="EnrolleeSession.Connected"/>.</summary>
    public sealed record TryNetwork : EnrolleeMove;
    public sealed record End(Outcome Outcome) : EnrolleeMove;
}

public sealed record EnrolleeSessionOptions
{
    public required ExchangeOptions Exchange { get; init; }
    public required ConfigurationRequestObject Request { get; init; }
    /// <summary>For the whole of it.</summary>
    public TimeSpan Within { get; init; } = TimeSpan.FromSeconds(120);
}

/// <summary>One conversation of an Enrollee with one Configurator, over whatever carries it.</summary>
public sealed class EnrolleeSession : IDisposable
{
    private readonly EnrolleeSessionOptions _options;
    private readonly Chance _chance;
    private readonly Queue<EnrolleeMove> _moves = new();
    private readonly AuthenticationExchange _exchange;
    private EnrolleeConfiguration? _configuration;
    private ReconfigEnrollee? _reconfig;
    private ReceivedConfiguration? _received;
    private Authenticated? _session;
    private TimeSpan _comeBack = Moment.Never, _end = Moment.Never;
    private bool _askedPeer, _ended;

    public EnrolleeSession(EnrolleeSessionOptions options, Chance chance)
    {
        (_options, _chance) = (options, chance);
        _exchange = new AuthenticationExchange(options.Exchange, chance);
    }

    public bool TryMove(out EnrolleeMove? move) => _moves.TryDequeue(out move);
    public TimeSpan Deadline => _ended ? Moment.Never : TimeSpan.FromTicks(Math.Min(Math.Min(_exchange.Deadline.Ticks, _comeBack.Ticks), _end.Ticks));
    public BootstrappingKey? ToBeScanned => _exchange.ToBeScanned;
    /// <summary>Of whom we are provisioned, once authenticated.</summary>
    public Authenticated? Authenticated => _session;
    public ReadOnlyMemory<byte>? PendingPeer => _exchange.PendingPeer;
    public DppChannel? Channel => _exchange.Channel;

    public void Initiate(BootstrappingKey configurator, Moment now) => Begin(now, () => _exchange.Initiate(configurator, now));
    public void InitiatePkex(Moment now) => Begin(now, () => _exchange.InitiatePkex(now));

    /// <summary>Announces itself by the first of its keys; the Configurator initiates.</summary>
    public void Chirp(Moment now) => Begin(now, () => _moves.Enqueue(new EnrolleeMove.Send(DppFrame.Create(DppFrameType.PresenceAnnouncement,
        new AttributeWriter().Add(DppAttribute.ResponderBootstrappingKeyHash, _options.Exchange.Own[0].Public.ChirpHash.Span), fromEnrollee: true))));

    /// <summary>Asks to be reconfigured.</summary>
    public void AnnounceReconfiguration(DppCredential credential, Moment now) => Begin(now, () =>
    {
        _reconfig ??= new ReconfigEnrollee(credential, _options.Exchange.Version, _chance);
        _moves.Enqueue(new EnrolleeMove.Send(_reconfig.Announcement()));
    });

    /// <summary>Waits to be asked.</summary>
    public void Listen(Moment now) => Begin(now, () => { });

    private void Begin(Moment now, Action begin)
    {
        _end = now.Elapsed + _options.Within;
        Guard(begin, now);
    }

    public void Receive(DppMessage message, Moment now, ReadOnlyMemory<byte> peerMac = default) => Guard(() =>
    {
        switch (message)
        {
            case DppFrame { Type: DppFrameType.ReconfigAuthenticationRequest } request when _reconfig is not null && _configuration is null:
                _moves.Enqueue(new EnrolleeMove.Send(_reconfig.Receive(request, new DppConnectionStatus((int)DppStatus.NoMatch, default, null), now)));
                break;
            case DppFrame { Type: DppFrameType.ReconfigAuthenticationConfirm } confirm when _reconfig is not null && _configuration is null:
                _reconfig.Confirm(confirm);
                Configure(_reconfig.Done!, _reconfig.NetAccessKey);
                break;
            case GasMessage gas when _configuration is not null && _received is null:
                Take(_configuration.Receive(gas, now), now);
                break;
            case DppFrame frame when _configuration is null && _reconfig is null:
                _exchange.Receive(frame, now, peerMac);
                break;
            default:
                throw new DppException("WRONG_STATE", message.ToString(), $"{message} is not expected now.");
        }
    }, now);

    private void Take(ConfigurationTurn turn, Moment now)
    {
        _comeBack = turn.ComeBack is { } delay ? now.Elapsed + delay : Moment.Never;
        if (turn.ComeBack is not null)
            _end = now.Elapsed + _options.Within;
        if (turn.Send is { } message)
            _moves.Enqueue(new EnrolleeMove.Send(message));
        if (turn.Received is not { } received)
            return;
        _received = received;
        _moves.Enqueue(new EnrolleeMove.Save(received));
        if (_session!.PeerVersion > 1 && _options.Exchange.Version > 1)
            _moves.Enqueue(new EnrolleeMove.Send(_configuration!.Result(DppStatus.Ok)));
        if (received.SendConnectionStatus && _options.Exchange.Version > 1)
            _moves.Enqueue(new EnrolleeMove.TryNetwork());
        else
            Finish();
    }

    /// <summary>How the attempt to connect went.</summary>
    public void Connected(DppConnectionStatus status)
    {
        if (_ended || _received is not { SendConnectionStatus: true })
            return;
        _moves.Enqueue(new EnrolleeMove.Send(_configuration!.ConnectionStatus(status)));
        Finish();
    }

    public void SupplyPeer(BootstrappingKey? peer, Moment now) => Guard(() => _exchange.SupplyPeer(peer, now), now);

    public void Tick(Moment now) => Guard(() =>
    {
        _exchange.Tick(now);
        if (now.Elapsed >= _comeBack)
        {
            _comeBack = Moment.Never;
            _moves.Enqueue(new EnrolleeMove.Send(_configuration!.ComeBack()));
        }
        if (now.Elapsed >= _end)
            throw new DppException("TIMEOUT", "session", "The Configurator did not answer in time.");
    }, now);

    public void Lost(string reason)
    {
        if (!_ended)
            End(new Outcome(false, reason, "LOST"));
    }

    private void Guard(Action action, Moment now)
    {
        if (_ended)
            return;
        DppException? fault = null;
        try
        {
            action();
        }
        catch (DppException e)
        {
            fault = e;
        }
        catch (CryptographicException e)
        {
            fault = new DppException("INVALID_KEY", "key", "The keys do not add up.", e);
        }
        while (_exchange.TrySend(out var frame))
            _moves.Enqueue(new EnrolleeMove.Send(frame!));
        fault ??= _exchange.Failure;
        if (fault is null && _exchange.Done is { } done && _configuration is null)
        {
            if (done.Role == DppCapabilities.Enrollee)
                Configure(done, null);
            else
                fault = new DppException(DppStatus.NotCompatible, "capabilities", "We did not become the Enrollee.");
        }
        if (_exchange.WantedPeer is { } hash && !_askedPeer)
        {
            _askedPeer = true;
            _moves.Enqueue(new EnrolleeMove.FindPeer(hash));
        }
        if (fault is not null && _configuration is { Rejected: true } && _session!.PeerVersion > 1)
            _moves.Enqueue(new EnrolleeMove.Send(_configuration.Result(DppStatus.ConfigRejected)));
        if (fault is not null)
            End(new Outcome(false, fault.Message, fault.Error));
    }

    private void Configure(Authenticated session, AgreementKey? netAccessKey)
    {
        _session = session;
        _configuration = new EnrolleeConfiguration(session, _options.Request, _options.Exchange.Version, _chance, netAccessKey);
        _moves.Enqueue(new EnrolleeMove.Send(_configuration.Start()));
    }

    private void Finish() => End(new Outcome(true, "Provisioned."));

    private void End(Outcome outcome)
    {
        _ended = true;
        _moves.Enqueue(new EnrolleeMove.End(outcome));
    }

    public void Dispose()
    {
        _exchange.Dispose();
        _session?.Dispose();
    }
}
