using System.Security.Cryptography;

namespace Hatchery;

/// <summary>Secret bytes in memory. Compared in constant time; zeroed on dispose; prints as nothing.</summary>
public sealed class SecretBytes : IDisposable, IEquatable<SecretBytes>
{
    private readonly byte[] _value;

    public SecretBytes(ReadOnlySpan<byte> value) => _value = value.ToArray();

    public int Length => _value.Length;
    /// <summary>Not to be kept or copied.</summary>
    public ReadOnlySpan<byte> Reveal() => _value;
    public bool Equals(SecretBytes? other) => other is not null && CryptographicOperations.FixedTimeEquals(_value, other._value);
    public override bool Equals(object? obj) => Equals(obj as SecretBytes);
    /// <summary>Of the length only: a hash code of the value would leak it.</summary>
    public override int GetHashCode() => _value.Length;
    public override string ToString() => "[secret]";
    public void Dispose() => CryptographicOperations.ZeroMemory(_value);
}

/// <summary>A secret that people read or type. Prints as nothing.</summary>
public sealed class SecretText(string value) : IEquatable<SecretText>
{
    public string Reveal() => value;
    public bool Equals(SecretText? other) => other is not null && CryptographicOperations.FixedTimeEquals(
        System.Text.Encoding.UTF8.GetBytes(value), System.Text.Encoding.UTF8.GetBytes(other.Reveal()));
    public override bool Equals(object? obj) => Equals(obj as SecretText);
    public override int GetHashCode() => 0;
    public override string ToString() => "[secret]";
}

/// <summary>Seals secrets at rest, bound to where they stand.</summary>
public interface ISealer
{
    /// <param name="context">Record, key and item; opening under another context fails.</param>
    byte[] Seal(string context, ReadOnlySpan<byte> plain);
    /// <summary>Throws <see cref="CryptographicException"/> if it was not sealed by this key for this context.</summary>
    byte[] Open(string context, ReadOnlySpan<byte> sealedValue);
}

/// <summary>AES-256-GCM under a master key of 32 bytes: version (1), nonce (12), tag (16), ciphertext.</summary>
public sealed class AesGcmSealer : ISealer, IDisposable
{
    private readonly AesGcm _aes;
    private readonly Chance _chance;
    private readonly Lock _lock = new();

    public AesGcmSealer(ReadOnlySpan<byte> masterKey, Chance chance)
    {
        if (masterKey.Length != 32)
            throw new ArgumentException("A master key has 32 bytes.", nameof(masterKey));
        _aes = new AesGcm(masterKey, 16);
        _chance = chance;
    }

    public byte[] Seal(string context, ReadOnlySpan<byte> plain)
    {
        var result = new byte[1 + 12 + 16 + plain.Length];
        result[0] = 1;
        _chance.Fill(result.AsSpan(1, 12), "seal.nonce");
        lock (_lock)
            _aes.Encrypt(result.AsSpan(1, 12), plain, result.AsSpan(29), result.AsSpan(13, 16), System.Text.Encoding.UTF8.GetBytes(context));
        return result;
    }

    public byte[] Open(string context, ReadOnlySpan<byte> sealedValue)
    {
        if (sealedValue.Length < 29 || sealedValue[0] != 1)
            throw new CryptographicException($"The value sealed for {context} has an unknown form.");
        var plain = new byte[sealedValue.Length - 29];
        lock (_lock)
            _aes.Decrypt(sealedValue.Slice(1, 12), sealedValue[29..], sealedValue.Slice(13, 16), plain, System.Text.Encoding.UTF8.GetBytes(context));
        return plain;
    }

    public void Dispose() => _aes.Dispose();
}
