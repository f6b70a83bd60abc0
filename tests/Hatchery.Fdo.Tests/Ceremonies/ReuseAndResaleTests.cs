using System.Security.Cryptography;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Tests.Ceremonies;

public sealed class ReuseAndResaleTests
{
    private static readonly ECCurve s_p256 = ECCurve.NamedCurves.nistP256;

    [Fact]
    public async Task A_device_that_accepts_reuse_keeps_its_credential_and_can_be_onboarded_again()
    {
        var fleet = new Fleet(ECDsa.Create(s_p256), ECDsa.Create(s_p256), "http://owner.test:80;bypass", new ServiceInfoPlan("p", [new Download("a", new byte[] { 7 })]), s => new WrittenSessions(s), reuse: true);
        var credential = fleet.Manufacture(s_p256);
        await fleet.SellAsync(credential.Guid);
        for (int i = 0; i < 2; i++)
        {
            var files = new MemoryFiles();
            var world = fleet.World<DeviceCredential>(files);
            var outcome = world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { AcceptCredentialReuse = true }), world, DeviceCredential.Schema, FdoPlayers.Device));
            Assert.True(outcome.Succeeded, outcome.Reason + string.Join(", ", fleet.Refusals));
            var after = Assert.Single(world.Saved);
            Assert.Equal((credential.Guid, true), (after.Guid, after.Active));
            Assert.Equal(credential.PublicKeyHash.ToArray(), after.PublicKeyHash.ToArray());
            Assert.Equal([7], files.Files["a"]);
            credential = after;
        }
        var kept = Assert.Single(await fleet.Vouchers.ListAsync(null, 10, Fleet.Operator, default));
        Assert.Equal(OwnerVoucherState.Waiting, kept.State);
    }

    [Fact]
    public async Task A_device_that_does_not_accept_reuse_answers_102()
    {
        var fleet = new Fleet(ECDsa.Create(s_p256), ECDsa.Create(s_p256), "http://owner.test:80;bypass", reuse: true);
        var credential = fleet.Manufacture(s_p256);
        await fleet.SellAsync(credential.Guid);
        var world = fleet.World<DeviceCredential>();
        var told = new List<int>();
        world.Outgoing = r =>
        {
            if (r.Path.EndsWith("/255", StringComparison.Ordinal))
                told.Add(ErrorMessage.Parse(r.Body).Code);
            return r;
        };
        Assert.False(world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        Assert.Equal([102], told);
        Assert.Empty(world.Saved);
    }

    [Fact]
    public async Task A_device_is_sold_on_after_TO2_onboarded_by_its_buyer_and_lost_to_its_seller()
    {
        var seller = new Fleet(s_p256, "http://owner.test:80;bypass");
        var first = seller.Manufacture(s_p256);
        await seller.SellAsync(first.Guid);
        var world = seller.World<DeviceCredential>();
        Assert.True(world.Run(seller.Driver(seller.Device(first), world, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        var owned = world.Saved[^1];

        // The buyer runs a service of its own, at the address that the device knows.
        var buyer = new Fleet(s_p256, "http://owner.test:80;bypass");
        var sold = await seller.Vouchers.SellAsync(owned.Guid, FdoPublicKey.From(buyer.OwnerKey), Fleet.Operator, default);
        Assert.Single(sold.Entries);
        Assert.True(sold.Header.PublicKey.IsSameKey(seller.OwnerKey), "the seller's Owner2 key stands where the manufacturer's was");
        await buyer.Vouchers.ImportAsync(sold, Fleet.Operator, default);
        var armed = DeviceCredential.Schema.Reset(owned);
        Assert.True(armed.Active);

        // Sold is sold: the seller does not answer any more, and sells it to nobody else.
        var old = seller.World<DeviceCredential>();
        Assert.False(old.Run(seller.Driver(seller.Device(armed), old, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        var third = FdoPublicKey.From(ECDsa.Create(s_p256));
        Assert.Equal("2", (await Assert.ThrowsAsync<FdoException>(async () => await seller.Vouchers.SellAsync(owned.Guid, third, Fleet.Operator, default))).Error);
        Assert.Equal(sold.Raw.ToArray(), (await seller.Vouchers.SellAsync(owned.Guid, FdoPublicKey.From(buyer.OwnerKey), Fleet.Operator, default)).Raw.ToArray());

        var fresh = buyer.World<DeviceCredential>();
        var outcome = fresh.Run(buyer.Driver(buyer.Device(armed), fresh, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join(", ", buyer.Refusals));
        Assert.NotEqual(owned.Guid, fresh.Saved[^1].Guid);

        // The seller's copy of the key is of no use: the buyer's TO2 changed the anchor.
        var back = seller.World<DeviceCredential>();
        Assert.False(back.Run(seller.Driver(seller.Device(DeviceCredential.Schema.Reset(fresh.Saved[^1])), back, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
    }

    /// <summary>Two sales at the same moment: one commits, and the other finds the ledger written.</summary>
    [Fact]
    public async Task Of_two_sales_at_once_one_is_refused()
    {
        var fleet = new Fleet(s_p256);
        var credential = fleet.Manufacture(s_p256);
        var voucher = (await fleet.Made.GetAsync(credential.Guid, Fleet.Operator, default))!;
        FdoPublicKey[] buyers = [FdoPublicKey.From(ECDsa.Create(s_p256)), FdoPublicKey.From(ECDsa.Create(s_p256))];
        var units = buyers.Select(_ => fleet.ManufacturerStore.Begin(Fleet.Operator)).ToArray();
        for (int i = 0; i < 2; i++)
            Assert.True((await ExtensionLedger.ExtendAsync(units[i], OwnershipVoucher.Parse(voucher.Voucher), fleet.ManufacturerKey, buyers[i], DirectWorld<DeviceCredential>.Start, new PlatformSigner(), default)).IsNew);
        await units[0].CommitAsync(default);
        await Assert.ThrowsAsync<ConflictException>(async () => await units[1].CommitAsync(default));
        var refused = await Assert.ThrowsAsync<FdoException>(async () => await ExtensionLedger.ExtendAsync(fleet.ManufacturerStore.Begin(Fleet.Operator), OwnershipVoucher.Parse(voucher.Voucher),
            fleet.ManufacturerKey, buyers[1], DirectWorld<DeviceCredential>.Start, new PlatformSigner(), default));
        Assert.Equal("2", refused.Error);
    }

    /// <summary>A voucher that comes back to one who sold it is longer than the one that was sold; the ledger has another line for it.</summary>
    [Fact]
    public async Task A_voucher_may_come_back_and_be_sold_again()
    {
        var fleet = new Fleet(s_p256);
        var credential = fleet.Manufacture(s_p256);
        await fleet.SellAsync(credential.Guid);
        FdoPrivateKey other = ECDsa.Create(s_p256);
        var away = await fleet.Vouchers.SellAsync(credential.Guid, FdoPublicKey.From(other), Fleet.Operator, default);
        var back = VoucherExtension.Extend(away, other, FdoPublicKey.From(fleet.OwnerKey), new PlatformSigner());
        Assert.Equal(OwnerVoucherState.Waiting, (await fleet.Vouchers.ImportAsync(back, Fleet.Operator, default)).State);
        var again = await fleet.Vouchers.SellAsync(credential.Guid, FdoPublicKey.From(ECDsa.Create(s_p256)), Fleet.Operator, default);
        Assert.Equal(4, again.Entries.Length);
    }
}
