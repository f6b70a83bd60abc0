using System.Security.Cryptography;
using CsCheck;

namespace Hatchery.Cryptography.Tests.Keys;

public sealed class EcAgreementTests
{
    private static byte[] Hex(string hex) => Convert.FromHexString(hex);

    /// <summary>RFC 5903, sections 8.1 and 8.2: i, gi, r, gr, girx.</summary>
    public static TheoryData<string, string, string, string, string, string> Published => new()
    {
        { "nistP256", "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
            "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180" + "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
            "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
            "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63" + "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
            "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE" },
        { "nistP384", "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
            "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA"
                + "9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
            "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
            "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571"
                + "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
            "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746" },
    };

    [Theory, MemberData(nameof(Published))]
    public void Published_agreements_come_out(string curveName, string i, string gi, string r, string gr, string girx)
    {
        var curve = ECCurve.CreateFromFriendlyName(curveName);
        using var initiator = EcAgreement.FromPrivate(curve, Hex(i));
        using var responder = EcAgreement.FromPrivate(curve, Hex(r));
        Assert.Equal("04" + gi, Convert.ToHexString(initiator.PublicPoint.Span));
        Assert.Equal("04" + gr, Convert.ToHexString(responder.PublicPoint.Span));
        Assert.Equal(girx, Convert.ToHexString(initiator.Agree(Hex("04" + gr))));
        Assert.Equal(girx, Convert.ToHexString(responder.Agree(Hex("04" + gi))));
        using var scalar = initiator.ExportScalar();
        Assert.Equal(i, Convert.ToHexString(scalar.Reveal()));
    }

