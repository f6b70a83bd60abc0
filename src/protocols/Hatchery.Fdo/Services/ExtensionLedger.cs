namespace Hatchery.Fdo.Services;

/// <summary>One line per voucher that was passed on, by the bytes that were signed over. No device can see that its voucher was extended twice;
/// whoever extends keeps this ledger, and a second extension fails at commit.</summary>
/// <param name="Next">SHA-256 of the SubjectPublicKeyInfo of whom it was extended to, hex.</param>
public sealed record ExtensionLedger(Guid Guid, int Entry, string Next, ReadOnlyMemory<byte> Extended, DateTimeOffset At)
{
    public static readonly Schema<ExtensionLedger> Schema = new Schema<ExtensionLedger>("fdo.extension", 1, new(default, 0, "", default, default))
        .Plain("Guid", d => d.Guid, (d, v) => d with { Guid = v }, Lifetime.Factory, "a server's record")
        .Plain("Entry", d => d.Entry, (d, v) => d with { Entry = v }, Lifetime.Factory, "a server's record")
        .Plain("Next", d => d.Next, (d, v) => d with { Next = v }, Lifetime.Factory, "a server's record")
        .Plain("Extended", d => d.Extended, (d, v) => d with { Extended = v }, Lifetime.Factory, "a server's record")
        .Plain("At", d => d.At, (d, v) => d with { At = v }, Lifetime.Factory, "a server's record");

    /// <summary>A GUID is given once, and an entry's number once per GUID.</summary>
    public static RecordKey Key(OwnershipVoucher before) => new($"{before.Guid:N}-{before.Entries.Length:D3}");

    /// <summary>Extends, and writes the ledger in the same unit of work. The same request again gives the same voucher again.</summary>
    /// <exception cref="FdoException">2: it was passed on to somebody else, or cannot be extended.</exception>
    internal static async ValueTask<(OwnershipVoucher Extended, bool IsNew)> ExtendAsync(IUnitOfWork unit, OwnershipVoucher voucher, FdoPrivateKey owner,
        FdoPublicKey next, DateTimeOffset at, Chance chance, CancellationToken cancel)
    {
        if (await unit.GetAsync(Schema, Key(voucher), cancel) is { Value: var line })
            return line.Next == next.Fingerprint ? (OwnershipVoucher.Parse(line.Extended), false)
                : throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, "OVEntryArray", $"This voucher was extended to {line.Next} on {line.At:u}; a device has one owner.");
        var extended = VoucherExtension.Extend(voucher, owner, next, chance);
        unit.Insert(Schema, Key(voucher), new ExtensionLedger(voucher.Guid, voucher.Entries.Length, next.Fingerprint, extended.Raw, at));
        return (extended, true);
    }
}
