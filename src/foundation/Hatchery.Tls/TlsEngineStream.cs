namespace Hatchery.Tls;

/// <summary>An engine as a stream over another stream, for who speaks in streams: web servers and HTTP clients. One reads while another writes; the engine is never entered twice.
/// What is written is on its way when the call returns.</summary>
/// <param name="now">The clock of deadlines.</param>
public sealed class TlsEngineStream(TlsEngine engine, Stream inner, Func<Moment> now) : Stream
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly byte[] _received = new byte[16384 + 512], _toSend = new byte[16384 + 512];
    private ReadOnlyMemory<byte> _left;
    private TlsConnection? _connection;
    private bool _ended;

    /// <summary>Returns when the peer is authenticated, as far as the options ask for that.</summary>
    /// <exception cref="IOException">The handshake failed; the alert has been sent.</exception>
    public async ValueTask<TlsConnection> HandshakeAsync(CancellationToken cancel)
    {
        await FlushOutAsync(cancel);
        while (_connection is null)
        {
            await FillAsync(cancel);
            await FlushOutAsync(cancel);
            lock (_gate)
                _ = TakeEvents(default);
            if (_ended && _connection is null)
                throw new IOException("The peer closed the connection in the handshake.");
        }
        return _connection;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
            return 0;
        while (true)
        {
            lock (_gate)
            {
                int taken = TakeEvents(buffer.Span);
                if (taken > 0 || _ended)
                    return taken;
            }
            await FillAsync(cancellationToken);
            await FlushOutAsync(cancellationToken);
        }
    }

    /// <summary>What did not fit is kept for the next read.</summary>
    private int TakeEvents(Span<byte> buffer)
    {
        if (_left.IsEmpty && !_ended)
            while (engine.TryEvent(out var happened))
            {
                if (happened.Kind == TlsEventKind.Connected)
                {
                    _connection = happened.Connection;
                    continue;
                }
                if (happened.Kind == TlsEventKind.Failed)
                    throw new IOException(happened.Failure!.Sentence);
                if (happened.Kind == TlsEventKind.Closed)
                    _ended = true;
                else if (happened.Data.Length <= buffer.Length)
                {
                    happened.Data.Span.CopyTo(buffer);
                    return happened.Data.Length;
                }
                else
                    _left = happened.Data.ToArray();
                break;
            }
        int n = Math.Min(_left.Length, buffer.Length);
        _left.Span[..n].CopyTo(buffer);
        _left = _left[n..];
        return n;
    }

    private async ValueTask FillAsync(CancellationToken cancel)
    {
        int n = await inner.ReadAsync(_received, cancel);
        lock (_gate)
        {
            if (n == 0)
                engine.InputEnded(now());
            else
                engine.Receive(_received.AsSpan(0, n), default, now(), default);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var piece = buffer[..Math.Min(buffer.Length, 16384)];
            Accepted accepted;
            lock (_gate)
                accepted = engine.Send(piece.Span, default, now());
            if (accepted is Accepted.Closed or Accepted.TooLarge)
                throw new IOException("The TLS connection is closed.");
            if (accepted == Accepted.Yes)
                buffer = buffer[piece.Length..];
            await FlushOutAsync(cancellationToken);
        }
    }

    private async ValueTask FlushOutAsync(CancellationToken cancel)
    {
        await _sending.WaitAsync(cancel);
        try
        {
            while (true)
            {
                Transmit<StreamPath> transmit;
                lock (_gate)
                    if (!engine.TryTransmit(_toSend, out transmit))
                        break;
                await inner.WriteAsync(_toSend.AsMemory(0, transmit.Length), cancel);
            }
            await inner.FlushAsync(cancel);
        }
        finally
        {
            _sending.Release();
        }
    }

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();
    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    public override void Flush() { }
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        try
        {
            lock (_gate)
                engine.Close(now());
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            await FlushOutAsync(patience.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // The peer has gone without waiting for our goodbye.
        }
        engine.Dispose();
        await inner.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            engine.Dispose();
            inner.Dispose();
        }
        base.Dispose(disposing);
    }
}
