using System.Collections.Immutable;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Owner;

/// <summary>What an owner does with vouchers: takes them in, hands them out, sells them on.</summary>
public sealed class OwnerVouchers(IRecordStore store, OwnerKeys keys, VoucherPolicy policy, Chance chance)
{
    /// <summary>Verifies and keeps a voucher that names one of our keys, and schedules its registration. The same voucher again changes nothing.</summary>
    /// <exception cref="FdoException">2, with the first check that failed.</exception>
    public async ValueTask<OwnerVoucher> ImportAsync(OwnershipVoucher voucher, Caller caller, CancellationToken cancel)
    {
        VoucherVerifier.Verify(voucher, policy).Require();
        var owner = keys.Find(voucher.Owner.Fingerprint)
            ?? throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVEPubKey", $"The voucher ends with the key {voucher.Owner.Fingerprint}, which is none of ours.");
        if (owner.Public.Type != voucher.Owner.Type)
            throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVEPubKey", $"Our key {owner.Public.Fingerprint} signs as {owner.Public.Type}; the voucher wants {voucher.Owner.Type}.");
        var unit = store.Begin(caller);
        var present = await unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(voucher.Guid), cancel);
        if (present is { Value: var known })
        {
            if (known.Voucher.Span.SequenceEqual(voucher.Raw.Span))
                return known;
            // A voucher that comes back to us (sold and bought again) is longer than the one that we had.
            if (known.State != OwnerVoucherState.Sold || OwnershipVoucher.Parse(known.Voucher).Entries.Length >= voucher.Entries.Length)
                throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVGuid", $"Another voucher for {voucher.Guid} is here already.");
        }
        var record = new OwnerVoucher(voucher.Guid, voucher.Raw, OwnerVoucherState.Waiting, default, voucher.DeviceKey, owner.Public.Fingerprint,
            DeviceSerial.Of(voucher), caller.Wall);
        if (present is null)
            unit.Insert(OwnerVoucher.Schema, OwnerVoucher.Key(voucher.Guid), record);
        else
            unit.Replace(OwnerVoucher.Schema, present.Key, record, present.Version);
        var schedule = await unit.GetAsync(To0Schedule.Schema, To0Schedule.Key(voucher.Guid), cancel);
        var due = new To0Schedule(voucher.Guid, caller.Wall, null, 0, "");
        if (schedule is null)
            unit.Insert(To0Schedule.Schema, To0Schedule.Key(voucher.Guid), due);
        else
            unit.Replace(To0Schedule.Schema, schedule.Key, due, schedule.Version);
        unit.Report(new Fact.Administered(OwnerVoucher.Subject(voucher.Guid), $"voucher of {voucher.Entries.Length} entries imported", caller.Listener));
        await unit.CommitAsync(cancel);
        return record;
    }

    /// <summary>Imports one after the other, each in a unit of work of its own: one that is refused does not hold up the others.</summary>
    /// <returns>For each voucher null, or why it was refused.</returns>
    public async ValueTask<ImmutableArray<(Guid Guid, string? Refused)>> ImportAsync(ImmutableArray<OwnershipVoucher> vouchers, Caller caller, CancellationToken cancel)
    {
        var results = ImmutableArray.CreateBuilder<(Guid, string?)>(vouchers.Length);
        foreach (var voucher in vouchers)
        {
            try
            {
                await ImportAsync(voucher, caller, cancel);
                results.Add((voucher.Guid, null));
            }
            catch (FdoException e)
            {
                results.Add((voucher.Guid, e.Message));
            }
            catch (ConflictException)
            {
                results.Add((voucher.Guid, "Somebody else imports it at the same time."));
            }
        }
        return results.MoveToImmutable();
    }

    public async ValueTask<OwnerVoucher?> GetAsync(Guid guid, Caller caller, CancellationToken cancel) =>
        (await store.Begin(caller).GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(guid), cancel))?.Value;

    public async ValueTask<ImmutableArray<OwnerVoucher>> ListAsync(Guid? after, int limit, Caller caller, CancellationToken cancel) =>
        [.. (await store.Begin(caller).ListAsync(OwnerVoucher.Schema, after is { } guid ? OwnerVoucher.Key(guid) : null, limit, cancel)).Select(d => d.Value)];

    /// <summary>Sells a device on: signs its voucher over to the buyer. From then on it is not onboarded here any more.</summary>
    /// <exception cref="FdoException">6: no such device; 2: sold to somebody else.</exception>
    public async ValueTask<OwnershipVoucher> SellAsync(Guid guid, FdoPublicKey next, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        var found = await unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(guid), cancel);
        if (found is not { Value: { State: OwnerVoucherState.Waiting or OwnerVoucherState.Onboarded or OwnerVoucherState.Sold } record })
            throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "There is no device of this GUID to sell.");
        var voucher = OwnershipVoucher.Parse(record.Voucher);
        var (key, _) = keys.Find(record.OwnerKey) ?? throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "The owner key of this device is not here.");
        var (extended, isNew) = await ExtensionLedger.ExtendAsync(unit, voucher, key, next, caller.Wall, chance, cancel);
        if (isNew)
        {
            unit.Replace(OwnerVoucher.Schema, found.Key, record with { State = OwnerVoucherState.Sold }, found.Version);
            if (await unit.GetAsync(To0Schedule.Schema, To0Schedule.Key(guid), cancel) is { } schedule)
                unit.Delete(To0Schedule.Schema, schedule.Key, schedule.Version);
            unit.Report(new Fact.OwnerChanged(OwnerVoucher.Subject(guid), record.OwnerKey, next.Fingerprint));
            await unit.CommitAsync(cancel);
        }
        return extended;
    }
}
