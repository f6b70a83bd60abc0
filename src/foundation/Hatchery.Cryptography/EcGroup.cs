using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Arithmetic on the points of P-256, P-384, P-521 and the brainpool curves r1 of 256, 384 and 512 bits, for protocols that need more than a key
/// agreement's x coordinate. Points are uncompressed (04, x, y), scalars big endian of the curve's width. A multiplication takes the same time for all
/// scalars: libcrypto does a single one by a ladder, or by its constant-time code for the NIST curves.</summary>
public sealed unsafe class EcGroup
{
    private const int ConstantTime = 4, Uncompressed = 4, Compressed = 2;
    private readonly NativeCurve _curve;

    private EcGroup(NativeCurve curve) => _curve = curve;

    /// <exception cref="CryptographicException">Another curve.</exception>
    public static EcGroup Of(ECCurve curve)
    {
        LibCrypto.Require();
        return new EcGroup(NativeCurve.Of(curve));
    }

    /// <summary>Bytes of a coordinate and of a scalar.</summary>
    public int Width => _curve.Width;
    public ECCurve Curve => _curve.Curve;
    /// <summary>Bytes of an uncompressed point.</summary>
    public int PointLength => _curve.PointLength;

    /// <summary>scalar * point.</summary>
    /// <exception cref="CryptographicException">Not a point of the curve, or the result is infinity.</exception>
    public byte[] Multiply(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point)
    {
        OperationMeter.Count("multiply " + _curve.Name);
        return Run(point, [], scalar, static (group, result, a, _, k) => LibCrypto.EC_POINT_mul(group, result, 0, a, k, 0));
    }

    /// <summary>scalar * G.</summary>
    /// <exception cref="CryptographicException">The result is infinity.</exception>
    public byte[] MultiplyBase(ReadOnlySpan<byte> scalar)
    {
        OperationMeter.Count("multiply " + _curve.Name);
        return Run([], [], scalar, static (group, result, _, _, k) => LibCrypto.EC_POINT_mul(group, result, k, 0, 0, 0));
    }

    /// <exception cref="CryptographicException">Not points of the curve, or the sum is infinity.</exception>
    public byte[] Add(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) =>
        Run(a, b, [], static (group, result, p, q, _) => LibCrypto.EC_POINT_add(group, result, p, q, 0));

