using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Rendezvous;

public sealed record To1Session(Guid Guid, Nonce NonceTO1Proof) : ISessionState<To1Session>
{
    public byte[] Write() => [.. Guid.ToByteArray(bigEndian: true), .. NonceTO1Proof.Value.Span];
    public static To1Session Read(ReadOnlyMemory<byte> bytes) => new(new Guid(bytes.Span[..16], bigEndian: true), new Nonce(bytes[16..]));
}

/// <summary>Server of TO1 (FDO 1.1 §5.4): tells a device that proves its attestation key where its owner is. Hands on what the owner signed, byte for byte.</summary>
public sealed class To1Service(IRecordStore store, IAdmission admission, Chance chance)
    : FdoService<To1Session>(store, chance, "TO1", TimeSpan.FromMinutes(1))
{
    internal override IReadOnlyList<int> Types { get; } = [30, 32];
    private protected override bool Begins(int type) => type == 30;

    private protected override async ValueTask<(To1Session State, FdoMessage Answer)> BeginAsync(FdoMessage first, Caller caller, CancellationToken cancel)
    {
        var hello = (HelloRV)first;
        var entry = await EntryAsync(hello.Guid, caller, cancel);
        if (!SignatureTypes.Fits(entry.DeviceKey, hello.ASigInfo.Type))
            throw FdoException.Invalid("eASigInfo", $"{(int)hello.ASigInfo.Type} is not how this device signs.");
        var nonce = Nonce.Draw(Chance, "TO1.NonceTO1Proof");
        return (new To1Session(hello.Guid, nonce), new HelloRVAck(nonce, hello.ASigInfo));
    }

    private protected override async ValueTask<FdoMessage> GoOnAsync(To1Session state, FdoMessage message, int last, Caller caller, CancellationToken cancel)
    {
        if (message is not ProveToRV { Token: var token } || last != 30)
            throw Unexpected(message, last);
        var entry = await EntryAsync(state.Guid, caller, cancel);
        if (token.Guid != state.Guid)
            throw FdoException.Invalid("EAT ueid", "another device than in TO1.HelloRV.");
        if (token.Nonce != state.NonceTO1Proof)
            throw FdoException.Invalid("EAT nonce", "not the one that was given.");
        if (!token.Verify(entry.DeviceKey))
            throw FdoException.Invalid("TO1.ProveToRV", "not signed by the device's attestation key.");
        var subject = new Identifier("fdo.guid", state.Guid.ToString("N"));
        var decision = await admission.DecideAsync(new AdmissionRequest(FdoProfile.Protocol, "fdo.to1", [subject, new Identifier("fdo.owner", entry.OwnerKey)], [],
            ["signature of the attestation key"]), cancel);
        if (decision is not Decision.Admit)
        {
            var unit = Store.Begin(caller);
            unit.Report(new Fact.Decided(subject, decision, ["signature of the attestation key"]));
            await unit.CommitAsync(cancel);
            throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "There is no registration for this device.");
        }
        return new RVRedirect(To1d.Parse(entry.To1d));
    }

    private async ValueTask<RendezvousEntry> EntryAsync(Guid guid, Caller caller, CancellationToken cancel)
    {
        var found = await Store.Begin(caller).GetAsync(RendezvousEntry.Schema, RendezvousEntry.Key(guid), cancel);
        return found is { Value: var entry } && entry.Expires > caller.Wall ? entry
            : throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "There is no registration for this device.");
    }
}
