using System.Security.Cryptography;

namespace Hatchery.Dtls;

/// <summary>The derivations of TLS 1.2 (RFC 5246, sections 5, 6.3, 7.4.9, 8.1; RFC 7627; RFC 4279; RFC 5489).</summary>
internal static class KeySchedule
{
    public const int MasterLength = 48, VerifyDataLength = 12;

    /// <summary>PRF(secret, label, seed) = P_hash(secret, label | seed).</summary>
    public static void Prf(HashAlgorithmName hash, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> label, ReadOnlySpan<byte> seed, Span<byte> output)
    {
        int size = hash == HashAlgorithmName.SHA384 ? 48 : 32;
        int whole = size + label.Length + seed.Length;
        Span<byte> input = whole <= 512 ? stackalloc byte[whole] : new byte[whole];
        Span<byte> block = stackalloc byte[48];
        block = block[..size];
        label.CopyTo(input[size..]);
        seed.CopyTo(input[(size + label.Length)..]);
        // A(1) over label | seed; then blocks over A(i) | label | seed.
        Hmac(hash, secret, input[size..], block);
        while (true)
        {
            block.CopyTo(input);
            Hmac(hash, secret, input, block);
            int take = Math.Min(size, output.Length);
            block[..take].CopyTo(output);
            output = output[take..];
            if (output.IsEmpty)
                break;
            Hmac(hash, secret, input[..size], block);
        }
        CryptographicOperations.ZeroMemory(input);
        CryptographicOperations.ZeroMemory(block);
    }

    private static void Hmac(HashAlgorithmName hash, ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> output)
    {
        if (hash == HashAlgorithmName.SHA384)
            HMACSHA384.HashData(key, input, output);
        else
            HMACSHA256.HashData(key, input, output);
    }

    /// <summary>len16(N) | N zeros | len16(N) | PSK.</summary>
    public static byte[] PskPremaster(ReadOnlySpan<byte> psk) => PskPremaster(new byte[psk.Length], psk);

    /// <summary>len16(Z) | Z | len16(N) | PSK.</summary>
    public static byte[] PskPremaster(ReadOnlySpan<byte> z, ReadOnlySpan<byte> psk)
    {
        byte[] premaster = new byte[4 + z.Length + psk.Length];
        premaster[0] = (byte)(z.Length >> 8);
        premaster[1] = (byte)z.Length;
        z.CopyTo(premaster.AsSpan(2));
        premaster[2 + z.Length] = (byte)(psk.Length >> 8);
        premaster[3 + z.Length] = (byte)psk.Length;
        psk.CopyTo(premaster.AsSpan(4 + z.Length));
        return premaster;
    }

    public static byte[] Master(HashAlgorithmName hash, ReadOnlySpan<byte> premaster, ReadOnlySpan<byte> randoms)
    {
        byte[] master = new byte[MasterLength];
        Prf(hash, premaster, "master secret"u8, randoms, master);
        return master;
    }

    public static byte[] ExtendedMaster(HashAlgorithmName hash, ReadOnlySpan<byte> premaster, ReadOnlySpan<byte> sessionHash)
    {
        byte[] master = new byte[MasterLength];
        Prf(hash, premaster, "extended master secret"u8, sessionHash, master);
        return master;
    }

    /// <param name="randoms">Client's, then server's; here they go the other way round.</param>
    public static byte[] KeyBlock(SuiteInfo suite, ReadOnlySpan<byte> master, ReadOnlySpan<byte> randoms)
    {
        Span<byte> seed = stackalloc byte[64];
        randoms[32..].CopyTo(seed);
        randoms[..32].CopyTo(seed[32..]);
        byte[] block = new byte[suite.KeyBlockLength];
        Prf(suite.Hash, master, "key expansion"u8, seed, block);
        return block;
    }

    /// <summary>client_MAC, server_MAC, client_key, server_key, client_IV, server_IV.</summary>
    public static RecordProtection Protection(SuiteInfo suite, ReadOnlySpan<byte> block, bool ofClient, bool seals, bool encryptThenMac)
    {
        if (suite.Aead is { } aead)
        {
            var key = block.Slice(ofClient ? 0 : suite.KeyLength, suite.KeyLength);
            return new AeadProtection(aead, key, block.Slice(2 * suite.KeyLength + (ofClient ? 0 : 4), 4), seals);
        }
        return new CbcProtection(block.Slice(ofClient ? 0 : 32, 32), block.Slice(64 + (ofClient ? 0 : suite.KeyLength), suite.KeyLength), encryptThenMac,
            ofClient ? "DTLS.client_iv" : "DTLS.server_iv");
    }

    public static void VerifyData(SuiteInfo suite, ReadOnlySpan<byte> master, bool ofClient, ReadOnlySpan<byte> transcriptHash, Span<byte> into) =>
        Prf(suite.Hash, master, ofClient ? "client finished"u8 : "server finished"u8, transcriptHash, into);
}
