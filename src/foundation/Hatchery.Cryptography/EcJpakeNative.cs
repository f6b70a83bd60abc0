using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>A BIGNUM, cleared when freed.</summary>
internal sealed class BigNumber : SafeHandle
{
    public BigNumber() : base(0, true) { }
    public override bool IsInvalid => handle == 0;
    protected override bool ReleaseHandle()
    {
        LibCrypto.BN_clear_free(handle);
        return true;
    }
}

/// <summary>An EC_POINT, cleared when freed.</summary>
internal sealed class CurvePoint : SafeHandle
{
    public CurvePoint() : base(0, true) { }
    public override bool IsInvalid => handle == 0;
    protected override bool ReleaseHandle()
    {
        EcJpakeNative.EC_POINT_clear_free(handle);
        return true;
    }
}

/// <summary>Arithmetic on P-256 for EC-JPAKE. libcrypto's code for this curve takes constant time over scalars; numbers modulo the order are multiplied in
/// Montgomery form, which takes constant time too.</summary>
internal static unsafe partial class EcJpakeNative
{
    public const int Width = 32, PointLength = 65;
    private const int P256 = 415;

    private static readonly Lazy<(nint Group, nint Order, nint Montgomery)> s_curve = new(MakeCurve);

    private static (nint, nint, nint) MakeCurve()
    {
        LibCrypto.Require();
        nint group = LibCrypto.EC_GROUP_new_by_curve_name(P256);
        nint order = group == 0 ? 0 : EC_GROUP_get0_order(group);
        nint montgomery = BN_MONT_CTX_new();
        nint scratch = BN_CTX_new();
        bool done = order != 0 && montgomery != 0 && BN_MONT_CTX_set(montgomery, order, scratch) == 1;
        BN_CTX_free(scratch);
        return done ? (group, order, montgomery) : throw LibCrypto.Failure("The curve P-256 is not known to libcrypto.");
    }

    /// <summary>Big endian, reduced modulo the order.</summary>
    public static BigNumber Scalar(ReadOnlySpan<byte> bytes)
    {
        var (_, order, _) = s_curve.Value;
        var number = NativeCurve.Made(BN_new());
        using var whole = NativeCurve.Made(BN_new());
        bool done;
        nint scratch = BN_CTX_new();
        fixed (byte* b = bytes)
            done = BN_bin2bn(b, bytes.Length, whole.DangerousGetHandle()) != 0 && BN_nnmod(number, whole, order, scratch) == 1;
        BN_CTX_free(scratch);
        BN_set_flags(number, ConstantTime);
        return done ? number : throw LibCrypto.Failure("A number could not be made.");
    }

    public static bool IsZero(BigNumber number) => BN_is_zero(number) == 1;

    /// <summary>a * b mod n.</summary>
    public static BigNumber Multiply(BigNumber a, BigNumber b)
    {
        var (_, _, montgomery) = s_curve.Value;
        var product = NativeCurve.Made(BN_new());
        using var inForm = NativeCurve.Made(BN_new());
        nint scratch = BN_CTX_new();
        bool done = BN_to_montgomery(inForm, b, montgomery, scratch) == 1 && BN_mod_mul_montgomery(product, a, inForm, montgomery, scratch) == 1;
        BN_CTX_free(scratch);
        BN_set_flags(product, ConstantTime);
        return done ? product : throw LibCrypto.Failure("A product could not be computed.");
    }

    /// <summary>a - b mod n.</summary>
    public static BigNumber Subtract(BigNumber a, BigNumber b)
    {
        var (_, order, _) = s_curve.Value;
        var difference = NativeCurve.Made(BN_new());
        nint scratch = BN_CTX_new();
        bool done = BN_mod_sub(difference, a, b, order, scratch) == 1;
        BN_CTX_free(scratch);
        return done ? difference : throw LibCrypto.Failure("A difference could not be computed.");
    }

    /// <summary>32 bytes, big endian.</summary>
    public static void Write(BigNumber number, Span<byte> into)
    {
        fixed (byte* p = into)
        {
            if (LibCrypto.BN_bn2binpad(number.DangerousGetHandle(), p, into.Length) != into.Length)
                throw LibCrypto.Failure("A number does not fit.");
        }
        GC.KeepAlive(number);
    }

