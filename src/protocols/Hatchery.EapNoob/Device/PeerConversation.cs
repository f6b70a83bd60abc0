using System.Security.Cryptography;
using System.Text;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob.Device;

/// <param name="State">To be saved before the answer leaves; null: nothing that must last has changed.</param>
/// <param name="Failure">Of an exchange that this answer ends with an error.</param>
internal sealed record PeerTurn(NoobMessage Answer, NoobPeerState? State = null, EapKeys? Keys = null, NoobErrorCode? Failure = null, string Reason = "");

/// <summary>The peer in one EAP conversation (RFC 9140 §3.2 to §3.4): a request in, a response and a state out. Knows nothing of EAP's carriage, nor of time.</summary>
internal sealed class PeerConversation(NoobPeerState state, string nai, NoobPeerOptions options, Chance chance) : IDisposable
{
    private const int Ended = -1;
    private readonly NoobVariant _variant = options.Variant;
    /// <summary>Type of the request answered last; 0 before the first.</summary>
    private int _last;
    private InitialRequest? _request2;
    private InitialResponse? _response2;
    private ReconnectRequest? _request7;
    private ReconnectResponse? _response7;
    private ReconnectKeyRequest? _request8;
    private ReconnectKeyResponse? _response8;
    private byte[]? _z;

    /// <summary>As the last turn left it.</summary>
    public NoobPeerState State { get; private set; } = state;
    /// <summary>The identity that this conversation began with.</summary>
    public string Nai => nai;
    /// <summary>The server has begun the method.</summary>
    public bool HasBegun { get; private set; }
    /// <summary>MACs or MACs2 were right.</summary>
    public bool IsVerified { get; private set; }
    /// <summary>What ended it; null: nothing did.</summary>
    public (int Code, string Reason)? Error { get; private set; }

    private bool InInitial => _last is 2 or 3;

    public PeerTurn Receive(NoobMessage request)
    {
        HasBegun = true;
        try
        {
            return request is ErrorMessage error ? Hear(error) : Answer(request);
        }
        catch (NoobException fault)
        {
            return Refuse(fault);
        }
    }

    /// <summary>What cannot be read, or breaks a rule: the server is told.</summary>
    public PeerTurn Refuse(NoobException fault)
    {
        Error = ((int)fault.Code, fault.Message);
        HasBegun = true;
        var changed = InInitial && State.State != AssociationState.Unregistered ? State.Unregister() : null;
        State = changed ?? State;
        // Nothing follows an error: what it interrupted is half done.
        _last = Ended;
        return new PeerTurn(ErrorMessage.Make(false, State.PeerId, fault.Code, fault.Message), changed, Failure: fault.Code, Reason: fault.Message);
    }

    /// <summary>Nothing authenticates an error: a persistent association stays as it is.</summary>
    private PeerTurn Hear(ErrorMessage error)
    {
        Error = (error.ErrorCode, error.ErrorInfo);
        IsVerified = false;
        NoobPeerState? changed = null;
        if (InInitial)
            changed = State.Unregister();
        else if (error.ErrorCode == (int)NoobErrorCode.UnrecognizedNoobId && State.State == AssociationState.OobReceived)
            changed = State.NoobIdTries < 2
                ? State with { NoobIdTries = State.NoobIdTries + 1, NoobIdForm = (NoobIdForm)(((int)State.NoobIdForm + 1) % 3) }
                : State with { State = AssociationState.WaitingForOob, ReceivedNoob = null, NoobIdTries = 0 };
        State = changed ?? State;
        _last = Ended;
        return new PeerTurn(ErrorMessage.Make(false, State.PeerId, (NoobErrorCode)error.ErrorCode, ""), changed);
    }

