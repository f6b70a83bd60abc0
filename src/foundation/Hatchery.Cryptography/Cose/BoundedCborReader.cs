using System.Formats.Cbor;
using System.Text;

namespace Hatchery.Cryptography.Cose;

/// <summary>Reads CBOR (RFC 8949) from untrusted bytes: nesting is limited, nothing is copied but indefinite-length strings, text must be
/// UTF-8, and whatever is wrong becomes the one exception that <see cref="CborFault"/> makes. Accepts non-deterministic encodings: what is
/// hashed or signed is taken from the bytes received (<see cref="Raw"/>), never from a re-encoding.</summary>
public sealed class BoundedCborReader
{
    public const int DefaultMaxDepth = 16;

    /// <summary>What a reader that has ended reads from: nothing, for ever.</summary>
    private static readonly CborReader s_atEnd = new(default, CborConformanceMode.Lax);
    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);
    private readonly ReadOnlyMemory<byte> _bytes;
    /// <summary>Lent by <see cref="CborPool"/> until <see cref="End"/>.</summary>
    private CborReader _reader;
    private readonly int _maxDepth;

    public BoundedCborReader(ReadOnlyMemory<byte> bytes, CborFault fault, int maxDepth = DefaultMaxDepth)
    {
        _bytes = bytes;
        Fault = fault;
        _maxDepth = maxDepth;
        _reader = CborPool.Read(bytes);
    }

    public CborFault Fault { get; }

    /// <summary>How many bytes were read.</summary>
    public int Position => _bytes.Length - _reader.BytesRemaining;

    public Exception Wrong(string field, string sentence, Exception? inner = null) => Fault(field, $"{field}: {sentence}", inner);

    public CborReaderState Peek(string field)
    {
        try
        {
            return _reader.PeekState();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "not well-formed CBOR.", e);
        }
    }

    public bool IsText(string field) => Peek(field) is CborReaderState.TextString or CborReaderState.StartIndefiniteLengthTextString;
    public bool IsBytes(string field) => Peek(field) is CborReaderState.ByteString or CborReaderState.StartIndefiniteLengthByteString;
    public bool IsArray(string field) => Peek(field) is CborReaderState.StartArray;
    public bool IsNumber(string field) => Peek(field) is CborReaderState.UnsignedInteger or CborReaderState.NegativeInteger;

    /// <summary>Another item of the array or map that is open.</summary>
    public bool More(string field) => Peek(field) is not (CborReaderState.EndArray or CborReaderState.EndMap);

    public void StartArray(string field)
    {
        try
        {
            _reader.ReadStartArray();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "an array is missing here.", e);
        }
        Deeper(field);
    }

    public void EndArray(string field)
    {
        try
        {
            _reader.ReadEndArray();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "the array has more items than it may have.", e);
        }
    }

    public void StartMap(string field)
    {
        try
        {
            _reader.ReadStartMap();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "a map is missing here.", e);
        }
        Deeper(field);
    }

    public void EndMap(string field)
    {
        try
        {
            _reader.ReadEndMap();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "the map does not end here.", e);
        }
    }

    /// <summary>Reads a tag if the next item has this one.</summary>
    public bool TryTag(string field, ulong tag)
    {
        if (Peek(field) != CborReaderState.Tag)
            return false;
        try
        {
            if ((ulong)_reader.PeekTag() != tag)
                return false;
            _reader.ReadTag();
            return true;
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "not well-formed CBOR.", e);
        }
    }

    public bool TryNull(string field)
    {
        if (Peek(field) != CborReaderState.Null)
            return false;
        _reader.ReadNull();
        return true;
    }

    public bool Bool(string field)
    {
        try
        {
            return _reader.ReadBoolean();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "true or false is missing here.", e);
        }
    }

    public long Integer(string field)
    {
        try
        {
            return _reader.ReadInt64();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "an integer of at most 64 bits is missing here.", e);
        }
    }

    public long Integer(string field, long min, long max)
    {
        long value = Integer(field);
        return value >= min && value <= max ? value : throw Wrong(field, $"{value} is not within {min} to {max}.");
    }

    public ReadOnlyMemory<byte> Bytes(string field)
    {
        try
        {
            return _reader.PeekState() == CborReaderState.StartIndefiniteLengthByteString ? _reader.ReadByteString() : _reader.ReadDefiniteLengthByteString();
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "a byte string is missing here.", e);
        }
    }

    public ReadOnlyMemory<byte> Bytes(string field, int exactly)
    {
        var bytes = Bytes(field);
        return bytes.Length == exactly ? bytes : throw Wrong(field, $"the byte string has {bytes.Length} bytes where {exactly} are needed.");
    }

    public string Text(string field)
    {
        try
        {
            return _reader.PeekState() == CborReaderState.StartIndefiniteLengthTextString
                ? _reader.ReadTextString() : s_strict.GetString(_reader.ReadDefiniteLengthTextStringBytes().Span);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "a text string in UTF-8 is missing here.", e);
        }
    }

    /// <summary>The encoding of the next item, tags included, as received.</summary>
    public ReadOnlyMemory<byte> Raw(string field)
    {
        int start = Position;
        int length = CborScan.Measure(_bytes.Span[start..], _maxDepth - _reader.CurrentDepth, out var found);
        if (found != CborForm.Complete)
            throw Wrong(field, found == CborForm.TooDeep ? "nested too deeply." : "not well-formed CBOR.");
        try
        {
            _reader.SkipValue(disableConformanceModeChecks: true);
        }
        catch (Exception e) when (IsBroken(e))
        {
            throw Wrong(field, "not well-formed CBOR.", e);
        }
        return _bytes.Slice(start, length);
    }

    /// <summary>What was read since <paramref name="start"/>, a former <see cref="Position"/>.</summary>
    public ReadOnlyMemory<byte> Since(int start) => _bytes[start..Position];

    /// <summary>Refuses bytes behind the one item that there may be.</summary>
    public void End(string field)
    {
        if (_reader.BytesRemaining != 0)
            throw Wrong(field, $"{_reader.BytesRemaining} bytes follow behind its end.");
        if (ReferenceEquals(_reader, s_atEnd))
            return;
        CborPool.Return(_reader);
        _reader = s_atEnd;
    }

    private void Deeper(string field)
    {
        if (_reader.CurrentDepth > _maxDepth)
            throw Wrong(field, "nested too deeply.");
    }

    private static bool IsBroken(Exception e) => e is CborContentException or InvalidOperationException or OverflowException or FormatException or ArgumentException;
}
