using System.Security.Cryptography;
using Hatchery.Fdo.Owner;

namespace Hatchery.Fdo.Tests.Ceremonies;

public sealed class OnboardingTests
{
    private static ECCurve Curve(int bits) => bits == 256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;

    [Theory]
    [InlineData(256, PublicKeyEncoding.X509, 1)]
    [InlineData(256, PublicKeyEncoding.CoseKey, 3)]
    [InlineData(256, PublicKeyEncoding.X5Chain, 3)]
    [InlineData(384, PublicKeyEncoding.X509, 3)]
    [InlineData(384, PublicKeyEncoding.CoseKey, 1)]
    [InlineData(384, PublicKeyEncoding.X5Chain, 3)]
    public async Task A_device_goes_from_factory_to_owner_through_a_rendezvous_server(int bits, PublicKeyEncoding encoding, int cipher)
    {
        byte[] file = RandomNumberGenerator.GetBytes(5000);
        var fleet = new Fleet(Curve(bits), plan: new ServiceInfoPlan("p", [new Download("agent.json", file), new Download("empty", default)]));
        var credential = fleet.Manufacture(Curve(bits), encoding);
        Assert.True(credential.Active);
        var voucher = await fleet.SellAsync(credential.Guid);
        Assert.True(fleet.Register(voucher).Succeeded);

        var files = new MemoryFiles();
        var world = fleet.World<DeviceCredential>(files);
        var outcome = world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { Cipher = CipherSuite.Require(cipher) }), world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join(", ", fleet.Refusals));
        Assert.Equal(file, files.Files["agent.json"]);
        Assert.Empty(files.Files["empty"]);

        var after = Assert.Single(world.Saved);
        Assert.False(after.Active);
        Assert.NotEqual(credential.Guid, after.Guid);
        Assert.Equal(credential.HmacSecret, after.HmacSecret);
        Assert.Equal(["fdo.download:agent.json", "fdo.download:empty"], after.Delivered.Select(d => d.Name));
        var old = (await fleet.Vouchers.GetAsync(credential.Guid, Fleet.Operator, default))!;
        var replacement = (await fleet.Vouchers.GetAsync(after.Guid, Fleet.Operator, default))!;
        Assert.Equal((OwnerVoucherState.Superseded, after.Guid), (old.State, old.Successor));
        Assert.Equal(OwnerVoucherState.Onboarded, replacement.State);
        var made = OwnershipVoucher.Parse(replacement.Voucher);
        Assert.True(VoucherHmac.Verify(made.HeaderHmac, after.HmacSecret!, made.Header), "the device and the owner make the same replacement header");
        Assert.True(after.Knows(made.Header));
        var device = (await fleet.OwnerStore.Registry.FindAsync(new Identifier("fdo.guid", after.Guid.ToString("N")), default))!;
        Assert.Contains(device.Identifiers, i => i is { Identifier: { Kind: "serial", Value: "SN-1" }, Proven: true });
        Assert.Contains(device.Identifiers, i => i.Identifier.Value == credential.Guid.ToString("N"));
    }

    [Theory]
    [InlineData(256)]
    [InlineData(384)]
    public async Task Sessions_may_be_written_and_read_between_any_two_messages(int bits)
    {
        byte[] file = RandomNumberGenerator.GetBytes(20_000);
        var stores = new List<WrittenSessions>();
        var fleet = new Fleet(Curve(bits), plan: new ServiceInfoPlan("p", [new Download("agent.json", file)]), around: store =>
        {
            stores.Add(new WrittenSessions(store));
            return stores[^1];
        });
        var credential = fleet.Manufacture(Curve(bits));
        var voucher = await fleet.SellAsync(credential.Guid);
        Assert.True(fleet.Register(voucher).Succeeded);
        var files = new MemoryFiles();
        var world = fleet.World<DeviceCredential>(files);
        var outcome = world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join(", ", fleet.Refusals));
        Assert.Equal(file, files.Files["agent.json"]);
        Assert.All(stores, s => Assert.True(s.Read > 0));
        Assert.Equal(OwnerVoucherState.Onboarded, (await fleet.Vouchers.GetAsync(world.Saved[^1].Guid, Fleet.Operator, default))!.State);
    }

    [Fact]
    public async Task With_bypass_the_device_goes_straight_to_its_owner()
    {
        var fleet = new Fleet(Curve(256), "http://owner.test:80;bypass");
        var credential = fleet.Manufacture(Curve(256));
        await fleet.SellAsync(credential.Guid);
        var world = fleet.World<DeviceCredential>();
        var outcome = world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.DoesNotContain("TO1.HelloRV", world.Sent);
    }

    [Fact]
    public async Task A_lost_answer_to_any_request_costs_a_retry_and_nothing_else()
    {
        for (int lost = 1; lost < 30; lost++)
        {
            var fleet = new Fleet(Curve(256), "http://owner.test:80;bypass");
            var credential = fleet.Manufacture(Curve(256));
            await fleet.SellAsync(credential.Guid);
            var world = fleet.World<DeviceCredential>();
            int answers = 0;
            world.Incoming = r => ++answers == lost ? null : r;
            var outcome = world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { Rounds = 2 }), world, DeviceCredential.Schema, FdoPlayers.Device));
            Assert.True(outcome.Succeeded, $"answer {lost} lost: {outcome.Reason}");
            var after = Assert.Single(world.Saved);
            Assert.Equal(OwnerVoucherState.Onboarded, (await fleet.Vouchers.GetAsync(after.Guid, Fleet.Operator, default))!.State);
            var all = await fleet.Vouchers.ListAsync(null, 10, Fleet.Operator, default);
            Assert.Single(all, v => v.State == OwnerVoucherState.Onboarded);
            if (answers < lost)
                return;
        }
        Assert.Fail("the loop was too short to lose each answer once");
    }

    [Fact]
    public async Task A_policy_that_refuses_gives_nothing()
    {
        var fleet = new Fleet(Curve(256), "http://owner.test:80;bypass");
        var credential = fleet.Manufacture(Curve(256));
        await fleet.SellAsync(credential.Guid);
        fleet.Policy = _ => new Decision.Refuse("not ours");
        var world = fleet.World<DeviceCredential>();
        var outcome = world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.False(outcome.Succeeded);
        Assert.Empty(world.Saved);
        Assert.Equal(OwnerVoucherState.Waiting, (await fleet.Vouchers.GetAsync(credential.Guid, Fleet.Operator, default))!.State);
    }
}
