namespace Hatchery.Coap.Engine;

/// <summary>Block-wise transfers of peers that are underway: requests being put together, or answers being fetched. Bounded in number, per peer and in bytes; the one
/// that was idle longest gives way, of the same peer where the peer has too many.</summary>
internal sealed class Transfers<TPath, T>(CoapSettings settings) where TPath : notnull where T : class
{
    private sealed record Entry(BlockKey<TPath> Key)
    {
        public required T Value { get; set; }
        public int Bytes { get; set; }
        public TimeSpan Used { get; set; }
    }

    private readonly LinkedList<Entry> _byUse = new();
    private readonly Dictionary<BlockKey<TPath>, LinkedListNode<Entry>> _byKey = [];
    private readonly Dictionary<TPath, int> _perPeer = [];

    public int Count => _byKey.Count;
    public long Bytes { get; private set; }
    public TimeSpan Expiry => _byUse.First is { } first ? first.Value.Used.Plus(settings.ExchangeLifetime) : Moment.Never;

    public T? Find(in BlockKey<TPath> key, TimeSpan now)
    {
        if (!_byKey.TryGetValue(key, out var node))
            return null;
        node.Value.Used = now;
        _byUse.Remove(node);
        _byUse.AddLast(node);
        return node.Value.Value;
    }

    /// <summary>False: more than there is room for.</summary>
    public bool Put(in BlockKey<TPath> key, T value, int bytes, TimeSpan now)
    {
        Remove(key);
        if (bytes > settings.MaxBlockBytes)
            return false;
        if (_perPeer.GetValueOrDefault(key.Path) >= settings.MaxTransfersPerPeer)
        {
            var path = key.Path;
            Remove(_byUse.First(e => EqualityComparer<TPath>.Default.Equals(e.Key.Path, path)).Key);
        }
        while (_byKey.Count >= settings.MaxTransfers || Bytes + bytes > settings.MaxBlockBytes)
            Remove(_byUse.First!.Value.Key);
        _byKey.Add(key, _byUse.AddLast(new Entry(key) { Value = value, Bytes = bytes, Used = now }));
        _perPeer[key.Path] = _perPeer.GetValueOrDefault(key.Path) + 1;
        Bytes += bytes;
        return true;
    }

    /// <summary>It has grown.</summary>
    public void Resize(in BlockKey<TPath> key, int bytes)
    {
        var entry = _byKey[key].Value;
        Bytes += bytes - entry.Bytes;
        entry.Bytes = bytes;
        while (Bytes > settings.MaxBlockBytes && _byUse.First!.Value != entry)
            Remove(_byUse.First.Value.Key);
    }

    public void Remove(in BlockKey<TPath> key)
    {
        if (!_byKey.Remove(key, out var node))
            return;
        _byUse.Remove(node);
        Bytes -= node.Value.Bytes;
        int left = _perPeer[key.Path] - 1;
        if (left == 0)
            _perPeer.Remove(key.Path);
        else
            _perPeer[key.Path] = left;
    }

    public void Expire(TimeSpan now)
    {
        while (Expiry <= now)
            Remove(_byUse.First!.Value.Key);
    }

    public void Forget(TPath path)
    {
        if (!_perPeer.ContainsKey(path))
            return;
        foreach (var key in _byKey.Keys.Where(k => EqualityComparer<TPath>.Default.Equals(k.Path, path)).ToArray())
            Remove(key);
    }
}

/// <summary>A request whose blocks are arriving.</summary>
internal sealed class Assembly
{
    private byte[] _body = [];

    public int Length { get; private set; }
    /// <summary>Where the block before began: it may be repeated.</summary>
    public int LastOffset { get; private set; } = -1;
    public CoapTags Tags { get; set; }
    public ReadOnlyMemory<byte> Body => _body.AsMemory(0, Length);

    public void Append(ReadOnlySpan<byte> block)
    {
        if (Length + block.Length > _body.Length)
            Array.Resize(ref _body, Math.Max(Length + block.Length, Math.Min(_body.Length * 2, int.MaxValue / 2)));
        block.CopyTo(_body.AsSpan(Length));
        LastOffset = Length;
        Length += block.Length;
    }
}
