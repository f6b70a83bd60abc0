using System.Buffers.Binary;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>Attribute ids (DPP §8.1).</summary>
public enum DppAttribute : ushort
{
    Status = 0x1000, InitiatorBootstrappingKeyHash, ResponderBootstrappingKeyHash, InitiatorProtocolKey, WrappedData, InitiatorNonce, InitiatorCapabilities,
    ResponderNonce, ResponderCapabilities, ResponderProtocolKey, InitiatorAuthenticationTag, ResponderAuthenticationTag, ConfigurationObject, Connector,
    ConfigurationRequestObject, BootstrappingKey, OwnNetworkAccessKeyHash = 0x1011, FiniteCyclicGroup, EncryptedKey, EnrolleeNonce, CodeIdentifier, TransactionId,
    BootstrappingInfo, Channel, ProtocolVersion, EnvelopedData, SendConnectionStatus, ConnectionStatus, ReconfigFlags, CSignKeyHash, CsrAttributesRequest,
    ANonce, EPrimeId, ConfiguratorNonce,
}

/// <summary>Attributes as received: id and length as 16 bits little endian, value. Checked as a whole when made: none is cut short and none follows Wrapped Data.</summary>
public readonly struct AttributeList
{
    private readonly ReadOnlyMemory<byte> _bytes;

    private AttributeList(ReadOnlyMemory<byte> bytes) => _bytes = bytes;

    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <exception cref="DppException"/>
    public static AttributeList Parse(ReadOnlyMemory<byte> bytes, string message)
    {
        var span = bytes.Span;
        bool wrapped = false;
        for (int at = 0; at < span.Length;)
        {
            if (wrapped)
                throw DppException.Malformed(message, "something follows the Wrapped Data.");
            if (span.Length - at < 4)
                throw DppException.Malformed(message, "an attribute's head is cut short.");
            int length = BinaryPrimitives.ReadUInt16LittleEndian(span[(at + 2)..]);
            wrapped = BinaryPrimitives.ReadUInt16LittleEndian(span[at..]) == (ushort)DppAttribute.WrappedData;
            at += 4 + length;
            if (at > span.Length)
                throw DppException.Malformed(message, "an attribute's value is cut short.");
        }
        return new AttributeList(bytes);
    }

    /// <summary>The value of the first occurrence.</summary>
    public bool TryGet(DppAttribute id, out ReadOnlyMemory<byte> value)
    {
        int at = Find(id, 0);
        value = at < 0 ? default : ValueAt(at);
        return at >= 0;
    }

    /// <exception cref="DppException">Missing.</exception>
    public ReadOnlyMemory<byte> Get(DppAttribute id) =>
        TryGet(id, out var value) ? value : throw DppException.Malformed(id.ToString(), "is missing.");

    /// <param name="length">Bytes that the value must have.</param>
    /// <exception cref="DppException">Missing, or of another length.</exception>
    public ReadOnlyMemory<byte> Get(DppAttribute id, int length)
    {
        var value = Get(id);
        return value.Length == length ? value : throw DppException.Malformed(id.ToString(), $"has {value.Length} bytes, not {length}.");
    }

    /// <exception cref="DppException">Missing, or not one byte.</exception>
    public byte GetByte(DppAttribute id) => Get(id, 1).Span[0];

    /// <summary>Every occurrence, in order.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> GetAll(DppAttribute id)
    {
        for (int at = Find(id, 0); at >= 0; at = Find(id, at + 4 + ValueAt(at).Length))
            yield return ValueAt(at);
    }

    /// <summary>What stands before the Wrapped Data: an associated-data component of many messages.</summary>
    public ReadOnlyMemory<byte> BeforeWrapped => Find(DppAttribute.WrappedData, 0) is >= 0 and var at ? _bytes[..at] : _bytes;

    /// <summary>Opens the Wrapped Data.</summary>
    /// <exception cref="DppException">It is missing, does not open, or what is inside is no list of attributes.</exception>
    internal AttributeList Unwrap(ReadOnlySpan<byte> key, string message, params ReadOnlySpan<ReadOnlyMemory<byte>> associated)
    {
        using var siv = new AesSiv(key);
        return siv.TryOpen(Get(DppAttribute.WrappedData).Span, out byte[] plain, associated) ? Parse(plain, message) : throw DppException.Unwrap(message);
    }

    private ReadOnlyMemory<byte> ValueAt(int at) => _bytes.Slice(at + 4, BinaryPrimitives.ReadUInt16LittleEndian(_bytes.Span[(at + 2)..]));

    private int Find(DppAttribute id, int from)
    {
        var span = _bytes.Span;
        for (int at = from; at < span.Length; at += 4 + BinaryPrimitives.ReadUInt16LittleEndian(span[(at + 2)..]))
            if (BinaryPrimitives.ReadUInt16LittleEndian(span[at..]) == (ushort)id)
                return at;
        return -1;
    }
}

/// <summary>Writes attributes, the last of them sealed if need be.</summary>
public sealed class AttributeWriter
{
    private byte[] _buffer = new byte[256];

    public int Length { get; private set; }
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);
    public byte[] ToArray() => Written.ToArray();

    /// <exception cref="ArgumentException">The value does not fit 16 bits of length.</exception>
    public AttributeWriter Add(DppAttribute id, ReadOnlySpan<byte> value)
    {
        if (value.Length > ushort.MaxValue)
            throw new ArgumentException($"{id} has {value.Length} bytes; an attribute has at most 65535.", nameof(value));
        if (_buffer.Length - Length < 4 + value.Length)
            Array.Resize(ref _buffer, Math.Max(2 * _buffer.Length, Length + 4 + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(Length), (ushort)id);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(Length + 2), (ushort)value.Length);
        value.CopyTo(_buffer.AsSpan(Length + 4));
        Length += 4 + value.Length;
        return this;
    }

    public AttributeWriter Add(DppAttribute id, byte value) => Add(id, new ReadOnlySpan<byte>(in value));
    public AttributeWriter AddIf(bool condition, DppAttribute id, ReadOnlySpan<byte> value) => condition ? Add(id, value) : this;
    public AttributeWriter AddGroup(DppCurve curve) => Add(DppAttribute.FiniteCyclicGroup, [(byte)curve.IkeGroup, (byte)(curve.IkeGroup >> 8)]);

    /// <summary>Seals the attributes inside and appends them as Wrapped Data; wipes them.</summary>
    internal AttributeWriter Wrap(ReadOnlySpan<byte> key, AttributeWriter inside, params ReadOnlySpan<ReadOnlyMemory<byte>> associated)
    {
        using var siv = new AesSiv(key);
        Add(DppAttribute.WrappedData, siv.Seal(inside.Written, associated));
        CryptographicOperations.ZeroMemory(inside._buffer);
        return this;
    }
}