    private PeerTurn Answer(NoobMessage request)
    {
        bool due = (_last, request.Type, State.State) switch
        {
            (0, 1, _) => true,
            (1, 2, not AssociationState.Reconnecting) => true,
            (1, 4 or 6, AssociationState.WaitingForOob) => true,
            (1, 5, AssociationState.OobReceived) => true,
            (1, 7, AssociationState.Reconnecting) => true,
            (2, 3, _) or (7, 8, _) or (8, 9, _) => true,
            (5, 6, AssociationState.OobReceived) => true,
            _ => false,
        };
        if (!due)
            throw new NoobException(NoobErrorCode.UnexpectedMessageType, "Type", $"Type {request.Type} does not follow type {_last} in state {(int)State.State}.");
        string expected = request is InitialRequest ? request.PeerId : _last is 2 ? _request2!.PeerId : State.PeerId;
        if (request.Type > 1 && !request.PeerId.Equals(expected, StringComparison.Ordinal))
            throw new NoobException(NoobErrorCode.UnexpectedPeerId, "PeerId", "Not the PeerId of this association.");
        _last = request.Type;
        return request switch
        {
            InitialRequest m => Negotiate(m),
            InitialKeyRequest m => Agree(m),
            WaitingRequest m => Wait(m),
            NoobIdRequest => new PeerTurn(NoobIdResponse.Make(State.PeerId, HashInput.NoobId(State.ReceivedNoob!.Reveal(), State.NoobIdForm))),
            CompletionRequest m => Complete(m),
            ReconnectRequest m => Renegotiate(m),
            ReconnectKeyRequest m => Reagree(m),
            ReconnectMacRequest m => Confirm(m),
            _ => new PeerTurn(CommonResponse.Make(State.PeerId, State.State)),
        };
    }

    private static int Version(IEnumerable<int> vers) =>
        vers.Contains(1) ? 1 : throw new NoobException(NoobErrorCode.NoCommonVersion, "Vers", "Version 1 is not among the server's.");

    private PeerTurn Negotiate(InitialRequest request)
    {
        if (request.PeerId.Length == 0)
            throw NoobException.Invalid("PeerId", "empty.");
        int verp = Version(request.Vers);
        int suite = request.Cryptosuites.FirstOrDefault(options.Cryptosuites.Contains);
        if (suite == 0)
            throw new NoobException(NoobErrorCode.NoCommonCryptosuite, "Cryptosuites", "None of the server's cryptosuites is ours.");
        var dirs = request.Dirs & options.Directions;
        if (dirs == 0)
            throw new NoobException(NoobErrorCode.NoCommonDirection, "Dirs", "The server has no direction for the OOB message that this device has.");
        if (options.JudgeServerInfo?.Invoke(request.ServerInfo) is { } why)
            throw new NoobException(NoobErrorCode.InvalidServerInfo, "ServerInfo", why);
        if (options.NeedsServerUrl && dirs.HasFlag(OobDirections.PeerToServer) && !IsUrl(request.ServerUrl))
            throw new NoobException(NoobErrorCode.InvalidServerUrl, "ServerURL", $"No https URL of at most {NoobLimits.ServerUrl} bytes without a query.");
        _request2 = request;
        _response2 = InitialResponse.Make(verp, request.PeerId, suite, dirs, Encoding.UTF8.GetBytes(State.PeerInfo));
        return new PeerTurn(_response2);
    }

    private bool IsUrl(string? url) => url is not null && url.Length <= NoobLimits.ServerUrl && Uri.TryCreate(url, UriKind.Absolute, out var uri)
        && (uri.Scheme == "https" || (options.AllowsHttpUrl && uri.Scheme == "http")) && !url.Contains('?', StringComparison.Ordinal) && !url.Contains('#', StringComparison.Ordinal);

