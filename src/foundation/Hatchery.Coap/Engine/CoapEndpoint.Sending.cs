using Hatchery.Coap.Engine;

namespace Hatchery.Coap;

// What leaves by our initiative, and what is known of peers.
public sealed partial class CoapEndpoint<TPath>
{
    internal override Accepted Send(in Outgoing<TPath> message, Moment now)
    {
        var peer = Touch(message.Path, now);
        if (!message.Confirmable)
            return SendUnconfirmed(peer, message, now);
        var pending = new Pending<TPath>(this, peer, message);
        if (peer.Outstanding < Settings.NStart)
        {
            Launch(pending, now);
            return Accepted.Yes;
        }
        peer.Waiting ??= new Queue<Pending<TPath>>();
        if (peer.Waiting.Count >= Settings.MaxWaitingPerPeer)
            return Accepted.TryLater;
        if (message.Owner is { } owner)
            owner.InFlight = pending;
        peer.Waiting.Enqueue(pending);
        return Accepted.Yes;
    }

    private Accepted SendUnconfirmed(Peer<TPath> peer, in Outgoing<TPath> message, Moment now)
    {
        ushort id = NextId(peer);
        var bytes = Encode(message, CoapType.NonConfirmable, id);
        if (message.Code.IsRequest || message.Owner is not null)
        {
            if (!MayProbe(peer, bytes.Length, now))
                return Accepted.TryLater;
        }
        Queue(bytes, message.Path, message.Tag, false);
        if (message.Owner is { } owner)
        {
            if (owner.Unconfirmed != 0)
                _unconfirmed.Remove(owner.Unconfirmed);
            owner.Unconfirmed = peer.KeyOf(id);
            _unconfirmed[owner.Unconfirmed] = owner;
            owner.Left(now);
        }
        return Accepted.Yes;
    }

    /// <summary>Section 4.7: to a peer that does not answer, PROBING_RATE on average.</summary>
    private bool MayProbe(Peer<TPath> peer, int bytes, Moment now)
    {
        if (Settings.ProbingRate <= 0)
            return true;
        peer.Unheard = Math.Max(0, peer.Unheard - (now.Elapsed - peer.UnheardAt).TotalSeconds * Settings.ProbingRate);
        peer.UnheardAt = now.Elapsed;
        if (peer.Unheard + bytes > Settings.ProbingBurst)
            return false;
        peer.Unheard += bytes;
        return true;
    }

    private static byte[] Encode(in Outgoing<TPath> message, CoapType type, ushort id) =>
        new CoapMessage { Type = type, Code = message.Code, Id = id, Token = message.Token, Options = message.Options, Payload = message.Payload }.ToDatagram();

    private void Launch(Pending<TPath> pending, Moment now)
    {
        pending.Id = NextId(pending.Peer);
        pending.Bytes = Encode(pending.Message, CoapType.Confirmable, pending.Id);
        // Uniform between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR.
        pending.Timeout = Settings.AckTimeout * (1 + Fraction("CoAP.ACK_RANDOM_FACTOR") * (Settings.AckRandomFactor - 1));
        pending.Peer.Outstanding++;
        _pending[pending.Peer.KeyOf(pending.Id)] = pending;
        if (pending.Message.Owner is { } owner)
            owner.InFlight = pending;
        Timers.Arm(pending, now.Elapsed.Plus(pending.Timeout));
        Queue(pending.Bytes, pending.Message.Path, pending.Message.Tag, false);
        pending.Message.Owner?.Left(now);
    }

    internal void Retransmit(Pending<TPath> pending, Moment now)
    {
        if (pending.Retries >= Settings.MaxRetransmit)
        {
            Complete(pending, now);
            if (!pending.Withdrawn)
                pending.Message.Owner?.Undelivered(new CoapFailure(CoapFailureReason.Timeout, $"Not acknowledged in {Settings.MaxRetransmit + 1} transmissions."), now);
            return;
        }
        pending.Retries++;
        pending.Timeout *= 2;
        Timers.Arm(pending, now.Elapsed.Plus(pending.Timeout));
        pending.Peer.Used = now.Elapsed;
        Queue(pending.Bytes!, pending.Message.Path, pending.Message.Tag, true);
    }

    private void Complete(Pending<TPath> pending, Moment now)
    {
        var peer = pending.Peer;
        if (!_pending.Remove(peer.KeyOf(pending.Id)))
            return;
        Timers.Cancel(pending);
        if (pending.Message.Owner is { } owner && owner.InFlight == pending)
            owner.InFlight = null;
        peer.Outstanding--;
        while (peer.Outstanding < Settings.NStart && peer.Waiting is { } waiting && waiting.TryDequeue(out var next))
            if (!next.Withdrawn)
                Launch(next, now);
    }

    internal override void Withdraw(MessageOwner owner)
    {
        if (owner.Unconfirmed != 0)
            _unconfirmed.Remove(owner.Unconfirmed);
        owner.Unconfirmed = 0;
        if (owner.InFlight is not Pending<TPath> pending)
            return;
        owner.InFlight = null;
        // It is repeated no more; where it was sent, it still counts as outstanding until its time is over or its acknowledgment comes.
        pending.Withdrawn = true;
        pending.Retries = Settings.MaxRetransmit;
    }

    /// <summary>Consecutive, from a random start (section 4.4).</summary>
    private ushort NextId(Peer<TPath> peer)
    {
        ushort id = peer.NextId ?? (ushort)(Fraction("CoAP.MessageId") * 65536);
        // Where many are outstanding, one may still be in use.
        while (_pending.ContainsKey(peer.KeyOf(id)))
            id++;
        peer.NextId = (ushort)(id + 1);
        return id;
    }

    private Peer<TPath> Touch(in TPath path, Moment now)
    {
        if (_peers.TryGetValue(path, out var peer))
        {
            peer.Used = now.Elapsed;
            if (_byUse.Last != peer.Node)
            {
                _byUse.Remove(peer.Node!);
                _byUse.AddLast(peer.Node!);
            }
            return peer;
        }
        if (_peers.Count >= Settings.MaxPeers)
            MakeRoom();
        peer = new Peer<TPath>(++_peerKey, path) { Used = now.Elapsed, UnheardAt = now.Elapsed };
        _peers.Add(path, peer);
        peer.Node = _byUse.AddLast(peer);
        return peer;
    }

    private void MakeRoom()
    {
        int looked = 0;
        for (var node = _byUse.First; node is not null && looked++ < 64; node = node.Next)
        {
            if (node.Value.IsBusy)
                continue;
            Remove(node.Value);
            return;
        }
    }

    private void ForgetIdle(Moment now)
    {
        while (_byUse.First is { } first && first.Value.Used.Plus(Settings.ExchangeLifetime) <= now.Elapsed)
        {
            if (first.Value.IsBusy)
            {
                first.Value.Used = now.Elapsed;
                _byUse.RemoveFirst();
                _byUse.AddLast(first);
            }
            else
                Remove(first.Value);
        }
    }

    private void Remove(Peer<TPath> peer)
    {
        _recent.Forget(peer);
        _peers.Remove(peer.Path);
        _byUse.Remove(peer.Node!);
    }

    public override void Forget(in TPath path, Moment now)
    {
        if (_peers.TryGetValue(path, out var peer))
        {
            peer.Waiting?.Clear();
            foreach (var pending in _pending.Values.Where(p => p.Peer == peer).ToArray())
                Complete(pending, now);
            Remove(peer);
        }
        base.Forget(path, now);
    }
}
