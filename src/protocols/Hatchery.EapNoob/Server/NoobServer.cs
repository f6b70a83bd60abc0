using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob.Server;

/// <summary>EAP-NOOB's server as a method of an EAP server (RFC 9140 §3). Its conversation is a session, its associations are records: any process can go on. What a peer may
/// rely on is durable before EAP-Success leaves.</summary>
public sealed class NoobServer(IRecordStore store, IAdmission admission, Chance chance, NoobServerOptions options) : IEapServerMethod
{
    private static readonly int[] s_vers = [1];
    private readonly NoobVariant _variant = options.Variant;

    public byte Type => NoobEap.Type;

    public IMessage ParseIdentity(EapConversation conversation) => new IdentityResponse(conversation.Identity.Text);
    public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation) => NoobResponses.Parse(data, _variant);
    public IEapServerState ReadState(ReadOnlyMemory<byte> bytes) => NoobConversation.Read(bytes, _variant);

    public async ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel)
    {
        if (request is IdentityResponse)
        {
            conversation.State = new NoobConversation { Open = 1 };
            return Ask(CommonRequest.Make());
        }
        var state = (NoobConversation)conversation.State!;
        var message = (NoobMessage)request;
        if (state.Open == 0)
            return End(state);
        if (message is ErrorMessage error)
        {
            if (state.Open == 6 && error.ErrorCode == (int)NoobErrorCode.UnrecognizedNoobId)
                await ForgetNoobAsync(state, caller, cancel);
            return End(state);
        }
        if (message.Type != state.Open)
            throw new NoobException(NoobErrorCode.UnexpectedMessageType, "Type", $"Type {message.Type} answers type {state.Open}.");
        if (message.Type > 1 && !message.PeerId.Equals(state.PeerId, StringComparison.Ordinal))
            throw new NoobException(NoobErrorCode.UnexpectedPeerId, "PeerId", "Not the PeerId of the request.");
        return message switch
        {
            CommonResponse m => await ChooseAsync(m, state, conversation, caller, cancel),
            InitialResponse m => Exchange(m, state),
            InitialKeyResponse m => await WaitAsync(m, state, conversation, caller, cancel),
            NoobIdResponse m => await FindNoobAsync(m, state, caller, cancel),
            CompletionResponse m => await RegisterAsync(m, state, conversation, caller, cancel),
            ReconnectResponse m => ReExchange(m, state),
            ReconnectKeyResponse m => Rekey(m, state),
            ReconnectMacResponse m => await RenewAsync(m, state, caller, cancel),
            _ => End(state),
        };
    }

    /// <summary>An error request, whose answer is met with EAP-Failure (RFC 9140 §3.6).</summary>
    public EapTurn Refuse(ProtocolException? fault, EapConversation conversation)
    {
        var state = conversation.State as NoobConversation ?? new NoobConversation();
        bool told = state.Open == 0 && conversation.State is not null;
        state.Open = 0;
        conversation.State = state;
        if (told)
            return End(state);
        var code = (fault as NoobException)?.Code ?? (fault is null ? NoobErrorCode.ApplicationError : NoobErrorCode.InvalidMessageStructure);
        return Ask(ErrorMessage.Make(true, state.PeerId, code, fault?.Message ?? "internal error"));
    }

    /// <summary>The fork's peer reads on to a NUL, also where there is none.</summary>
    private EapTurn.Request Ask(NoobMessage message) => new(message, _variant.TrailingNul ? (byte[])[.. message.Raw.Span, 0] : message.Raw);

    private static EapTurn.Failure End(NoobConversation state) => new(new ConversationEnd(false, state.PeerId));

    /// <summary>RFC 9140 §3.2.1, figure 2: which exchange follows from both sides' states.</summary>
    private async ValueTask<EapTurn> ChooseAsync(CommonResponse response, NoobConversation state, EapConversation conversation, Caller caller, CancellationToken cancel)
    {
        bool isNew = response.PeerState == AssociationState.Unregistered;
        var unit = store.Begin(caller);
        if (!isNew && NoobIdentifiers.IsOurs(response.PeerId))
        {
            var key = NoobIdentifiers.Key(response.PeerId);
            if (response.PeerState == AssociationState.Reconnecting)
            {
                if (await unit.GetAsync(RegisteredPeer.Schema, key, cancel) is { } registered)
                    return Reconnect(registered.Value, registered.Version, state);
            }
            else if (await unit.GetAsync(WaitingPeer.Schema, key, cancel) is { Value: var waiting })
            {
                state.PeerId = response.PeerId;
                if (response.PeerState == AssociationState.OobReceived)
                    return Ask(Opening(state, NoobIdRequest.Make(state.PeerId)));
                return waiting.State == AssociationState.OobReceived ? await CompleteAsync(waiting, waiting.ReceivedNoob!, waiting.NoobIdForm, state, caller, cancel)
                    : Ask(Opening(state, WaitingRequest.Make(state.PeerId, options.SleepTime)));
            }
            else if (await unit.GetAsync(RegisteredPeer.Schema, key, cancel) is not null)
                throw Mismatch(state, response.PeerId, "The device begins anew, and is registered here.");
        }
        if (response.PeerState == AssociationState.Reconnecting)
            throw Mismatch(state, response.PeerId, "The device is not registered here.");
        state.PeerId = Base64Text.Encode(chance.Bytes(16, "EAP-NOOB.PeerId"));
        var request = InitialRequest.Make(s_vers, state.PeerId, NewNaiMember(), options.Cryptosuites, options.Directions, options.ServerInfoText.Span, _variant);
        state.Request2 = request;
        return Ask(Opening(state, request));
    }

    private static NoobException Mismatch(NoobConversation state, string peerId, string sentence)
    {
        state.PeerId = peerId;
        return new NoobException(NoobErrorCode.StateMismatch, "PeerState", sentence);
    }

    private static NoobMessage Opening(NoobConversation state, NoobMessage request)
    {
        state.Open = request.Type;
        return request;
    }

    /// <summary>For a variant that names the member Realm: the realm alone.</summary>
    private string? NewNaiMember() => options.NewNai is { } nai && _variant.RealmMember ? nai[(nai.LastIndexOf('@') + 1)..] : options.NewNai;

    private EapTurn Exchange(InitialResponse response, NoobConversation state)
    {
        var request = (InitialRequest)state.Request2!;
        if (!request.Vers.Contains(response.Verp))
            throw NoobException.Invalid("Verp", "not offered.");
        if (!request.Cryptosuites.Contains(response.Cryptosuitep))
            throw NoobException.Invalid("Cryptosuitep", "not offered.");
        if ((response.Dirp & ~request.Dirs) != 0)
            throw NoobException.Invalid("Dirp", "not offered.");
        if (options.JudgePeerInfo?.Invoke(response.PeerInfo) is { } why)
            throw new NoobException(NoobErrorCode.InvalidPeerInfo, "PeerInfo", why);
        var key = Cryptosuites.Generate(response.Cryptosuitep, chance, "EAP-NOOB.PKs");
        state.Response2 = response;
        state.Keep(key);
        state.Request3 = InitialKeyRequest.Make(state.PeerId, EcdheKey.Write(key, response.Cryptosuitep, _variant), chance.Bytes(32, "EAP-NOOB.Ns"), options.SleepTime, _variant);
        return Ask(Opening(state, state.Request3));
    }

    /// <summary>Both are in state 1 from here on; EAP-Failure is how this exchange ends well.</summary>
    private async ValueTask<EapTurn> WaitAsync(InitialKeyResponse response, NoobConversation state, EapConversation conversation, Caller caller, CancellationToken cancel)
    {
        var (request2, response2, request3) = ((InitialRequest)state.Request2!, (InitialResponse)state.Response2!, (InitialKeyRequest)state.Request3!);
        using var key = state.TakeKey(response2.Cryptosuitep);
        byte[] z = response.Pkp.Agree(key, response2.Cryptosuitep);
        string nai = conversation.Identity.Text;
        var waiting = new WaitingPeer
        {
            PeerId = state.PeerId,
            Nai = nai,
            Verp = response2.Verp,
            Cryptosuitep = response2.Cryptosuitep,
            Dirp = response2.Dirp,
            HashInput = HashInput.Initial(request2.Members, response2.Members, request3.Members, response.Members, HashInput.InitialNai(_variant, request2.NewNai, nai)),
            Z = new SecretBytes(z),
            Np = response.Np,
            Ns = request3.Ns,
            PeerInfo = response2.PeerInfo,
            ServerInfo = request2.ServerInfo,
            Station = StationOf(conversation),
            Since = caller.Wall,
            Session = caller.Session.Value,
            NoobIdForm = _variant.NoobIdForm,
        };
        CryptographicOperations.ZeroMemory(z);
        var unit = store.Begin(caller);
        await MakeRoomAsync(unit, waiting.Station, cancel);
        unit.Insert(WaitingPeer.Schema, NoobIdentifiers.Key(waiting.PeerId), waiting, caller.Wall + options.WaitingLife);
        await CommitAsync(unit, cancel);
        return End(state);
    }

    private static string StationOf(EapConversation conversation) =>
        conversation.CallingStation is { Length: > 0 } station && Storable.Is(station) ? $"{conversation.Client} {station}" : "";

    private async ValueTask MakeRoomAsync(IUnitOfWork unit, string station, CancellationToken cancel)
    {
        if (station.Length == 0)
            return;
        var there = await unit.FindAsync(WaitingPeer.Schema, "station", station, options.MaxPerStation, cancel);
        if (there.Length < options.MaxPerStation)
            return;
        var oldest = there.OrderBy(w => w.Value.Account.Length > 0).ThenBy(w => w.Value.Since).First();
        unit.Delete(WaitingPeer.Schema, oldest.Key, oldest.Version);
    }

    private static async ValueTask CommitAsync(IUnitOfWork unit, CancellationToken cancel)
    {
        try
        {
            await unit.CommitAsync(cancel);
        }
        catch (ConflictException e)
        {
            throw new NoobException(NoobErrorCode.ApplicationError, "PeerId", "Another conversation of this device came first.", e);
        }
    }

    private async ValueTask<Stored<WaitingPeer>> WaitingAsync(IUnitOfWork unit, NoobConversation state, CancellationToken cancel) =>
        await unit.GetAsync(WaitingPeer.Schema, NoobIdentifiers.Key(state.PeerId), cancel)
            ?? throw new NoobException(NoobErrorCode.StateMismatch, "PeerId", "The association has expired or been completed.");

    /// <summary>Type 5 answered: the peer has an OOB message of ours.</summary>
    private async ValueTask<EapTurn> FindNoobAsync(NoobIdResponse response, NoobConversation state, Caller caller, CancellationToken cancel)
    {
        var waiting = (await WaitingAsync(store.Begin(caller), state, cancel)).Value;
        foreach (var issued in waiting.Issued)
            if (HashInput.FormOf(response.NoobId.Span, issued.Noob.Reveal()) is { } form && issued.At + options.NoobTimeout > caller.Wall)
                return await CompleteAsync(waiting, issued.Noob, form, state, caller, cancel);
        throw new NoobException(NoobErrorCode.UnrecognizedNoobId, "NoobId", "It names no OOB message that is valid here.");
    }

    /// <summary>Type 6. The policy is asked before the server proves itself.</summary>
    private async ValueTask<EapTurn> CompleteAsync(WaitingPeer waiting, SecretBytes noob, NoobIdForm form, NoobConversation state, Caller caller, CancellationToken cancel)
    {
        var decision = await DecideAsync("completion", waiting.PeerId, waiting.Account, waiting.PeerInfo, caller, cancel);
        if (decision is Decision.Hold { AskAgain: var wait } && state.Open == 1)
            return Ask(Opening(state, WaitingRequest.Make(state.PeerId, (int)Math.Clamp(wait.TotalSeconds, 0, NoobLimits.SleepTime))));
        if (decision is not Decision.Admit { Profile: var profile })
            throw new NoobException(NoobErrorCode.UnwantedPeer, "PeerId", decision is Decision.Refuse { Reason: var reason } ? reason : "An operator has not decided yet.");
        using var keys = KeySchedule.Derive(waiting.Z!.Reveal(), waiting.Np.Span, waiting.Ns.Span, noob.Reveal(), _variant.Datalength);
        (state.Noob, state.NoobIdForm, state.Block, state.Profile) = (noob, form, new SecretBytes(keys.Block), profile);
        state.ExpectedMac = HashInput.Macp(keys, waiting.HashInput.Span, noob.Reveal());
        return Ask(Opening(state, CompletionRequest.Make(state.PeerId, HashInput.NoobId(noob.Reveal(), form), HashInput.Macs(keys, waiting.HashInput.Span, noob.Reveal()))));
    }

    private async ValueTask<Decision> DecideAsync(string method, string peerId, string account, ReadOnlyMemory<byte> peerInfo, Caller caller, CancellationToken cancel)
    {
        var subject = NoobIdentifiers.Subject(peerId);
        ImmutableArray<Identifier> proven = account.Length > 0 ? [subject, new Identifier("noob.account", account)] : [subject];
        ImmutableArray<string> evidence = [method == "completion" ? "OOB message carried by the user" : "key of the association", account.Length > 0 ? $"account {account}" : "no account"];
        var decision = await admission.DecideAsync(new AdmissionRequest(NoobProfile.Protocol, "eapnoob." + method, proven, NoobIdentifiers.Claims(peerInfo), evidence), cancel);
        if (decision is Decision.Admit)
            return decision;
        var unit = store.Begin(caller);
        unit.Report(new Fact.Decided(subject, decision, evidence));
        await unit.CommitAsync(cancel);
        return decision;
    }

    /// <summary>Type 6 answered: both are registered.</summary>
    private async ValueTask<EapTurn> RegisterAsync(CompletionResponse response, NoobConversation state, EapConversation conversation, Caller caller, CancellationToken cancel)
    {
        CheckMac(state, response.Macp, "MACp");
        using var keys = state.Keys;
        var unit = store.Begin(caller);
        var (key, waiting, version) = await WaitingAsync(unit, state, cancel);
        var subject = NoobIdentifiers.Subject(state.PeerId);
        unit.Delete(WaitingPeer.Schema, key, version);
        unit.Insert(RegisteredPeer.Schema, key, new RegisteredPeer
        {
            PeerId = state.PeerId,
            Nai = conversation.Identity.Text,
            Verp = waiting.Verp,
            Cryptosuitep = waiting.Cryptosuitep,
            Kz = new SecretBytes(keys.Kz),
            Account = waiting.Account,
            PeerInfo = waiting.PeerInfo,
            ServerInfo = waiting.ServerInfo,
            NoobIdForm = state.NoobIdForm,
            Since = caller.Wall,
        });
        unit.Report(new Fact.Seen(subject, NoobProfile.Protocol.Id, [subject], NoobIdentifiers.Claims(waiting.PeerInfo)));
        unit.Report(new Fact.Decided(subject, new Decision.Admit(state.Profile), ["MACp", waiting.Account.Length > 0 ? $"account {waiting.Account}" : "no account"]));
        unit.Report(new Fact.Imparted(subject, "Kz", null));
        if (waiting.Account.Length > 0)
            unit.Report(new Fact.OwnerChanged(subject, "", waiting.Account));
        await CommitAsync(unit, cancel);
        return Succeed(state, keys);
    }

    private EapTurn.Success Succeed(NoobConversation state, NoobKeys keys)
    {
        options.ApplicationKey?.Invoke(state.PeerId, keys.Amsk.ToArray());
        return new EapTurn.Success(new ConversationEnd(true, state.PeerId, state.Profile), keys.ToEap(state.PeerId), state.Profile);
    }

    private static void CheckMac(NoobConversation state, ReadOnlyMemory<byte> mac, string name)
    {
        if (!CryptographicOperations.FixedTimeEquals(state.ExpectedMac, mac.Span))
            throw new NoobException(NoobErrorCode.HmacFailure, name, "Not computed with the keys of this association.");
    }

    /// <summary>The peer did not recognize NoobId: back to state 1, from which the OOB message that we still have is taken up again with the next form of NoobId, while there is one.</summary>
    private async ValueTask ForgetNoobAsync(NoobConversation state, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        if (await unit.GetAsync(WaitingPeer.Schema, NoobIdentifiers.Key(state.PeerId), cancel) is not { Value.State: AssociationState.OobReceived } stored)
            return;
        var waiting = stored.Value.NoobIdTries < 2
            ? stored.Value with { NoobIdTries = stored.Value.NoobIdTries + 1, NoobIdForm = (NoobIdForm)(((int)stored.Value.NoobIdForm + 1) % 3) }
            : stored.Value with { State = AssociationState.WaitingForOob, ReceivedNoob = null, NoobIdTries = 0, Account = "" };
        unit.Replace(WaitingPeer.Schema, stored.Key, waiting, stored.Version, waiting.Since + options.WaitingLife);
        await CommitAsync(unit, cancel);
    }

    private EapTurn Reconnect(RegisteredPeer registered, long version, NoobConversation state)
    {
        state.PeerId = registered.PeerId;
        state.Known = new KnownAssociation(version, registered.Cryptosuitep, registered.Nai, registered.Kz!);
        int least = Cryptosuites.Strength(registered.Cryptosuitep);
        var suites = options.Cryptosuites.Where(s => Cryptosuites.Strength(s) >= least).ToList();
        if (suites.Count == 0)
            suites = [registered.Cryptosuitep];
        string? nai = _variant.RealmMember ? NewNaiMember() : options.NewNai is { } wanted && wanted != registered.Nai ? wanted : null;
        bool tells = _variant.AlwaysSendsInfo || !registered.ServerInfo.Span.SequenceEqual(options.ServerInfoText.Span);
        state.Request7 = ReconnectRequest.Make(s_vers, registered.PeerId, suites, nai, tells ? options.ServerInfoText.Span : default, _variant);
        return Ask(Opening(state, state.Request7));
    }

    private EapTurn ReExchange(ReconnectResponse response, NoobConversation state)
    {
        var request = (ReconnectRequest)state.Request7!;
        if (!request.Vers.Contains(response.Verp))
            throw NoobException.Invalid("Verp", "not offered.");
        if (!request.Cryptosuites.Contains(response.Cryptosuitep))
            throw NoobException.Invalid("Cryptosuitep", "not offered.");
        if (!response.PeerInfo.IsEmpty && options.JudgePeerInfo?.Invoke(response.PeerInfo) is { } why)
            throw new NoobException(NoobErrorCode.InvalidPeerInfo, "PeerInfo", why);
        var mode = response.Cryptosuitep != state.Known!.Cryptosuitep ? KeyingMode.EcdheNewCryptosuite : options.ForwardSecrecy ? KeyingMode.Ecdhe : KeyingMode.WithoutEcdhe;
        byte[] pks2 = [];
        if (mode != KeyingMode.WithoutEcdhe)
        {
            var key = Cryptosuites.Generate(response.Cryptosuitep, chance, "EAP-NOOB.PKs2");
            state.Keep(key);
            pks2 = EcdheKey.Write(key, response.Cryptosuitep, _variant);
        }
        state.Response7 = response;
        state.Request8 = ReconnectKeyRequest.Make(state.PeerId, mode, pks2, chance.Bytes(32, "EAP-NOOB.Ns2"), _variant);
        return Ask(Opening(state, state.Request8));
    }

    private EapTurn Rekey(ReconnectKeyResponse response, NoobConversation state)
    {
        var (request7, response7, request8) = ((ReconnectRequest)state.Request7!, (ReconnectResponse)state.Response7!, (ReconnectKeyRequest)state.Request8!);
        if (response.Pkp2 is null != (request8.Pks2 is null))
            throw NoobException.Structure("PKp2", request8.Pks2 is null ? "KeyingMode 1 has none." : "missing.");
        byte[]? z = null;
        if (response.Pkp2 is { } pkp2)
        {
            using var key = state.TakeKey(response7.Cryptosuitep);
            z = pkp2.Agree(key, response7.Cryptosuitep);
        }
        byte[] middle = HashInput.Reconnect(request7.Members, response7.Members, request8.Members, response.Members, HashInput.ReconnectNai(_variant, request7.NewNai, state.Known!.Nai));
        using var keys = KeySchedule.Reconnect(z, response.Np2.Span, request8.Ns2.Span, state.Known.Kz, _variant.Datalength);
        if (z is not null)
            CryptographicOperations.ZeroMemory(z);
        (state.Block, state.ExpectedMac) = (new SecretBytes(keys.Block), HashInput.Macp(keys, middle, default));
        return Ask(Opening(state, ReconnectMacRequest.Make(state.PeerId, HashInput.Macs(keys, middle, default))));
    }

    /// <summary>Type 9 answered: the device is who it was. Kz changes only with the cryptosuite; what changed is durable before EAP-Success, or before the policy's refusal.</summary>
    private async ValueTask<EapTurn> RenewAsync(ReconnectMacResponse response, NoobConversation state, Caller caller, CancellationToken cancel)
    {
        CheckMac(state, response.Macp2, "MACp2");
        using var keys = state.Keys;
        var (request7, response7, request8) = ((ReconnectRequest)state.Request7!, (ReconnectResponse)state.Response7!, (ReconnectKeyRequest)state.Request8!);
        var unit = store.Begin(caller);
        var (key, before, version) = await unit.GetAsync(RegisteredPeer.Schema, NoobIdentifiers.Key(state.PeerId), cancel)
            ?? throw new NoobException(NoobErrorCode.StateMismatch, "PeerId", "The device was removed.");
        // What it proved is another Kz than the one that is there now.
        if (version != state.Known!.Version)
            throw new NoobException(NoobErrorCode.ApplicationError, "PeerId", "Another conversation of this device came first.");
        bool upgrades = request8.KeyingMode == KeyingMode.EcdheNewCryptosuite;
        var after = before with
        {
            Nai = _variant.RealmMember ? before.Nai : request7.NewNai ?? before.Nai,
            Cryptosuitep = response7.Cryptosuitep,
            Kz = upgrades || _variant.ReplacesKz ? new SecretBytes(keys.Kz) : before.Kz,
            PeerInfo = response7.PeerInfo.IsEmpty ? before.PeerInfo : response7.PeerInfo,
            ServerInfo = request7.ServerInfo.IsEmpty ? before.ServerInfo : request7.ServerInfo,
        };
        var subject = NoobIdentifiers.Subject(state.PeerId);
        var decision = await DecideAsync("reconnect", state.PeerId, before.Account, after.PeerInfo, caller, cancel);
        if (upgrades || _variant.ReplacesKz || after.Nai != before.Nai || !response7.PeerInfo.IsEmpty || !request7.ServerInfo.IsEmpty)
            unit.Replace(RegisteredPeer.Schema, key, after, version);
        unit.Report(new Fact.Seen(subject, NoobProfile.Protocol.Id, [subject], NoobIdentifiers.Claims(after.PeerInfo)));
        if (upgrades)
            unit.Report(new Fact.Imparted(subject, "Kz", null));
        await CommitAsync(unit, cancel);
        if (decision is not Decision.Admit { Profile: var profile })
            throw new NoobException(NoobErrorCode.UnwantedPeer, "PeerId", decision is Decision.Refuse { Reason: var reason } ? reason : "An operator has not decided yet.");
        state.Profile = profile;
        return Succeed(state, keys);
    }
}
