using System.Security.Cryptography;
using Hatchery.Fdo.Owner;

namespace Hatchery.Fdo.Tests.Ceremonies;

/// <summary>Whole ceremonies, factory to owner, for every type of key, key exchange and cipher suite; sessions are written and read between messages.</summary>
public sealed class SuiteTests
{
    private static readonly RSA s_small = RSA.Create(2048), s_large = RSA.Create(3072);

    private static FdoPrivateKey Key(PublicKeyType type, int bits) => type switch
    {
        PublicKeyType.Secp256R1 => ECDsa.Create(ECCurve.NamedCurves.nistP256),
        PublicKeyType.Secp384R1 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
        _ => new FdoPrivateKey(bits == 2048 ? s_small : s_large, type),
    };

    private static async Task<(Fleet Fleet, DeviceCredential After)> OnboardAsync(Fleet fleet, DeviceCredential credential, Device.DeviceOptions options, byte[] file)
    {
        var voucher = await fleet.SellAsync(credential.Guid);
        Assert.True(fleet.Register(voucher).Succeeded, string.Join(", ", fleet.Refusals));
        var files = new MemoryFiles();
        var world = fleet.World<DeviceCredential>(files);
        var outcome = world.Run(fleet.Driver(fleet.Device(credential, options), world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason + "; " + string.Join(", ", fleet.Refusals));
        Assert.Equal(file, files.Files["file"]);
        var after = world.Saved[^1];
        var replacement = OwnershipVoucher.Parse((await fleet.Vouchers.GetAsync(after.Guid, Fleet.Operator, default))!.Voucher);
        Assert.True(VoucherHmac.Verify(replacement.HeaderHmac, after.HmacSecret!, replacement.Header) && after.Knows(replacement.Header));
        return (fleet, after);
    }

    [Theory]
    [InlineData(PublicKeyType.Rsa2048Restr, 2048, PublicKeyEncoding.X509, "DHKEXid14", 2048)]
    [InlineData(PublicKeyType.Rsa2048Restr, 2048, PublicKeyEncoding.CoseKey, "ASYMKEX2048", 2048)]
    [InlineData(PublicKeyType.RsaPkcs, 2048, PublicKeyEncoding.X509, "ASYMKEX2048", 0)]
    [InlineData(PublicKeyType.RsaPkcs, 3072, PublicKeyEncoding.X5Chain, "DHKEXid15", 3072)]
    [InlineData(PublicKeyType.RsaPkcs, 3072, PublicKeyEncoding.CoseKey, "ASYMKEX3072", 0)]
    [InlineData(PublicKeyType.RsaPss, 3072, PublicKeyEncoding.X509, "ASYMKEX3072", 3072)]
    [InlineData(PublicKeyType.RsaPss, 3072, PublicKeyEncoding.X5Chain, "DHKEXid15", 2048)]
    [InlineData(PublicKeyType.RsaPss, 2048, PublicKeyEncoding.X509, "DHKEXid14", 2048)]
    public async Task RSA_keys(PublicKeyType type, int bits, PublicKeyEncoding encoding, string kex, int deviceBits)
    {
        byte[] file = RandomNumberGenerator.GetBytes(3000);
        var key = Key(type, bits);
        var fleet = new Fleet(key, key, plan: new ServiceInfoPlan("p", [new Download("file", file)]), around: s => new WrittenSessions(s));
        var credential = fleet.Manufacture(deviceBits == 0 ? fleet.Initializer(ECCurve.NamedCurves.nistP256, type, encoding) : fleet.Initializer(deviceBits == 2048 ? s_small : s_large, type, encoding));
        var (_, after) = await OnboardAsync(fleet, credential, Fleet.DeviceOptions with { KeyExchange = KeyExchangeSuite.Require(kex), Cipher = CipherSuite.A128Gcm }, file);
        Assert.Equal((int)type, after.OwnerKeyType);
    }

    public static TheoryData<int> Ciphers => [.. CipherSuite.All.Select(s => (int)s.Name)];

    [Theory, MemberData(nameof(Ciphers))]
    public async Task Cipher_suites(int cipher)
    {
        byte[] file = RandomNumberGenerator.GetBytes(3000);
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256, plan: new ServiceInfoPlan("p", [new Download("file", file)]), around: s => new WrittenSessions(s));
        await OnboardAsync(fleet, fleet.Manufacture(ECCurve.NamedCurves.nistP256), Fleet.DeviceOptions with { Cipher = CipherSuite.Require(cipher) }, file);
    }

