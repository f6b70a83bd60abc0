using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Hatchery.Dtls;

/// <summary>HMAC-SHA256 over a message whose length is a secret: time and memory accesses depend on the longest and shortest possible length only (Lucky 13;
/// docs/decisions/0011-dtls.md). That needs the compression function itself, which the platform does not offer.</summary>
internal sealed class SecretLengthMac
{
    public const int Length = 32;
    private const int Block = 64;
    private readonly uint[] _inner = new uint[8], _outer = new uint[8];

    /// <param name="key">At most 64 bytes.</param>
    public SecretLengthMac(ReadOnlySpan<byte> key)
    {
        Span<byte> pad = stackalloc byte[Block];
        pad.Clear();
        key.CopyTo(pad);
        foreach (ref byte b in pad)
            b ^= 0x36;
        s_initial.CopyTo(_inner, 0);
        Compress(_inner, pad);
        foreach (ref byte b in pad)
            b ^= 0x36 ^ 0x5C;
        s_initial.CopyTo(_outer, 0);
        Compress(_outer, pad);
        CryptographicOperations.ZeroMemory(pad);
    }

    /// <summary>Of header and the first <paramref name="length"/> bytes of data, that length being secret between <paramref name="shortest"/> and the whole.</summary>
    public void Compute(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data, int length, int shortest, Span<byte> mac)
    {
        Span<uint> state = stackalloc uint[8], result = stackalloc uint[8];
        _inner.CopyTo(state);
        result.Clear();
        Span<byte> block = stackalloc byte[Block];
        int total = header.Length + length, most = header.Length + data.Length, least = header.Length + shortest;
        int plain = least / Block, last = (most + 8) / Block, final = (total + 8) / Block;
        ulong bits = (ulong)(Block + total) * 8;
        for (int b = 0; b <= last; b++)
        {
            Gather(header, data, b * Block, block);
            if (b >= plain)
            {
                Pad(block, b * Block, total);
                uint isFinal = EqualMask(b, final);
                for (int i = 0; i < 8; i++)
                    block[Block - 8 + i] |= (byte)((uint)(bits >> (56 - 8 * i)) & isFinal);
                Compress(state, block);
                for (int i = 0; i < 8; i++)
                    result[i] |= state[i] & isFinal;
            }
            else
                Compress(state, block);
        }
        for (int i = 0; i < 8; i++)
            BinaryPrimitives.WriteUInt32BigEndian(block[(4 * i)..], result[i]);
        block[32] = 0x80;
        block[33..].Clear();
        BinaryPrimitives.WriteUInt64BigEndian(block[56..], (Block + 32) * 8);
        _outer.CopyTo(state);
        Compress(state, block);
        for (int i = 0; i < 8; i++)
            BinaryPrimitives.WriteUInt32BigEndian(mac[(4 * i)..], state[i]);
        CryptographicOperations.ZeroMemory(block);
    }

    public void Clear()
    {
        Array.Clear(_inner);
        Array.Clear(_outer);
    }

    /// <summary>The bytes from a public position on; zeros behind the end.</summary>
    private static void Gather(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data, int position, Span<byte> block)
    {
        block.Clear();
        int filled = 0;
        if (position < header.Length)
        {
            filled = Math.Min(Block, header.Length - position);
            header.Slice(position, filled).CopyTo(block);
        }
        int from = position + filled - header.Length;
        if (from < data.Length)
            data.Slice(from, Math.Min(Block - filled, data.Length - from)).CopyTo(block[filled..]);
    }

    /// <summary>Keeps what is before the secret end, puts 80 there, zeros behind it.</summary>
    private static void Pad(Span<byte> block, int position, int end)
    {
        for (int i = 0; i < Block; i++)
        {
            uint before = LessMask(position + i, end), at = EqualMask(position + i, end);
            block[i] = (byte)(block[i] & before | 0x80 & at);
        }
    }

    /// <summary>All ones if a &lt; b; both are small and not negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint LessMask(int a, int b) => (uint)((a - b) >> 31);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint EqualMask(int a, int b) => ~(LessMask(a, b) | LessMask(b, a));

    /// <summary>FIPS 180-4, section 6.2.2.</summary>
    private static void Compress(Span<uint> state, ReadOnlySpan<byte> block)
    {
        Span<uint> w = stackalloc uint[64];
        for (int t = 0; t < 16; t++)
            w[t] = BinaryPrimitives.ReadUInt32BigEndian(block[(4 * t)..]);
        for (int t = 16; t < 64; t++)
        {
            uint x = w[t - 15], y = w[t - 2];
            w[t] = w[t - 16] + (BitOperations.RotateRight(x, 7) ^ BitOperations.RotateRight(x, 18) ^ x >> 3) + w[t - 7]
                + (BitOperations.RotateRight(y, 17) ^ BitOperations.RotateRight(y, 19) ^ y >> 10);
        }
        uint a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++)
        {
            uint t1 = h + (BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25)) + (e & f ^ ~e & g) + s_rounds[t] + w[t];
            uint t2 = (BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22)) + (a & b ^ a & c ^ b & c);
            (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + t2);
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }

    private static readonly uint[] s_initial =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

    private static readonly uint[] s_rounds =
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
        0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];
}
