using System.Buffers.Binary;

namespace Hatchery.Dtls;

/// <summary>What a session asks of the engine that holds it.</summary>
internal interface IDtlsHost
{
    Chance Chance { get; }
    /// <summary>A buffer for the next datagram, at least so long.</summary>
    Span<byte> Begin(int size);
    void End(DtlsSession session, int length, Tag tag, bool repeats);
    bool IsFull { get; }
    void Emit(in DtlsEvent happened);
    /// <summary>Copies what an event is to refer to.</summary>
    ReadOnlyMemory<byte> Keep(ReadOnlySpan<byte> data);
    void Ask(DtlsQuestion question, Action<DtlsAnswer, Moment> then);
    void Completed(DtlsSession session);
    void Ended(DtlsSession session);
}

/// <summary>One association: the record layer of two epochs, and the handshake while there is one. Belongs to its engine, and to one thread with it.</summary>
public abstract class DtlsSession
{
    private const int AlertLength = 2;
    internal const int LongestEarlyRecord = 4096;

    private readonly int _mtu;
    private RecordProtection? _read, _write;
    private ReplayWindow _window;
    private ulong _sequence0, _sequence1;
    private long _badRecords;
    private TimeSpan _lastReceived, _lastFlightUntil, _lastFlightSent;
    private Flight? _lastFlight;
    private bool _ended, _sentNoRenegotiation;

    internal DtlsSession(IDtlsHost host, DtlsOptions options, bool isClient, Moment now)
    {
        (Host, Options, IsClient, _mtu, _lastReceived) = (host, options, isClient, options.Mtu, now.Elapsed);
    }

    /// <summary>Null until connected.</summary>
    public DtlsConnection? Connection { get; private set; }
    /// <summary>The caller's own.</summary>
    public object? State { get; set; }
    /// <summary>Most bytes that <c>Send</c> takes: what fits into a datagram of <see cref="DtlsOptions.Mtu"/>, and the peer's limit.</summary>
    public int MaxData => Math.Min(RoomFor(_mtu, true), Connection?.MaxData ?? 16384);

    internal IDtlsHost Host { get; }
    internal DtlsOptions Options { get; }
    internal bool IsClient { get; }
    internal HandshakeMachine? Handshake { get; set; }
    internal bool IsEnded => _ended;
    internal bool ReadsProtected => _read is not null;
    internal bool IsConnected => Connection is not null && !_ended;
    /// <summary>What the peer puts into its records.</summary>
    internal byte[] OwnId { get; set; } = [];
    internal byte[] PeerId { get; set; } = [];
    internal byte[]? ClientRandom { get; set; }

    /// <summary>The first records of a server reuse the numbers of the client's, so that a stateless answer repeats none.</summary>
    internal void StartSequence(ulong sequence) => _sequence0 = sequence;

    internal TimeSpan Deadline
    {
        get
        {
            if (_ended)
                return Moment.Never;
            if (Handshake is { } handshake)
                return handshake.Deadline;
            var idle = _lastReceived + Options.IdleTimeout;
            return _lastFlight is not null && _lastFlightUntil < idle ? _lastFlightUntil : idle;
        }
    }

    // ---- records out ----

    /// <summary>Bytes of content that a record takes if it may use so many of a datagram.</summary>
    internal int RoomFor(int bytes, bool isProtected)
    {
        int fragment = bytes - RecordHeader.PlainLength;
        if (!isProtected || _write is null)
            return fragment;
        fragment -= PeerId.Length;
        int inner = PeerId.Length > 0 ? 1 : 0, content = fragment;
        // The padding of CBC makes the length a staircase: a step at most.
        content -= Math.Max(0, _write.SealedLength(Math.Max(0, content)) - fragment);
        while (content > 0 && _write.SealedLength(content + 1) <= fragment)
            content++;
        while (content > 0 && _write.SealedLength(content) > fragment)
            content--;
        return Math.Max(0, content - inner);
    }

