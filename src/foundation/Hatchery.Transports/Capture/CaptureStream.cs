namespace Hatchery.Transports;

/// <summary>Where bytes of a channel are captured.</summary>
public enum CaptureAt
{
    /// <summary>As on the medium: under TLS, where there is TLS.</summary>
    Medium,
    /// <summary>Above TLS, for a reader without the keys.</summary>
    Plaintext,
}

/// <summary>Who captures, and at which end.</summary>
/// <param name="Local">Text form of this end's endpoint; <paramref name="Remote"/> of the other's.</param>
public sealed record CapturePoint(IWitness Witness, SystemClock Clock, SessionId Session, string Local, string Remote)
{
    public bool IsOn => (Witness.Watching & Watch.Frames) != 0;

    public void Report(ReadOnlySpan<byte> bytes, Way way, Tag tag, Medium medium, bool repeats = false)
    {
        if (IsOn && !bytes.IsEmpty)
            Witness.Captured(new Frame
            {
                Tag = tag,
                Session = Session,
                Way = way,
                Medium = medium,
                At = Clock.Now,
                Repeats = repeats,
                Bytes = bytes,
                From = way == Way.Received ? Remote : Local,
                To = way == Way.Received ? Local : Remote,
            });
    }
}

/// <summary>Reports what passes through a stream, in both directions, as frames. One reader and one writer at a time, as any stream.</summary>
public sealed class CaptureStream(Stream inner, CapturePoint point) : Stream
{
    private long _sending, _receiving;

    /// <summary>Of the message whose bytes are written next.</summary>
    public Tag Sending
    {
        get => new(Volatile.Read(ref _sending));
        set => Volatile.Write(ref _sending, value.Value);
    }

    /// <summary>Of the message whose bytes are read next.</summary>
    public Tag Receiving
    {
        get => new(Volatile.Read(ref _receiving));
        set => Volatile.Write(ref _receiving, value.Value);
    }

    public override bool CanRead => inner.CanRead;
    public override bool CanWrite => inner.CanWrite;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        int n = inner.Read(buffer);
        point.Report(buffer[..n], Way.Received, Receiving, Medium.Tcp);
        return n;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int n = await inner.ReadAsync(buffer, cancellationToken);
        point.Report(buffer.Span[..n], Way.Received, Receiving, Medium.Tcp);
        return n;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        point.Report(buffer, Way.Sent, Sending, Medium.Tcp);
        inner.Write(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        point.Report(buffer.Span, Way.Sent, Sending, Medium.Tcp);
        return inner.WriteAsync(buffer, cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() => inner.Flush();
    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
