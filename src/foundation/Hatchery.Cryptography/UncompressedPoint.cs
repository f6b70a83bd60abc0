using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>A point as SEC 1, section 2.3.3, writes it without compression: 04, x, y, each coordinate of the curve's width, padded on the left.</summary>
public static class UncompressedPoint
{
    /// <summary>Bytes of a coordinate or scalar: 32, 48 or 66.</summary>
    /// <exception cref="CryptographicException">Not a supported curve.</exception>
    public static int CoordinateLength(ECCurve curve) => NativeCurve.Of(curve).Width;

    /// <exception cref="CryptographicException">A coordinate is longer than the width.</exception>
    public static byte[] Encode(ReadOnlySpan<byte> x, ReadOnlySpan<byte> y, int width)
    {
        if (x.Length > width || y.Length > width)
            throw new CryptographicException($"A coordinate is longer than {width} bytes.");
        byte[] point = new byte[1 + 2 * width];
        point[0] = 4;
        x.CopyTo(point.AsSpan(1 + width - x.Length));
        y.CopyTo(point.AsSpan(point.Length - y.Length));
        return point;
    }

    /// <summary>The two coordinates; whether the point is on a curve is not looked at.</summary>
    /// <exception cref="CryptographicException">Not 04 and two coordinates of equal length.</exception>
    public static (ReadOnlyMemory<byte> X, ReadOnlyMemory<byte> Y) Split(ReadOnlyMemory<byte> point)
    {
        if (point.Length < 3 || point.Length % 2 == 0 || point.Span[0] != 4)
            throw new CryptographicException("Not an uncompressed point.");
        int width = point.Length / 2;
        return (point.Slice(1, width), point[(1 + width)..]);
    }
}