    /// <summary>Writes one record whose content is the two parts; returns its length.</summary>
    internal int WriteRecord(Span<byte> into, ContentType type, bool isProtected, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        int length = first.Length + second.Length;
        if (!isProtected)
        {
            RecordHeader.Write(into, type, _sequence0++, []);
            BinaryPrimitives.WriteUInt16BigEndian(into[11..], (ushort)length);
            first.CopyTo(into[13..]);
            second.CopyTo(into[(13 + first.Length)..]);
            return 13 + length;
        }
        var id = PeerId;
        var outer = id.Length > 0 ? ContentType.ConnectionId : type;
        ulong number = 1UL << 48 | _sequence1++;
        int header = 13 + id.Length, inner = length + (id.Length > 0 ? 1 : 0), sealedLength = _write!.SealedLength(inner);
        RecordHeader.Write(into, outer, number, id);
        BinaryPrimitives.WriteUInt16BigEndian(into[(header - 2)..], (ushort)sealedLength);
        var fragment = into.Slice(header, sealedLength);
        var content = fragment[_write.Prefix..];
        first.CopyTo(content);
        second.CopyTo(content[first.Length..]);
        if (id.Length > 0)
            content[length] = (byte)type;
        _write.Seal(fragment, inner, number, outer, id, Host.Chance);
        return header + sealedLength;
    }

    internal void InstallWrite(RecordProtection protection) => _write = protection;
    internal void InstallRead(RecordProtection protection) => (_read, _window) = (protection, default);

    private protected Accepted SendData(ReadOnlySpan<byte> data, Tag tag)
    {
        if (_ended)
            return Accepted.Closed;
        if (!IsConnected || Host.IsFull)
            return Accepted.TryLater;
        if (data.Length > MaxData)
            return Accepted.TooLarge;
        // The last number closes the session before one could repeat.
        if (_sequence1 >= RecordHeader.MaxSequence - 16)
        {
            CloseQuietly();
            return Accepted.Closed;
        }
        int length = WriteRecord(Host.Begin(_mtu), ContentType.ApplicationData, true, data, []);
        Host.End(this, length, tag, false);
        return Accepted.Yes;
    }

    private void SendAlert(bool isFatal, DtlsAlert alert)
    {
        bool isProtected = _write is not null && (Connection is not null || Handshake is { WritesProtected: true });
        int length = WriteRecord(Host.Begin(128), ContentType.Alert, isProtected, [isFatal ? (byte)2 : (byte)1, (byte)alert], []);
        Host.End(this, length, default, false);
    }

    // ---- records in ----

    private protected void ReceiveDatagram(Span<byte> datagram, Moment now, Tag tag)
    {
        while (!_ended && RecordHeader.TryRead(datagram, OwnId.Length, out var header))
        {
            ReceiveRecord(header, datagram[..header.Length], now, tag);
            datagram = datagram[header.Length..];
        }
    }

    private void ReceiveRecord(in RecordHeader header, Span<byte> record, Moment now, Tag tag)
    {
        var fragment = record[header.HeaderLength..];
        if (header.Epoch == 0)
            ReceivePlain(header, fragment, now);
        else if (header.Epoch != 1 || header.Version != RecordHeader.Dtls12)
            return;
        else if (_read is null)
            Handshake?.KeepEarly(record);
        else
            ReceiveProtected(header, fragment, now, tag);
    }

    /// <summary>Whoever can send to us can write these: they only matter while a handshake runs.</summary>
    private void ReceivePlain(in RecordHeader header, ReadOnlySpan<byte> fragment, Moment now)
    {
        if (Handshake is not { } handshake || fragment.IsEmpty || header.Version is not (RecordHeader.Dtls12 or RecordHeader.Dtls10))
            return;
        switch (header.Type)
        {
            case ContentType.Handshake:
                try
                {
                    handshake.ReceiveFragments(fragment, false, now);
                }
                catch (DtlsException e)
                {
                    Fail(e);
                }
                break;
            case ContentType.ChangeCipherSpec when fragment is [1]:
                Guarded(now, handshake.ChangeCipherSpecArrived);
                break;
            case ContentType.Alert when fragment.Length == AlertLength && !ReadsProtected:
                ReceiveAlert(fragment[0], (DtlsAlert)fragment[1]);
                break;
        }
    }

