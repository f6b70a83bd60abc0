using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Device;

/// <summary>Client of TO1 and TO2 (FDO 1.1 §5.4, §5.5): follows its rendezvous information until an owner has onboarded it. All it knows between
/// two runs is its credential, which changes in one save, after message 71.</summary>
public sealed class OnboardingDevice : IParty<DeviceCredential>, IDisposable
{
    private enum Waits { Nothing, HelloRVAck, RVRedirect, ProveOVHdr, OVNextEntry, SetupDevice, OwnerServiceInfoReady, Modules, OwnerServiceInfo, Poll, Done2, NextRound }

    /// <summary>Rounds in a row in which nobody says anything, before the device slows down and before it gives up.</summary>
    private const int QuietRounds = 3, MaxQuietRounds = 100;

    private readonly DeviceOptions _options;
    private readonly Chance _chance;
    private readonly FdoPrivateKey _attestationKey;
    private readonly PublicKeyType _attestationType;
    private readonly DeviceRoute _route;

    private Waits _waits;
    private Nonce _nonceTO1Proof;
    private To1d? _redirect;
    private HelloDevice? _hello;
    private OwnershipProof? _proof;
    private Nonce _nonceTO2SetupDv;
    private SessionKeys? _keys;
    private DeviceCredential? _pending;
    private DeviceServiceInfoQueue _queue = new();
    private ImmutableArray<DeliveredItem> _delivered = [];
    private ServiceInfoJoiner _joiner = new();
    private bool _ownerHasMore, _ownerIsDone, _modulesBegun, _modulesBusy;
    private int _ticket, _rounds, _quiet;

    /// <param name="state">Initialized by DI.</param>
    /// <param name="abilities">What the device's carriers reach.</param>
    public OnboardingDevice(DeviceCredential state, DeviceOptions options, RendezvousAbilities abilities, Chance chance)
    {
        if (!state.IsInitialized || state.AttestationKey is null)
            throw new ArgumentException("The device was not initialized.", nameof(state));
        (State, _options, _chance) = (state, options, chance);
        _attestationKey = Attestation(state);
        _attestationType = _attestationKey.Type;
        _route = new DeviceRoute(RendezvousInterpreter.ForDevice(RendezvousInfo.Parse(state.RendezvousInfo), abilities), abilities, options, chance);
    }

    /// <summary>An RSA key signs as the owners' keys do, if these are RSA keys too: the key itself does not say.</summary>
    private static FdoPrivateKey Attestation(DeviceCredential state)
    {
        try
        {
            var owners = (PublicKeyType)state.OwnerKeyType;
            var key = FdoPrivateKey.Import(state.AttestationKey!.Reveal());
            return owners == PublicKeyType.RsaPss && key.Type is PublicKeyType.RsaPkcs or PublicKeyType.Rsa2048Restr ? FdoPrivateKey.Import(state.AttestationKey.Reveal(), owners) : key;
        }
        catch (CryptographicException e)
        {
            throw new ArgumentException("The attestation key is of no supported type.", nameof(state), e);
        }
    }

    public DeviceCredential State { get; private set; }
    public TimeSpan Deadline { get; private set; } = Moment.Never;

    public void Start(Moment now, Moves<DeviceCredential> moves)
    {
        if (!State.Active)
            moves.End(new Outcome(true, "onboarded before; DCActive is false"));
        else
            Go(_route.Next(null), now, moves);
    }

    /// <summary>Tries the next server, waits, or gives up.</summary>
    private void Go(RouteStep step, Moment now, Moves<DeviceCredential> moves)
    {
        Forget();
        switch (step)
        {
            case RouteStep.AskRendezvous(var to):
                moves.Connect(to);
                moves.Send(new HelloRV(State.Guid, new SigInfo(_attestationKey.Algorithm)));
                _waits = Waits.HelloRVAck;
                break;
            case RouteStep.AskOwner(var to, var redirect):
                _redirect = redirect;
                _hello = new HelloDevice(_options.MaxMessage, State.Guid, Nonce.Draw(_chance, "TO2.NonceTO2ProveOV"), (_options.KeyExchange ?? KeyExchangeSuite.For(OwnerKeyType())).Name,
                    (int)_options.Cipher.Name, new SigInfo(_attestationKey.Algorithm));
                moves.Connect(to);
                moves.Send(_hello);
                _waits = Waits.ProveOVHdr;
                break;
            case RouteStep.Wait(var delay):
                Deadline = now.Elapsed + delay;
                _waits = Waits.NextRound;
                break;
            case RouteStep.GiveUp(var reason):
                moves.End(new Outcome(false, reason));
                break;
        }
    }

