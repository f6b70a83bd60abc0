using System.Text;

namespace Hatchery.Dtls;

/// <summary>Writes an address as bytes, for cookies; returns how many. Different addresses must differ.</summary>
public delegate int PathBytes<TPath>(in TPath path, Span<byte> into);

/// <summary>All sessions of one port. Nothing is kept of a client before its cookie came back; then sessions are found by address, or by connection id.</summary>
public sealed class DtlsServer<TPath> : DtlsEndpoint<TPath>, IEngine<TPath, DtlsEvent>, IDisposable where TPath : notnull
{
    private const ulong LatestFirstSequence = 1UL << 47;

    private readonly DtlsServerOptions _options;
    private readonly SuiteInfo[] _suites;
    private readonly PathBytes<TPath> _pathBytes;
    private readonly CookieJar _cookies;
    private readonly ServerMemory _memory;
    private readonly TimingWheel<DtlsSession<TPath>> _timers;
    private readonly Dictionary<TPath, DtlsSession<TPath>> _sessions = [];
    private readonly List<DtlsSession<TPath>> _touched = [];
    private int _handshakes, _count;

    /// <param name="pathBytes">Null: the path's text as UTF-8, at most 255 bytes of it.</param>
    /// <exception cref="ArgumentException">The options contradict each other, or leave no suite.</exception>
    public DtlsServer(DtlsServerOptions options, Chance chance, Moment now, PathBytes<TPath>? pathBytes = null) : base(options, chance)
    {
        (_options, _suites, _pathBytes) = (options, options.UsableSuites(), pathBytes ?? AsText);
        (_cookies, _memory, _timers) = (new(chance, now), new(options), new(now.Elapsed));
    }

    private static int AsText(in TPath path, Span<byte> into)
    {
        string text = path.ToString() ?? "";
        return Encoding.UTF8.TryGetBytes(text, into, out int length) ? length : throw new InvalidOperationException("The path's text is longer than 255 bytes.");
    }

    /// <summary>Connected ones, and those whose handshake runs.</summary>
    public int Sessions => _count;
    /// <summary>Handshakes that run.</summary>
    public int Handshakes => _handshakes;

    public TimeSpan Deadline => _timers.Deadline;

