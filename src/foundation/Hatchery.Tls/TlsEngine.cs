using System.Security.Cryptography;
using Hatchery.Tls.Bouncy;
using Org.BouncyCastle.Tls;

namespace Hatchery.Tls;

/// <summary>One side of a TLS connection over BouncyCastle's non-blocking mode, fed one record at a time. What a peer does wrong never throws: it ends in an alert
/// and <see cref="TlsEventKind.Failed"/>. Unlike other engines it allocates per record, inside BouncyCastle.</summary>
public abstract class TlsEngine : IEngine<StreamPath, TlsEvent>, IDisposable
{
    private const int Header = 5;
    /// <summary>RFC 5246, section 6.2.3: no ciphertext has more than 2^14 + 2048 bytes.</summary>
    private const int LargestRecord = Header + 16384 + 2048;

    private readonly TlsLimits _limits;
    private readonly Progress _progress;
    private readonly TimeSpan _handshakeEnd;
    private readonly TimeSpan _handshakeTimeout;
    private readonly byte[] _record = new byte[LargestRecord];
    private readonly byte[] _plain = new byte[16384];
    private readonly byte[] _wire = new byte[LargestRecord];
    private readonly TagRuns _received = new(), _toSend = new();
    private TlsProtocol _protocol = null!;
    private int _have, _need;
    private TlsEvent? _end;
    private bool _connectedGiven, _endGiven;

    private protected TlsEngine(TlsOptions options, Progress progress, Moment now)
    {
        (_limits, _progress, _handshakeTimeout) = (options.Limits, progress, options.HandshakeTimeout);
        _handshakeEnd = _handshakeTimeout > Moment.Never - now.Elapsed ? Moment.Never : now.Elapsed + _handshakeTimeout;
        _progress.Now = now;
    }

    private protected void Begin(TlsProtocol protocol)
    {
        _protocol = protocol;
        AccountOutput(default);
    }

    public TimeSpan Deadline => _end is null && _progress.Connection is null ? _handshakeEnd : Moment.Never;

