using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>RSAES-OAEP (RFC 8017 section 7.1) with SHA-256, MGF1 with SHA-256 and an empty label. Encryption draws its seed by name, which the
/// platform's does not let us; decryption is the platform's, with one error for all that may be wrong.</summary>
public static class RsaOaep
{
    private const int Hash = 32;

    /// <param name="use">The name under which the seed is drawn.</param>
    /// <returns>As long as the modulus.</returns>
    public static byte[] Encrypt(RSA publicKey, ReadOnlySpan<byte> message, Chance chance, string use)
    {
        var parameters = publicKey.ExportParameters(false);
        int width = parameters.Modulus!.Length;
        if (message.Length > width - 2 * Hash - 2)
            throw new ArgumentException($"At most {width - 2 * Hash - 2} bytes can be encrypted.", nameof(message));
        OperationMeter.Count($"encrypt RSA-{publicKey.KeySize}");
        // 00, masked seed, masked DB; DB is the label's hash, zeros, 01, message.
        var block = new byte[width];
        Span<byte> seed = block.AsSpan(1, Hash), data = block.AsSpan(1 + Hash);
        SHA256.HashData([], data);
        data[^(message.Length + 1)] = 1;
        message.CopyTo(data[^message.Length..]);
        chance.Fill(seed, use);
        Mask(seed, data);
        Mask(data, seed);
        try
        {
            return ModularGroup.RsaPublic(parameters.Modulus, parameters.Exponent, block);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
        }
    }

    /// <summary>Null if it is not decrypted, whatever the reason.</summary>
    public static byte[]? Decrypt(RSA privateKey, ReadOnlySpan<byte> ciphertext)
    {
        try
        {
            return ciphertext.Length == (privateKey.KeySize + 7) / 8 ? privateKey.Decrypt(ciphertext.ToArray(), RSAEncryptionPadding.OaepSHA256) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>MGF1 of the seed, XORed onto the bytes.</summary>
    private static void Mask(ReadOnlySpan<byte> seed, Span<byte> bytes)
    {
        Span<byte> input = stackalloc byte[512 + 4], mask = stackalloc byte[Hash];
        input = input[..(seed.Length + 4)];
        seed.CopyTo(input);
        for (int counter = 0, at = 0; at < bytes.Length; counter++, at += Hash)
        {
            BinaryPrimitives.WriteInt32BigEndian(input[seed.Length..], counter);
            SHA256.HashData(input, mask);
            for (int i = 0; i < Hash && at + i < bytes.Length; i++)
                bytes[at + i] ^= mask[i];
        }
        CryptographicOperations.ZeroMemory(input);
        CryptographicOperations.ZeroMemory(mask);
    }
}