    /// <summary>The suite is proposed before the owner's key is seen: all owners of a voucher have keys of the manufacturer's type.</summary>
    private PublicKeyType OwnerKeyType() => State.OwnerKeyType != 0 ? (PublicKeyType)State.OwnerKeyType : _attestationType;

    public void Receive(IMessage message, Moment now, Moves<DeviceCredential> moves)
    {
        try
        {
            Handle((FdoMessage)message, now, moves);
        }
        catch (FdoException fault)
        {
            Fail(fault, message.Kind.Code ?? -1, now, moves);
        }
    }

    private void Handle(FdoMessage message, Moment now, Moves<DeviceCredential> moves)
    {
        switch (message)
        {
            case ErrorMessage error:
                Go(_route.Next($"{error.Code}: {error.Text}"), now, moves);
                break;
            case HelloRVAck ack when _waits == Waits.HelloRVAck:
                if (ack.BSigInfo.Type != _attestationKey.Algorithm)
                    throw FdoException.Invalid("eBSigInfo", "not how this device signs.");
                _nonceTO1Proof = ack.NonceTO1Proof;
                moves.Send(ProveToRV.Sign(_nonceTO1Proof, State.Guid, _attestationKey, _chance));
                _waits = Waits.RVRedirect;
                break;
            case RVRedirect redirect when _waits == Waits.RVRedirect:
                Go(_route.Redirected(redirect.To1d), now, moves);
                break;
            case ProveOVHdr proof when _waits == Waits.ProveOVHdr:
                _proof = new OwnershipProof(State, _hello!, proof, _options);
                Ask(moves);
                break;
            case OVNextEntry entry when _waits == Waits.OVNextEntry:
                _proof!.Add(entry);
                Ask(moves);
                break;
            case SealedMessage { Type: 65 } setup when _waits == Waits.SetupDevice:
                SetUp(setup.Open<SetupDevice>(_keys!), moves);
                break;
            case SealedMessage { Type: 67 } ready when _waits == Waits.OwnerServiceInfoReady:
                _queue.Limit(ready.Open<OwnerServiceInfoReady>(_keys!).MaxDeviceServiceInfoSz, _proof!.Proof.Content.MaxOwnerMessageSize);
                _queue.AddDevmod(_options);
                Say(moves);
                break;
            case SealedMessage { Type: 69 } info when _waits == Waits.OwnerServiceInfo:
                Hear(info.Open<OwnerServiceInfo>(_keys!), now, moves);
                break;
            case SealedMessage { Type: 71 } done when _waits == Waits.Done2:
                Finish(done.Open<Done2>(_keys!), moves);
                break;
            default:
                throw FdoException.Invalid("message type", $"{message.Kind} was not expected.");
        }
    }

    /// <summary>The next entry; behind the last one the proof that we are the device.</summary>
    private void Ask(Moves<DeviceCredential> moves)
    {
        if (!_proof!.IsComplete)
        {
            moves.Send(new GetOVNextEntry(_proof.Verified));
            _waits = Waits.OVNextEntry;
            return;
        }
        if (_redirect is not null)
            _proof.CheckRedirect(_redirect);
        using var exchange = KeyExchangeSuite.Require(_hello!.KexSuiteName).BeginDevice(_chance, _proof.Proof.CuphOwnerPubKey);
        _keys = exchange.Complete(_proof.Proof.Content.XAKeyExchange, _options.Cipher.As(_options.EncryptThenMac));
        _nonceTO2SetupDv = Nonce.Draw(_chance, "TO2.NonceTO2SetupDv");
        moves.Send(ProveDevice.Sign(_proof.Proof.CuphNonce, State.Guid, exchange.Parameter, _nonceTO2SetupDv, _attestationKey, _chance));
        _waits = Waits.SetupDevice;
    }

