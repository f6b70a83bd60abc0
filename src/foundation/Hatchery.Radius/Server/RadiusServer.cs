using System.Net;
using System.Runtime.InteropServices;

namespace Hatchery.Radius.Server;

/// <summary>A request whose sender was authenticated.</summary>
/// <param name="Remote">Its address, as text.</param>
/// <param name="Frames">Tag of the datagram.</param>
public sealed record RadiusRequest(RadiusPacket Packet, RadiusNas Nas, string Remote, Tag Frames);

/// <param name="Ticket">For <see cref="RadiusServer{TPath}.Answer"/>.</param>
/// <param name="Discarded">Set instead of a request: why something was silently discarded, for a log.</param>
public readonly record struct RadiusServerEvent(long Ticket, RadiusRequest? Request, RadiusException? Discarded, string Remote);

public sealed record RadiusServerOptions
{
    /// <summary>How long an answer is kept for repeated requests (RFC 5080 §2.2.2: 5 to 30 s).</summary>
    public TimeSpan AnswerLife { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>A request that was not answered in time is forgotten: its next repetition is a new request.</summary>
    public TimeSpan WorkLife { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Answers kept and requests in work, of all clients; the oldest answers go first.</summary>
    public int MaxKept { get; init; } = 65536;
    /// <summary>Whether what was discarded is reported; costs an event per discarded datagram.</summary>
    public bool ReportDiscarded { get; init; } = true;
}

/// <summary>The server's side of RADIUS over datagrams: who asks, whether the request is authentic, whether it is a repetition (RFC 5080 §2.2.2), and the answer's form. Answers
/// Status-Server (RFC 5997) itself. What it discards, it discards in silence.</summary>
public sealed class RadiusServer<TPath> : IEngine<TPath, RadiusServerEvent> where TPath : notnull
{
    /// <summary>What has expired may lie for so long: thousands of answers a second are not worth as many ticks.</summary>
    private static readonly TimeSpan s_slack = TimeSpan.FromMilliseconds(100);
    /// <summary>Paths whose client is remembered.</summary>
    private const int MaxPaths = 4096;

    private readonly record struct Key(TPath Path, byte Identifier);

    private sealed class Entry
    {
        public required long Ticket;
        public required Key Key;
        public required RadiusPacket Request;
        public required RadiusNas Nas;
        public required Tag Frames;
        public byte[]? Answer;
    }

    private readonly RadiusServerOptions _options;
    private readonly Chance _chance;
    private readonly Func<TPath, string> _nameOf;
    private readonly Dictionary<TPath, RadiusNas> _known = [];
    private readonly Dictionary<Key, Entry> _entries = [];
    private readonly Dictionary<long, Entry> _inWork = [];
    private readonly Dictionary<RadiusNas, int> _pending = new(ReferenceEqualityComparer.Instance);
    private readonly Queue<(TimeSpan At, Entry Entry)> _answered = new(), _working = new();
    private readonly Queue<RadiusServerEvent> _events = new();
    private readonly Queue<(TPath Path, byte[] Packet, Tag Tag, bool Repeats)> _out = new();
    private readonly Func<TPath, RadiusNas?> _clientOf;
    private long _ticket;

    /// <param name="addressOf">Of a path.</param>
    public RadiusServer(RadiusClients clients, Func<TPath, IPAddress> addressOf, Chance chance, RadiusServerOptions? options = null)
        : this(path => clients.Find(addressOf(path)), path => addressOf(path).ToString(), chance, options) { }

    internal RadiusServer(Func<TPath, RadiusNas?> clientOf, Func<TPath, string> nameOf, Chance chance, RadiusServerOptions? options) =>
        (_clientOf, _nameOf, _chance, _options) = (clientOf, nameOf, chance, options ?? new());

    public TimeSpan Deadline => Earlier(_answered, Earlier(_working, Moment.Never));

    private static TimeSpan Earlier(Queue<(TimeSpan At, Entry)> queue, TimeSpan other) => queue.TryPeek(out var first) && first.At + s_slack < other ? first.At + s_slack : other;

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        try
        {
            Accept(datagram, in path, now, tag);
        }
        catch (RadiusException fault)
        {
            if (_options.ReportDiscarded)
                _events.Enqueue(new(0, null, fault, _nameOf(path)));
        }
    }

    private void Accept(ReadOnlySpan<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        var nas = ClientOf(path);
        int length = RadiusPacket.Check(datagram);
        var key = new Key(path, datagram[1]);
        if (_entries.TryGetValue(key, out var entry) && datagram[..length].SequenceEqual(entry.Request.Bytes.Span))
        {
            // The same bytes from the same port: their authenticity was checked the first time.
            if (entry.Answer is { } again)
                _out.Enqueue((path, again, entry.Frames, true));
            return;
        }
        var packet = RadiusPacket.Parse(datagram[..length].ToArray());
        Authenticate(packet, nas);
        if (packet.Code == RadiusCode.StatusServer)
        {
            var answer = new RadiusMessage(RadiusCode.AccessAccept).CopyAll(packet, RadiusAttribute.ProxyState);
            _out.Enqueue((path, answer.SignAnswer(packet.Identifier, packet.Authenticator, nas.Secret, true, _chance), default, false));
            return;
        }
        ref int pending = ref CollectionsMarshal.GetValueRefOrAddDefault(_pending, nas, out _);
        if (pending >= nas.MaxPending)
            throw RadiusException.Discard("packet", $"{nas.Name} has {pending} requests in work.");
        if (entry is not null)
            Forget(entry);
        while (_entries.Count >= _options.MaxKept)
        {
            if (!_answered.TryDequeue(out var oldest))
                throw RadiusException.Discard("packet", $"{_entries.Count} requests are in work.");
            Remove(oldest.Entry);
        }
        pending++;
        entry = new Entry { Ticket = ++_ticket, Key = key, Request = packet, Nas = nas, Frames = tag };
        _entries[key] = entry;
        _inWork.Add(entry.Ticket, entry);
        _working.Enqueue((now.Elapsed + _options.WorkLife, entry));
        _events.Enqueue(new(entry.Ticket, new RadiusRequest(packet, nas, _nameOf(path), tag), null, ""));
    }

    private RadiusNas ClientOf(in TPath path)
    {
        if (_known.TryGetValue(path, out var nas))
            return nas;
        nas = _clientOf(path) ?? throw RadiusException.Discard("source", "It is no client of ours.");
        if (_known.Count >= MaxPaths)
            _known.Clear();
        _known.Add(path, nas);
        return nas;
    }

    private static void Authenticate(in RadiusPacket packet, RadiusNas nas)
    {
        ReadOnlySpan<byte> zero = stackalloc byte[16];
        switch (packet.Code)
        {
            case RadiusCode.AccessRequest or RadiusCode.StatusServer:
                var state = nas.Secret.CheckMessageAuthenticator(packet, packet.Authenticator);
                if (state == MessageAuthenticatorState.Wrong)
                    throw RadiusException.Discard("Message-Authenticator", $"It is wrong: {nas.Name} has another secret, or the packet was changed.");
                if (state == MessageAuthenticatorState.Missing && (nas.RequireMessageAuthenticator || packet.Code == RadiusCode.StatusServer || packet.Has(RadiusAttribute.EapMessage)
                    // A forger needs room for a collision: Proxy-State is what it uses (CVE-2024-3596).
                    || packet.Has(RadiusAttribute.ProxyState)))
                    throw RadiusException.Discard("Message-Authenticator", $"There is none, and {nas.Name} must send one.");
                break;
            case RadiusCode.AccountingRequest:
                if (!nas.Secret.CheckPacketMd5(packet, zero))
                    throw RadiusException.Discard("Authenticator", $"It is wrong: {nas.Name} has another secret, or the packet was changed.");
                if (nas.Secret.CheckMessageAuthenticator(packet, zero) == MessageAuthenticatorState.Wrong)
                    throw RadiusException.Discard("Message-Authenticator", "It is wrong.");
                break;
            default:
                throw RadiusException.Discard("Code", $"{(byte)packet.Code} is no request that this server takes.");
        }
    }

    /// <summary>Ends a request. Proxy-State is copied from it, its Message-Authenticator is ours to add.</summary>
    /// <param name="answer">Null: none; the request's next repetition is a new request.</param>
    public void Answer(long ticket, RadiusMessage? answer, Moment now, Tag tag = default)
    {
        if (!_inWork.TryGetValue(ticket, out var entry))
            return;
        if (answer is null)
        {
            Forget(entry);
            return;
        }
        answer.CopyAll(entry.Request, RadiusAttribute.ProxyState);
        Done(entry);
        bool isAccess = entry.Request.Code != RadiusCode.AccountingRequest || entry.Request.Has(RadiusAttribute.MessageAuthenticator);
        entry.Answer = answer.SignAnswer(entry.Request.Identifier, entry.Request.Authenticator, entry.Nas.Secret, isAccess, _chance);
        entry.Frames = tag;
        if (_options.AnswerLife > TimeSpan.Zero)
            _answered.Enqueue((now.Elapsed + _options.AnswerLife, entry));
        else
            Remove(entry);
        _out.Enqueue((entry.Key.Path, entry.Answer, tag, false));
    }

    private void Forget(Entry entry)
    {
        Done(entry);
        Remove(entry);
    }

    private void Done(Entry entry)
    {
        if (_inWork.Remove(entry.Ticket) && --CollectionsMarshal.GetValueRefOrAddDefault(_pending, entry.Nas, out _) == 0)
            _pending.Remove(entry.Nas);
        while (_working.TryPeek(out var first) && !_inWork.ContainsKey(first.Entry.Ticket))
            _working.Dequeue();
    }

    private void Remove(Entry entry)
    {
        if (_entries.TryGetValue(entry.Key, out var current) && ReferenceEquals(current, entry))
            _entries.Remove(entry.Key);
    }

    public void Tick(Moment now)
    {
        while (_answered.TryPeek(out var first) && first.At <= now.Elapsed)
            Remove(_answered.Dequeue().Entry);
        while (_working.TryPeek(out var first) && first.At <= now.Elapsed)
            Forget(first.Entry);
    }

    public bool TryEvent(out RadiusServerEvent happened) => _events.TryDequeue(out happened);

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
