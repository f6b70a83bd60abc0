using System.Collections.Immutable;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Manufacturer;

/// <summary>What a manufacturer does with the vouchers of its devices: lists, hands out, sells.</summary>
public sealed class ManufacturerVouchers(IRecordStore store, ImmutableArray<FdoPrivateKey> keys, Chance chance)
{
    public async ValueTask<ManufacturedDevice?> GetAsync(Guid guid, Caller caller, CancellationToken cancel) =>
        (await store.Begin(caller).GetAsync(ManufacturedDevice.Schema, ManufacturedDevice.Key(guid), cancel))?.Value;

    public async ValueTask<ImmutableArray<ManufacturedDevice>> FindBySerialAsync(string serial, Caller caller, CancellationToken cancel) =>
        [.. (await store.Begin(caller).FindAsync(ManufacturedDevice.Schema, "serial", serial, 100, cancel)).Select(d => d.Value)];

    public async ValueTask<ImmutableArray<ManufacturedDevice>> ListAsync(Guid? after, int limit, Caller caller, CancellationToken cancel) =>
        [.. (await store.Begin(caller).ListAsync(ManufacturedDevice.Schema, after is { } guid ? ManufacturedDevice.Key(guid) : null, limit, cancel)).Select(d => d.Value)];

    /// <summary>Signs the voucher over to a buyer. Asked again for the same buyer it gives the same voucher; for another it refuses.</summary>
    /// <exception cref="FdoException">6: no such device; 2: sold to somebody else, or a key of another type.</exception>
    public async ValueTask<OwnershipVoucher> ExtendAsync(Guid guid, FdoPublicKey next, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        var device = await unit.GetAsync(ManufacturedDevice.Schema, ManufacturedDevice.Key(guid), cancel)
            ?? throw new FdoException(FdoErrorCode.ResourceNotFound, "Guid", "No device of this GUID was made here.");
        var voucher = OwnershipVoucher.Parse(device.Value.Voucher);
        // What was sold is extended in the record: the ledger knows from what.
        if (device.Value.SoldTo.Length > 0)
            return device.Value.SoldTo == next.Fingerprint ? voucher
                : throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVEntryArray", $"This device was sold to {device.Value.SoldTo}.");
        var key = keys.FirstOrDefault(voucher.Owner.IsSameKey)
            ?? throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVPublicKey", "The manufacturer key of this voucher is not here.");
        var (extended, isNew) = await ExtensionLedger.ExtendAsync(unit, voucher, key, next, caller.Wall, chance, cancel);
        if (isNew)
        {
            unit.Replace(ManufacturedDevice.Schema, device.Key, device.Value with { Voucher = extended.Raw, SoldTo = next.Fingerprint }, device.Version);
            unit.Report(new Fact.Administered(new Identifier("fdo.guid", guid.ToString("N")), $"voucher extended to {next.Fingerprint}", caller.Listener));
            await unit.CommitAsync(cancel);
        }
        return extended;
    }
}
