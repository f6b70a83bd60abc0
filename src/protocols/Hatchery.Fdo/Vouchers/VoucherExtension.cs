using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>Makes vouchers and passes them on (FDO 1.1 §3.4). That one voucher is passed on twice no device can see: who extends keeps a ledger.</summary>
public static class VoucherExtension
{
    /// <summary>The header that a manufacturer sends in DI.</summary>
    /// <param name="chain">DER certificates of the device, leaf first.</param>
    public static OwnershipVoucherHeader NewHeader(Guid guid, RendezvousInfo rendezvousInfo, string deviceInfo, FdoPublicKey manufacturer, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        var device = !chain.IsDefaultOrEmpty && CertificateKey.SubjectPublicKeyInfo(chain[0]) is { } spki ? FdoPublicKey.TypeOf(spki) : null;
        if (device is null)
            throw new ArgumentException("The first certificate has no key of a supported type.", nameof(chain));
        return new OwnershipVoucherHeader(guid, rendezvousInfo, deviceInfo, manufacturer, X5Chain.Hash(VoucherHmac.HashFor(device.Value, manufacturer.Type), chain));
    }

    /// <summary>Signs the voucher over to the next owner; bytes that are there stay as they are.</summary>
    /// <param name="currentOwner">Must be the voucher's last key.</param>
    /// <param name="extra">OVEExtra: the map {int: bstr} as encoded, not yet wrapped; empty: null.</param>
    /// <exception cref="FdoException">2: not ours to extend, another type of key, or full.</exception>
    public static OwnershipVoucher Extend(OwnershipVoucher voucher, FdoPrivateKey currentOwner, FdoPublicKey next, Chance chance, ReadOnlyMemory<byte> extra = default)
    {
        if (!voucher.Owner.IsSameKey(currentOwner))
            throw Refuse("OVEPubKey", "the voucher belongs to another key than the one that is to sign.");
        next = next.As(voucher.Header.PublicKey.Type);
        if (next.Type != voucher.Header.PublicKey.Type)
            throw Refuse("OVEPubKey", $"the next owner's key is {next.Type}, but this voucher takes {voucher.Header.PublicKey.Type} only.");
        if (voucher.Entries.Length >= OwnershipVoucher.MaxEntries)
            throw Refuse("OVEntryArray", $"the voucher has {OwnershipVoucher.MaxEntries} entries already.");
        var type = voucher.Entries.IsEmpty
            ? VoucherHmac.HashFor(FdoPublicKey.TypeOf(voucher.DeviceKey) ?? voucher.Owner.Type, voucher.Owner.Type) : voucher.Entries[0].HashPrevEntry.Type;
        var previous = voucher.Entries.IsEmpty ? FdoHash.Of(type, voucher.Header.Raw.Span, voucher.HeaderHmac.Raw.Span) : FdoHash.Of(type, voucher.Entries[^1].Raw.Span);
        var info = FdoHash.Of(type, voucher.Header.HeaderInfo());
        return voucher.Append(VoucherEntry.Sign(previous, info, Wrap(extra), next, currentOwner, chance, "voucher.OVEntry"));
    }

    private static ReadOnlyMemory<byte> Wrap(ReadOnlyMemory<byte> extra)
    {
        if (extra.IsEmpty)
            return default;
        var writer = WireReading.Writer(extra.Length + 4);
        writer.WriteByteString(extra.Span);
        return writer.Finish();
    }

    private static FdoException Refuse(string field, string sentence) => new(FdoErrorCode.InvalidOwnershipVoucher, field, $"{field}: {sentence}");
}
