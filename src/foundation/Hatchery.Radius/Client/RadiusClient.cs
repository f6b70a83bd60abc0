namespace Hatchery.Radius.Client;

/// <summary>An answer that was authenticated.</summary>
public sealed class RadiusAnswer
{
    private readonly byte[] _requestAuthenticator;
    private readonly RadiusSecret _secret;

    internal RadiusAnswer(RadiusPacket packet, Tag frames, byte[] requestAuthenticator, RadiusSecret secret) =>
        (Packet, Frames, _requestAuthenticator, _secret) = (packet, frames, requestAuthenticator, secret);

    public RadiusPacket Packet { get; }
    /// <summary>Tag of the datagram.</summary>
    public Tag Frames { get; }

    /// <summary>The MSK that came as MS-MPPE keys, 64 bytes; null: none came.</summary>
    /// <exception cref="RadiusException">They are not of the form.</exception>
    public SecretBytes? Msk()
    {
        if (!Packet.TryGetVendor(HiddenAttributes.Microsoft, HiddenAttributes.MppeRecvKey, out var recv)
            || !Packet.TryGetVendor(HiddenAttributes.Microsoft, HiddenAttributes.MppeSendKey, out var send))
            return null;
        using var first = HiddenAttributes.RevealKey(_secret, _requestAuthenticator, recv);
        using var second = HiddenAttributes.RevealKey(_secret, _requestAuthenticator, send);
        if (first.Length != 32 || second.Length != 32)
            throw RadiusException.Discard("MS-MPPE key", "It has not 32 bytes.");
        Span<byte> msk = stackalloc byte[64];
        first.Reveal().CopyTo(msk);
        second.Reveal().CopyTo(msk[32..]);
        var result = new SecretBytes(msk);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(msk);
        return result;
    }
}

/// <param name="Answer">Null: no server answered in time.</param>
public readonly record struct RadiusClientEvent(long Ticket, RadiusAnswer? Answer);

/// <summary>Where to ask, in this order.</summary>
public readonly record struct RadiusServerPath<TPath>(TPath Path, RadiusSecret Secret);

/// <summary>Retransmission of RFC 5080 §2.2.1.</summary>
public sealed record RadiusClientOptions
{
    /// <summary>IRT: before the first repetition; doubled, give or take a tenth, each time.</summary>
    public TimeSpan InitialRetransmission { get; init; } = TimeSpan.FromSeconds(2);
    /// <summary>MRT.</summary>
    public TimeSpan MaxRetransmission { get; init; } = TimeSpan.FromSeconds(16);
    /// <summary>MRC: repetitions to one server before the next is tried.</summary>
    public int MaxRepetitions { get; init; } = 3;
    /// <summary>MRD, over all servers.</summary>
    public TimeSpan MaxDuration { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Answers to Access-Requests that lack Message-Authenticator are discarded (CVE-2024-3596).</summary>
    public bool RequireMessageAuthenticator { get; init; } = true;
    /// <summary>On a reliable stream nothing is repeated (RFC 6613 §2.6.1).</summary>
    internal bool IsReliable { get; init; }
}

/// <summary>The client's side of RADIUS over datagrams: identifiers, retransmission, failover, authenticity of answers. 256 requests at once to one server from one port.</summary>
public sealed class RadiusClient<TPath>(IReadOnlyList<RadiusServerPath<TPath>> servers, Chance chance, RadiusClientOptions? options = null)
    : IEngine<TPath, RadiusClientEvent> where TPath : notnull
{
    private sealed class Pending
    {
        public required long Ticket;
        public required RadiusMessage Message;
        public required Tag Tag;
        public required TimeSpan GiveUp;
        public byte Identifier;
        public byte[] Authenticator = [];
        public byte[] Packet = [];
        public int Server, Tried, Repetitions;
        public TimeSpan Wait, Due;
        public bool Done;
    }

    private readonly RadiusClientOptions _options = options ?? new();
    private readonly Dictionary<(TPath Path, byte Identifier), Pending> _pending = [];
    private readonly PriorityQueue<Pending, TimeSpan> _timers = new();
    private readonly Queue<RadiusClientEvent> _events = new();
    private readonly Queue<(TPath Path, byte[] Packet, Tag Tag, bool Repeats)> _out = new();
    private readonly byte[] _next = new byte[servers.Count];
    private long _ticket;
    /// <summary>The server that answered last.</summary>
    private int _preferred;

    public TimeSpan Deadline
    {
        get
        {
            while (_timers.TryPeek(out var first, out var due))
            {
                if (!first.Done && due == first.Due)
                    return due;
                _timers.Dequeue();
            }
            return Moment.Never;
        }
    }

    public int InFlight => _pending.Count;

    /// <summary>Sends a request; its answer, or that there is none, comes as an event under this ticket. 0: no identifier is free, try later.</summary>
    /// <param name="tag">Runs with all copies of the request.</param>
    public long Send(RadiusMessage message, Moment now, Tag tag = default)
    {
        var pending = new Pending { Ticket = _ticket + 1, Message = message, Tag = tag, GiveUp = now.Elapsed + _options.MaxDuration, Server = _preferred };
        if (!SendTo(pending, now))
            return 0;
        return ++_ticket;
    }

    private bool SendTo(Pending pending, Moment now)
    {
        var server = servers[pending.Server];
        ref byte next = ref _next[pending.Server];
        int tried = 0;
        while (_pending.ContainsKey((server.Path, next)))
        {
            next++;
            if (++tried == 256)
                return false;
        }
        pending.Identifier = next++;
        switch (pending.Message.Code)
        {
            case RadiusCode.AccessRequest or RadiusCode.StatusServer:
                pending.Authenticator = chance.Bytes(16, "RADIUS.RequestAuthenticator");
                pending.Packet = pending.Message.SignRequest(pending.Identifier, pending.Authenticator, server.Secret);
                break;
            default:
                pending.Packet = pending.Message.SignDigestRequest(pending.Identifier, server.Secret);
                pending.Authenticator = pending.Packet[4..20];
                break;
        }
        _pending.Add((server.Path, pending.Identifier), pending);
        pending.Repetitions = 0;
        pending.Wait = _options.IsReliable ? _options.MaxDuration : Around(_options.InitialRetransmission);
        Arm(pending, now);
        _out.Enqueue((server.Path, pending.Packet, pending.Tag, false));
        return true;
    }

    /// <summary>Give or take a tenth.</summary>
    private TimeSpan Around(TimeSpan time) => time * (0.9 + 0.2 * chance.Bytes(1, "RADIUS.RAND")[0] / 255);

    private void Arm(Pending pending, Moment now)
    {
        pending.Due = now.Elapsed + pending.Wait;
        if (pending.Due > pending.GiveUp)
            pending.Due = pending.GiveUp;
        _timers.Enqueue(pending, pending.Due);
    }

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        if (datagram.Length < RadiusPacket.HeaderLength || !_pending.TryGetValue((path, datagram[1]), out var pending))
            return;
        RadiusPacket packet;
        try
        {
            packet = RadiusPacket.Parse(datagram.ToArray());
        }
        catch (RadiusException)
        {
            return;
        }
        var secret = servers[pending.Server].Secret;
        if (!IsAnswer(pending.Message.Code, packet.Code) || !secret.CheckPacketMd5(packet, pending.Authenticator))
            return;
        var state = secret.CheckMessageAuthenticator(packet, pending.Authenticator);
        bool required = pending.Message.Code == RadiusCode.AccessRequest && (_options.RequireMessageAuthenticator || packet.Has(RadiusAttribute.EapMessage));
        if (state == MessageAuthenticatorState.Wrong || (state == MessageAuthenticatorState.Missing && required))
            return;
        End(pending);
        _preferred = pending.Server;
        _events.Enqueue(new(pending.Ticket, new RadiusAnswer(packet, tag, pending.Authenticator, secret)));
    }