    private void SetUp(SetupDevice setup, Moves<DeviceCredential> moves)
    {
        if (setup.NonceTO2SetupDv != _nonceTO2SetupDv)
            throw FdoException.Invalid("NonceTO2SetupDv", "not the one of TO2.ProveDevice.");
        if (!setup.Verify())
            throw FdoException.Invalid("TO2.SetupDevice", "not signed by the key that it names.");
        var header = _proof!.Proof.Content.Header;
        if (setup.Guid == State.Guid && setup.RendezvousInfo.IsSameAs(header.RendezvousInfo) && setup.Owner2Key.IsSameKey(_proof.Proof.CuphOwnerPubKey))
        {
            if (!_options.AcceptCredentialReuse)
                throw new FdoException(FdoErrorCode.CredReuseError, "TO2.SetupDevice", "This device does not take its credential again.");
            _pending = State;
            Send(new DeviceServiceInfoReady(null, _options.MaxServiceInfo), moves);
            _waits = Waits.OwnerServiceInfoReady;
            return;
        }
        if (_proof.Permission == DelegatePermission.OnboardReuseCredential)
            throw FdoException.Invalid("delegate chain", "permits to use the credential again, and no new one.");
        if (setup.Guid == State.Guid)
            throw FdoException.Invalid("Guid", "the one that the device has, with other things changed.");
        var replacement = header.Replace(setup.Guid, setup.RendezvousInfo, setup.Owner2Key);
        var hash = VoucherHmac.HashFor(_attestationType, setup.Owner2Key.Type);
        _pending = State with
        {
            Active = false,
            Guid = setup.Guid,
            RendezvousInfo = setup.RendezvousInfo.Raw,
            PublicKeyHash = FdoHash.Of(hash, setup.Owner2Key.Raw.Span).Raw,
            OwnerKeyType = (int)setup.Owner2Key.Type,
        };
        var hmac = VoucherHmac.Compute(VoucherHmac.MacFor(_attestationType, setup.Owner2Key.Type), State.HmacSecret!, replacement);
        Send(new DeviceServiceInfoReady(hmac, _options.MaxServiceInfo), moves);
        _waits = Waits.OwnerServiceInfoReady;
    }

    /// <summary>Our turn in the ServiceInfo exchange.</summary>
    private void Say(Moves<DeviceCredential> moves)
    {
        // While the owner has more, it keeps the turn and we say nothing.
        var info = _ownerHasMore ? new DeviceServiceInfo(false, []) : _queue.Next();
        _quiet = info.ServiceInfo.IsEmpty && !_ownerHasMore && !_modulesBusy ? _quiet + 1 : 0;
        Send(info, moves);
        _waits = Waits.OwnerServiceInfo;
    }

    private void Hear(OwnerServiceInfo info, Moment now, Moves<DeviceCredential> moves)
    {
        _rounds += 2;
        if (_rounds > _options.MaxRounds)
            throw FdoException.Invalid("TO2.OwnerServiceInfo", $"more than {_options.MaxRounds} rounds.");
        if (info.IsDone && info.IsMoreServiceInfo)
            throw FdoException.Invalid("IsMoreServiceInfo", "true together with IsDone.");
        (_ownerHasMore, _ownerIsDone) = (info.IsMoreServiceInfo, info.IsDone);
        var whole = ImmutableArray.CreateBuilder<ServiceInfoPair>(info.ServiceInfo.Length);
        foreach (var pair in info.ServiceInfo)
            _joiner.Accept(pair, whole.Add);
        if (whole.Count == 0 && !(_modulesBusy && !info.IsDone))
        {
            GoOn(now, moves);
            return;
        }
        if (whole.Count > 0)
            _quiet = 0;
        moves.Need(new ServiceInfoNeed(++_ticket, whole.ToImmutable(), !_modulesBegun));
        _modulesBegun = true;
        _waits = Waits.Modules;
    }

