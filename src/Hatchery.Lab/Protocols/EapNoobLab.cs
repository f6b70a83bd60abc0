using System.Collections.Immutable;
using Hatchery.EapNoob;

namespace Hatchery.Lab.Protocols;

/// <summary>EAP-NOOB in the lab.</summary>
public sealed class EapNoobLab : ILabProtocol
{
    public Protocol Protocol => NoobProfile.Protocol;
    public ImmutableArray<Method> Methods => [NoobProfile.PeerToServer, NoobProfile.ServerToPeer, NoobProfile.Reconnect];
    public string WhyNotRun(Method method) => "the lab has no world for it";
    public ImmutableArray<AttackPrediction> Predictions => EapNoobAttacks.Predictions;
    public ImmutableArray<DraftClaim> Claims => EapNoobClaims.All;

    public LabRun Run(LabTask task)
    {
        var world = new EapNoobWorld(task);
        if (task.Attack is { } attack)
            return new EapNoobAttacks(world).Run(attack);
        return task.Scenario switch
        {
            Scenario.FirstSetup when task.Method == NoobProfile.Reconnect => Reconnect(world),
            Scenario.FirstSetup => FirstSetup(world),
            Scenario.Again => Again(world, "the device was reset and registered once more, under a new PeerId"),
            Scenario.ResetByOwner => Again(world, "the owner pressed the reset button, and registered the device once more"),
            Scenario.ResetWithoutOwner => Stranger(world, "whoever has the device in hand can reset it and register it anywhere"),
            Scenario.SaleWithSeller => Stranger(world, "the device was reset, and the buyer registered it at a server of his own"),
            Scenario.SaleWithoutSeller => Stranger(world, "the seller had no part in it: the reset button is enough"),
            Scenario.ManufacturerGone => Stranger(world, "nothing of the manufacturer's takes part"),
            Scenario.TheftWithLabel => Stranger(world, "a thief resets the device and registers it as his; there is no label"),
            _ => throw new ArgumentOutOfRangeException(nameof(task), task.Scenario, "EAP-NOOB has no such scenario."),
        };
    }

    /// <summary>Registered, let in, with the authenticator's keys its own.</summary>
    internal static (EapNoobDevice Device, EapNoobSite Site) SetUp(EapNoobWorld world)
    {
        var (site, device) = (world.AddServer("server-1", "owner"), world.AddDevice("device-9140"));
        world.Wait(TimeSpan.FromHours(1));
        Require(world.PowerOn(device, site), "registration");
        world.Wait(TimeSpan.FromDays(1));
        return (device, site);
    }

    private static LabRun FirstSetup(EapNoobWorld world)
    {
        var (site, device) = (world.AddServer("server-1", "owner"), world.AddDevice("device-9140"));
        world.Wait(TimeSpan.FromHours(1));
        return world.Finish(device, Said(world.PowerOn(device, site), device));
    }

    private static LabOutcome Said(Outcome outcome, EapNoobDevice device) => outcome.Succeeded && device.KeysAgree == true
        ? new LabOutcome(Result.Works, "registered, and let in by an authenticator that got the device's keys")
        : new LabOutcome(Result.Refused, outcome.Succeeded ? "the authenticator has other keys" : outcome.Reason);

    private static LabRun Reconnect(EapNoobWorld world)
    {
        var (device, site) = SetUp(world);
        device.Factory = device.Held;
        var outcome = world.PowerOn(device, site);
        return world.Finish(device, Said(outcome, device), onlyReconnect: true);
    }

    private static LabRun Again(EapNoobWorld world, string explanation)
    {
        var (device, site) = SetUp(world);
        device.Reset();
        var outcome = world.PowerOn(device, site);
        return world.Finish(device, outcome.Succeeded ? new LabOutcome(Result.Works, explanation) : new LabOutcome(Result.Refused, outcome.Reason));
    }

    /// <summary>Somebody else's server, in a network that leads to it.</summary>
    private static LabRun Stranger(EapNoobWorld world, string explanation)
    {
        var (device, former) = SetUp(world);
        string before = device.State.PeerId;
        device.Reset();
        var other = world.AddServer("server-2", "second owner");
        var outcome = world.PowerOn(device, other);
        bool moved = outcome.Succeeded && other.Owns(world, device);
        string can = "everything";
        if (moved)
        {
            // The former owner's network: the device does not know that server any more, and the server does not know this PeerId.
            var back = world.PowerOn(device, former, _ => { });
            can = back.Succeeded ? "let it in again" : $"nothing: its record of {before[..4]}… is of no use, the device is refused there ({back.Reason})";
        }
        return world.Finish(device, new LabOutcome(moved ? Result.Works : Result.Refused, moved ? explanation : outcome.Reason, can));
    }

    internal static void Require(Outcome outcome, string what)
    {
        if (!outcome.Succeeded)
            throw new InvalidOperationException($"The lab's own preparation failed at {what}: {outcome.Reason}");
    }
}

/// <summary>What the draft says of EAP-NOOB, in our words.</summary>
internal static class EapNoobClaims
{
    private const string Comparison = "Comparison of ";

    public static ImmutableArray<DraftClaim> All =>
    [
        New("bootstrapping", Question.Terms, Comparison + "terminology", "Bootstrapping is the word for the whole process.",
            new ClaimCheck.WordCovers("bootstrapping", WordUse.Umbrella, NoobSteps.InitialRequest, NoobSteps.CompletionResponse)),
        New("manufacturer-scale", Question.Players, Comparison + "initial beliefs", "The manufacturer installs nothing beforehand.", new ClaimCheck.ManufacturerIs(ManufacturerScale.NothingPreinstalled)),
        New("manufacturer-notices", Question.Players, Comparison + "initial beliefs, privacy", "The manufacturer does not become aware of the installation.", new ClaimCheck.ManufacturerNotices(false)),
        New("initial-category", Question.InitialBeliefs, Comparison + "initial beliefs", "EAP-NOOB starts from a blank slate.", new ClaimCheck.InitialCategoryIs(InitialCategory.BlankSlate)),
        New("imparted-category", Question.ImpartedBeliefs, Comparison + "knowledge imparted", "What is imparted is an association with the owner's server: service-centric.", new ClaimCheck.DominantIs(ImpartedCategory.ServiceCentric)),
    ];

    private static DraftClaim New(string id, Question question, string place, string says, ClaimCheck check) => new("eapnoob." + id, NoobProfile.Protocol.Id, question, place, says, check);
}
