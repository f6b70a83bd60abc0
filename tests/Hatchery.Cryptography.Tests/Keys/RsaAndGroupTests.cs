using System.Numerics;
using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Cryptography.Tests.Keys;

public sealed class RsaAndGroupTests
{
    private static readonly SystemChance s_chance = new();

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true, isBigEndian: true);

    /// <summary>RFC 3526: 2^2048 - 2^1984 - 1 + 2^64 * ([2^1918 pi] + 124476) begins and ends in 64 one bits; what lies between is checked by the primes' own
    /// arithmetic: 2 generates a subgroup of order (p - 1) / 2, so 2^((p - 1) / 2) is 1.</summary>
    [Theory]
    [InlineData(14)]
    [InlineData(15)]
    public void Powers_are_those_of_plain_arithmetic(int number)
    {
        var group = number == 14 ? ModularGroup.Group14 : ModularGroup.Group15;
        var a = s_chance.Bytes(32, "a");
        var b = s_chance.Bytes(32, "b");
        byte[] publicA = group.Public(a), publicB = group.Public(b);
        Assert.Equal(group.Width, publicA.Length);
        Assert.Equal(group.Agree(publicB, a), group.Agree(publicA, b));
        Assert.Equal(group.Public([3]), Pad([8], group.Width));
        var prime = Prime(group);
        Assert.Equal(Number(publicA), BigInteger.ModPow(2, Number(a), prime));
        Assert.Equal(Number(group.Agree(publicB, a)), BigInteger.ModPow(Number(publicB), Number(a), prime));
        Assert.Equal(BigInteger.One, BigInteger.ModPow(2, (prime - 1) / 2, prime));
    }

    /// <summary>p = 2^bits - 2^(bits-64) - 1 + 2^64 * k: 2^bits mod p tells p from the bits that all such primes share.</summary>
    private static BigInteger Prime(ModularGroup group)
    {
        int bits = group.Width * 8;
        var exponent = new byte[2];
        (exponent[0], exponent[1]) = ((byte)(bits >> 8), (byte)bits);
        // 2^bits = p + r with r < p, because p begins with 64 ones.
        return BigInteger.Pow(2, bits) - Number(group.Public(exponent));
    }

    private static byte[] Pad(byte[] bytes, int width) => [.. new byte[width - bytes.Length], .. bytes];

    [Fact]
    public void Elements_that_give_the_secret_away_are_refused()
    {
        var group = ModularGroup.Group14;
        var prime = Prime(group);
        foreach (var bad in new[] { BigInteger.Zero, BigInteger.One, prime - 1, prime, prime + 5, BigInteger.Pow(2, 2048) })
            Assert.Throws<CryptographicException>(() => group.Agree(bad.ToByteArray(isUnsigned: true, isBigEndian: true), [7]));
        Assert.Throws<CryptographicException>(() => group.Agree([], [7]));
        Assert.Equal(group.Agree([0, 0, 2], [5]), group.Public([5]));
        group.Agree((prime - 2).ToByteArray(isUnsigned: true, isBigEndian: true), [7]);
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void What_OAEP_encrypts_with_a_drawn_seed_the_platform_decrypts(int bits)
    {
        using var key = RsaKeys.Generate(bits);
        using var known = RsaKeys.ImportPublic(key.ExportSubjectPublicKeyInfo());
        foreach (int length in new[] { 0, 1, 32, 96, bits / 8 - 66 })
        {
            byte[] message = RandomNumberGenerator.GetBytes(length);
            Assert.Equal(message, RsaOaep.Decrypt(key, RsaOaep.Encrypt(known, message, s_chance, "seed")));
        }
        Assert.Throws<ArgumentException>(() => RsaOaep.Encrypt(known, new byte[bits / 8 - 65], s_chance, "seed"));
        var broken = RsaOaep.Encrypt(known, [1, 2, 3], s_chance, "seed");
        broken[^1] ^= 1;
        Assert.Null(RsaOaep.Decrypt(key, broken));
        Assert.Null(RsaOaep.Decrypt(key, broken.AsSpan(1)));
        Assert.Equal([9], RsaOaep.Decrypt(key, known.Encrypt([9], RSAEncryptionPadding.OaepSHA256)));
    }

    [Fact]
    public void Keys_are_read_strictly()
    {
        using var platform = RSA.Create(2048);
        var spki = platform.ExportSubjectPublicKeyInfo();
        var (modulus, exponent) = RsaKeys.Read(spki)!.Value;
        Assert.Equal(spki, RsaKeys.ToSubjectPublicKeyInfo(modulus, exponent));
        using var small = RSA.Create(1024);
        using var elliptic = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        foreach (byte[] bad in new[] { [], [0x30], [.. spki, 0], spki[..^1], small.ExportSubjectPublicKeyInfo(), elliptic.ExportSubjectPublicKeyInfo(),
            RsaKeys.ToSubjectPublicKeyInfo(modulus, [1]), RsaKeys.ToSubjectPublicKeyInfo(modulus, [2]), RsaKeys.ToSubjectPublicKeyInfo(modulus, [1, 0, 0, 0, 1]) })
        {
            Assert.Null(RsaKeys.Read(bad));
            Assert.Throws<CryptographicException>(() => RsaKeys.ImportPublic(bad));
        }
        Assert.Throws<CryptographicException>(() => RsaKeys.ImportPrivate(small.ExportPkcs8PrivateKey()));
        for (int i = 0; i < spki.Length; i++)
        {
            var changed = (byte[])spki.Clone();
            changed[i] ^= 0xFF;
            RsaKeys.Read(changed);
        }
    }

    [Fact]
    public void COSE_signatures_by_RSA_count_and_bind_algorithm_and_length()
    {
        using var key = RsaKeys.Generate(2048);
        var ledger = new Dictionary<string, int>();
        OperationMeter.Charge(ledger);
        foreach (int algorithm in new[] { CoseAlgorithm.Rs256, CoseAlgorithm.Rs384, CoseAlgorithm.Ps256, CoseAlgorithm.Ps384 })
        {
            var signed = CoseSign1.Parse(CoseSign1.Sign("payload"u8.ToArray(), CoseHeaders.Empty, key, algorithm, s_chance, "test").Raw, CoseException.Fault);
            Assert.Equal(algorithm, signed.Algorithm);
            Assert.True(signed.Verify(key));
            var changed = signed.Raw.ToArray();
            changed[^1] ^= 1;
            Assert.False(CoseSign1.Parse(changed, CoseException.Fault).Verify(key));
        }
        OperationMeter.Charge(null);
        Assert.Equal((4, 8), (ledger["sign RSA-2048"], ledger["verify RSA-2048"]));
        Assert.Throws<ArgumentException>(() => CoseSign1.Sign(default, CoseHeaders.Empty, key, CoseAlgorithm.Es256, s_chance, "test"));
    }
}
