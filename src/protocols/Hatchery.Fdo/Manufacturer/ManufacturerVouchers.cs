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

    /// <summary>Signs many vouchers over to one buyer: a pallet. What was sold to the same buyer before comes again; what was sold to another stays out.</summary>
    /// <param name="serials">Of the devices; empty: all that are not sold and take a key of the buyer's type.</param>
    /// <exception cref="FdoException">6: a serial number that is not here; 2: one that was sold to somebody else.</exception>
    public async ValueTask<ImmutableArray<OwnershipVoucher>> ExtendAsync(ImmutableArray<string> serials, FdoPublicKey next, int limit, Caller caller, CancellationToken cancel)
    {
        var extended = ImmutableArray.CreateBuilder<OwnershipVoucher>();
        foreach (string serial in serials)
        {
            var found = await FindBySerialAsync(serial, caller, cancel);
            if (found.IsEmpty)
                throw new FdoException(FdoErrorCode.ResourceNotFound, "serialNumber", $"No device {serial} was made here.");
            // A device that was initialized twice has two vouchers: the last one is the one that works.
            extended.Add(await ExtendAsync(found.MaxBy(d => d.Made)!.Guid, next, caller, cancel));
        }
        Guid? after = null;
        while (serials.IsEmpty && extended.Count < limit)
        {
            var page = await ListAsync(after, 200, caller, cancel);
            foreach (var device in page)
            {
                after = device.Guid;
                if (device.SoldTo.Length > 0 || extended.Count >= limit)
                    continue;
                var type = OwnershipVoucher.Parse(device.Voucher).Header.PublicKey.Type;
                if (next.As(type).Type == type)
                    extended.Add(await ExtendAsync(device.Guid, next, caller, cancel));
            }
            if (page.Length < 200)
                break;
        }
        return extended.ToImmutable();
    }

    /// <summary>Vouchers that were extended to this key, in the order of GUIDs.</summary>
    public async ValueTask<ImmutableArray<OwnershipVoucher>> SoldToAsync(string fingerprint, Guid? after, int limit, Caller caller, CancellationToken cancel) =>
        [.. (await ListAsync(after, limit, caller, cancel)).Where(d => d.SoldTo == fingerprint).Select(d => OwnershipVoucher.Parse(d.Voucher))];

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