    [Theory, InlineData("nistP256", 200), InlineData("nistP384", 20), InlineData("nistP521", 40)]
    public void Base_library_and_we_agree(string curveName, int runs)
    {
        var curve = ECCurve.CreateFromFriendlyName(curveName);
        for (int i = 0; i < runs; i++)
        {
            using var theirs = ECDiffieHellman.Create(curve);
            using var ours = EcAgreement.Generate(curve);
            using var scalar = ours.ExportScalar();
            using var restored = EcAgreement.FromPrivate(curve, scalar.Reveal());
            var q = theirs.ExportParameters(false).Q;
            var (x, y) = UncompressedPoint.Split(ours.PublicPoint);
            using var peer = ECDiffieHellman.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = x.ToArray(), Y = y.ToArray() } });
            byte[] expected = theirs.DeriveRawSecretAgreement(peer.PublicKey);
            byte[] point = UncompressedPoint.Encode(q.X, q.Y, scalar.Length);
            Assert.Equal(expected, ours.Agree(point));
            Assert.Equal(expected, restored.Agree(point));
            Assert.Equal(ours.PublicPoint.ToArray(), restored.PublicPoint.ToArray());
        }
    }

    // y of the point with x = 0: a square root of b. 0 and p are the same number, but only 0 is an encoding of it.
    private const string RootOfB = "66485C780E2F83D72433BD5D84A06BB6541C2AF31DAE871728BF856A174F93F4";
    private const string Zero = "0000000000000000000000000000000000000000000000000000000000000000";
    private const string Prime = "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF";
    private const string G = "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296" + "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("04")]
    [InlineData("02" + "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296")]
    [InlineData("04" + Zero + Zero)]
    [InlineData("00" + Zero + Zero)]
    [InlineData("07" + G)]
    [InlineData("04" + G + "00")]
    [InlineData("04" + Prime + RootOfB)]
    [InlineData("04" + "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296" + "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F4")]
    public void What_is_no_point_of_the_curve_is_refused(string point)
    {
        using var key = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        Assert.Throws<CryptographicException>(() => key.Agree(Hex(point)));
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPublicPoint(ECCurve.NamedCurves.nistP256, Hex(point)));
        Assert.Equal(32, key.Agree(Hex("04" + G)).Length);
        Assert.Equal(32, key.Agree(Hex("04" + Zero + RootOfB)).Length);
    }

    [Fact]
    public void A_point_of_another_curve_is_refused()
    {
        using var p256 = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        using var p384 = EcAgreement.Generate(ECCurve.NamedCurves.nistP384);
        Assert.Throws<CryptographicException>(() => p256.Agree(p384.PublicPoint.Span));
        Assert.Throws<CryptographicException>(() => p384.Agree(p256.PublicPoint.Span));
    }

    [Fact]
    public void Points_with_a_changed_byte_are_refused()
    {
        using var key = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        using var peer = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        Gen.Select(Gen.Int[0, 64], Gen.Byte[1, 255]).Sample((at, change) =>
        {
            byte[] point = peer.PublicPoint.ToArray();
            point[at] ^= change;
            // A changed x has an even chance to belong to a point, but not with this y; a changed y never does, but for -y.
            Assert.Throws<CryptographicException>(() => key.Agree(point));
        }, iter: 500, threads: 1);
    }

    [Theory]
    [InlineData(Zero)]
    [InlineData("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551")]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF")]
    [InlineData("01")]
    [InlineData("")]
    public void A_scalar_outside_its_range_is_refused(string scalar) =>
        Assert.Throws<CryptographicException>(() => EcAgreement.FromPrivate(ECCurve.NamedCurves.nistP256, Hex(scalar)));

    [Fact]
    public void The_smallest_and_the_largest_scalar_are_keys()
    {
        using var one = EcAgreement.FromPrivate(ECCurve.NamedCurves.nistP256, Hex(Zero[..^1] + "1"));
        using var last = EcAgreement.FromPrivate(ECCurve.NamedCurves.nistP256, Hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632550"));
        Assert.Equal("04" + G, Convert.ToHexString(one.PublicPoint.Span));
        Assert.Equal(G[..64], Convert.ToHexString(last.PublicPoint.Span[1..33]));
        Assert.NotEqual(G[64..], Convert.ToHexString(last.PublicPoint.Span[33..]));
    }

    [Fact]
    public void Other_curves_are_refused()
    {
        Assert.Throws<CryptographicException>(() => EcAgreement.Generate(ECCurve.NamedCurves.brainpoolP320r1));
        Assert.Throws<CryptographicException>(() => SigningKeys.Generate(ECCurve.CreateFromValue("1.3.132.0.10")));
        using var bcl = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Throws<CryptographicException>(() => SigningKeys.Generate(bcl.ExportExplicitParameters(false).Curve));
        Assert.Equal(66, UncompressedPoint.CoordinateLength(ECCurve.NamedCurves.nistP521));
    }

    [Fact]
    public void A_key_that_was_disposed_says_so()
    {
        var key = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Agree(Hex("04" + G)));
    }

    [Fact]
    public void Points_are_padded_on_the_left_and_split_in_the_middle()
    {
        byte[] point = UncompressedPoint.Encode([1], [2, 3], 4);
        Assert.Equal("040000000100000203", Convert.ToHexString(point));
        var (x, y) = UncompressedPoint.Split(point);
        Assert.Equal("00000001", Convert.ToHexString(x.Span));
        Assert.Equal("00000203", Convert.ToHexString(y.Span));
        Assert.Throws<CryptographicException>(() => UncompressedPoint.Encode([1, 2, 3], [], 2));
        Assert.Throws<CryptographicException>(() => UncompressedPoint.Split(point.AsMemory(1)));
        Assert.Throws<CryptographicException>(() => UncompressedPoint.Split(point.AsMemory(0, 8)));
    }

    [Fact]
    public void A_missing_library_is_named() =>
        Assert.Contains("libcrypto.so.none", Assert.Throws<PlatformNotSupportedException>(() => LibCrypto.Load("libcrypto.so.none")).Message, StringComparison.Ordinal);
}
