using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>AES key wrap (RFC 3394), and the key derivation of ANSI X9.63 (SEC 1, section 3.6.1).</summary>
internal static class KeyWrap
{
    private const ulong Check = 0xA6A6A6A6A6A6A6A6;

    /// <param name="plain">A multiple of 8 bytes, at least 16.</param>
    public static byte[] Wrap(ReadOnlySpan<byte> kek, ReadOnlySpan<byte> plain)
    {
        using var aes = Aes.Create();
        aes.SetKey(kek);
        int n = plain.Length / 8;
        byte[] result = new byte[plain.Length + 8];
        plain.CopyTo(result.AsSpan(8));
        Span<byte> block = stackalloc byte[16];
        ulong a = Check;
        for (int j = 0; j < 6; j++)
            for (int i = 1; i <= n; i++)
            {
                BinaryPrimitives.WriteUInt64BigEndian(block, a);
                result.AsSpan(8 * i, 8).CopyTo(block[8..]);
                aes.EncryptEcb(block, block, PaddingMode.None);
                a = BinaryPrimitives.ReadUInt64BigEndian(block) ^ (ulong)(n * j + i);
                block[8..].CopyTo(result.AsSpan(8 * i));
            }
        BinaryPrimitives.WriteUInt64BigEndian(result, a);
        CryptographicOperations.ZeroMemory(block);
        return result;
    }

    /// <returns>Null: another key, or altered.</returns>
    public static byte[]? Unwrap(ReadOnlySpan<byte> kek, ReadOnlySpan<byte> wrapped)
    {
        if (wrapped.Length is < 24 or > 72 || wrapped.Length % 8 != 0)
            return null;
        using var aes = Aes.Create();
        aes.SetKey(kek);
        int n = wrapped.Length / 8 - 1;
        byte[] result = wrapped[8..].ToArray();
        Span<byte> block = stackalloc byte[16];
        ulong a = BinaryPrimitives.ReadUInt64BigEndian(wrapped);
        for (int j = 5; j >= 0; j--)
            for (int i = n; i >= 1; i--)
            {
                BinaryPrimitives.WriteUInt64BigEndian(block, a ^ (ulong)(n * j + i));
                result.AsSpan(8 * i - 8, 8).CopyTo(block[8..]);
                aes.DecryptEcb(block, block, PaddingMode.None);
                a = BinaryPrimitives.ReadUInt64BigEndian(block);
                block[8..].CopyTo(result.AsSpan(8 * i - 8));
            }
        CryptographicOperations.ZeroMemory(block);
        Span<byte> check = stackalloc byte[8];
        Span<byte> expected = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(check, a);
        BinaryPrimitives.WriteUInt64BigEndian(expected, Check);
        if (CryptographicOperations.FixedTimeEquals(check, expected))
            return result;
        CryptographicOperations.ZeroMemory(result);
        return null;
    }

    public static byte[] X963(HashAlgorithmName hash, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> sharedInfo, int length)
    {
        byte[] key = new byte[length];
        byte[] input = [.. secret, 0, 0, 0, 0, .. sharedInfo];
        int at = 0;
        for (int counter = 1; at < length; counter++)
        {
            BinaryPrimitives.WriteInt32BigEndian(input.AsSpan(secret.Length), counter);
            byte[] block = CryptographicOperations.HashData(hash, input);
            int take = Math.Min(block.Length, length - at);
            block.AsSpan(0, take).CopyTo(key.AsSpan(at));
            CryptographicOperations.ZeroMemory(block);
            at += take;
        }
        CryptographicOperations.ZeroMemory(input);
        return key;
    }

    /// <returns>Bytes of key; 0: not a key wrap known here.</returns>
    public static int KeyLength(string oid) => oid switch
    {
        Oids.Aes128Wrap or Oids.Aes128Cbc or Oids.Aes128Gcm => 16,
        Oids.Aes192Wrap or Oids.Aes192Cbc or Oids.Aes192Gcm => 24,
        Oids.Aes256Wrap or Oids.Aes256Cbc or Oids.Aes256Gcm => 32,
        _ => 0,
    };
}
