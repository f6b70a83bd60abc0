using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class ChanceTests
{
    // RFC 6979 A.2.5, A.2.6, A.2.7: the message "sample".
    public static TheoryData<string, string, string, string> Rfc6979() => new()
    {
        { "nistP256", "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "SHA256",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8" },
        { "nistP384", "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5", "SHA384",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46"
            + "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8" },
        { "nistP521", "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538", "SHA512",
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA"
            + "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A" },
    };

    [Theory]
    [MemberData(nameof(Rfc6979))]
    public void A_seeded_signature_is_that_of_RFC_6979(string curve, string d, string hash, string rs)
    {
        using var key = ECDsa.Create(new ECParameters { Curve = ECCurve.CreateFromFriendlyName(curve), D = Convert.FromHexString(d) });
        var signer = new SeededChance("x").Signer(key, "use");
        var ledger = new Dictionary<string, int>();
        var before = OperationMeter.Charge(ledger);
        var signature = signer.SignData("sample"u8.ToArray(), new HashAlgorithmName(hash));
        Assert.Equal(rs, Convert.ToHexString(signature));
        Assert.True(signer.VerifyData("sample"u8.ToArray(), signature, new HashAlgorithmName(hash)));
        Assert.Equal(rs, Convert.ToHexString(signer.SignData("sample"u8, new HashAlgorithmName(hash), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)));
        OperationMeter.Charge(before);
        Assert.Equal(2, ledger["sign P-" + curve[^3..]]);
        Assert.Equal(1, ledger["verify P-" + curve[^3..]]);
        Assert.True(key.VerifyData("sample"u8, signature, new HashAlgorithmName(hash)));
    }

    [Fact]
    public void A_seeded_certificate_repeats()
    {
        static byte[] Make()
        {
            var key = new SeededChance("ca").NewSigningKey(ECCurve.NamedCurves.nistP256, "ca.key");
            var request = new CertificateRequest("CN=duck", key, HashAlgorithmName.SHA256);
            return request.Create(request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(1), [1]).RawData;
        }
        Assert.Equal(Make(), Make());
    }

    [Fact]
    public void What_a_use_gets_does_not_depend_on_other_uses()
    {
        SeededChance one = new("seed"), two = new("seed"), other = new("other");
        var (a1, b1, a2) = (one.Bytes(40, "a"), one.Bytes(16, "b"), one.Bytes(40, "a"));
        Assert.Equal(b1, two.Bytes(16, "b"));
        Assert.Equal(a1, two.Bytes(40, "a"));
        Assert.Equal(a2, two.Bytes(40, "a"));
        Assert.NotEqual(a1, a2);
        Assert.NotEqual(a1, other.Bytes(40, "a"));
    }

    [Fact]
    public void Seeded_keys_agree_and_repeat()
    {
        var ledger = new Dictionary<string, int>();
        var before = OperationMeter.Charge(ledger);
        foreach (var curve in (ECCurve[])[ECCurve.NamedCurves.nistP256, ECCurve.NamedCurves.nistP384, ECCurve.NamedCurves.nistP521])
        {
            using var a = new SeededChance("1").NewAgreementKey(curve, "a");
            using var again = new SeededChance("1").NewAgreementKey(curve, "a");
            using var b = new SeededChance("1").NewAgreementKey(curve, "b");
            Assert.Equal(a.PublicPoint.ToArray(), again.PublicPoint.ToArray());
            Assert.NotEqual(a.PublicPoint.ToArray(), b.PublicPoint.ToArray());
            Assert.Equal(a.Agree(b.PublicPoint.Span), b.Agree(a.PublicPoint.Span));
        }
        OperationMeter.Charge(before);
        Assert.Equal((3, 2), (ledger["generate P-256"], ledger["agree P-384"]));
    }

    [Fact]
    public void A_vector_supplies_by_name_and_says_what_does_not_fit()
    {
        var chance = new RecordedChance().Add("nonce", [1, 2], [3, 4]).Add("other", [5]);
        Assert.Equal([5], chance.Bytes(1, "other"));
        Assert.Equal([1, 2], chance.Bytes(2, "nonce"));
        Assert.Contains("not drawn", Assert.Throws<RecordedChanceException>(chance.AssertUsed).Message, StringComparison.Ordinal);
        Assert.Equal("nonce", Assert.Throws<RecordedChanceException>(() => chance.Bytes(3, "nonce")).Use);
        Assert.Contains("more", Assert.Throws<RecordedChanceException>(() => chance.Bytes(1, "other")).Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("no value", Assert.Throws<RecordedChanceException>(() => chance.Bytes(1, "unheard")).Message, StringComparison.Ordinal);
        Assert.Throws<RecordedChanceException>(() => new RecordedChance().Add("k", [1]).NewAgreementKey(ECCurve.NamedCurves.nistP256, "k"));
        chance.AssertUsed();
    }

    [Fact]
    public void A_recorded_signature_is_returned_only_over_what_was_signed()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var signature = key.SignData("message"u8, HashAlgorithmName.SHA256);
        var right = new RecordedChance().Add("sig", signature);
        using var publicHalf = ECDsa.Create(key.ExportParameters(false));
        Assert.Equal(signature, right.Signer(publicHalf, "sig").SignData("message"u8, HashAlgorithmName.SHA256));
        right.AssertUsed();
        var wrong = new RecordedChance().Add("sig", signature);
        Assert.Contains("not one over", Assert.Throws<RecordedChanceException>(() => wrong.Signer(publicHalf, "sig").SignData("massage"u8, HashAlgorithmName.SHA256)).Message, StringComparison.Ordinal);
        Assert.Throws<RecordedChanceException>(() => new RecordedChance().Signer(publicHalf, "sig").SignData("message"u8, HashAlgorithmName.SHA256));
    }
}