    public void Supplied(Supply supply, Moment now, Moves<DeviceCredential> moves)
    {
        if (_waits != Waits.Modules || supply.Ticket != _ticket)
            return;
        switch (supply)
        {
            case ServiceInfoSupply answer:
                _queue.Add(answer.Pairs);
                _modulesBusy = answer.Busy;
                _delivered = _delivered.AddRange(answer.Delivered);
                try
                {
                    GoOn(now, moves);
                }
                catch (FdoException fault)
                {
                    Fail(fault, 69, now, moves);
                }
                break;
            case ServiceInfoFailure failure:
                Fail(failure.Fault, 69, now, moves);
                break;
            case Supply.Failed failed:
                Fail(new FdoException(FdoErrorCode.InternalServerError, "ServiceInfo", $"A module failed: {failed.Reason}"), 69, now, moves);
                break;
        }
    }

    private void GoOn(Moment now, Moves<DeviceCredential> moves)
    {
        if (_ownerIsDone)
        {
            Send(new Done(_proof!.Proof.CuphNonce), moves);
            _waits = Waits.Done2;
        }
        else if (_quiet >= MaxQuietRounds)
            throw FdoException.Invalid("TO2.OwnerServiceInfo", $"nothing was said for {MaxQuietRounds} rounds.");
        else if (_quiet >= QuietRounds)
        {
            // Somebody may be busy: ask less and less often, from 1 s to 10 s.
            Deadline = now.Elapsed + TimeSpan.FromSeconds(Math.Min(10, _quiet - QuietRounds + 1));
            _waits = Waits.Poll;
        }
        else
            Say(moves);
    }

    private void Finish(Done2 done, Moves<DeviceCredential> moves)
    {
        if (done.NonceTO2SetupDv != _nonceTO2SetupDv)
            throw FdoException.Invalid("NonceTO2SetupDv", "not the one of TO2.ProveDevice.");
        var before = State.Guid;
        State = _pending! with { Delivered = [.. State.Delivered.Where(d => !_delivered.Any(n => n.Name == d.Name)), .. _delivered] };
        moves.Save(State, new Fact.OwnerChanged(new Identifier("fdo.guid", before.ToString("N")), "", _proof!.Proof.CuphOwnerPubKey.Fingerprint));
        moves.End(new Outcome(true, State.Active ? "onboarded; the credential stays as it was" : "onboarded"));
    }

    public void Lost(CarrierFault fault, Moment now, Moves<DeviceCredential> moves)
    {
        if (fault.Broken is FdoException broken)
            Fail(broken, -1, now, moves);
        else
            Go(_route.Next(fault.Reason), now, moves);
    }

    public void Tick(Moment now, Moves<DeviceCredential> moves)
    {
        if (now.Elapsed < Deadline)
            return;
        Deadline = Moment.Never;
        if (_waits == Waits.Poll)
            Say(moves);
        else if (_waits == Waits.NextRound)
            Go(_route.Next(null), now, moves);
    }

    public void Answered(HumanAnswer answer, Moment now, Moves<DeviceCredential> moves) { }

    /// <summary>Tells the peer, keeps nothing of the session, and tries elsewhere.</summary>
    private void Fail(FdoException fault, int type, Moment now, Moves<DeviceCredential> moves)
    {
        moves.Send(FdoErrors.Answer(fault, type, now.Wall, _chance));
        Go(_route.Next(fault.Message), now, moves);
    }

    private void Send(FdoMessage content, Moves<DeviceCredential> moves) => moves.Send(SealedMessage.Seal(content, _keys!, _chance));

    private void Forget()
    {
        _keys?.Dispose();
        (_keys, _hello, _proof, _pending, _redirect) = (null, null, null, null, null);
        (_queue, _joiner, _delivered) = (new(), new(), []);
        (_ownerHasMore, _ownerIsDone, _modulesBegun, _modulesBusy, _rounds, _quiet) = (false, false, false, false, 0, 0);
        (_waits, Deadline) = (Waits.Nothing, Moment.Never);
    }

    public void Dispose()
    {
        _keys?.Dispose();
        _attestationKey.Dispose();
    }
}
