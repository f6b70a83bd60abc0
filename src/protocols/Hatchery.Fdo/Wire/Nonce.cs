using System.Formats.Cbor;
using System.Security.Cryptography;

namespace Hatchery.Fdo;

/// <summary>16 bytes, random.</summary>
public readonly struct Nonce(ReadOnlyMemory<byte> value) : IEquatable<Nonce>
{
    public const int Size = 16;

    public ReadOnlyMemory<byte> Value { get; } = value;

    /// <param name="use">"TO2.NonceTO2ProveDv".</param>
    public static Nonce Draw(Chance chance, string use) => new(chance.Bytes(Size, use));

    public void Write(CborWriter writer) => writer.WriteByteString(Value.Span);
    public bool Equals(Nonce other) => CryptographicOperations.FixedTimeEquals(Value.Span, other.Value.Span);
    public override bool Equals(object? obj) => obj is Nonce other && Equals(other);
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Value.Span);
        return hash.ToHashCode();
    }
    public static bool operator ==(Nonce left, Nonce right) => left.Equals(right);
    public static bool operator !=(Nonce left, Nonce right) => !left.Equals(right);
    public override string ToString() => Convert.ToHexStringLower(Value.Span);
}
