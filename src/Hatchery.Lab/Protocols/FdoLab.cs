using System.Collections.Immutable;
using Hatchery.Fdo;

namespace Hatchery.Lab.Protocols;

/// <summary>FIDO Device Onboard in the lab.</summary>
public sealed class FdoLab : ILabProtocol
{
    public Protocol Protocol => FdoProfile.Protocol;
    public ImmutableArray<Method> Methods => [FdoProfile.Rendezvous, FdoProfile.Bypass];
    public string WhyNotRun(Method method) => "the lab has no world for it";
    public ImmutableArray<AttackPrediction> Predictions => FdoPredictions.All;
    public ImmutableArray<DraftClaim> Claims => FdoClaims.All;

    public LabRun Run(LabTask task)
    {
        var world = new FdoWorld(task);
        if (task.Attack is { } attack)
            return new FdoAttacks(world).Run(attack);
        return task.Scenario switch
        {
            Scenario.FirstSetup => FirstSetup(world),
            Scenario.Again => Again(world, "the owner made the voucher out to itself, the device was reset and onboarded once more"),
            Scenario.ResetByOwner => Again(world, "after the reset the owner extended the replacement voucher to itself, registered, and the device was onboarded once more"),
            Scenario.ResetWithoutOwner => ResetWithoutOwner(world),
            Scenario.SaleWithSeller => Resale(world, manufacturerGone: false),
            Scenario.SaleWithoutSeller => SaleWithoutSeller(world),
            Scenario.ManufacturerGone => Resale(world, manufacturerGone: true),
            Scenario.TheftWithLabel => new FdoAttacks(world).Theft(),
            _ => throw new ArgumentOutOfRangeException(nameof(task), task.Scenario, "FDO has no such scenario."),
        };
    }

    /// <summary>Made, sold, registered at the rendezvous server that the factory wrote into the device; still in its box.</summary>
    internal static (FdoDevice Device, FdoSite Owner, OwnershipVoucher Voucher) Sold(FdoWorld world)
    {
        var device = world.Manufacture("device-4711");
        var owner = new FdoSite(world, "owner-1", "owner");
        world.Wait(TimeSpan.FromDays(1));
        var voucher = world.Sell(device, owner);
        world.Wait(TimeSpan.FromHours(1));
        if (world.Task.Method.Id == FdoProfile.RendezvousMethod)
            Require(owner.Register(voucher, FdoWorld.FactoryRendezvous), "TO0");
        world.Wait(TimeSpan.FromHours(1));
        return (device, owner, voucher);
    }

    /// <summary>Onboarded and in use.</summary>
    internal static (FdoDevice Device, FdoSite Owner) SetUp(FdoWorld world)
    {
        var (device, owner, _) = Sold(world);
        Require(world.PowerOn(device), "onboarding");
        Require(world.Use(device), "use");
        world.Wait(TimeSpan.FromDays(1));
        return (device, owner);
    }

    private static LabRun FirstSetup(FdoWorld world)
    {
        var (device, _, _) = Sold(world);
        var outcome = world.PowerOn(device);
        if (outcome.Succeeded)
            outcome = world.Use(device);
        return world.Finish(device, Said(outcome, "onboarded and accepted by the owner's service"));
    }

    private static LabRun Again(FdoWorld world, string explanation)
    {
        var (device, owner) = SetUp(world);
        device.Reset();
        HandOver(world, device, owner, owner);
        var outcome = world.PowerOn(device);
        if (outcome.Succeeded)
            outcome = world.Use(device);
        return world.Finish(device, Said(outcome, explanation));
    }

