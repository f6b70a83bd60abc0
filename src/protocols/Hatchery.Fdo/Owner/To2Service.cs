using System.Security.Cryptography;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Owner;

/// <summary>The Owner Onboarding Service: server of TO2 (FDO 1.1 §5.5). Durable are: before message 65 the decision to let the device in, before
/// message 71 the replacement voucher. What lies between is a conversation that may be lost; the device then starts over.</summary>
public sealed class To2Service(IRecordStore store, IAdmission admission, Chance chance, OwnerOptions options)
    : FdoService<To2Session>(store, chance, "TO2", options.Idle)
{
    private const ushort MaxMessage = ushort.MaxValue;
    private const int MaxBadEntryRequests = 3;

    private readonly VoucherCache _parsed = new(1024);

    internal override IReadOnlyList<int> Types { get; } = [60, 62, 64, 66, 68, 70];
    private protected override bool Begins(int type) => type == 60;

    /// <summary>A wrong request for an entry is answered with an error and forgiven a few times; every other fault ends the session.</summary>
    private protected override bool Survives(To2Session state, FdoMessage message) => message is GetOVNextEntry && ++state.BadEntryRequests <= MaxBadEntryRequests;

    private protected override async ValueTask<(To2Session State, FdoMessage Answer)> BeginAsync(FdoMessage first, Caller caller, CancellationToken cancel)
    {
        var hello = (HelloDevice)first;
        var found = await Store.Begin(caller).GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(hello.Guid), cancel);
        if (found is not { Value: var record } || !record.AnswersTo2)
            throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "There is no device of this GUID to onboard here.");
        var (ownerKey, ownerPublic) = options.Keys.Find(record.OwnerKey)
            ?? throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "The owner key of this device is not here.");
        var voucher = _parsed.Get(record.Voucher);
        var suite = KeyExchangeSuite.Require(hello.KexSuiteName);
        if (!suite.Fits(ownerPublic))
            throw FdoException.Invalid("kexSuiteName", $"{suite.Name} does not fit an owner key of type {ownerPublic.Type}.");
        var cipher = CipherSuite.Require(hello.CipherSuiteName);
        if (FdoPublicKey.TypeOf(record.DeviceKey) is not { } deviceType || !SignatureTypes.Fits(record.DeviceKey, hello.ASigInfo.Type))
            throw FdoException.Invalid("eASigInfo", $"{(int)hello.ASigInfo.Type} is not how this device signs.");

        var exchange = suite.BeginOwner(Chance);
        var nonce = Nonce.Draw(Chance, "TO2.NonceTO2ProveDv");
        var helloHash = FdoHash.Of(VoucherHmac.HashFor(deviceType, ownerPublic.Type), hello.Raw.Span);
        var content = new ProveOVHdrContent(voucher.Header, voucher.Entries.Length, voucher.HeaderHmac, hello.NonceTO2ProveOV, hello.ASigInfo,
            exchange.Parameter, helloHash, MaxMessage);
        var stands = options.Delegate?.Invoke(record.OwnerKey);
        var answer = ProveOVHdr.Sign(content, nonce, ownerPublic, stands?.Key ?? ownerKey, Chance, stands?.Chain);
        var session = new To2Session(voucher, record.OwnerKey, record.Serial, nonce, cipher, suite) { Exchange = exchange };
        if (hello.MaxDeviceMessageSize != 0)
            session.More.MaxMessage = hello.MaxDeviceMessageSize;
        return (session, answer);
    }

    private protected override ValueTask<FdoMessage> GoOnAsync(To2Session state, FdoMessage message, int last, Caller caller, CancellationToken cancel) => message switch
    {
        GetOVNextEntry next when last is 60 or 62 => new(Entry(state, next)),
        ProveDevice proof when last is 60 or 62 => SetUpAsync(state, proof, caller, cancel),
        SealedMessage { Type: 66 } ready when last == 64 => new(Ready(state, ready)),
        SealedMessage { Type: 68 } info when last is 66 or 68 => ServiceInfoAsync(state, info, caller, cancel),
        SealedMessage { Type: 70 } done when last == 68 => DoneAsync(state, done, caller, cancel),
        _ => throw Unexpected(message, last),
    };

    private static OVNextEntry Entry(To2Session state, GetOVNextEntry request) =>
        request.OVEntryNum < state.Voucher.Entries.Length ? new OVNextEntry(request.OVEntryNum, state.Voucher.Entries[request.OVEntryNum])
            : throw FdoException.Invalid("OVEntryNum", $"{request.OVEntryNum}; there are {state.Voucher.Entries.Length} entries.");

    /// <summary>64: the device proves itself; asks the policy; 65.</summary>
    private async ValueTask<FdoMessage> SetUpAsync(To2Session state, ProveDevice proof, Caller caller, CancellationToken cancel)
    {
        var guid = state.Voucher.Guid;
        if (proof.Token.Nonce != state.NonceTO2ProveDv)
            throw FdoException.Invalid("EAT nonce", "not the one of TO2.ProveOVHdr.");
        if (proof.Token.Guid != guid)
            throw FdoException.Invalid("EAT ueid", "another device than in TO2.HelloDevice.");
        if (!proof.Token.Verify(state.Voucher.DeviceKey))
            throw FdoException.Invalid("TO2.ProveDevice", "not signed by the device's attestation key.");
        using (var exchange = state.Exchange!)
            state.Keys = exchange.Complete(proof.XBKeyExchange, state.Cipher.As(options.EncryptThenMac), options.Keys.Find(state.OwnerKey)?.Key);
        state.Exchange = null;
        state.NonceTO2SetupDv = proof.EuphNonce;

        var subject = OwnerVoucher.Subject(guid);
        Identifier spki = new("spki-sha256", Convert.ToHexStringLower(SHA256.HashData(state.Voucher.DeviceKey.Span)));
        Identifier[] proven = state.Serial.Length > 0 ? [subject, spki, new("serial", state.Serial)] : [subject, spki];
        string evidence = $"voucher of {state.Voucher.Entries.Length} entries, manufacturer key {state.Voucher.Header.PublicKey.Fingerprint}";
        var decision = await admission.DecideAsync(new AdmissionRequest(FdoProfile.Protocol, "fdo.to2",
            [.. proven, new("fdo.manufacturer", state.Voucher.Header.PublicKey.Fingerprint)], [], [evidence, "signature of the attestation key"]), cancel);
        var unit = Store.Begin(caller);
        unit.Report(new Fact.Seen(subject, FdoProfile.Protocol.Id, [.. proven], []));
        unit.Report(new Fact.Decided(subject, decision, [evidence, "signature of the attestation key"]));
        await unit.CommitAsync(cancel);
        if (decision is not Decision.Admit { Profile: var profile })
            throw FdoException.Invalid("Guid", decision is Decision.Hold ? "the owner has not decided yet; try again later." : "the owner does not take this device.");

        var (ownerKey, ownerPublic) = options.Keys.Find(state.OwnerKey)!.Value;
        Span<byte> newGuid = stackalloc byte[16];
        Chance.Fill(newGuid, "TO2.Guid");
        (state.NewGuid, state.Profile) = (new Guid(newGuid, bigEndian: true), profile);
        state.NewRendezvousInfo = options.ReplacementRendezvousInfo ?? state.Voucher.Header.RendezvousInfo;
        if (options.ReuseCredential?.Invoke(guid, profile) is true)
        {
            state.More.IsReuse = true;
            (state.NewGuid, state.NewRendezvousInfo) = (guid, state.Voucher.Header.RendezvousInfo);
        }
        var setup = SetupDevice.Sign(state.NewRendezvousInfo, state.NewGuid, state.NonceTO2SetupDv, ownerPublic, ownerKey, Chance);
        return SealedMessage.Seal(setup, state.Keys, Chance);
    }

    private FdoMessage Ready(To2Session state, SealedMessage message)
    {
        var ready = message.Open<DeviceServiceInfoReady>(state.Keys!);
        if (ready.ReplacementHMac is null && !state.More.IsReuse)
            throw new FdoException(FdoErrorCode.CredReuseError, "ReplacementHMac", "null: credential reuse was not offered.");
        if (ready.ReplacementHMac is not null && state.More.IsReuse)
            throw FdoException.Invalid("ReplacementHMac", "there is one, though the credential is to be used again.");
        state.ReplacementHmac = ready.ReplacementHMac;
        state.MaxOwnerServiceInfo = state.More.Room(Math.Max(ServiceInfoSizes.Smallest, (int?)ready.MaxOwnerServiceInfoSz ?? 0));
        return SealedMessage.Seal(new OwnerServiceInfoReady(options.MaxDeviceServiceInfo), state.Keys!, Chance);
    }

    private async ValueTask<FdoMessage> ServiceInfoAsync(To2Session state, SealedMessage message, Caller caller, CancellationToken cancel)
    {
        var info = message.Open<DeviceServiceInfo>(state.Keys!);
        var plan = await state.More.PlanAsync(options.Planner, state, cancel);
        List<string>? finished = null;
        var context = new ModuleContext(state.NewGuid, state.Serial, caller.Wall, Chance);
        var answer = await OwnerServiceInfoEngine.TurnAsync(state, plan, info, context, what => (finished ??= []).Add(what), cancel);
        if (finished is not null)
            state.Imparted = state.Imparted.AddRange(finished);
        return SealedMessage.Seal(answer, state.Keys!, Chance);
    }

    /// <summary>70: the device has it all; the replacement voucher becomes durable; 71.</summary>
    private async ValueTask<FdoMessage> DoneAsync(To2Session state, SealedMessage message, Caller caller, CancellationToken cancel)
    {
        var done = message.Open<Done>(state.Keys!);
        if (!state.OwnerDone)
            throw FdoException.Invalid("TO2.Done", "comes before the owner said that it is done.");
        if (done.NonceTO2ProveDv != state.NonceTO2ProveDv)
            throw FdoException.Invalid("NonceTO2ProveDv", "not the one of TO2.ProveOVHdr.");

        if (state.More.IsReuse)
            return await OwnerResults.KeepAsync(Store.Begin(caller), state, caller.Wall, cancel) ? SealedMessage.Seal(new Done2(state.NonceTO2SetupDv), state.Keys!, Chance)
                : throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "There is no device of this GUID to onboard here any more.");
        var (_, ownerPublic) = options.Keys.Find(state.OwnerKey)!.Value;
        var header = state.Voucher.Header.Replace(state.NewGuid, state.NewRendezvousInfo!, ownerPublic);
        var replacement = new OwnershipVoucher(header, state.ReplacementHmac!, state.Voucher.DevCertChain);
        var subject = OwnerVoucher.Subject(state.Voucher.Guid);
        var unit = Store.Begin(caller);
        var old = await unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(state.Voucher.Guid), cancel);
        if (old is not { Value: var record } || !record.AnswersTo2)
            throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "There is no device of this GUID to onboard here any more.");
        if (record.State == OwnerVoucherState.Superseded
            && await unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(record.Successor), cancel) is { Value.State: OwnerVoucherState.Onboarded } left)
            // The device comes again under its old GUID: it never took the one it was given before.
            unit.Replace(OwnerVoucher.Schema, left.Key, left.Value with { State = OwnerVoucherState.Retired }, left.Version);
        unit.Replace(OwnerVoucher.Schema, old.Key, record with { State = OwnerVoucherState.Superseded, Successor = state.NewGuid }, old.Version);
        unit.Insert(OwnerVoucher.Schema, OwnerVoucher.Key(state.NewGuid),
            new OwnerVoucher(state.NewGuid, replacement.Raw, OwnerVoucherState.Onboarded, default, record.DeviceKey, state.OwnerKey, record.Serial, caller.Wall));
        if (await unit.GetAsync(To0Schedule.Schema, To0Schedule.Key(state.Voucher.Guid), cancel) is { } schedule)
            unit.Delete(To0Schedule.Schema, schedule.Key, schedule.Version);
        OwnerResults.Add(unit, state, subject, caller.Wall);
        unit.Report(new Fact.Imparted(subject, "replacement credential", null));
        unit.Report(new Fact.OwnerChanged(subject, state.Voucher.Header.PublicKey.Fingerprint, ownerPublic.Fingerprint));
        unit.Report(new Fact.Renamed(subject, OwnerVoucher.Subject(state.NewGuid)));
        try
        {
            await unit.CommitAsync(cancel);
        }
        catch (ConflictException e)
        {
            throw FdoException.Invalid("Guid", "another onboarding of this device came first.", e);
        }
        return SealedMessage.Seal(new Done2(state.NonceTO2SetupDv), state.Keys!, Chance);
    }
}