    /// <summary>a - b.</summary>
    /// <exception cref="CryptographicException">Not points of the curve, or the difference is infinity.</exception>
    public byte[] Subtract(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => Run(a, b, [], static (group, result, p, q, _) =>
        LibCrypto.EC_POINT_invert(group, q, 0) == 1 ? LibCrypto.EC_POINT_add(group, result, p, q, 0) : 0);

    /// <summary>Whether it is an uncompressed point of the curve: coordinates below the prime, on the curve, not infinity.</summary>
    public bool IsPoint(ReadOnlySpan<byte> point)
    {
        if (point.Length != PointLength || point[0] != Uncompressed)
            return false;
        nint native = LibCrypto.EC_POINT_new(_curve.Group);
        bool valid;
        fixed (byte* p = point)
            valid = LibCrypto.EC_POINT_oct2point(_curve.Group, native, p, (nuint)point.Length, 0) == 1;
        LibCrypto.EC_POINT_free(native);
        if (!valid)
            LibCrypto.ERR_clear_error();
        return valid;
    }

    /// <param name="compressed">02 or 03, x.</param>
    /// <exception cref="CryptographicException">Another form, or there is no such point.</exception>
    public byte[] Decompress(ReadOnlySpan<byte> compressed)
    {
        if (compressed.Length != 1 + Width || compressed[0] is not (2 or 3))
            throw new CryptographicException($"Not a compressed point of {_curve.Name}.");
        return Run(compressed, [], [], static (group, result, p, _, _) => LibCrypto.EC_POINT_add(group, result, result, p, 0));
    }

    /// <summary>02 or 03 by the parity of y, then x.</summary>
    public static byte[] Compress(ReadOnlySpan<byte> point)
    {
        byte[] compressed = [.. point[..(1 + point.Length / 2)]];
        compressed[0] = (byte)(Compressed | point[^1] & 1);
        return compressed;
    }

    /// <summary>(a + b) mod n; neither branches nor looks anything up by a secret.</summary>
    /// <param name="a">Less than n.</param>
    /// <param name="b">Less than n.</param>
    public byte[] AddScalars(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        byte[] sum = new byte[Width];
        int carry = 0;
        for (int i = Width - 1; i >= 0; i--)
        {
            carry += a[i] + b[i];
            sum[i] = (byte)carry;
            carry >>= 8;
        }
        SubtractOrder(sum, carry);
        return sum;
    }

    /// <summary>A number of at most the width's bytes and less than 2n, mod n, at the curve's width: a hash as a scalar.</summary>
    public byte[] Reduce(ReadOnlySpan<byte> number)
    {
        byte[] reduced = new byte[Width];
        number.CopyTo(reduced.AsSpan(Width - number.Length));
        SubtractOrder(reduced, 0);
        return reduced;
    }

    /// <summary>Takes n off once unless that would be less than nothing.</summary>
    private void SubtractOrder(Span<byte> number, int carry)
    {
        var order = _curve.Order;
        Span<byte> less = stackalloc byte[number.Length];
        int borrow = 0;
        for (int i = number.Length - 1; i >= 0; i--)
        {
            int digit = number[i] - order[i] - borrow;
            less[i] = (byte)digit;
            borrow = digit >> 31 & 1;
        }
        // All ones if the difference is to be taken.
        int take = -(carry | borrow ^ 1);
        for (int i = 0; i < number.Length; i++)
            number[i] = (byte)(number[i] & ~take | less[i] & take);
        CryptographicOperations.ZeroMemory(less);
    }

    private delegate int Operation(nint group, nint result, nint a, nint b, nint scalar);

    private byte[] Run(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, ReadOnlySpan<byte> scalar, Operation operation)
    {
        nint group = _curve.Group;
        nint result = LibCrypto.EC_POINT_new(group), p = LibCrypto.EC_POINT_new(group), q = LibCrypto.EC_POINT_new(group), k = 0;
        try
        {
            if (result == 0 || p == 0 || q == 0)
                throw LibCrypto.Failure("libcrypto is out of memory.");
            Read(group, p, a);
            Read(group, q, b);
            fixed (byte* s = scalar)
            {
                if (!scalar.IsEmpty)
                {
                    k = LibCrypto.BN_bin2bn(s, scalar.Length, 0);
                    LibCrypto.BN_set_flags(k, ConstantTime);
                }
            }
            if (operation(group, result, p, q, k) != 1 || LibCrypto.EC_POINT_is_at_infinity(group, result) == 1)
                throw LibCrypto.Failure($"The operation on {_curve.Name} failed or ended at infinity.");
            byte[] point = new byte[PointLength];
            fixed (byte* into = point)
            {
                if (LibCrypto.EC_POINT_point2oct(group, result, Uncompressed, into, (nuint)point.Length, 0) != (nuint)point.Length)
                    throw LibCrypto.Failure("The point could not be written.");
            }
            return point;
        }
        finally
        {
            LibCrypto.EC_POINT_clear_free(result);
            LibCrypto.EC_POINT_clear_free(p);
            LibCrypto.EC_POINT_clear_free(q);
            if (k != 0)
                LibCrypto.BN_clear_free(k);
        }
    }

    private void Read(nint group, nint into, ReadOnlySpan<byte> point)
    {
        if (point.IsEmpty)
            return;
        fixed (byte* p = point)
        {
            // One byte alone would be infinity.
            if (point.Length < 1 + Width || LibCrypto.EC_POINT_oct2point(group, into, p, (nuint)point.Length, 0) != 1)
                throw LibCrypto.Failure($"Not a point of {_curve.Name}.");
        }
    }
}