    private static LabRun ResetWithoutOwner(FdoWorld world)
    {
        var (device, owner) = SetUp(world);
        device.Reset();
        var outcome = world.PowerOn(device);
        if (outcome.Succeeded)
            return world.Finish(device, new LabOutcome(Result.Works, "the device was onboarded by somebody"));
        string refused = outcome.Reason;
        // Is the device lost, or can its owner still have it?
        HandOver(world, device, owner, owner);
        bool saved = world.PowerOn(device).Succeeded;
        return world.Finish(device, new LabOutcome(saved ? Result.Refused : Result.DeviceLost,
            $"the reset device asks for its last owner and gets no further ({refused})" + (saved ? "; it works again once the owner extends the voucher" : "; and the owner cannot get it back"),
            saved ? "onboard it again" : "nothing"));
    }

    private static LabRun Resale(FdoWorld world, bool manufacturerGone)
    {
        var (device, seller) = SetUp(world);
        if (manufacturerGone)
            foreach (var host in world.FactoryHosts)
                host.IsDown = true;
        var buyer = new FdoSite(world, "owner-2", "second owner");
        device.Reset();
        HandOver(world, device, seller, buyer);
        var outcome = world.PowerOn(device);
        if (outcome.Succeeded)
            outcome = world.Use(device);
        bool moved = outcome.Succeeded && buyer.Owns(device);
        string former = "everything";
        if (moved)
        {
            var (taken, reason) = new FdoAttacks(world).FormerOwnerTries(device, seller, buyer);
            former = taken ? "take it back" : $"nothing: tried once more under its old key, the device refused it ({reason})";
        }
        return world.Finish(device, new LabOutcome(moved ? Result.Works : Result.Refused,
            moved ? "the seller extended the replacement voucher, the buyer registered at the seller's rendezvous server, and the device took the buyer's credential"
                + (manufacturerGone ? "; nothing of the manufacturer's was up" : "") : outcome.Reason,
            former));
    }

    private static LabRun SaleWithoutSeller(FdoWorld world)
    {
        var (device, seller) = SetUp(world);
        var buyer = new FdoSite(world, "owner-2", "second owner");
        var original = world.VoucherOf(device);
        device.Reset();
        string why;
        try
        {
            buyer.Import(original);
            why = "the buyer's service took a voucher that does not name it";
        }
        catch (FdoException refused)
        {
            why = $"without the seller there is no voucher that names the buyer: error {(int)refused.Code}, {refused.Message}";
        }
        var outcome = world.PowerOn(device);
        if (outcome.Succeeded && buyer.Owns(device))
            return world.Finish(device, new LabOutcome(Result.Works, "the buyer onboarded the device"));
        HandOver(world, device, seller, seller);
        bool saved = world.PowerOn(device).Succeeded;
        return world.Finish(device, new LabOutcome(saved ? Result.Refused : Result.DeviceLost, why, saved ? "onboard it again, as if it had not been sold" : "nothing"));
    }

    /// <summary>The voucher that TO2 left is extended to the next owner, who registers where the device will ask.</summary>
    internal static void HandOver(FdoWorld world, FdoDevice device, FdoSite from, FdoSite to)
    {
        world.Wait(TimeSpan.FromHours(1));
        var voucher = from.SellTo(to.PublicKey, device.State.Guid);
        var resold = world.Act(FdoSteps.ResellVoucher, new Actor(FdoPlayers.Reseller, $"reseller {from.Name}", from.Actor.OperatedBy), to.Staff);
        var imported = to.Import(voucher);
        Require(to.Register(voucher, $"rv.{from.Name}.test"), "TO0");
        foreach (var act in new[] { resold, imported })
            world.Witness.Link(to.LastRegistration, act);
        world.Wait(TimeSpan.FromHours(1));
    }

    private static LabOutcome Said(Outcome outcome, string good) => outcome.Succeeded ? new LabOutcome(Result.Works, good) : new LabOutcome(Result.Refused, outcome.Reason);

    internal static void Require(Outcome outcome, string what)
    {
        if (!outcome.Succeeded)
            throw new InvalidOperationException($"The lab's own preparation failed at {what}: {outcome.Reason}");
    }
}