    private PeerTurn Agree(InitialKeyRequest request)
    {
        var (request2, response2) = (_request2!, _response2!);
        using var key = Cryptosuites.Generate(response2.Cryptosuitep, chance, "EAP-NOOB.PKp");
        byte[] z = request.Pks.Agree(key, response2.Cryptosuitep), np = chance.Bytes(32, "EAP-NOOB.Np");
        var response = InitialKeyResponse.Make(request.PeerId, EcdheKey.Write(key, response2.Cryptosuitep, _variant), np, _variant);
        State = State.Unregister() with
        {
            State = AssociationState.WaitingForOob,
            PeerId = request.PeerId,
            Nai = _variant.RealmMember || request2.NewNai is null ? nai : request2.NewNai,
            Verp = response2.Verp,
            Cryptosuitep = response2.Cryptosuitep,
            Dirp = response2.Dirp,
            ServerInfo = request2.ServerInfo.ToArray(),
            PeerInfoSent = State.PeerInfo,
            HashInput = HashInput.Initial(request2.Members, response2.Members, request.Members, response.Members, HashInput.InitialNai(_variant, request2.NewNai, nai)),
            Z = new SecretBytes(z),
            Np = np,
            Ns = request.Ns.ToArray(),
            SleepTime = request.SleepTime,
            NoobIdForm = _variant.NoobIdForm,
        };
        CryptographicOperations.ZeroMemory(z);
        return new PeerTurn(response, State);
    }

    private PeerTurn Wait(WaitingRequest request)
    {
        var changed = request.SleepTime is { } time && time != State.SleepTime ? State with { SleepTime = time } : null;
        State = changed ?? State;
        return new PeerTurn(WaitingResponse.Make(State.PeerId), changed);
    }

    private PeerTurn Complete(CompletionRequest request)
    {
        SecretBytes? noob = null;
        if (State.State == AssociationState.OobReceived)
            noob = HashInput.FormOf(request.NoobId.Span, State.ReceivedNoob!.Reveal()) is null ? null : State.ReceivedNoob;
        else
            foreach (var issued in State.Noobs)
                if (HashInput.FormOf(request.NoobId.Span, issued.Noob.Reveal()) is not null)
                    noob = issued.Noob;
        if (noob is null)
            throw new NoobException(NoobErrorCode.UnrecognizedNoobId, "NoobId", "It names no OOB message of ours.");
        bool preferred = State.Datalength ?? _variant.Datalength;
        foreach (bool datalength in new[] { preferred, !preferred })
        {
            using var keys = KeySchedule.Derive(State.Z!.Reveal(), State.Np.Span, State.Ns.Span, noob.Reveal(), datalength);
            if (!CryptographicOperations.FixedTimeEquals(HashInput.Macs(keys, State.HashInput.Span, noob.Reveal()), request.Macs.Span))
                continue;
            byte[] macp = HashInput.Macp(keys, State.HashInput.Span, noob.Reveal());
            State = State.Settle() with { State = AssociationState.Registered, Kz = new SecretBytes(keys.Kz), Nai = nai, Datalength = datalength };
            return Verified(CompletionResponse.Make(State.PeerId, macp), keys);
        }
        throw new NoobException(NoobErrorCode.HmacFailure, "MACs", "Not computed with the keys of this association.");
    }

    private PeerTurn Verified(NoobMessage answer, NoobKeys keys)
    {
        IsVerified = true;
        options.ApplicationKey?.Invoke(keys.Amsk);
        return new PeerTurn(answer, State, keys.ToEap(State.PeerId));
    }

    private PeerTurn Renegotiate(ReconnectRequest request)
    {
        int verp = Version(request.Vers);
        if (verp < State.Verp)
            throw new NoobException(NoobErrorCode.NoCommonVersion, "Vers", "Older than the association's.");
        int least = Cryptosuites.Strength(State.CryptosuitepPrev != 0 ? State.CryptosuitepPrev : State.Cryptosuitep);
        int suite = request.Cryptosuites.FirstOrDefault(s => options.Cryptosuites.Contains(s) && Cryptosuites.Strength(s) >= least);
        if (suite == 0)
            throw new NoobException(NoobErrorCode.NoCommonCryptosuite, "Cryptosuites", "None is ours and as strong as the association's.");
        if (!request.ServerInfo.IsEmpty && options.JudgeServerInfo?.Invoke(request.ServerInfo) is { } why)
            throw new NoobException(NoobErrorCode.InvalidServerInfo, "ServerInfo", why);
        bool sends = _variant.AlwaysSendsInfo || State.PeerInfoSent != State.PeerInfo;
        _request7 = request;
        _response7 = ReconnectResponse.Make(verp, State.PeerId, suite, sends ? Encoding.UTF8.GetBytes(State.PeerInfo) : default);
        return new PeerTurn(_response7);
    }

