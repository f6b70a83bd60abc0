using System.Formats.Cbor;
using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>Hash and HMac: [type, value] (FDO 1.1 §3.3.2). Keeps the bytes it came from.</summary>
public sealed class FdoHash : IEquatable<FdoHash>
{
    private FdoHash(HashType type, ReadOnlyMemory<byte> value, ReadOnlyMemory<byte> raw) => (Type, Value, Raw) = (type, value, raw);

    public FdoHash(HashType type, ReadOnlyMemory<byte> value)
    {
        (Type, Value) = (type, value);
        var writer = WireReading.Writer(64);
        writer.WriteStartArray(2);
        writer.WriteInt32((int)type);
        writer.WriteByteString(value.Span);
        writer.WriteEndArray();
        Raw = writer.Finish();
    }

    public HashType Type { get; }
    public ReadOnlyMemory<byte> Value { get; }
    public ReadOnlyMemory<byte> Raw { get; }

    public static bool IsMac(HashType type) => type is HashType.HmacSha256 or HashType.HmacSha384;
    /// <summary>Bytes of a value.</summary>
    public static int Size(HashType type) => type is HashType.Sha384 or HashType.HmacSha384 ? 48 : 32;
    public static string Name(HashType type) => type switch
    {
        HashType.Sha256 => "SHA-256",
        HashType.Sha384 => "SHA-384",
        HashType.HmacSha256 => "HMAC-SHA256",
        _ => "HMAC-SHA384",
    };

    /// <param name="mac">Whether a MAC type is wanted or a hash type.</param>
    internal static FdoHash Parse(BoundedCborReader reader, string field, bool mac)
    {
        int start = reader.Position;
        reader.StartArray(field);
        long number = reader.Integer(field);
        if (number is not ((int)HashType.Sha256 or (int)HashType.Sha384 or (int)HashType.HmacSha256 or (int)HashType.HmacSha384) || IsMac((HashType)number) != mac)
            throw reader.Wrong(field, $"{number} is no {(mac ? "HMAC" : "hash")} type.");
        var type = (HashType)number;
        var value = reader.Bytes(field, Size(type));
        reader.EndArray(field);
        return new FdoHash(type, value, reader.Since(start));
    }

    /// <summary>SHA-256 or SHA-384 over the parts, one behind the other.</summary>
    public static FdoHash Of(HashType type, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default) => new(type, Digest(type, first, second));

    /// <summary>HMAC-SHA256 or HMAC-SHA384.</summary>
    public static FdoHash Mac(HashType type, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> message) => new(type,
        type switch
        {
            HashType.HmacSha256 => HMACSHA256.HashData(secret, message),
            HashType.HmacSha384 => HMACSHA384.HashData(secret, message),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a MAC."),
        });

    /// <summary>Whether this is the hash of the parts, one behind the other.</summary>
    public bool Matches(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default) =>
        !IsMac(Type) && CryptographicOperations.FixedTimeEquals(Digest(Type, first, second), Value.Span);

    /// <summary>Whether this is the MAC of the message; in constant time.</summary>
    public bool Matches(SecretBytes secret, ReadOnlySpan<byte> message) =>
        IsMac(Type) && CryptographicOperations.FixedTimeEquals(Mac(Type, secret.Reveal(), message).Value.Span, Value.Span);

    private static byte[] Digest(HashType type, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        if (second.IsEmpty)
            return type switch
            {
                HashType.Sha256 => SHA256.HashData(first),
                HashType.Sha384 => SHA384.HashData(first),
                _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a hash."),
            };
        using var hash = IncrementalHash.CreateHash(type switch
        {
            HashType.Sha256 => HashAlgorithmName.SHA256,
            HashType.Sha384 => HashAlgorithmName.SHA384,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a hash."),
        });
        hash.AppendData(first);
        hash.AppendData(second);
        return hash.GetHashAndReset();
    }

    /// <summary>By type and value, whatever the encoding.</summary>
    public bool Equals(FdoHash? other) => other is not null && Type == other.Type && CryptographicOperations.FixedTimeEquals(Value.Span, other.Value.Span);
    public override bool Equals(object? obj) => Equals(obj as FdoHash);
    public override int GetHashCode() => HashCode.Combine(Type, Value.Length, Value.Length > 3 ? Value.Span[0] | Value.Span[1] << 8 | Value.Span[2] << 16 : 0);
    public override string ToString() => $"{Name(Type)} {Convert.ToHexStringLower(Value.Span)}";
}