    public static TheoryData<EncryptThenMacProfile, int> Profiles
    {
        get
        {
            var data = new TheoryData<EncryptThenMacProfile, int>();
            foreach (var profile in Enum.GetValues<EncryptThenMacProfile>())
                foreach (int suite in new[] { -17760703, -17760704, -17760705, -17760706 })
                    data.Add(profile, suite);
            return data;
        }
    }

    [Theory, MemberData(nameof(Profiles))]
    public async Task A_device_finds_out_how_its_owner_reads_encrypt_then_MAC(EncryptThenMacProfile profile, int cipher)
    {
        byte[] file = RandomNumberGenerator.GetBytes(300);
        var fleet = new Fleet(Key(PublicKeyType.Secp256R1, 0), Key(PublicKeyType.Secp256R1, 0), plan: new ServiceInfoPlan("p", [new Download("file", file)]), around: s => new WrittenSessions(s), mac: profile);
        await OnboardAsync(fleet, fleet.Manufacture(ECCurve.NamedCurves.nistP256), Fleet.DeviceOptions with { Cipher = CipherSuite.Require(cipher) }, file);
    }

    /// <summary>Whatever size a device names, what it gets fits a message, with the largest container too.</summary>
    [Theory]
    [InlineData(0, 65535, 3)]
    [InlineData(65535, 65535, -17760705)]
    [InlineData(2000, 65535, -17760705)]
    [InlineData(65535, 256, 1)]
    [InlineData(100, 65535, 1)]
    public async Task Messages_stay_within_what_the_device_takes(int maxMessage, int maxServiceInfo, int cipher)
    {
        byte[] file = RandomNumberGenerator.GetBytes(200_000);
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256, plan: new ServiceInfoPlan("p", [new Download("file", file)]), around: s => new WrittenSessions(s));
        await OnboardAsync(fleet, fleet.Manufacture(ECCurve.NamedCurves.nistP256),
            Fleet.DeviceOptions with { MaxMessage = (ushort)maxMessage, MaxServiceInfo = (ushort)maxServiceInfo, Cipher = CipherSuite.Require(cipher) }, file);
    }

    /// <summary>A device that is told how to read believes no other reading.</summary>
    [Fact]
    public async Task Two_readings_of_encrypt_then_MAC_do_not_understand_each_other()
    {
        var fleet = new Fleet(Key(PublicKeyType.Secp256R1, 0), Key(PublicKeyType.Secp256R1, 0), mac: EncryptThenMacProfile.GoFdo);
        var credential = fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        fleet.Register(await fleet.SellAsync(credential.Guid));
        var world = fleet.World<DeviceCredential>();
        var outcome = world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { Cipher = CipherSuite.Require(-17760704), EncryptThenMac = EncryptThenMacProfile.Java }),
            world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.False(outcome.Succeeded);
        Assert.Empty(world.Saved);
    }

    /// <summary>Mixed strengths: legal, hashes and MACs follow the weaker.</summary>
    [Theory]
    [InlineData(256, PublicKeyType.Secp384R1, HashType.HmacSha256)]
    [InlineData(384, PublicKeyType.Secp256R1, HashType.HmacSha256)]
    [InlineData(384, PublicKeyType.Secp384R1, HashType.HmacSha384)]
    [InlineData(384, PublicKeyType.RsaPkcs, HashType.HmacSha384)]
    [InlineData(384, PublicKeyType.Rsa2048Restr, HashType.HmacSha256)]
    public async Task Device_and_owner_keys_of_different_kinds(int device, PublicKeyType owner, HashType expected)
    {
        byte[] file = RandomNumberGenerator.GetBytes(300);
        var key = Key(owner, owner == PublicKeyType.Rsa2048Restr ? 2048 : 3072);
        var fleet = new Fleet(key, key, plan: new ServiceInfoPlan("p", [new Download("file", file)]));
        var curve = device == 256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;
        var (_, after) = await OnboardAsync(fleet, fleet.Manufacture(fleet.Initializer(curve, owner, PublicKeyEncoding.X509)), Fleet.DeviceOptions, file);
        var voucher = OwnershipVoucher.Parse((await fleet.Vouchers.GetAsync(after.Guid, Fleet.Operator, default))!.Voucher);
        Assert.Equal(expected, voucher.HeaderHmac.Type);
    }
}
