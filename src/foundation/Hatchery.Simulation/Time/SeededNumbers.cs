using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Simulation;

/// <summary>Numbers for faults and scripts, not for keys: xoshiro256**, state from SHA-256 of the seed. The same on every platform.</summary>
public sealed class SeededNumbers
{
    private ulong _a, _b, _c, _d;

    public SeededNumbers(string seed)
    {
        var state = SHA256.HashData(Encoding.UTF8.GetBytes(seed));
        _a = BinaryPrimitives.ReadUInt64BigEndian(state);
        _b = BinaryPrimitives.ReadUInt64BigEndian(state.AsSpan(8));
        _c = BinaryPrimitives.ReadUInt64BigEndian(state.AsSpan(16));
        _d = BinaryPrimitives.ReadUInt64BigEndian(state.AsSpan(24)) | 1;
    }

    public ulong Next()
    {
        ulong result = BitOperations.RotateLeft(_b * 5, 7) * 9, t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>From 0 up to, not including, 1.</summary>
    public double Fraction() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>From 0 up to, not including, the bound.</summary>
    public int Below(int bound) => (int)(Fraction() * bound);

    public bool Happens(double probability) => probability > 0 && Fraction() < probability;
}
