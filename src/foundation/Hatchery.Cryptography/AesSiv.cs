using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>AES-SIV (RFC 5297): authenticated encryption that repeats for the same input. The key has 32, 48 or 64 bytes, the first half for CMAC and the second
/// for CTR. How many components of associated data there are matters, and an empty one counts.</summary>
public sealed class AesSiv : IDisposable
{
    private const int Block = 16;
    private readonly Aes _mac, _counter;

    /// <exception cref="CryptographicException">The key has another length.</exception>
    public AesSiv(ReadOnlySpan<byte> key)
    {
        if (key.Length is not (32 or 48 or 64))
            throw new CryptographicException("A key of AES-SIV has 32, 48 or 64 bytes.");
        _mac = Cipher(key[..(key.Length / 2)]);
        _counter = Cipher(key[(key.Length / 2)..]);

        static Aes Cipher(ReadOnlySpan<byte> half)
        {
            var aes = Aes.Create();
            aes.SetKey(half);
            return aes;
        }
    }

    /// <summary>The synthetic IV (16 bytes) and the ciphertext.</summary>
    public byte[] Seal(ReadOnlySpan<byte> plain, params ReadOnlySpan<ReadOnlyMemory<byte>> associated)
    {
        byte[] result = new byte[Block + plain.Length];
        S2V(plain, associated, result);
        Ctr(result.AsSpan(0, Block), plain, result.AsSpan(Block));
        return result;
    }

    /// <summary>False: it was not sealed under this key with this associated data; nothing of the plaintext comes out then.</summary>
    public bool TryOpen(ReadOnlySpan<byte> sealedBytes, out byte[] plain, params ReadOnlySpan<ReadOnlyMemory<byte>> associated)
    {
        plain = [];
        if (sealedBytes.Length < Block)
            return false;
        byte[] opened = new byte[sealedBytes.Length - Block];
        Ctr(sealedBytes[..Block], sealedBytes[Block..], opened);
        Span<byte> expected = stackalloc byte[Block];
        S2V(opened, associated, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, sealedBytes[..Block]))
        {
            CryptographicOperations.ZeroMemory(opened);
            return false;
        }
        plain = opened;
        return true;
    }

    private void S2V(ReadOnlySpan<byte> plain, ReadOnlySpan<ReadOnlyMemory<byte>> associated, Span<byte> into)
    {
        Span<byte> d = stackalloc byte[Block], mac = stackalloc byte[Block];
        d.Clear();
        Cmac(d, d);
        foreach (var component in associated)
        {
            Cmac(component.Span, mac);
            Double(d);
            Xor(d, mac);
        }
        byte[] last = new byte[Math.Max(plain.Length, Block)];
        plain.CopyTo(last);
        if (plain.Length >= Block)
            Xor(last.AsSpan(last.Length - Block), d);
        else
        {
            last[plain.Length] = 0x80;
            Double(d);
            Xor(last, d);
        }
        Cmac(last, into[..Block]);
        CryptographicOperations.ZeroMemory(last);
    }

    /// <summary>RFC 4493: CBC over the whole message in one call; its last block is the MAC.</summary>
    private void Cmac(ReadOnlySpan<byte> message, Span<byte> mac)
    {
        Span<byte> subkey = stackalloc byte[Block];
        subkey.Clear();
        _mac.EncryptEcb(subkey, subkey, PaddingMode.None);
        Double(subkey);
        int blocks = Math.Max(1, (message.Length + Block - 1) / Block);
        byte[] work = new byte[blocks * Block];
        message.CopyTo(work);
        if (message.Length != work.Length)
        {
            work[message.Length] = 0x80;
            Double(subkey);
        }
        Xor(work.AsSpan(work.Length - Block), subkey);
        Span<byte> zero = stackalloc byte[Block];
        zero.Clear();
        byte[] chained = new byte[work.Length];
        _mac.EncryptCbc(work, zero, chained, PaddingMode.None);
        chained.AsSpan(chained.Length - Block).CopyTo(mac);
        CryptographicOperations.ZeroMemory(work);
    }

    /// <summary>Counter mode from the IV with bits 31 and 63 cleared (section 2.5).</summary>
    private void Ctr(ReadOnlySpan<byte> iv, ReadOnlySpan<byte> input, Span<byte> output)
    {
        int blocks = (input.Length + Block - 1) / Block;
        if (blocks == 0)
            return;
        byte[] stream = new byte[blocks * Block];
        Span<byte> counter = stackalloc byte[Block];
        iv.CopyTo(counter);
        counter[8] &= 0x7f;
        counter[12] &= 0x7f;
        for (int i = 0; i < blocks; i++)
        {
            counter.CopyTo(stream.AsSpan(i * Block));
            for (int at = Block - 1; at >= 0 && ++counter[at] == 0; at--)
            {
            }
        }
        _counter.EncryptEcb(stream, stream, PaddingMode.None);
        for (int i = 0; i < input.Length; i++)
            output[i] = (byte)(input[i] ^ stream[i]);
        CryptographicOperations.ZeroMemory(stream);
    }

    /// <summary>Multiplication by x in GF(2^128), without a branch on the value.</summary>
    private static void Double(Span<byte> block)
    {
        int carry = block[0] >> 7;
        for (int i = 0; i < Block - 1; i++)
            block[i] = (byte)(block[i] << 1 | block[i + 1] >> 7);
        block[Block - 1] = (byte)(block[Block - 1] << 1 ^ 0x87 & -carry);
    }

    private static void Xor(Span<byte> into, ReadOnlySpan<byte> with)
    {
        for (int i = 0; i < Block; i++)
            into[i] ^= with[i];
    }

    public void Dispose()
    {
        _mac.Dispose();
        _counter.Dispose();
    }
}
