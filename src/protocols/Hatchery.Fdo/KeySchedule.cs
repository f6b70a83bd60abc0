using System.Security.Cryptography;

namespace Hatchery.Fdo;

/// <summary>The key derivation of TO2 (FDO 1.1 §3.6.4): NIST SP 800-108 in counter mode.</summary>
public static class KeySchedule
{
    /// <summary>K(i) = PRF(ShSe, i || "FIDO-KDF" || 00 || "AutomaticOnboardTunnel" || ContextRand || L), i one byte, L two bytes and in bits.</summary>
    /// <param name="prf">SHA256 or SHA384: the hash of the HMAC.</param>
    /// <param name="bits">L; a multiple of 8, at most 65535.</param>
    public static byte[] Derive(HashAlgorithmName prf, ReadOnlySpan<byte> shSe, ReadOnlySpan<byte> contextRand, int bits)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, ushort.MaxValue);
        int block = prf == HashAlgorithmName.SHA384 ? 48 : 32, length = bits / 8, blocks = (length + block - 1) / block;
        var label = "FIDO-KDF\0AutomaticOnboardTunnel"u8;
        var input = new byte[1 + label.Length + contextRand.Length + 2];
        label.CopyTo(input.AsSpan(1));
        contextRand.CopyTo(input.AsSpan(1 + label.Length));
        input[^2] = (byte)(bits >> 8);
        input[^1] = (byte)bits;
        Span<byte> output = stackalloc byte[48];
        var result = new byte[length];
        for (int i = 1; i <= blocks; i++)
        {
            input[0] = (byte)i;
            if (block == 48)
                HMACSHA384.HashData(shSe, input, output);
            else
                HMACSHA256.HashData(shSe, input, output);
            int at = (i - 1) * block;
            output[..Math.Min(block, length - at)].CopyTo(result.AsSpan(at));
        }
        CryptographicOperations.ZeroMemory(output);
        CryptographicOperations.ZeroMemory(input);
        return result;
    }
}