    public void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag)
    {
        _progress.Now = now;
        if (_end is not null)
            return;
        try
        {
            if (_received.Total + datagram.Length > _limits.ReceiveBuffer)
                ((IAbortable)_protocol).Abort(AlertDescription.internal_error, $"More than {_limits.ReceiveBuffer} bytes were left undrained.");
            while (!datagram.IsEmpty && !_protocol.IsClosed)
                datagram = datagram[Feed(datagram, tag)..];
            if (_protocol.IsClosed)
                End(_progress.Failure is { } failure ? Failed(failure) : Closed(byPeer: true));
        }
        catch (IOException e)
        {
            End(Failed(_progress.Failure ?? new(null, false, e.Message)));
        }
        AccountOutput(default);
    }

    private int Feed(ReadOnlySpan<byte> input, Tag tag)
    {
        int taken = Fill(input, Header);
        if (_have < Header)
            return taken;
        if (_need == 0)
            _need = _protocol.PreviewInputRecord(_record).RecordSize;
        taken += Fill(input[taken..], _need);
        if (_have < _need)
            return taken;
        int size = _need;
        (_have, _need) = (0, 0);
        _protocol.OfferInput(_record, 0, size);
        _received.Add(tag, _protocol.GetAvailableInputBytes() - _received.Total);
        // A peer that makes us answer and takes none of the answers.
        if (_protocol.GetAvailableOutputBytes() > _limits.SendBuffer + _limits.HandshakeMessage + LargestRecord)
            ((IAbortable)_protocol).Abort(AlertDescription.internal_error, "The peer provokes more answers than it takes.");
        return taken;
    }

    private int Fill(ReadOnlySpan<byte> input, int until)
    {
        int n = Math.Clamp(until - _have, 0, input.Length);
        input[..n].CopyTo(_record.AsSpan(_have));
        _have += n;
        return n;
    }

    /// <summary>The stream ended. Without the peer's close_notify before it that is a failure: what came may be cut short.</summary>
    public void InputEnded(Moment now)
    {
        _progress.Now = now;
        if (_end is not null)
            return;
        try
        {
            _protocol.CloseInput();
        }
        catch (IOException)
        {
            _protocol.Close();
        }
        End(Failed(new(null, true, _progress.Connection is null ? "The stream ended before the handshake was complete." : "The stream ended without close_notify.")));
    }

    public void Tick(Moment now)
    {
        _progress.Now = now;
        if (Deadline == Moment.Never || now.Elapsed < Deadline)
            return;
        Cancel();
        End(Failed(new((byte)AlertDescription.user_canceled, false, $"The handshake took longer than {_handshakeTimeout.TotalSeconds:0.###} s.")));
    }

    /// <summary><see cref="Accepted.TryLater"/> until connected, and while more than <see cref="TlsLimits.SendBuffer"/> would wait to be transmitted.</summary>
    /// <param name="tag">Of the records that carry it.</param>
    public Accepted Send(ReadOnlySpan<byte> data, Tag tag, Moment now)
    {
        _progress.Now = now;
        if (_end is not null)
            return Accepted.Closed;
        if (data.Length > _limits.SendBuffer)
            return Accepted.TooLarge;
        if (_progress.Connection is null || _toSend.Total + data.Length > _limits.SendBuffer)
            return Accepted.TryLater;
        try
        {
            _protocol.WriteApplicationData(data);
        }
        catch (IOException e)
        {
            End(Failed(_progress.Failure ?? new(null, false, e.Message)));
            return Accepted.Closed;
        }
        AccountOutput(tag);
        return Accepted.Yes;
    }

    /// <summary>Sends close_notify, in the handshake preceded by user_canceled. What waits to be transmitted still is; nothing more is received.</summary>
    public void Close(Moment now)
    {
        _progress.Now = now;
        if (_end is not null)
            return;
        Cancel();
        End(Closed(byPeer: false));
    }

    public bool TryEvent(out TlsEvent happened)
    {
        if (!_connectedGiven && _progress.Connection is { } connection)
        {
            _connectedGiven = true;
            happened = new() { Kind = TlsEventKind.Connected, Connection = connection };
            return true;
        }
        int length = _received.Take(_plain.Length, out var tag);
        if (length > 0)
        {
            _protocol.ReadInput(_plain, 0, length);
            happened = new() { Kind = TlsEventKind.Data, Data = _plain.AsMemory(0, length), Tag = tag };
            return true;
        }
        happened = _end.GetValueOrDefault();
        if (_end is null || _endGiven)
            return false;
        return _endGiven = true;
    }

    public bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit)
    {
        int length = _toSend.Take(Math.Min(into.Length, _wire.Length), out var tag);
        if (length > 0)
        {
            _protocol.ReadOutput(_wire, 0, length);
            _wire.AsSpan(0, length).CopyTo(into);
        }
        transmit = new(length, default, tag, Repeats: false);
        return length > 0;
    }

    private void Cancel()
    {
        try
        {
            _protocol.Close();
        }
        catch (IOException)
        {
            // An alert that cannot be encoded changes nothing: the connection is over.
        }
        AccountOutput(default);
    }

    private void AccountOutput(Tag tag) => _toSend.Add(tag, _protocol.GetAvailableOutputBytes() - _toSend.Total);

    private void End(TlsEvent end)
    {
        _end ??= end;
        (_have, _need) = (0, 0);
    }

    private static TlsEvent Failed(TlsFailure failure) => new() { Kind = TlsEventKind.Failed, Failure = failure };
    private static TlsEvent Closed(bool byPeer) => new() { Kind = TlsEventKind.Closed, ByPeer = byPeer };

    /// <summary>Ends without a word to the peer; exported keys remain, <see cref="TlsConnection.Export"/> does not.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        if (_end is null)
            Close(_progress.Now);
        _progress.Connection?.Forget();
        _progress.ForgetKeys();
        CryptographicOperations.ZeroMemory(_plain);
        CryptographicOperations.ZeroMemory(_record);
    }
}
