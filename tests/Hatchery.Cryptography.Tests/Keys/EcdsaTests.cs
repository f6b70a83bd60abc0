using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using CsCheck;

namespace Hatchery.Cryptography.Tests.Keys;

public sealed class EcdsaTests
{
    public static TheoryData<string> Curves => ["nistP256", "nistP384", "nistP521"];

    private static ECCurve Curve(string name) => ECCurve.CreateFromFriendlyName(name);
    private static byte[] Hex(string hex) => Convert.FromHexString(hex);

    /// <summary>RFC 6979, appendices A.2.5, A.2.6 and A.2.7.</summary>
    public static TheoryData<string, string, string, string, string, string, string> Published => new()
    {
        { "nistP256", "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299", "SHA256", "sample",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8" },
        { "nistP256", "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299", "SHA256", "test",
            "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367", "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083" },
        { "nistP384", "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
            "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720", "SHA256", "sample",
            "21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8FB2CD",
            "F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA0AB0" },
        { "nistP384", "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
            "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720", "SHA384", "sample",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8" },
        { "nistP521", "01894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4",
            "00493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5", "SHA512", "sample",
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A" },
    };

    [Theory, MemberData(nameof(Published))]
    public void Published_signatures_are_verified_and_changed_ones_are_not(string curve, string x, string y, string hashName, string message, string r, string s)
    {
        byte[] data = System.Text.Encoding.ASCII.GetBytes(message), signature = Hex(r + s);
        var hash = new HashAlgorithmName(hashName);
        using var key = SigningKeys.ImportPublicPoint(Curve(curve), Hex("04" + x + y));
        Assert.True(key.VerifyData(data, signature, hash));
        Assert.True(key.VerifyHash(CryptographicOperations.HashData(hash, data), signature));
        signature[^1] ^= 1;
        Assert.False(key.VerifyData(data, signature, hash));
        signature[^1] ^= 1;
        data[0] ^= 1;
        Assert.False(key.VerifyData(data, signature, hash));
    }

    [Theory, MemberData(nameof(Curves))]
    public void Base_library_and_we_verify_each_other(string curve)
    {
        using var ours = SigningKeys.Generate(Curve(curve));
        using var theirs = SigningKeys.ToBcl(ours);
        using var oursPublic = SigningKeys.ImportPublic(theirs.ExportSubjectPublicKeyInfo());
        Assert.Equal(theirs.ExportSubjectPublicKeyInfo(), ours.ExportSubjectPublicKeyInfo());
        Gen.Byte.Array[0, 100].Sample(data =>
        {
            byte[] hash = SHA512.HashData(data)[..(data.Length % 65)];
            if (hash.Length == 0)
                hash = SHA256.HashData(data);
            Assert.True(theirs.VerifyHash(hash, ours.SignHash(hash)));
            byte[] signature = theirs.SignHash(hash);
            Assert.True(oursPublic.VerifyHash(hash, signature));
            hash[0] ^= 0x80;
            Assert.False(oursPublic.VerifyHash(hash, signature));
            byte[] der = ours.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
            Assert.True(theirs.VerifyData(data, der, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
            Assert.True(oursPublic.VerifyData(data, der, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        }, iter: curve == "nistP256" ? 200 : 40, threads: 1);
    }

    [Theory, MemberData(nameof(Curves))]
    public void Both_forms_of_a_signature_hold_the_same_numbers(string curve)
    {
        int width = UncompressedPoint.CoordinateLength(Curve(curve));
        // Few significant bytes are drawn often: leading zeros are where such code breaks.
        var number = Gen.Select(Gen.Int[0, width], Gen.Byte.Array[width]).Select((zeros, bytes) => (byte[])[.. new byte[zeros], .. bytes[zeros..]]);
        Gen.Select(number, number).Sample((r, s) =>
        {
            Span<byte> der = new byte[200];
            der = der[..SignatureForms.ToDer([.. r, .. s], der)];
            var reader = new System.Formats.Asn1.AsnReader(der.ToArray(), System.Formats.Asn1.AsnEncodingRules.DER).ReadSequence();
            Assert.Equal(new BigInteger(r, true, true), reader.ReadInteger());
            Assert.Equal(new BigInteger(s, true, true), reader.ReadInteger());
            Assert.False(reader.HasData);
            byte[] back = new byte[2 * width];
            SignatureForms.ToP1363(der, back);
            Assert.Equal([.. r, .. s], back);
        }, iter: 2000, threads: 1);
    }

    [Theory, MemberData(nameof(Curves))]
    public void A_signature_of_wrong_length_or_of_nonsense_is_refused_without_an_exception(string curve)
    {
        using var key = SigningKeys.Generate(Curve(curve));
        byte[] hash = SHA256.HashData("x"u8), good = key.SignHash(hash);
        Assert.True(key.VerifyHash(hash, good));
        Assert.False(key.VerifyHash(hash, Array.Empty<byte>()));
        Assert.False(key.VerifyHash(hash, good[..^1]));
        Assert.False(key.VerifyHash(hash, good.Append((byte)0).ToArray()));
        Assert.False(key.VerifyHash(hash, new byte[good.Length]));
        Assert.False(key.VerifyHash(hash, Enumerable.Repeat((byte)0xFF, good.Length).ToArray()));
        Gen.Byte.Array[0, 150].Sample(bytes => Assert.False(key.VerifyData("x"u8.ToArray(), bytes, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)), iter: 500, threads: 1);
        Assert.True(key.VerifyHash(hash, good));
    }

    [Fact]
    public void One_key_serves_many_threads()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        using var peer = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        using var mine = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
        byte[] expected = peer.Agree(mine.PublicPoint.Span);
        int good = 0;
        using var start = new Barrier(8);
        var threads = Enumerable.Range(0, 8).Select(n => new Thread(() =>
        {
            start.SignalAndWait();
            for (int i = 0; i < 100; i++)
            {
                byte[] hash = SHA256.HashData([(byte)n, (byte)i]), signature = key.SignHash(hash);
                bool right = key.VerifyHash(hash, signature);
                hash[0] ^= 1;
                right &= !key.VerifyHash(hash, signature);
                using var ephemeral = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
                right &= ephemeral.Agree(mine.PublicPoint.Span).AsSpan().SequenceEqual(mine.Agree(ephemeral.PublicPoint.Span));
                right &= mine.Agree(peer.PublicPoint.Span).AsSpan().SequenceEqual(expected);
                if (right)
                    Interlocked.Increment(ref good);
            }
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Assert.Equal(800, good);
    }

    [Theory, MemberData(nameof(Curves))]
    public void The_base_library_takes_our_keys_for_certificates(string curve)
    {
        using var key = SigningKeys.Generate(Curve(curve));
        var request = new CertificateRequest("CN=ours", key, HashAlgorithmName.SHA256);
        using var self = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(1));
        Assert.True(self.HasPrivateKey);
        using var bare = X509CertificateLoader.LoadCertificate(self.RawData);
        using var joined = bare.CopyWithPrivateKey(key);
        using var back = joined.GetECDsaPrivateKey()!;
        Assert.True(key.VerifyData("x"u8, back.SignData("x"u8.ToArray(), HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
        var read = CertificateRequest.LoadSigningRequest(request.CreateSigningRequest(), HashAlgorithmName.SHA256);
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), read.PublicKey.ExportSubjectPublicKeyInfo());
    }

    [Theory, MemberData(nameof(Curves))]
    public void Keys_go_out_and_come_back(string curve)
    {
        using var key = SigningKeys.Generate(Curve(curve));
        byte[] signature = key.SignData("x"u8.ToArray(), HashAlgorithmName.SHA256);
        Assert.Equal(Curve(curve).Oid.Value, key.ExportParameters(false).Curve.Oid.Value);
        using var fromPkcs8 = SigningKeys.ImportPrivate(key.ExportPkcs8PrivateKey());
        using var fromPem = SigningKeys.FromPem("note\n" + key.ExportPkcs8PrivateKeyPem());
        using var fromSec1 = SigningKeys.FromPem("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + key.ExportECPrivateKeyPem());
        using var fromPublicPem = SigningKeys.FromPem(key.ExportSubjectPublicKeyInfoPem());
        foreach (var again in new[] { fromPkcs8, fromPem, fromSec1 })
        {
            Assert.Equal(key.ExportParameters(true).D, again.ExportParameters(true).D);
            Assert.True(key.VerifyData("y"u8, again.SignData("y"u8.ToArray(), HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
            Assert.True(again.VerifyData("x"u8, signature, HashAlgorithmName.SHA256));
        }
        Assert.True(fromPublicPem.VerifyData("x"u8, signature, HashAlgorithmName.SHA256));
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), fromPublicPem.ExportSubjectPublicKeyInfo());
        Span<byte> spki = new byte[200];
        Assert.True(key.TryExportSubjectPublicKeyInfo(spki, out int length));
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), spki[..length].ToArray());
        Assert.False(key.TryExportSubjectPublicKeyInfo(spki[..(length - 1)], out _));
        using var publicBcl = SigningKeys.ToBcl(fromPublicPem);
        Assert.True(publicBcl.VerifyData("x"u8, signature, HashAlgorithmName.SHA256));
    }

    [Fact]
    public void A_public_key_neither_signs_nor_gives_a_private_part_and_no_key_changes()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var publicKey = SigningKeys.ImportPublic(key.ExportSubjectPublicKeyInfo());
        Assert.Throws<CryptographicException>(() => publicKey.SignHash(new byte[32]));
        Assert.Throws<CryptographicException>(() => publicKey.ExportParameters(true));
        Assert.Throws<CryptographicException>(publicKey.ExportPkcs8PrivateKey);
        Assert.Throws<NotSupportedException>(() => key.GenerateKey(ECCurve.NamedCurves.nistP256));
        Assert.Throws<NotSupportedException>(() => key.ImportParameters(key.ExportParameters(true)));
        Assert.False(key.TrySignHash(new byte[32], new byte[63], out int written));
        Assert.Equal(0, written);
        publicKey.Dispose();
        Assert.Throws<ObjectDisposedException>(() => publicKey.VerifyHash(new byte[32], new byte[64]));
    }

    [Fact]
    public void Operations_are_counted_for_whoever_is_charged()
    {
        var ledger = new Dictionary<string, int>();
        var before = OperationMeter.Charge(ledger);
        try
        {
            using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP384);
            using var publicKey = SigningKeys.ImportPublic(key.ExportSubjectPublicKeyInfo());
            byte[] signature = key.SignData("x"u8.ToArray(), HashAlgorithmName.SHA384);
            publicKey.VerifyData("x"u8, signature, HashAlgorithmName.SHA384);
            publicKey.VerifyData("y"u8, signature, HashAlgorithmName.SHA384);
            using var a = EcAgreement.Generate(ECCurve.NamedCurves.nistP256);
            using var b = new SystemChance().NewAgreementKey(ECCurve.NamedCurves.nistP256, "test");
            a.Agree(b.PublicPoint.Span);
        }
        finally
        {
            OperationMeter.Charge(before);
        }
        SigningKeys.Generate(ECCurve.NamedCurves.nistP384).Dispose();
        Assert.Equal(new SortedDictionary<string, int>
        {
            ["agree P-256"] = 1,
            ["generate P-256"] = 2,
            ["generate P-384"] = 1,
            ["sign P-384"] = 1,
            ["verify P-384"] = 2,
        }, new SortedDictionary<string, int>(ledger));
    }
}