    private PeerTurn Reagree(ReconnectKeyRequest request)
    {
        int suite = _response7!.Cryptosuitep;
        if (request.KeyingMode != KeyingMode.EcdheNewCryptosuite && suite != State.Cryptosuitep && suite != State.CryptosuitepPrev)
            throw NoobException.Invalid("KeyingMode", $"{(int)request.KeyingMode} with another cryptosuite than the association's.");
        byte[] pkp2 = [];
        if (request.Pks2 is { } pks2)
        {
            using var key = Cryptosuites.Generate(suite, chance, "EAP-NOOB.PKp2");
            _z = pks2.Agree(key, suite);
            pkp2 = EcdheKey.Write(key, suite, _variant);
        }
        _request8 = request;
        _response8 = ReconnectKeyResponse.Make(State.PeerId, pkp2, chance.Bytes(32, "EAP-NOOB.Np2"), _variant);
        return new PeerTurn(_response8);
    }

    /// <summary>RFC 9140 §3.4.2 with the way back of §3.4.3: where MACs2 is not right under Kz it may be under the one before, if the server never got the last response of an upgrade.</summary>
    private PeerTurn Confirm(ReconnectMacRequest request)
    {
        byte[] middle = HashInput.Reconnect(_request7!.Members, _response7!.Members, _request8!.Members, _response8!.Members, HashInput.ReconnectNai(_variant, _request7.NewNai, State.Nai));
        bool preferred = State.Datalength ?? _variant.Datalength;
        foreach (var (kz, before) in new[] { (State.Kz, State), (State.KzPrev, State with { Kz = State.KzPrev, Cryptosuitep = State.CryptosuitepPrev }) })
            foreach (bool datalength in new[] { preferred, !preferred })
            {
                if (kz is null)
                    continue;
                using var keys = KeySchedule.Reconnect(_z, _response8.Np2.Span, _request8.Ns2.Span, kz, datalength);
                if (!CryptographicOperations.FixedTimeEquals(HashInput.Macs(keys, middle, default), request.Macs2.Span))
                    continue;
                State = Renewed(before with { KzPrev = null, CryptosuitepPrev = 0, Datalength = datalength }, keys);
                return Verified(ReconnectMacResponse.Make(State.PeerId, HashInput.Macp(keys, middle, default)), keys);
            }
        throw new NoobException(NoobErrorCode.HmacFailure, "MACs2", "Not computed with the keys of this association.");
    }

    private NoobPeerState Renewed(NoobPeerState before, NoobKeys keys)
    {
        bool upgrades = _request8!.KeyingMode == KeyingMode.EcdheNewCryptosuite;
        var after = before with
        {
            State = AssociationState.Registered,
            Nai = _variant.RealmMember ? before.Nai : _request7!.NewNai ?? before.Nai,
            ServerInfo = _request7!.ServerInfo.IsEmpty ? before.ServerInfo : _request7.ServerInfo.ToArray(),
            PeerInfoSent = before.PeerInfo,
        };
        if (upgrades)
            return after with { KzPrev = before.Kz, CryptosuitepPrev = before.Cryptosuitep, Kz = new SecretBytes(keys.Kz), Cryptosuitep = _response7!.Cryptosuitep };
        return _variant.ReplacesKz ? after with { Kz = new SecretBytes(keys.Kz) } : after;
    }

    public void Dispose()
    {
        if (_z is not null)
            CryptographicOperations.ZeroMemory(_z);
    }
}
