using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>Turns pairs into whole values: a value that some peers cut at the size limit is joined with the next pairs of the same key; an item
/// with more bytes behind it is that many messages. One per direction of a TO2 session.</summary>
/// <param name="maxHeld">Bytes of an incomplete value that are kept.</param>
public sealed class ServiceInfoJoiner(int maxHeld = 1 << 20)
{
    private const int MaxDepth = 16;
    private string? _key;
    private byte[] _held = [];

    /// <summary>Whether part of a value has come and the rest has not.</summary>
    public bool IsWaiting => _key is not null;

    /// <summary>What is held, to be stored with a session; empty: nothing.</summary>
    internal byte[] Export() => _key is null ? [] : [(byte)_key.Length, .. System.Text.Encoding.UTF8.GetBytes(_key), .. _held];

    internal void Import(ReadOnlySpan<byte> exported)
    {
        if (exported.IsEmpty)
            return;
        _key = System.Text.Encoding.UTF8.GetString(exported.Slice(1, exported[0]));
        _held = exported[(1 + exported[0])..].ToArray();
    }

    /// <param name="whole">Gets each value, one encoded item, in order.</param>
    /// <exception cref="FdoException">101: not CBOR, cut by a pair of another key, or longer than is kept.</exception>
    public void Accept(ServiceInfoPair pair, Action<ServiceInfoPair> whole)
    {
        if (_key is not null && _key != pair.Key)
            throw FdoException.Invalid(_key, "the value is cut off.");
        var value = pair.Value;
        if (_key is not null)
        {
            if (_held.Length + value.Length > maxHeld)
                throw FdoException.Invalid(pair.Key, $"a value of more than {maxHeld} bytes.");
            byte[] joined = [.. _held, .. value.Span];
            value = joined;
            _key = null;
        }
        do
        {
            int length = CborScan.Measure(value.Span, MaxDepth, out var form);
            if (form == CborForm.Incomplete)
            {
                if (value.Length > maxHeld)
                    throw FdoException.Invalid(pair.Key, $"a value of more than {maxHeld} bytes.");
                _key = pair.Key;
                _held = value.ToArray();
                return;
            }
            if (form != CborForm.Complete)
                throw FdoException.Invalid(pair.Key, "the value is no CBOR.");
            whole(new ServiceInfoPair(pair.Key, value[..length]));
            value = value[length..];
        }
        while (!value.IsEmpty);
        _held = [];
    }
}
