using System.Security.Cryptography;
using CsCheck;

namespace Hatchery.Cryptography.Tests.Keys;

/// <summary>Any bytes: a key or a <see cref="CryptographicException"/>, never anything else.</summary>
public sealed class HostileKeyTests
{
    /// <summary>A few bytes changed, cut out or put in.</summary>
    internal static Gen<byte[]> Mutations(byte[] of) => Gen.OneOf(
        Gen.Select(Gen.Int[0, of.Length - 1], Gen.Byte).Array[1, 4].Select(changes =>
        {
            byte[] result = [.. of];
            foreach (var (at, value) in changes)
                result[at] = value;
            return result;
        }),
        Gen.Select(Gen.Int[0, of.Length], Gen.Int[0, of.Length]).Select((a, b) => (byte[])[.. of.AsSpan(0, Math.Min(a, b)), .. of.AsSpan(Math.Max(a, b))]),
        Gen.Select(Gen.Int[0, of.Length], Gen.Byte.Array[1, 8]).Select((at, more) => (byte[])[.. of.AsSpan(0, at), .. more, .. of.AsSpan(at)]),
        Gen.Byte.Array[0, of.Length + 10]);

    [Theory, MemberData(nameof(EcdsaTests.Curves), MemberType = typeof(EcdsaTests))]
    public void Public_keys(string curve)
    {
        using var key = SigningKeys.Generate(ECCurve.CreateFromFriendlyName(curve));
        byte[] good = key.ExportSubjectPublicKeyInfo();
        int refused = 0, taken = 0;
        Mutations(good).Sample(der =>
        {
            try
            {
                using var read = SigningKeys.ImportPublic(der);
                // What is taken is taken as it stands.
                Assert.Equal(der, read.ExportSubjectPublicKeyInfo());
                taken++;
            }
            catch (CryptographicException)
            {
                refused++;
            }
        }, iter: 3000, threads: 1);
        Assert.True(refused > 2000, $"{refused} refused, {taken} taken");
        using var again = SigningKeys.ImportPublic(good);
        Assert.Equal(good, again.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void Private_keys()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        byte[] hash = new byte[32];
        Mutations(key.ExportPkcs8PrivateKey()).Sample(der =>
        {
            try
            {
                using var read = SigningKeys.ImportPrivate(der);
                Assert.True(read.VerifyHash(hash, read.SignHash(hash)));
            }
            catch (CryptographicException)
            {
                // Declared.
            }
        }, iter: 1000, threads: 1);
    }

    [Fact]
    public void Pem()
    {
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        byte[] good = System.Text.Encoding.ASCII.GetBytes(key.ExportECPrivateKeyPem());
        Mutations(good).Sample(text =>
        {
            try
            {
                SigningKeys.FromPem(System.Text.Encoding.Latin1.GetString(text)).Dispose();
            }
            catch (CryptographicException)
            {
                // Declared.
            }
        }, iter: 1000, threads: 1);
    }

    [Fact]
    public void Keys_that_are_not_ours_to_use_are_refused()
    {
        using var rsa = RSA.Create(2048);
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPublic(rsa.ExportSubjectPublicKeyInfo()));
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPrivate(rsa.ExportPkcs8PrivateKey()));
        Assert.Throws<CryptographicException>(() => SigningKeys.FromPem(rsa.ExportRSAPrivateKeyPem()));
        using var brainpool = ECDsa.Create(ECCurve.NamedCurves.brainpoolP256r1);
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPublic(brainpool.ExportSubjectPublicKeyInfo()));
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPrivate(brainpool.ExportPkcs8PrivateKey()));
        using var good = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPublic([.. good.ExportSubjectPublicKeyInfo(), 0]));
        Assert.Throws<CryptographicException>(() => SigningKeys.ImportPrivate([.. good.ExportPkcs8PrivateKey(), 0]));
        Assert.Throws<CryptographicException>(() => SigningKeys.FromPem("no key"));
    }
}
