using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Rendezvous;

public sealed class RendezvousOptions
{
    /// <summary>The longest registration granted; an owner that asks for less gets what it asks for.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromDays(30);
    /// <summary>Experimental: take redirects that an owner's delegate signed.</summary>
    public bool AllowDelegates { get; init; }
    /// <summary>How vouchers are judged; a voucher without entries names no owner and is never taken.</summary>
    public VoucherPolicy Policy { get; init; } = new();
}

public sealed record To0Session(Nonce NonceTO0Sign) : ISessionState<To0Session>
{
    public byte[] Write() => NonceTO0Sign.Value.ToArray();
    public static To0Session Read(ReadOnlyMemory<byte> bytes) => new(new Nonce(bytes));
}

/// <summary>Server of TO0 (FDO 1.1 §5.3): takes an owner's redirect for a device, if the voucher shows that it is the owner's to give and the owner signed it.</summary>
public sealed class To0Service(IRecordStore store, IAdmission admission, Chance chance, RendezvousOptions options)
    : FdoService<To0Session>(store, chance, "TO0", TimeSpan.FromMinutes(1))
{
    internal override IReadOnlyList<int> Types { get; } = [20, 22];
    private protected override bool Begins(int type) => type == 20;

    private protected override ValueTask<(To0Session State, FdoMessage Answer)> BeginAsync(FdoMessage first, Caller caller, CancellationToken cancel)
    {
        var nonce = Nonce.Draw(Chance, "TO0.NonceTO0Sign");
        return new((new To0Session(nonce), new To0HelloAck(nonce)));
    }

    private protected override async ValueTask<FdoMessage> GoOnAsync(To0Session state, FdoMessage message, int last, Caller caller, CancellationToken cancel)
    {
        if (message is not OwnerSign { To0d: var to0d, To1d: var to1d } || last != 20)
            throw Unexpected(message, last);
        if (to0d.NonceTO0Sign != state.NonceTO0Sign)
            throw FdoException.Invalid("NonceTO0Sign", "not the one that was given.");
        if (!to1d.To1dTo0dHash.Matches(to0d.Raw.Span))
            throw FdoException.Invalid("to1dTo0dHash", "not over the to0d that came with it.");
        if (to0d.WaitSeconds == 0)
            throw FdoException.Invalid("waitSeconds", "0 registers nothing.");
        var voucher = to0d.Voucher;
        VoucherVerifier.Verify(voucher, options.Policy).Require();
        if (!to1d.Verify(voucher.Owner, options.AllowDelegates))
            throw new FdoException(FdoErrorCode.InvalidOwnerSignBody, "to1d", "The redirect is not signed by the owner that the voucher names.");

        var subject = new Identifier("fdo.guid", voucher.Guid.ToString("N"));
        string ownerKey = voucher.Owner.Fingerprint;
        string evidence = $"voucher of {voucher.Entries.Length} entries, manufacturer key {voucher.Header.PublicKey.Fingerprint}";
        var decision = await admission.DecideAsync(new AdmissionRequest(FdoProfile.Protocol, "fdo.to0",
            [new Identifier("fdo.manufacturer", voucher.Header.PublicKey.Fingerprint), new Identifier("fdo.owner", ownerKey)], [subject], [evidence]), cancel);
        var unit = Store.Begin(caller);
        unit.Report(new Fact.Decided(subject, decision, [evidence]));
        if (decision is not Decision.Admit)
        {
            await unit.CommitAsync(cancel);
            throw FdoException.Invalid("OwnershipVoucher", "the policy does not admit this registration.");
        }
        var wait = TimeSpan.FromSeconds(Math.Min(to0d.WaitSeconds, Math.Max(1, options.MaxWait.TotalSeconds)));
        var entry = new RendezvousEntry(voucher.Guid, to1d.Raw, voucher.DeviceKey, ownerKey, voucher.Entries.Length, caller.Wall + wait);
        var key = RendezvousEntry.Key(voucher.Guid);
        var present = await unit.GetAsync(RendezvousEntry.Schema, key, cancel);
        if (present is null)
            unit.Insert(RendezvousEntry.Schema, key, entry, entry.Expires);
        else if (present.Value.Entries > entry.Entries || (present.Value.Entries == entry.Entries && present.Value.OwnerKey != ownerKey))
            throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVEntryArray", "A voucher that goes further is registered for this device.");
        else
            unit.Replace(RendezvousEntry.Schema, key, entry, present.Version, entry.Expires);
        try
        {
            await unit.CommitAsync(cancel);
        }
        catch (ConflictException e)
        {
            throw new FdoException(FdoErrorCode.InternalServerError, "Guid", "Two registrations for one device at the same time; try again.", e);
        }
        return new AcceptOwner((uint)wait.TotalSeconds);
    }
}