    /// <summary>Null: none.</summary>
    public DtlsSession<TPath>? Find(in TPath path) => _sessions.GetValueOrDefault(path);

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        BeginCall();
        if (datagram.Length < RecordHeader.PlainLength)
            return;
        if (datagram[0] == (byte)ContentType.ConnectionId && _options.ConnectionIdLength is > 0 and var length && datagram.Length > 11 + length)
        {
            if (_memory.ByConnectionId.TryGetValue(ServerMemory.Number(datagram.Slice(11, length)), out var named))
                Deliver((DtlsSession<TPath>)named, datagram, path, now, tag);
        }
        else if (IsClientHello(datagram, out var header, out var fragment))
            ReceiveClientHello(datagram, header, fragment, path, now, tag);
        else if (_sessions.TryGetValue(path, out var session))
            DeliverToEither(session, datagram, path, now, tag);
        Settle(now);
    }

    private void Deliver(DtlsSession<TPath> session, Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        _touched.Add(session);
        session.Receive(datagram, path, now, tag);
    }

    /// <summary>While a peer that lost its state makes a new session, its address has two.</summary>
    private void DeliverToEither(DtlsSession<TPath> session, Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        if (session.Successor is not { } successor)
            Deliver(session, datagram, path, now, tag);
        else if (!RecordHeader.TryRead(datagram, 0, out var header) || header.Epoch == 0)
            Deliver(successor, datagram, path, now, tag);
        else
        {
            // Opening spoils what does not authenticate.
            byte[] copy = datagram.ToArray();
            long before = session.Authenticated;
            Deliver(session, copy, path, now, tag);
            if (session.Authenticated == before && !successor.IsEnded)
                Deliver(successor, datagram, path, now, tag);
        }
    }

    private static bool IsClientHello(ReadOnlySpan<byte> datagram, out RecordHeader header, out FragmentHeader fragment)
    {
        fragment = default;
        return RecordHeader.TryRead(datagram, 0, out header) && header.Type == ContentType.Handshake && header.Epoch == 0
            && header.Version is RecordHeader.Dtls12 or RecordHeader.Dtls10
            && FragmentHeader.TryRead(datagram[header.HeaderLength..header.Length], out fragment) && fragment.Type == HandshakeType.ClientHello;
    }

    private void ReceiveClientHello(Span<byte> datagram, in RecordHeader header, in FragmentHeader fragment, in TPath path, Moment now, Tag tag)
    {
        var known = _sessions.GetValueOrDefault(path);
        var running = known?.Successor ?? (known?.Handshake is not null ? known : null);
        ReadOnlySpan<byte> body = datagram.Slice(header.HeaderLength + FragmentHeader.Size, fragment.FragmentLength);
        if (fragment.Offset != 0 || !ClientHelloHead.TryRead(body, out var head))
        {
            // The rest of one whose beginning had a good cookie.
            if (running is not null)
                Deliver(running, datagram, path, now, tag);
            return;
        }
        if (running?.ClientRandom is { } random && head.Random.SequenceEqual(random))
        {
            Deliver(running, datagram, path, now, tag);
            return;
        }
        // A datagram that the network repeats must not look like a client that restarted.
        if (known?.ClientRandom is { } old && head.Random.SequenceEqual(old) || header.Sequence > LatestFirstSequence)
            return;
        bool isWhole = fragment.FragmentLength == fragment.Length;
        Span<byte> address = stackalloc byte[255];
        address = address[.._pathBytes(path, address)];
        _cookies.Rotate(now);
        if (_options.Cookies && !IsGood(address, head, isWhole))
            VerifyRequest(header, fragment, head, isWhole, address, datagram.Length, path);
        else
            Accept(datagram, header, fragment, head, isWhole, known, path, now, tag);
    }

    private bool IsGood(ReadOnlySpan<byte> address, in ClientHelloHead head, bool isWhole) => _cookies.IsGoodHead(address, head)
        && (!isWhole || _cookies.IsGoodRest(address, head.Version, head.Random, head.SessionId, head.Cookie, head.Rest));

    /// <summary>Never longer than what it answers, and nothing is kept.</summary>
    private void VerifyRequest(in RecordHeader header, in FragmentHeader fragment, in ClientHelloHead head, bool isWhole, ReadOnlySpan<byte> address, int received, in TPath path)
    {
        var into = Output.Begin(128);
        const int Body = RecordHeader.PlainLength + FragmentHeader.Size;
        int cookie = _cookies.Make(address, head, isWhole, into[(Body + 3)..]);
        int length = 3 + cookie;
        if (Body + length > received)
            return;
        RecordHeader.Write(into, ContentType.Handshake, header.Sequence, []);
        // The version that every client takes here, whatever it speaks.
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(into[1..], RecordHeader.Dtls10);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(into[11..], (ushort)(FragmentHeader.Size + length));
        new FragmentHeader(HandshakeType.HelloVerifyRequest, length, fragment.MessageSequence, 0, length).Write(into[RecordHeader.PlainLength..]);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(into[Body..], RecordHeader.Dtls10);
        into[Body + 2] = (byte)cookie;
        Output.End(new(Body + length, path, default, false));
    }

    private void Accept(Span<byte> datagram, in RecordHeader header, in FragmentHeader fragment, in ClientHelloHead head, bool isWhole, DtlsSession<TPath>? known, in TPath path, Moment now, Tag tag)
    {
        if (_count >= _options.MaxSessions || _handshakes >= _options.MaxHandshakes)
            return;
        // One that was still shaking hands has been given up by its client.
        if (known?.Successor is { } abandoned)
            abandoned.Replaced();
        if (known is { Handshake: not null })
        {
            known.Replaced();
            known = null;
        }
        var session = new DtlsSession<TPath>(this, _options, false, path, now) { HasMoved = _options.ConnectionIdLength > 0 ? Move : null, ClientRandom = head.Random.ToArray() };
        session.StartSequence(header.Sequence);
        var at = path;
        session.Handshake = new ServerHandshake(session, _options, _suites, _memory, fragment.MessageSequence,
            hello => isWhole || !_options.Cookies || IsRestGood(at, hello), now);
        _count++;
        _handshakes++;
        if (known is null)
            _sessions[path] = session;
        else
            (known.Successor, session.Predecessor) = (session, known);
        Deliver(session, datagram, path, now, tag);
        if (session.OwnId.Length > 0 && !session.IsEnded)
            _memory.ByConnectionId[ServerMemory.Number(session.OwnId)] = session;
    }

    private bool IsRestGood(in TPath path, ClientHello hello)
    {
        Span<byte> address = stackalloc byte[255];
        address = address[.._pathBytes(path, address)];
        return _cookies.IsGoodRest(address, hello.Version, hello.Random, hello.SessionId, hello.Cookie, hello.Rest);
    }

    /// <summary>From a session's new address another's datagrams may have come: the one that proved itself last has it.</summary>
    private void Move(DtlsSession<TPath> session, TPath before)
    {
        if (_sessions.TryGetValue(before, out var there) && there == session)
            _sessions.Remove(before);
        _sessions[session.Path] = session;
    }

    public void Tick(Moment now)
    {
        BeginCall();
        while (_timers.TryExpire(now.Elapsed, out var session))
        {
            session.Tick(now);
            if (!session.IsEnded)
                _timers.Add(session, session.Deadline);
        }
        Settle(now);
    }

    /// <inheritdoc cref="DtlsClient{TPath}.Send"/>
    public Accepted Send(DtlsSession session, ReadOnlySpan<byte> data, Tag tag, Moment now) => ((DtlsSession<TPath>)session).Send(data, tag);

    public void Close(DtlsSession session, Moment now) => ((DtlsSession<TPath>)session).Close();

    /// <summary>A timer that is armed too early finds that out by itself; one that is armed too late is armed again.</summary>
    private protected override void Settle(Moment now)
    {
        foreach (var session in _touched)
        {
            var timer = (IWheelItem<DtlsSession<TPath>>)session;
            if (!session.IsEnded && (timer.Slot < 0 || session.Deadline < timer.ArmedAt))
                _timers.Add(session, session.Deadline);
        }
        _touched.Clear();
    }

    private protected override void OnCompleted(DtlsSession<TPath> session)
    {
        _handshakes--;
        _touched.Add(session);
        if (session.Predecessor is not { } predecessor)
            return;
        (session.Predecessor, predecessor.Successor) = (null, null);
        _sessions[session.Path] = session;
        predecessor.Replaced();
    }

    private protected override void OnEnded(DtlsSession<TPath> session)
    {
        _count--;
        if (session.Connection is null)
            _handshakes--;
        _timers.Remove(session);
        if (session.OwnId.Length > 0 && _memory.ByConnectionId.TryGetValue(ServerMemory.Number(session.OwnId), out var named) && named == session)
            _memory.ByConnectionId.Remove(ServerMemory.Number(session.OwnId));
        if (session.Predecessor is { } predecessor)
            (session.Predecessor, predecessor.Successor) = (null, null);
        if (session.Successor is { } successor)
        {
            (session.Successor, successor.Predecessor) = (null, null);
            _sessions[session.Path] = successor;
        }
        else if (_sessions.TryGetValue(session.Path, out var there) && there == session)
            _sessions.Remove(session.Path);
    }

    /// <summary>Which of so many engines on one port a datagram is for: by the first byte of its connection id (<see cref="DtlsServerOptions.Shard"/>), or by its path.</summary>
    public static int ShardOf(ReadOnlySpan<byte> datagram, in TPath path, int shards, int connectionIdLength) =>
        connectionIdLength > 0 && datagram.Length > 11 && datagram[0] == (byte)ContentType.ConnectionId ? datagram[11] % shards : (int)((uint)path.GetHashCode() % (uint)shards);

    /// <summary>Closes all sessions, and frees the keys.</summary>
    public void Dispose()
    {
        foreach (var session in _sessions.Values.ToArray())
        {
            session.Successor?.Close();
            session.Close();
        }
        _cookies.Dispose();
        _memory.Dispose();
    }
}
