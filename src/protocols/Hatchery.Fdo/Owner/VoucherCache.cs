namespace Hatchery.Fdo.Owner;

/// <summary>Vouchers parsed a moment ago: TO0, TO1 and TO2 of one device come close together. Keyed by content, so it is never stale.</summary>
internal sealed class VoucherCache(int capacity)
{
    private readonly Dictionary<int, OwnershipVoucher> _vouchers = new(capacity);
    private readonly Lock _lock = new();

    public OwnershipVoucher Get(ReadOnlyMemory<byte> raw)
    {
        var hash = new HashCode();
        hash.AddBytes(raw.Span);
        int key = hash.ToHashCode();
        lock (_lock)
            if (_vouchers.TryGetValue(key, out var known) && known.Raw.Span.SequenceEqual(raw.Span))
                return known;
        var parsed = OwnershipVoucher.Parse(raw);
        lock (_lock)
        {
            if (_vouchers.Count >= capacity)
                _vouchers.Clear();
            _vouchers[key] = parsed;
        }
        return parsed;
    }
}
