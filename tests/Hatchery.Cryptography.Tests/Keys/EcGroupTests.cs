using System.Numerics;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Cryptography.Tests.Keys;

public class EcGroupTests
{
    public static TheoryData<string> Curves() => ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35", "1.3.36.3.3.2.8.1.1.7", "1.3.36.3.3.2.8.1.1.11", "1.3.36.3.3.2.8.1.1.13"];

    [Theory]
    [MemberData(nameof(Curves))]
    public void Sums_of_scalars_and_of_points_agree(string oid)
    {
        var group = EcGroup.Of(ECCurve.CreateFromValue(oid));
        for (int i = 0; i < 8; i++)
        {
            using var a = EcAgreement.Generate(group.Curve);
            using var b = EcAgreement.Generate(group.Curve);
            using var x = a.ExportScalar();
            using var y = b.ExportScalar();
            byte[] sum = group.Add(a.PublicPoint.Span, b.PublicPoint.Span);
            Assert.Equal(sum, group.MultiplyBase(group.AddScalars(x.Reveal(), y.Reveal())));
            Assert.Equal(a.PublicPoint.ToArray(), group.Subtract(sum, b.PublicPoint.Span));
            Assert.Equal(a.Agree(b.PublicPoint.Span), group.Multiply(x.Reveal(), b.PublicPoint.Span)[1..(1 + group.Width)]);
            Assert.Equal(sum, group.Decompress(EcGroup.Compress(sum)));
            Assert.Throws<CryptographicException>(() => group.Subtract(sum, sum));
        }
    }

    [Theory]
    [MemberData(nameof(Curves))]
    public void Nothing_off_the_curve_is_a_point(string oid)
    {
        var group = EcGroup.Of(ECCurve.CreateFromValue(oid));
        using var key = EcAgreement.Generate(group.Curve);
        byte[] point = key.PublicPoint.ToArray();
        Assert.True(group.IsPoint(point));
        point[^1] ^= 1;
        Assert.False(group.IsPoint(point));
        Assert.False(group.IsPoint([0]));
        Assert.False(group.IsPoint(point.AsSpan(0, 1 + group.Width)));
        Assert.Throws<CryptographicException>(() => group.Multiply([.. new byte[group.Width - 1], 2], point));
        Assert.Throws<CryptographicException>(() => group.MultiplyBase(new byte[group.Width]));
    }

    [Fact]
    public void A_private_key_ends_below_the_order()
    {
        foreach (var curve in NativeCurve.All)
        {
            Assert.Equal(curve.Width, curve.Order.Length);
            var last = new BigInteger(curve.Order, isUnsigned: true, isBigEndian: true) - 1;
            byte[] scalar = last.ToByteArray(isUnsigned: true, isBigEndian: true);
            using var key = EcAgreement.FromPrivate(curve.Curve, [.. new byte[curve.Width - scalar.Length], .. scalar]);
            Assert.Throws<CryptographicException>(() => EcAgreement.FromPrivate(curve.Curve, curve.Order));
        }
    }
}