    /// <exception cref="CryptographicException">Not an uncompressed point of the curve.</exception>
    public static CurvePoint Point(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != PointLength || bytes[0] != 4)
            throw new CryptographicException("Not an uncompressed point of P-256.");
        var point = NewPoint();
        fixed (byte* b = bytes)
        {
            if (EC_POINT_oct2point(s_curve.Value.Group, point, b, PointLength, 0) == 1)
                return point;
        }
        point.Dispose();
        throw LibCrypto.Failure("The point is not on the curve P-256.");
    }

    /// <summary>scalar * at; a null point is the generator.</summary>
    public static CurvePoint Times(BigNumber scalar, CurvePoint? at)
    {
        var result = NewPoint();
        int done = at is null ? EC_POINT_mul(s_curve.Value.Group, result, scalar.DangerousGetHandle(), 0, 0, 0)
            : EC_POINT_mul(s_curve.Value.Group, result, 0, at.DangerousGetHandle(), scalar.DangerousGetHandle(), 0);
        GC.KeepAlive(scalar);
        GC.KeepAlive(at);
        return done == 1 ? result : throw LibCrypto.Failure("A multiplication on the curve failed.");
    }

    public static CurvePoint Add(CurvePoint a, CurvePoint b)
    {
        var sum = NewPoint();
        return EC_POINT_add(s_curve.Value.Group, sum, a, b, 0) == 1 ? sum : throw LibCrypto.Failure("An addition on the curve failed.");
    }

    public static void Negate(CurvePoint point)
    {
        if (EC_POINT_invert(s_curve.Value.Group, point, 0) != 1)
            throw LibCrypto.Failure("A point could not be negated.");
    }

    public static bool IsInfinity(CurvePoint point) => EC_POINT_is_at_infinity(s_curve.Value.Group, point) == 1;
    public static bool AreEqual(CurvePoint a, CurvePoint b) => EC_POINT_cmp(s_curve.Value.Group, a, b, 0) == 0;

    /// <exception cref="CryptographicException">Infinity has no such form.</exception>
    public static void Write(CurvePoint point, Span<byte> into)
    {
        fixed (byte* p = into)
        {
            if (IsInfinity(point) || LibCrypto.EC_POINT_point2oct(s_curve.Value.Group, point.DangerousGetHandle(), 4, p, PointLength, 0) != PointLength)
                throw LibCrypto.Failure("The point is infinity.");
        }
        GC.KeepAlive(point);
    }

    private static CurvePoint NewPoint() => NativeCurve.Made(EC_POINT_new(s_curve.Value.Group));

    private const int ConstantTime = 4;

    [LibraryImport(LibCrypto.File)] private static partial nint EC_GROUP_get0_order(nint group);
    [LibraryImport(LibCrypto.File)] private static partial CurvePoint EC_POINT_new(nint group);
    [LibraryImport(LibCrypto.File)] internal static partial void EC_POINT_clear_free(nint point);
    [LibraryImport(LibCrypto.File)] private static partial int EC_POINT_mul(nint group, CurvePoint result, nint scalar, nint point, nint pointScalar, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int EC_POINT_add(nint group, CurvePoint result, CurvePoint a, CurvePoint b, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int EC_POINT_invert(nint group, CurvePoint point, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int EC_POINT_is_at_infinity(nint group, CurvePoint point);
    [LibraryImport(LibCrypto.File)] private static partial int EC_POINT_cmp(nint group, CurvePoint a, CurvePoint b, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int EC_POINT_oct2point(nint group, CurvePoint point, byte* from, nuint length, nint context);
    [LibraryImport(LibCrypto.File)] private static partial BigNumber BN_new();
    [LibraryImport(LibCrypto.File)] private static partial nint BN_bin2bn(byte* from, int length, nint into);
    [LibraryImport(LibCrypto.File)] private static partial int BN_nnmod(BigNumber result, BigNumber number, nint modulus, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int BN_is_zero(BigNumber number);
    [LibraryImport(LibCrypto.File)] private static partial void BN_set_flags(BigNumber number, int flags);
    [LibraryImport(LibCrypto.File)] private static partial int BN_mod_sub(BigNumber result, BigNumber a, BigNumber b, nint modulus, nint context);
    [LibraryImport(LibCrypto.File)] private static partial nint BN_CTX_new();
    [LibraryImport(LibCrypto.File)] private static partial void BN_CTX_free(nint context);
    [LibraryImport(LibCrypto.File)] private static partial nint BN_MONT_CTX_new();
    [LibraryImport(LibCrypto.File)] private static partial int BN_MONT_CTX_set(nint montgomery, nint modulus, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int BN_to_montgomery(BigNumber result, BigNumber number, nint montgomery, nint context);
    [LibraryImport(LibCrypto.File)] private static partial int BN_mod_mul_montgomery(BigNumber result, BigNumber a, BigNumber b, nint montgomery, nint context);
}
