using System.Collections;
using System.Text;

namespace Hatchery.Coap;

/// <summary>The options of a message in their encoding of RFC 7252 section 3.1, in the order of their numbers. Immutable; reading allocates nothing.</summary>
public readonly partial struct CoapOptions : IEnumerable<CoapOption>
{
    /// <summary>More are a message format error: reading them would cost more than the message is worth.</summary>
    public const int MaxCount = 256;
    public const int MaxValue = 65804;

    private readonly ReadOnlyMemory<byte> _wire;

    internal CoapOptions(ReadOnlyMemory<byte> wire) => _wire = wire;

    public static readonly CoapOptions Empty;

    /// <summary>As encoded, without the payload marker.</summary>
    public ReadOnlyMemory<byte> Wire => _wire;

    public bool IsEmpty => _wire.IsEmpty;

    public Enumerator GetEnumerator() => new(_wire);
    IEnumerator<CoapOption> IEnumerable<CoapOption>.GetEnumerator() => GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public struct Enumerator(ReadOnlyMemory<byte> wire) : IEnumerator<CoapOption>
    {
        private int _at;
        private ushort _number;

        public CoapOption Current { get; private set; }
        readonly object IEnumerator.Current => Current;
        /// <summary>Where the current option begins, and where the next does.</summary>
        internal int Start { get; private set; }
        internal readonly int Next => _at;

        public bool MoveNext()
        {
            if (_at >= wire.Length)
                return false;
            Start = _at;
            if (!TryHead(wire.Span, ref _at, out int delta, out int length) || _number + delta > ushort.MaxValue || length > wire.Length - _at)
                throw new InvalidOperationException("These options were not checked.");
            _number += (ushort)delta;
            Current = new CoapOption(_number, wire.Slice(_at, length));
            _at += length;
            return true;
        }

        public void Reset() => (_at, _number) = (0, 0);
        public readonly void Dispose() { }
    }

    /// <summary>Finds where the options end: at the payload marker or at the end of the bytes. Null, or what is wrong with them.</summary>
    internal static string? Measure(ReadOnlySpan<byte> bytes, out int length)
    {
        int at = 0, number = 0, count = 0;
        while (at < bytes.Length && bytes[at] != 0xff)
        {
            length = at;
            if (!TryHead(bytes, ref at, out int delta, out int size))
                return "an option's head is cut short or uses the reserved value 15.";
            number += delta;
            if (number > ushort.MaxValue)
                return "an option's number is larger than 65535.";
            if (size > bytes.Length - at)
                return $"option {number} is longer than the message.";
            if (++count > MaxCount)
                return $"more than {MaxCount} options.";
            at += size;
        }
        length = at;
        return null;
    }

    private static bool TryHead(ReadOnlySpan<byte> bytes, ref int at, out int delta, out int length)
    {
        byte head = bytes[at++];
        bool whole = TryPart(bytes, ref at, head >> 4, out delta);
        return TryPart(bytes, ref at, head & 15, out length) && whole;
    }

    private static bool TryPart(ReadOnlySpan<byte> bytes, ref int at, int nibble, out int value)
    {
        value = nibble;
        switch (nibble)
        {
            case < 13:
                return true;
            case 13 when at < bytes.Length:
                value = bytes[at++] + 13;
                return true;
            case 14 when at + 1 < bytes.Length:
                value = (bytes[at] << 8 | bytes[at + 1]) + 269;
                at += 2;
                return true;
            default:
                return false;
        }
    }

    private static int HeadLength(int delta, int length) => 1 + PartLength(delta) + PartLength(length);
    private static int PartLength(int value) => value < 13 ? 0 : value < 269 ? 1 : 2;
    private static int Nibble(int value) => value < 13 ? value : value < 269 ? 13 : 14;

    private static int WriteHead(Span<byte> into, int delta, int length)
    {
        into[0] = (byte)(Nibble(delta) << 4 | Nibble(length));
        int at = 1 + WritePart(into[1..], delta);
        return at + WritePart(into[at..], length);
    }

    private static int WritePart(Span<byte> into, int value)
    {
        switch (value)
        {
            case < 13:
                return 0;
            case < 269:
                into[0] = (byte)(value - 13);
                return 1;
            default:
                into[0] = (byte)((value - 269) >> 8);
                into[1] = (byte)(value - 269);
                return 2;
        }
    }

    /// <summary>Behind those of the same number.</summary>
    public CoapOptions Add(ushort number, ReadOnlySpan<byte> value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Length, MaxValue);
        int at = 0, before = 0;
        var each = GetEnumerator();
        while (each.MoveNext() && each.Current.Number <= number)
            (at, before) = (each.Next, each.Current.Number);
        var rest = _wire.Span[at..];
        int head = HeadLength(number - before, value.Length);
        // Of what follows, the first option's delta changes and nothing else.
        int nextHead = 0, oldHead = 0;
        CoapOption next = default;
        if (!rest.IsEmpty)
        {
            next = each.Current;
            oldHead = each.Next - each.Start - next.Value.Length;
            nextHead = HeadLength(next.Number - number, next.Value.Length);
        }
        var wire = new byte[at + head + value.Length + rest.Length - oldHead + nextHead];
        _wire.Span[..at].CopyTo(wire);
        WriteHead(wire.AsSpan(at), number - before, value.Length);
        value.CopyTo(wire.AsSpan(at + head));
        int tail = at + head + value.Length;
        if (!rest.IsEmpty)
        {
            WriteHead(wire.AsSpan(tail), next.Number - number, next.Value.Length);
            rest[oldHead..].CopyTo(wire.AsSpan(tail + nextHead));
        }
        return new CoapOptions(wire);
    }

    public CoapOptions Add(ushort number, string value) => Add(number, Encoding.UTF8.GetBytes(value));

    public CoapOptions Add(ushort number, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        return Add(number, bytes[..CoapOption.WriteUInt(bytes, value)]);
    }

    /// <summary>In place of all of that number.</summary>
    public CoapOptions Set(ushort number, ReadOnlySpan<byte> value) => Without(number).Add(number, value);

    /// <inheritdoc cref="Set(ushort, ReadOnlySpan{byte})"/>
    public CoapOptions Set(ushort number, ulong value) => Without(number).Add(number, value);

    public CoapOptions Without(ushort number) => Has(number) ? Where(n => n != number) : this;

    internal CoapOptions Where(Func<ushort, bool> keep)
    {
        var wire = new byte[_wire.Length + 4 * MaxHead];
        int at = 0, before = 0;
        foreach (var option in this)
        {
            if (!keep(option.Number))
                continue;
            int needed = at + MaxHead + option.Value.Length;
            if (needed > wire.Length)
                Array.Resize(ref wire, needed * 2);
            at += WriteHead(wire.AsSpan(at), option.Number - before, option.Value.Length);
            option.Value.Span.CopyTo(wire.AsSpan(at));
            at += option.Value.Length;
            before = option.Number;
        }
        return new CoapOptions(wire.AsMemory(0, at));
    }

    private const int MaxHead = 5;

    /// <summary>Of both, in the order of their numbers.</summary>
    internal CoapOptions Merge(CoapOptions other)
    {
        if (IsEmpty)
            return other;
        var merged = this;
        foreach (var option in other)
            merged = merged.Add(option.Number, option.Value.Span);
        return merged;
    }

    public bool Has(ushort number) => TryGet(number, out _);

    /// <summary>The first of that number.</summary>
    public bool TryGet(ushort number, out ReadOnlyMemory<byte> value)
    {
        foreach (var option in this)
        {
            if (option.Number < number)
                continue;
            value = option.Value;
            return option.Number == number;
        }
        value = default;
        return false;
    }

    /// <summary>The first of that number as a uint; null if there is none or its length is not what the option's definition permits.</summary>
    public ulong? UInt(ushort number) =>
        TryGet(number, out var value) && (OptionFormat.Of(number) is not { } format || value.Length <= format.Max) ? CoapOption.ReadUInt(value.Span) : null;

    public IEnumerable<string> Texts(ushort number)
    {
        foreach (var option in this)
            if (option.Number == number)
                yield return option.AsText();
    }

    /// <summary>The first critical option that is not recognized: unknown, of a wrong length, or repeated where it may not be. 0: none.</summary>
    /// <param name="known">Numbers that the application understands beyond those of the standards.</param>
    internal ushort FirstBad(IReadOnlySet<ushort> known)
    {
        int before = -1;
        foreach (var option in this)
        {
            bool repeated = option.Number == before;
            before = option.Number;
            if (!CoapOptionNumber.IsCritical(option.Number))
                continue;
            bool fine = OptionFormat.Of(option.Number) is { } format
                ? option.Value.Length >= format.Min && option.Value.Length <= format.Max && (format.Repeatable || !repeated)
                : known.Contains(option.Number);
            if (!fine)
                return option.Number;
        }
        return 0;
    }
}
