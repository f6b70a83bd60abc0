using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Cryptography.Cose;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Tests.Ceremonies;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>Attacks that worked against one implementation or another.</summary>
public sealed class AttackTests
{
    private static readonly Chance s_chance = new SystemChance();
    private static readonly ECCurve s_p256 = ECCurve.NamedCurves.nistP256;

    /// <summary>Every byte of every message of TO2, both ways, is changed in transit, one run per byte: the device is never onboarded, and nothing is saved on
    /// either side. HATCHERY_LONG=1 changes every byte; otherwise every seventh.</summary>
    [Fact]
    public async Task A_byte_that_is_changed_in_transit_ends_the_onboarding()
    {
        var fleet = new Fleet(s_p256, "http://owner.test:80;bypass", new ServiceInfoPlan("p", [new Download("f", new byte[40])]));
        var credential = fleet.Manufacture(s_p256);
        await fleet.SellAsync(credential.Guid);
        int stride = Environment.GetEnvironmentVariable("HATCHERY_LONG") == "1" ? 1 : 7;

        // What passes in a run that succeeds would end the test: so the bytes are counted on the way, run by run.
        int changed = 0;
        for (long target = 0; ; target += stride)
        {
            long passed = 0;
            bool hit = false;
            byte[] Pass(string type, ReadOnlyMemory<byte> body)
            {
                var bytes = body.ToArray();
                if (type != "255" && target >= passed && target < passed + bytes.Length)
                {
                    bytes[target - passed] ^= (byte)(1 << (int)(target % 8));
                    hit = true;
                }
                passed += bytes.Length;
                return bytes;
            }
            var world = fleet.World<DeviceCredential>(new MemoryFiles());
            world.Outgoing = r => r with { Body = Pass(r.Path[(r.Path.LastIndexOf('/') + 1)..], r.Body) };
            world.Incoming = r => r with { Body = Pass(r.Header("Message-Type") ?? "255", r.Body) };
            var outcome = world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device));
            if (!hit)
            {
                Assert.True(outcome.Succeeded, outcome.Reason);
                break;
            }
            Assert.False(outcome.Succeeded, $"byte {target} was changed and nobody noticed");
            Assert.Empty(world.Saved);
            changed++;
        }
        Assert.True(changed > 2000 / stride, $"{changed} bytes");
    }

    /// <summary>The owner commits before message 71, so a change of 71 leaves it with a voucher that the device has not taken: it still answers for the old one.</summary>
    [Fact]
    public async Task A_device_that_never_gets_message_71_is_onboarded_again_under_its_old_GUID()
    {
        var fleet = new Fleet(s_p256, "http://owner.test:80;bypass");
        var credential = fleet.Manufacture(s_p256);
        await fleet.SellAsync(credential.Guid);
        for (int i = 0; i < 3; i++)
        {
            var lossy = fleet.World<DeviceCredential>();
            lossy.Incoming = r => r.Header("Message-Type") == "71" ? null : r;
            Assert.False(lossy.Run(fleet.Driver(fleet.Device(credential), lossy, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
            Assert.Empty(lossy.Saved);
        }
        var world = fleet.World<DeviceCredential>();
        Assert.True(world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        var all = await fleet.Vouchers.ListAsync(null, 10, Fleet.Operator, default);
        Assert.Equal(world.Saved[^1].Guid, Assert.Single(all, v => v.State == OwnerVoucherState.Onboarded).Guid);
        Assert.Equal(3, all.Count(v => v.State == OwnerVoucherState.Retired));
    }

    [Theory]
    [InlineData(-17760703)]
    [InlineData(-17760704)]
    [InlineData(-17760705)]
    [InlineData(-17760706)]
    public void A_COSE_Mac0_of_which_the_MAC_was_stripped_is_refused(int number)
    {
        foreach (var profile in Enum.GetValues<EncryptThenMacProfile>())
        {
            var suite = CipherSuite.Require(number).As(profile);
            using var keys = suite.Derive(new byte[64], []);
            var message = keys.Seal(new DeviceServiceInfo(false, []).Raw.Span, fromOwner: false, s_chance);
            var reader = new BoundedCborReader(message, CoseException.Fault);
            reader.TryTag("m", 17);
            reader.StartArray("m");
            reader.Bytes("m");
            reader.Raw("m");
            var inner = reader.Bytes("m");
            byte[][] stripped = [[.. inner.Span], [0xD0, .. inner.Span], [0xD1, .. inner.Span]];
            foreach (var bare in stripped)
                Assert.Equal("100", Assert.Throws<FdoException>(() => keys.Open(bare, "test")).Error);
            // A MAC that is empty, cut or of another algorithm is none.
            for (int length = 0; length < 32; length += 8)
            {
                byte[] cut = [0xD1, 0x84, .. ServiceInfoValue.Bytes(CoseAlgorithm.Protected(suite.Name is CipherSuiteName.CoseAes128Cbc or CipherSuiteName.CoseAes128Ctr ? 5 : 6)), 0xA0,
                    .. ServiceInfoValue.Bytes(inner.Span), .. ServiceInfoValue.Bytes(new byte[length])];
                Assert.Equal("100", Assert.Throws<FdoException>(() => keys.Open(cut, "test")).Error);
            }
            for (int i = 0; i < message.Length; i++)
            {
                var changed = message.ToArray();
                changed[i] ^= 1;
                Assert.Throws<FdoException>(() => keys.Open(changed, "test"));
            }
        }
    }

    [Fact]
    public void A_message_of_another_suites_container_is_refused()
    {
        using var gcm = CipherSuite.A128Gcm.Restore(new SecretBytes(new byte[16]));
        using var ccm = CipherSuite.Require(32).Restore(new SecretBytes(new byte[16]));
        using var mac = CipherSuite.Require(-17760704).Derive(new byte[64], []);
        SessionKeys[] all = [gcm, ccm, mac];
        foreach (var sealing in all)
            foreach (var opening in all.Where(k => k != sealing))
                Assert.Equal("100", Assert.Throws<FdoException>(() => opening.Open(sealing.Seal([0xA0], true, s_chance), "test")).Error);
    }

    /// <summary>What says nothing is given up after a hundred rounds; what talks for ever, at the standard's limit.</summary>
    [Fact]
    public async Task A_million_rounds_are_the_end_at_the_owner()
    {
        var fleet = new Fleet(s_p256);
        var credential = fleet.Manufacture(s_p256);
        var session = new To2Session(await fleet.SellAsync(credential.Guid), "", "", default, CipherSuite.A128Gcm, KeyExchangeSuite.Ecdh256) { MaxOwnerServiceInfo = 1300 };
        var plan = new ServiceInfoPlan("p", [new Download("f", new byte[10])]);
        var context = new ModuleContext(default, "", DirectWorld<DeviceCredential>.Start, s_chance);
        await OwnerServiceInfoEngine.TurnAsync(session, plan, HandDevice.Devmod("fdo.download"), context, _ => { }, default);
        var chatter = new DeviceServiceInfo(false, [new("nobody:cares", ServiceInfoValue.True)]);
        await OwnerServiceInfoEngine.TurnAsync(session, plan, chatter, context, _ => { }, default);
        int before = session.Write().Length;
        int turns = 2;
        var limit = await Assert.ThrowsAsync<FdoException>(async () =>
        {
            for (; ; turns++)
                await OwnerServiceInfoEngine.TurnAsync(session, plan, chatter, context, _ => { }, default);
        });
        Assert.Equal(("101", 500_000), (limit.Error, turns));
        Assert.True(session.Write().Length <= before + 16, "the session grew");
    }

    [Fact]
    public async Task A_device_counts_rounds_too()
    {
        Assert.Equal(1_000_000, Fleet.DeviceOptions.MaxRounds);
        var fleet = new Fleet(s_p256, "http://owner.test:80;bypass");
        var credential = fleet.Manufacture(s_p256);
        var owner = new HandOwner(fleet.OwnerKey, await fleet.SellAsync(credential.Guid))
        {
            Instead = (_, right) => right is OwnerServiceInfo ? new OwnerServiceInfo(false, false, [new("nobody:active", ServiceInfoValue.True)]) : right,
        };
        fleet.Roles[Fleet.OwnerHost] = owner;
        var world = fleet.World<DeviceCredential>(new MemoryFiles());
        Assert.False(world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { MaxRounds = 1000 }), world, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        Assert.Equal(501, owner.Heard.OfType<DeviceServiceInfo>().Count());
        Assert.Equal(101, owner.Error!.Code);
    }

    /// <summary>An RSA owner's ciphertext that does not decrypt, and one of the wrong length, are told apart by nobody.</summary>
    [Fact]
    public void A_wrong_ASYMKEX_parameter_gets_the_same_answer_whatever_is_wrong_with_it()
    {
        using var owner = new FdoPrivateKey(RsaKeys.Generate(2048), PublicKeyType.Rsa2048Restr);
        using var exchange = KeyExchangeSuite.Require("ASYMKEX2048").BeginOwner(s_chance);
        using var known = RsaKeys.ImportPublic(owner.SubjectPublicKeyInfo.Span);
        byte[][] wrong = [[], new byte[255], new byte[256], RandomNumberGenerator.GetBytes(256), RsaOaep.Encrypt(known, new byte[31], s_chance, "s"), RsaOaep.Encrypt(known, new byte[33], s_chance, "s"),
            known.Encrypt(new byte[32], RSAEncryptionPadding.OaepSHA1), known.Encrypt(new byte[32], RSAEncryptionPadding.Pkcs1)];
        Assert.Single(wrong.Select(w => Assert.Throws<FdoException>(() => exchange.Complete(w, CipherSuite.A128Gcm, owner)).Message).Distinct());
        exchange.Complete(RsaOaep.Encrypt(known, new byte[32], s_chance, "s"), CipherSuite.A128Gcm, owner).Dispose();
    }

    [Fact]
    public void A_signature_by_the_right_RSA_key_in_another_way_is_refused()
    {
        using var rsa = RsaKeys.Generate(3072);
        var pkcs = new FdoPrivateKey(rsa, PublicKeyType.RsaPkcs);
        var pss = new FdoPrivateKey(rsa, PublicKeyType.RsaPss);
        var signed = pkcs.Sign(new byte[] { 1 }, CoseHeaders.Empty, s_chance, "test");
        Assert.True(FdoPublicKey.From(pkcs).Verifies(signed, "k"));
        Assert.False(FdoPublicKey.From(pss).Verifies(signed, "k"));
        Assert.False(FdoPublicKey.From(pkcs).Verifies(pss.Sign(new byte[] { 1 }, CoseHeaders.Empty, s_chance, "test"), "k"));
        Assert.False(FdoPublicKey.From(pkcs).Verifies(CoseSign1.Sign(new byte[] { 1 }, CoseHeaders.Empty, rsa, CoseAlgorithm.Rs256, s_chance, "test"), "k"));
    }
}