    internal void ReceiveEarly(byte[] record, Moment now)
    {
        if (RecordHeader.TryRead(record, OwnId.Length, out var header) && _read is not null)
            ReceiveProtected(header, record.AsSpan(header.HeaderLength), now, default);
    }

    /// <summary>Whether the record is of this session and new; it is spoiled otherwise.</summary>
    private bool TryOpen(in RecordHeader header, Span<byte> fragment, out ContentType type, out Span<byte> content)
    {
        type = header.Type;
        content = default;
        bool hasId = header.Type == ContentType.ConnectionId;
        if (hasId != OwnId.Length > 0 || hasId && !header.ConnectionId.SequenceEqual(OwnId))
            return false;
        if (Options.ReplayProtection && !_window.IsNew(header.Sequence))
            return false;
        if (!_read!.TryOpen(fragment, header.EpochAndSequence, header.Type, header.ConnectionId, out int offset, out int length))
        {
            BadRecord(header.Type);
            return false;
        }
        content = fragment.Slice(offset, length);
        if (!hasId)
            return true;
        int last = content.LastIndexOfAnyExcept((byte)0);
        if (last < 0)
            throw new DtlsException(DtlsAlert.UnexpectedMessage, "DTLSInnerPlaintext", "A record of zeros has no type.");
        type = (ContentType)content[last];
        content = content[..last];
        return true;
    }

    private void BadRecord(ContentType type)
    {
        // RFC 6347 has such records dropped in silence. But where a wrong password or key shows in nothing but the Finished, silence would leave only the timeout.
        if (Handshake is { WrongKeyShowsInFinished: true } && type is (ContentType.Handshake or ContentType.ConnectionId))
            throw new DtlsException(DtlsAlert.BadRecordMac, "Finished", "The Finished does not decrypt: the peer uses another key or password.");
        if (++_badRecords > Options.Limits.BadRecords)
            throw new DtlsException(DtlsAlert.BadRecordMac, "record", "Too many records did not authenticate.");
    }

    private void ReceiveProtected(in RecordHeader header, Span<byte> fragment, Moment now, Tag tag)
    {
        try
        {
            if (!TryOpen(header, fragment, out var type, out var content))
                return;
            if (content.Length > 16384)
                throw new DtlsException(DtlsAlert.RecordOverflow, "record", "A record has more than 16384 bytes.");
            bool isNewest = _window.IsHighest(header.Sequence);
            _window.Mark(header.Sequence);
            _lastReceived = now.Elapsed;
            Authentic(isNewest, header.Type == ContentType.ConnectionId);
            ReceiveContent(type, content, now, tag);
        }
        catch (DtlsException e)
        {
            Fail(e);
        }
    }

    /// <summary>A record was authentic: with a connection id it may have come from a new address.</summary>
    private protected abstract void Authentic(bool isNewest, bool hasConnectionId);

    private void ReceiveContent(ContentType type, ReadOnlySpan<byte> content, Moment now, Tag tag)
    {
        switch (type)
        {
            case ContentType.ApplicationData when Connection is not null:
                // It proves that our last flight arrived.
                _lastFlight = null;
                Host.Emit(new() { Kind = DtlsEventKind.Data, Session = this, Data = Host.Keep(content), Tag = tag });
                break;
            case ContentType.Handshake when Handshake is { } handshake:
                handshake.ReceiveFragments(content, true, now);
                break;
            case ContentType.Handshake when !content.IsEmpty:
                AfterHandshake((HandshakeType)content[0], now);
                break;
            case ContentType.Alert when content.Length == AlertLength:
                ReceiveAlert(content[0], (DtlsAlert)content[1]);
                break;
        }
    }

