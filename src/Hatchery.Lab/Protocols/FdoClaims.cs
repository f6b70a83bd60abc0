using System.Collections.Immutable;
using Hatchery.Fdo;

namespace Hatchery.Lab.Protocols;

/// <summary>What the draft says of FDO (its section "FIDO Device Onboard (FDO)" and the comparison), in our words.</summary>
internal static class FdoClaims
{
    private const string Fdo = "FIDO Device Onboard: ", Comparison = "Comparison of ";

    public static ImmutableArray<DraftClaim> All =>
    [
        New("onboarding", Question.Terms, Fdo + "Terms", "Onboarding is the whole automated process, from finding the owner through the rendezvous server over TO1 and TO2 to operation.",
            new ClaimCheck.WordCovers("onboarding", WordUse.Umbrella, FdoSteps.HelloRV, FdoSteps.Done2)),
        New("onboarding-direct", Question.Terms, Fdo + "Terms", "Onboarding covers the mutual authentication and the exchange of configuration in TO2.",
            new ClaimCheck.WordCovers("onboarding", WordUse.Umbrella, FdoSteps.HelloDevice, FdoSteps.Done2)),
        New("provisioning", Question.Terms, Fdo + "Terms; " + Comparison + "terminology", "Provisioning is used interchangeably with onboarding.", new ClaimCheck.SameWord("provisioning", "onboarding")),
        New("initialization", Question.Terms, Fdo + "Terms; " + Comparison + "terminology", "Initialization is the DI protocol, during manufacture.", new ClaimCheck.WordWithinPhase("initialization", Phase.Manufacture)),
        New("resale", Question.Terms, Fdo + "Terms", "Resale: the owner passes the device to a new owner without the manufacturer.", new ClaimCheck.ScenarioIs(Scenario.ManufacturerGone, Result.Works)),
        New("reprovisioning", Question.Terms, Fdo + "Terms", "Re-provisioning: the complete onboarding is executed again for a new owner.", new ClaimCheck.ScenarioIs(Scenario.SaleWithSeller, Result.Works)),
        New("manufacturer-scale", Question.Players, Fdo + "Players; " + Comparison + "initial beliefs", "The manufacturer runs a lasting online service: the rendezvous server is often the manufacturer's.",
            new ClaimCheck.ManufacturerIs(ManufacturerScale.LastingOnlineService)),
        New("manufacturer-notices", Question.Players, Comparison + "initial beliefs, privacy", "The owner cannot install the device without the manufacturer becoming aware of it.", new ClaimCheck.ManufacturerNotices(true)),
        New("initial-items", Question.InitialBeliefs, Fdo + "Initial beliefs", "The device has a GUID, an attestation key pair, a hash of the manufacturer's public key, rendezvous information and an HMAC secret.",
            new ClaimCheck.HoldsInitially(["DCGuid", "attestation key", "DCPubKeyHash", "DCRVInfo", "DCHmacSecret"])),
        New("initial-category", Question.InitialBeliefs, Comparison + "initial beliefs", "FDO starts from certificates and supporting infrastructure.", new ClaimCheck.InitialCategoryIs(InitialCategory.CertificatesAndInfrastructure)),
        New("power-only", Question.Processes, Fdo + "Processes", "Only physical installation and powering are required of people.", new ClaimCheck.PeopleOnly([Act.Press])),
        New("ip-first", Question.Processes, Fdo + "introduction", "The device already has IP connectivity to a rendezvous server.", new ClaimCheck.NeedsBefore(Medium.Http.Name, [FdoPlayers.Rendezvous, FdoPlayers.Owner])),
        New("imparted-credential", Question.ImpartedBeliefs, Fdo + "Beliefs imparted", "The device may receive a new GUID, new rendezvous information and a new hash of the owner's key.",
            new ClaimCheck.Replaces(["DCGuid", "DCRVInfo", "DCPubKeyHash"])),
        New("imparted-category", Question.ImpartedBeliefs, Comparison + "knowledge imparted", "What is imparted is trust in the owner's platform: service-centric.", new ClaimCheck.DominantIs(ImpartedCategory.ServiceCentric)),
        New("all-but-attestation", Question.ImpartedBeliefs, Fdo + "Players", "The owner can update all information except the device's attestation keys.", new ClaimCheck.KeepsOnly(["attestation key", "device certificate chain"])),
        New("outlives-manufacturer", Question.ImpartedBeliefs, Fdo + "Players", "Devices remain manageable even if the manufacturer ceases operation.", new ClaimCheck.ScenarioIs(Scenario.ManufacturerGone, Result.Works)),
    ];

    private static DraftClaim New(string id, Question question, string place, string says, ClaimCheck check) => new("fdo." + id, FdoProfile.Protocol.Id, question, place, says, check);
}
