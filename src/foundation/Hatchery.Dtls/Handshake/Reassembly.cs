namespace Hatchery.Dtls;

/// <summary>Puts fragments together and gives messages in the order of message_seq. What it keeps is bounded by bytes and by messages ahead.</summary>
internal sealed class Reassembly(int longestMessage, int mostBytes, ushort next)
{
    private const int Ahead = 10, MostGaps = 32;
    private readonly Pending?[] _pending = new Pending?[Ahead];
    private int _held;

    public enum Verdict { Kept, Old, Dropped }

    public ushort Next { get; private set; } = next;

    private sealed class Pending(HandshakeType type, int length)
    {
        public readonly HandshakeType Type = type;
        public readonly byte[] Body = new byte[length];
        /// <summary>Disjoint, in order; ends exclusive.</summary>
        private readonly List<(int From, int To)> _have = [];

        public bool IsComplete => Body.Length == 0 || _have is [(0, var to)] && to == Body.Length;

        public bool TryAdd(int from, ReadOnlySpan<byte> bytes)
        {
            int to = from + bytes.Length, at = 0;
            while (at < _have.Count && _have[at].To < from)
                at++;
            int end = at, low = from, high = to;
            while (end < _have.Count && _have[end].From <= to)
            {
                low = Math.Min(low, _have[end].From);
                high = Math.Max(high, _have[end].To);
                end++;
            }
            if (end == at && _have.Count == MostGaps)
                return false;
            // What came first stays: an overlap cannot change it.
            if (!_have.Any(r => r.From <= from && to <= r.To))
            {
                int position = from;
                foreach (var (start, stop) in _have.Where(r => r.From < to && r.To > from))
                {
                    if (start > position)
                        bytes[(position - from)..(start - from)].CopyTo(Body.AsSpan(position));
                    position = Math.Max(position, stop);
                }
                if (position < to)
                    bytes[(position - from)..].CopyTo(Body.AsSpan(position));
            }
            _have.RemoveRange(at, end - at);
            _have.Insert(at, (low, high));
            return true;
        }
    }

    public Verdict Add(in FragmentHeader header, ReadOnlySpan<byte> bytes)
    {
        int ahead = (ushort)(header.MessageSequence - Next);
        if (ahead >= 0x8000)
            return Verdict.Old;
        if (ahead >= Ahead || header.Length > longestMessage || header.FragmentLength == 0 && header.Length != 0)
            return Verdict.Dropped;
        ref var slot = ref _pending[header.MessageSequence % Ahead];
        if (slot is null)
        {
            if (_held + header.Length > mostBytes)
                return Verdict.Dropped;
            slot = new(header.Type, header.Length);
            _held += header.Length;
        }
        else if (slot.Type != header.Type || slot.Body.Length != header.Length)
            return Verdict.Dropped;
        return slot.TryAdd(header.Offset, bytes) ? Verdict.Kept : Verdict.Dropped;
    }

    public bool TryTake(out HandshakeType type, out ushort sequence, out byte[] body)
    {
        ref var slot = ref _pending[Next % Ahead];
        (type, sequence, body) = (default, Next, []);
        if (slot is null || !slot.IsComplete)
            return false;
        (type, body) = (slot.Type, slot.Body);
        _held -= body.Length;
        slot = null;
        Next++;
        return true;
    }

    /// <summary>What an attacker put ahead in an unprotected epoch must not be taken for protected.</summary>
    public void Clear()
    {
        Array.Clear(_pending);
        _held = 0;
    }
}