    private void AfterHandshake(HandshakeType type, Moment now)
    {
        if (type == HandshakeType.Finished && _lastFlight is { } flight)
        {
            if (now.Elapsed - _lastFlightSent < Options.Timers.Initial / 2)
                return;
            _lastFlightSent = now.Elapsed;
            flight.Transmit(this, _mtu, true);
        }
        else if (type == HandshakeType.ClientHello && !IsClient && !_sentNoRenegotiation)
        {
            _sentNoRenegotiation = true;
            SendAlert(false, DtlsAlert.NoRenegotiation);
        }
    }

    private void ReceiveAlert(byte level, DtlsAlert alert)
    {
        if (alert == DtlsAlert.CloseNotify && ReadsProtected)
        {
            if (Connection is null)
            {
                End(new() { Kind = DtlsEventKind.Failed, Session = this, Failure = new(alert, true, "The peer closed before the handshake was complete.") });
                return;
            }
            SendAlert(false, DtlsAlert.CloseNotify);
            End(new() { Kind = DtlsEventKind.Closed, Session = this, ByPeer = true });
        }
        else if (level == 2)
            End(new() { Kind = DtlsEventKind.Failed, Session = this, Failure = new(alert, true, $"The peer sent the alert {alert}.") });
    }

    // ---- life ----

    /// <summary>Runs a step of the handshake; what it finds wrong ends the session with the alert.</summary>
    internal void Guarded(Moment now, Action<Moment> step)
    {
        try
        {
            step(now);
        }
        catch (DtlsException e)
        {
            Fail(e);
        }
    }

    internal void Tick(Moment now)
    {
        if (_ended || now.Elapsed < Deadline)
            return;
        if (Handshake is { } handshake)
        {
            Guarded(now, handshake.Tick);
            return;
        }
        if (_lastFlight is not null && now.Elapsed >= _lastFlightUntil)
            _lastFlight = null;
        if (now.Elapsed >= _lastReceived + Options.IdleTimeout)
        {
            SendAlert(false, DtlsAlert.CloseNotify);
            End(new() { Kind = DtlsEventKind.Closed, Session = this });
        }
    }

    /// <summary>The handshake is over.</summary>
    /// <param name="lastFlight">Null: the peer sent the last one.</param>
    internal void Complete(DtlsConnection connection, Flight? lastFlight, Moment now)
    {
        Connection = connection;
        Handshake = null;
        (_lastFlight, _lastFlightSent, _lastFlightUntil, _lastReceived) = (lastFlight, now.Elapsed, now.Elapsed + Options.Timers.LastFlight, now.Elapsed);
        Host.Completed(this);
        Host.Emit(new() { Kind = DtlsEventKind.Connected, Session = this });
    }

    internal void TimedOut(string sentence) => End(new() { Kind = DtlsEventKind.Failed, Session = this, Failure = new(null, false, sentence) });

    private void Fail(DtlsException e)
    {
        if (_ended)
            return;
        SendAlert(true, e.Alert);
        End(new() { Kind = DtlsEventKind.Failed, Session = this, Failure = new(e.Alert, false, $"{e.FieldName}: {e.Message}") });
    }

    private protected void CloseSession()
    {
        if (_ended)
            return;
        if (Connection is null && Handshake is { } handshake)
        {
            if (handshake.HasSent)
                SendAlert(true, DtlsAlert.UserCanceled);
        }
        else
            SendAlert(false, DtlsAlert.CloseNotify);
        CloseQuietly();
    }

    private void CloseQuietly() => End(new() { Kind = DtlsEventKind.Closed, Session = this });

    /// <summary>The peer has a new session in place of this one.</summary>
    internal void Replaced() => End(new() { Kind = DtlsEventKind.Closed, Session = this, ByPeer = true });

    private void End(in DtlsEvent end)
    {
        if (_ended)
            return;
        _ended = true;
        Handshake?.Dispose();
        Handshake = null;
        _lastFlight = null;
        _read?.Dispose();
        _write?.Dispose();
        (_read, _write) = (null, null);
        Host.Ended(this);
        Host.Emit(end);
        Connection?.Forget();
    }
}