    private static bool IsAnswer(RadiusCode request, RadiusCode answer) => request switch
    {
        RadiusCode.AccessRequest => answer is RadiusCode.AccessAccept or RadiusCode.AccessReject or RadiusCode.AccessChallenge,
        RadiusCode.StatusServer => answer is RadiusCode.AccessAccept or RadiusCode.AccountingResponse,
        RadiusCode.AccountingRequest => answer is RadiusCode.AccountingResponse,
        RadiusCode.DisconnectRequest => answer is RadiusCode.DisconnectAck or RadiusCode.DisconnectNak,
        _ => answer is RadiusCode.CoaAck or RadiusCode.CoaNak,
    };

    private void End(Pending pending)
    {
        pending.Done = true;
        _pending.Remove((servers[pending.Server].Path, pending.Identifier));
    }

    public void Tick(Moment now)
    {
        while (Deadline <= now.Elapsed)
        {
            var pending = _timers.Dequeue();
            if (pending.GiveUp <= now.Elapsed)
                GiveUp(pending);
            else if (_options.IsReliable || ++pending.Repetitions > _options.MaxRepetitions)
                TryNext(pending, now);
            else
            {
                var wait = Around(pending.Wait * 2);
                pending.Wait = wait < _options.MaxRetransmission ? wait : Around(_options.MaxRetransmission);
                Arm(pending, now);
                _out.Enqueue((servers[pending.Server].Path, pending.Packet, pending.Tag, true));
            }
        }
    }

    private void TryNext(Pending pending, Moment now)
    {
        _pending.Remove((servers[pending.Server].Path, pending.Identifier));
        if (_preferred == pending.Server)
            _preferred = (_preferred + 1) % servers.Count;
        pending.Server = (pending.Server + 1) % servers.Count;
        if (++pending.Tried >= servers.Count || !SendTo(pending, now))
            GiveUp(pending);
    }

    private void GiveUp(Pending pending)
    {
        pending.Done = true;
        if (_pending.TryGetValue((servers[pending.Server].Path, pending.Identifier), out var current) && ReferenceEquals(current, pending))
            _pending.Remove((servers[pending.Server].Path, pending.Identifier));
        _events.Enqueue(new(pending.Ticket, null));
    }

    public bool TryEvent(out RadiusClientEvent happened) => _events.TryDequeue(out happened);

    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit)
    {
        if (!_out.TryPeek(out var piece) || piece.Packet.Length > into.Length)
        {
            transmit = default;
            return false;
        }
        _out.Dequeue();
        piece.Packet.CopyTo(into);
        transmit = new(piece.Packet.Length, piece.Path, piece.Tag, piece.Repeats);
        return true;
    }
}
