namespace Hatchery.Coap.Engine;

/// <summary>What a datagram engine knows of one peer.</summary>
internal sealed class Peer<TPath>(long key, TPath path) where TPath : notnull
{
    public TPath Path => path;
    public LinkedListNode<Peer<TPath>>? Node { get; set; }
    public TimeSpan Used { get; set; }
    public ushort? NextId { get; set; }
    /// <summary>Confirmable messages not yet acknowledged.</summary>
    public int Outstanding { get; set; }
    public Queue<Pending<TPath>>? Waiting { get; set; }
    /// <summary>Bytes sent without an answer, shrinking at the probing rate, as of that time.</summary>
    public double Unheard { get; set; }
    public TimeSpan UnheardAt { get; set; }
    public Recent<TPath>? FirstRecent { get; set; }
    public Recent<TPath>? LastRecent { get; set; }
    public int Recents { get; set; }

    public bool IsBusy => Outstanding > 0 || Waiting is { Count: > 0 };

    /// <summary>Of a message id of this peer, or of ours to it.</summary>
    public long KeyOf(ushort id) => key << 16 | id;
}

/// <summary>A confirmable message until it is acknowledged.</summary>
internal sealed class Pending<TPath>(CoapEndpoint<TPath> endpoint, Peer<TPath> peer, Outgoing<TPath> message) : Timed where TPath : notnull
{
    public Peer<TPath> Peer => peer;
    public Outgoing<TPath> Message => message;
    public ushort Id { get; set; }
    public byte[]? Bytes { get; set; }
    public TimeSpan Timeout { get; set; }
    public int Retries { get; set; }
    /// <summary>Nobody wants it any more.</summary>
    public bool Withdrawn { get; set; }

    public override void Expire(Moment now) => endpoint.Retransmit(this, now);
}

/// <summary>A message id that was received, with what answered it. Stands in two lists, both in the order of arrival: all, and those of its peer.</summary>
internal sealed class Recent<TPath> where TPath : notnull
{
    public required long Key { get; init; }
    public required Peer<TPath> Peer { get; init; }
    public required TimeSpan At { get; init; }
    public byte[]? Answer { get; set; }
    public Tag Tag { get; set; }
    public Recent<TPath>? Before { get; set; }
    public Recent<TPath>? Behind { get; set; }
    public Recent<TPath>? NextOfPeer { get; set; }
}

/// <summary>Message ids received within the exchange lifetime (RFC 7252 section 4.5), as many as there is room for.</summary>
internal sealed class RecentMessages<TPath>(CoapSettings settings) where TPath : notnull
{
    private readonly Dictionary<long, Recent<TPath>> _byKey = [];
    private Recent<TPath>? _first, _last;

    public int Count => _byKey.Count;
    public TimeSpan Expiry => _first is null ? Moment.Never : _first.At.Plus(settings.ExchangeLifetime);

    public Recent<TPath>? Find(long key, TimeSpan now) => _byKey.TryGetValue(key, out var recent) && now < recent.At.Plus(settings.ExchangeLifetime) ? recent : null;

    public Recent<TPath> Add(Peer<TPath> peer, ushort id, TimeSpan now)
    {
        Expire(now);
        if (peer.Recents >= settings.MaxRecentPerPeer)
            Remove(peer.FirstRecent!);
        else if (_byKey.Count >= settings.MaxRecent)
            Remove(_first!);
        var recent = new Recent<TPath> { Key = peer.KeyOf(id), Peer = peer, At = now, Before = _last };
        _byKey[recent.Key] = recent;
        if (_last is null)
            _first = recent;
        else
            _last.Behind = recent;
        _last = recent;
        if (peer.LastRecent is null)
            peer.FirstRecent = recent;
        else
            peer.LastRecent.NextOfPeer = recent;
        peer.LastRecent = recent;
        peer.Recents++;
        return recent;
    }

    public void Expire(TimeSpan now)
    {
        while (_first is not null && Expiry <= now)
            Remove(_first);
    }

    /// <summary>The oldest of its peer: the order of both lists is the same.</summary>
    private void Remove(Recent<TPath> recent)
    {
        _byKey.Remove(recent.Key);
        if (recent.Before is null)
            _first = recent.Behind;
        else
            recent.Before.Behind = recent.Behind;
        if (recent.Behind is null)
            _last = recent.Before;
        else
            recent.Behind.Before = recent.Before;
        var peer = recent.Peer;
        peer.FirstRecent = recent.NextOfPeer;
        if (peer.FirstRecent is null)
            peer.LastRecent = null;
        peer.Recents--;
    }

    public void Forget(Peer<TPath> peer)
    {
        while (peer.FirstRecent is { } recent)
            Remove(recent);
    }
}
