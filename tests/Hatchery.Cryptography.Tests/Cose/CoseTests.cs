using System.Formats.Cbor;
using System.Security.Cryptography;
using CsCheck;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Cryptography.Tests.Cose;

public sealed class CoseTests
{
    private sealed class PlatformChance : Chance
    {
        public override void Fill(Span<byte> destination, string use) => RandomNumberGenerator.Fill(destination);
        public override AgreementKey NewAgreementKey(ECCurve curve, string use) => throw new NotSupportedException();
        public override ECDsa NewSigningKey(ECCurve curve, string use) => ECDsa.Create(curve);
    }

    private static readonly Chance s_chance = new PlatformChance();

    public static TheoryData<string> Curves => ["nistP256", "nistP384"];

    [Fact]
    public void The_example_of_RFC_9052_appendix_C_2_1_is_verified()
    {
        // Key "11" of the appendix, signature and payload as printed there; its protected header is {1: -7}.
        byte[] x = Convert.FromHexString("BAC5B11CAD8F99F9C72B05CF4B9E26D244DC189F745228255A219A86D6A09EFF"), y = Convert.FromHexString("20138BF82DC1B6D562BE0FA54AB7804A3A64B6D72CCFED6B6FB6ED28BBFC117E");
        var message = Convert.FromHexString("D28443A10126A10442313154546869732069732074686520636F6E74656E742E5840"
            + "8EB33E4CA31D1C465AB05AAC34CC6B23D58FEF5C083106C4D25A91AEF0B0117E2AF9A291AA32E14AB834DC56ED2A223444547E01F11D3B0916E5A4C345CACB36");
        using var key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = x, Y = y } });
        var parsed = CoseSign1.Parse(message, CoseException.Fault);
        Assert.Equal("This is the content."u8.ToArray(), parsed.Payload.ToArray());
        Assert.True(parsed.Verify(key));
        Assert.True(parsed.Unprotected.TryGet(4, out var kid));
        Assert.Equal("423131", Convert.ToHexString(kid.Span));
        message[30] ^= 1;
        Assert.False(CoseSign1.Parse(message, CoseException.Fault).Verify(key));
    }

    [Theory, MemberData(nameof(Curves))]
    public void What_is_signed_is_verified_by_this_key_and_no_other(string curve)
    {
        using var key = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        using var other = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        using var otherCurve = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve == "nistP256" ? "nistP384" : "nistP256"));
        foreach (int length in new[] { 0, 23, 24, 255, 256, 65536 })
        {
            var signed = CoseSign1.Sign(new byte[length], new CoseHeaders([(256, new byte[] { 0x01 })]), key, s_chance, "test");
            var parsed = CoseSign1.Parse(signed.Raw, CoseException.Fault);
            Assert.True(parsed.Verify(key));
            Assert.False(parsed.Verify(other));
            Assert.False(parsed.Verify(otherCurve));
            Assert.Equal(signed.Raw.ToArray(), parsed.Raw.ToArray());
            var structure = new CborReader(CoseSign1.ToBeSigned(parsed.Protected.Span, parsed.Payload.Span));
            Assert.Equal(4, structure.ReadStartArray());
            Assert.Equal("Signature1", structure.ReadTextString());
            Assert.Equal(parsed.Protected.ToArray(), structure.ReadByteString());
            Assert.Empty(structure.ReadByteString());
            Assert.Equal(length, structure.ReadByteString().Length);
            structure.ReadEndArray();
            Assert.Equal(0, structure.BytesRemaining);
        }
    }

    [Fact]
    public void The_tag_is_needed_unless_the_caller_says_otherwise()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var untagged = CoseSign1.Sign(new byte[] { 1 }, CoseHeaders.Empty, key, s_chance, "test").Raw[1..];
        Assert.Equal("COSE_Sign1", Assert.Throws<CoseException>(() => CoseSign1.Parse(untagged, CoseException.Fault)).FieldName);
        Assert.True(CoseSign1.Parse(untagged, CoseException.Fault, untagged: true).Verify(key));
    }

    [Fact]
    public void Changed_ciphertext_IV_header_algorithm_and_key_do_not_decrypt()
    {
        using var key = new AesGcm(new byte[16], 16);
        using var other = new AesGcm(new byte[] { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 16);
        var message = CoseEncrypt0.Encrypt(CoseAlgorithm.A128Gcm, key, "secret"u8, s_chance, "test").Raw.ToArray();
        Assert.Equal("secret"u8.ToArray(), CoseEncrypt0.Parse(message, CoseException.Fault).Decrypt(CoseAlgorithm.A128Gcm, key));
        Assert.Null(CoseEncrypt0.Parse(message, CoseException.Fault).Decrypt(CoseAlgorithm.A256Gcm, key));
        Assert.Null(CoseEncrypt0.Parse(message, CoseException.Fault).Decrypt(CoseAlgorithm.A128Gcm, other));
        for (int i = 0; i < message.Length; i++)
        {
            var changed = message.ToArray();
            changed[i] ^= 1;
            byte[]? plain = null;
            try
            {
                plain = CoseEncrypt0.Parse(changed, CoseException.Fault).Decrypt(CoseAlgorithm.A128Gcm, key);
            }
            catch (CoseException) { }
            Assert.Null(plain);
        }
    }

    [Theory, MemberData(nameof(Curves))]
    public void A_key_goes_through_COSE_and_DER_also_with_zeros_stripped(string curve)
    {
        using var key = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        var spki = key.ExportSubjectPublicKeyInfo();
        var cose = CoseKey.FromSubjectPublicKeyInfo(spki)!;
        Assert.Equal(spki, cose.ToSubjectPublicKeyInfo());
        var writer = new CborWriter(CborConformanceMode.Canonical);
        cose.Write(writer);
        var read = CoseKey.Parse(new BoundedCborReader(writer.Encode(), CoseException.Fault), "key");
        Assert.Equal(spki, read.ToSubjectPublicKeyInfo());
        var zero = cose with { X = new byte[cose.X.Length] };
        writer.Reset();
        (zero with { X = new byte[] { 0 } }).Write(writer);
        Assert.Equal(zero.X.ToArray(), CoseKey.Parse(new BoundedCborReader(writer.Encode(), CoseException.Fault), "key").X.ToArray());
        writer.Reset();
        (zero with { X = new byte[cose.X.Length + 1] }).Write(writer);
        Assert.Equal("key.x", Assert.Throws<CoseException>(() => CoseKey.Parse(new BoundedCborReader(writer.Encode(), CoseException.Fault), "key")).FieldName);
        using var rsa = RSA.Create(2048);
        Assert.Null(CoseKey.FromSubjectPublicKeyInfo(rsa.ExportSubjectPublicKeyInfo()));
    }

    [Fact]
    public void Random_bytes_throw_nothing_but_the_callers_fault() => Gen.Byte.Array[0, 200].Sample(bytes =>
    {
        foreach (var parse in new Action[]
        {
            () => CoseSign1.Parse(bytes, CoseException.Fault, untagged: true), () => CoseEncrypt0.Parse(bytes, CoseException.Fault, untagged: true),
            () => CoseKey.Parse(new BoundedCborReader(bytes, CoseException.Fault), "key"), () => new BoundedCborReader(bytes, CoseException.Fault).Raw("raw"),
        })
            try
            {
                parse();
            }
            catch (CoseException e)
            {
                Assert.NotEmpty(e.FieldName);
            }
    }, iter: 20_000);

    [Fact]
    public void The_scan_agrees_with_the_platforms_reader() => Gen.Byte.Array[1, 24].Sample(bytes =>
    {
        int length = CborScan.Measure(bytes, 64, out var form);
        try
        {
            var reader = new CborReader(bytes, CborConformanceMode.Lax, allowMultipleRootLevelValues: true);
            reader.SkipValue(disableConformanceModeChecks: true);
            // The platform takes some simple values that RFC 8949 forbids.
            Assert.True(form != CborForm.Complete || length == bytes.Length - reader.BytesRemaining);
            Assert.NotEqual(CborForm.Incomplete, form);
        }
        catch (Exception e) when (e is CborContentException or InvalidOperationException)
        {
            Assert.NotEqual(CborForm.Complete, form);
        }
    }, iter: 100_000);

    [Fact]
    public void Every_prefix_of_an_item_is_incomplete()
    {
        var item = Convert.FromHexString("BF61610161629F02FF61635F420102FF6164C1FB3FF0000000000000FF");
        Assert.Equal(item.Length, CborScan.Measure(item, 16, out var whole));
        Assert.Equal(CborForm.Complete, whole);
        for (int length = 0; length < item.Length; length++)
        {
            CborScan.Measure(item.AsSpan(0, length), 16, out var form);
            Assert.Equal(CborForm.Incomplete, form);
        }
        CborScan.Measure([0x81, 0x81, 0x81, 0x00], 2, out var deep);
        Assert.Equal(CborForm.TooDeep, deep);
    }
}
