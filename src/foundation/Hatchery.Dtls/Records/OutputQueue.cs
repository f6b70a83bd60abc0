namespace Hatchery.Dtls;

/// <summary>Datagrams that wait to be transmitted; their buffers are used again.</summary>
internal sealed class OutputQueue<TPath>(int bufferSize, int most)
{
    private const int Kept = 64;
    private readonly Queue<(byte[] Buffer, Transmit<TPath> Transmit)> _waiting = new();
    private readonly Stack<byte[]> _free = new();
    private byte[]? _current;

    public bool IsFull => _waiting.Count >= most;

    /// <param name="size">At least so many bytes.</param>
    public Span<byte> Begin(int size)
    {
        if (_current is null || _current.Length < size)
            _current = size <= bufferSize ? _free.TryPop(out byte[]? free) ? free : new byte[bufferSize] : new byte[size];
        return _current;
    }

    /// <summary>Beyond the limit the datagram is lost, as the network could lose it.</summary>
    public void End(Transmit<TPath> transmit)
    {
        if (_current is null || IsFull)
            return;
        _waiting.Enqueue((_current, transmit));
        _current = null;
    }

    public bool TryTake(Span<byte> into, out Transmit<TPath> transmit)
    {
        while (_waiting.TryDequeue(out var next))
        {
            transmit = next.Transmit;
            bool fits = transmit.Length <= into.Length;
            if (fits)
                next.Buffer.AsSpan(0, transmit.Length).CopyTo(into);
            if (next.Buffer.Length == bufferSize && _free.Count < Kept)
                _free.Push(next.Buffer);
            if (fits)
                return true;
        }
        transmit = default;
        return false;
    }
}
