using System.Collections.Immutable;

namespace Hatchery.Fdo;

/// <summary>FIDO Device Onboard 1.1 as data.</summary>
public static class FdoProfile
{
    public const string RendezvousMethod = "fdo.rendezvous", BypassMethod = "fdo.bypass";

    private static readonly ImmutableArray<StepKind> s_untilSale =
        [FdoSteps.AppStart, FdoSteps.SetCredentials, FdoSteps.SetHmac, FdoSteps.DiDone, FdoSteps.GiveOwnerKey, FdoSteps.ExtendVoucher, FdoSteps.ImportVoucher];
    private static readonly ImmutableArray<StepKind> s_rendezvous =
        [FdoSteps.To0Hello, FdoSteps.To0HelloAck, FdoSteps.OwnerSign, FdoSteps.AcceptOwner, FdoSteps.PowerOn,
         FdoSteps.HelloRV, FdoSteps.HelloRVAck, FdoSteps.ProveToRV, FdoSteps.RVRedirect];
    private static readonly ImmutableArray<StepKind> s_to2 =
        [FdoSteps.HelloDevice, FdoSteps.ProveOVHdr, FdoSteps.GetOVNextEntry, FdoSteps.OVNextEntry, FdoSteps.ProveDevice, FdoSteps.SetupDevice,
         FdoSteps.DeviceServiceInfoReady, FdoSteps.OwnerServiceInfoReady, FdoSteps.DeviceServiceInfo, FdoSteps.OwnerServiceInfo, FdoSteps.Done, FdoSteps.Done2,
         FdoSteps.ServiceUse, FdoSteps.ServiceAccept];

    private static readonly ImmutableDictionary<StepKind, Phase> s_asDeclared = ImmutableDictionary<StepKind, Phase>.Empty;

    public static readonly Method Rendezvous = new(RendezvousMethod, "Rendezvous server",
        [FdoPlayers.Device, FdoPlayers.Manufacturer, FdoPlayers.Rendezvous, FdoPlayers.Owner, FdoPlayers.OwnerService, FdoPlayers.OwnerStaff, FdoPlayers.Installer],
        [.. s_untilSale, .. s_rendezvous, .. s_to2], s_asDeclared, "FDO 1.1 §5.3 to §5.5");

    /// <summary>The rendezvous information names the owner itself.</summary>
    public static readonly Method Bypass = new(BypassMethod, "Rendezvous bypass",
        [FdoPlayers.Device, FdoPlayers.Manufacturer, FdoPlayers.Owner, FdoPlayers.OwnerService, FdoPlayers.OwnerStaff, FdoPlayers.Installer],
        [.. s_untilSale, FdoSteps.PowerOn, .. s_to2], s_asDeclared, "FDO 1.1 §3.7");

    public static readonly ImmutableArray<Term> Terms =
    [
        Word("onboarding", WordUse.Umbrella, "Everything from the device's first power-on to the moment its owner's management service has it, "
            + "and with the factory's part the name of the standard.", "§1", new Span(FdoSteps.PowerOn, FdoSteps.Done2, [])),
        Word("provisioning", WordUse.Informal, "Another word for onboarding.", "§1", new Span(FdoSteps.PowerOn, FdoSteps.Done2, [])),
        Word("initialization", WordUse.Phase, "Device Initialize (DI): the factory gives the device a GUID, rendezvous information and the manufacturer's key, "
            + "and gets the HMAC for the voucher.", "§5.2", new Span(FdoSteps.AppStart, FdoSteps.DiDone, [])),
        Word("transfer of ownership", WordUse.Phase, "The protocols TO0, TO1 and TO2, by which the device comes to believe in its owner.", "§5.3 to §5.5",
            new Span(FdoSteps.To0Hello, FdoSteps.Done2, [RendezvousMethod]), new Span(FdoSteps.HelloDevice, FdoSteps.Done2, [BypassMethod])),
        Word("registration", WordUse.Phase, "The owner leaves a signed address at the rendezvous server (TO0).", "§5.3", new Span(FdoSteps.To0Hello, FdoSteps.AcceptOwner, [RendezvousMethod])),
        Word("discovery", WordUse.Phase, "Rendezvous: the device learns from a server that the factory named where its owner is (TO1).", "§5.4",
            new Span(FdoSteps.HelloRV, FdoSteps.RVRedirect, [RendezvousMethod])),
        Word("configuration", WordUse.Phase, "ServiceInfo: modules that install keys, files and software at the owner's wish.", "§3.8",
            new Span(FdoSteps.DeviceServiceInfoReady, FdoSteps.OwnerServiceInfo, [])),
        Word("ownership voucher", WordUse.Artifact, "A chain of signatures from the manufacturer over each buyer to the owner, about one device.", "§3.4"),
        Word("voucher extension", WordUse.SingleStep, "The holder of a voucher signs it over to the next key; no protocol, a file goes from hand to hand.", "§3.4",
            new Span(FdoSteps.ExtendVoucher, FdoSteps.ExtendVoucher, [])),
        Word("late binding", WordUse.Informal, "The device is made before anybody knows who will own it.", "§1"),
        Word("resale", WordUse.Informal, "The owner extends the voucher that TO2 left it, and the device is onboarded once more.", "§3.4"),
        Word("bootstrapping", WordUse.NotUsed, "Not a word of this standard; ServiceInfo may bootstrap another protocol.", "§1"),
        Word("enrollment", WordUse.Informal, "The certificate request that the ServiceInfo module fdo.csr carries.", "§3.8"),
        Word("commissioning", WordUse.NotUsed, "Not a word of this standard.", "§1"),
    ];

    public static readonly Protocol Protocol = new("fdo", "FIDO Device Onboard 1.1", Terms,
        [FdoPlayers.Device, FdoPlayers.Manufacturer, FdoPlayers.Reseller, FdoPlayers.Rendezvous, FdoPlayers.Owner, FdoPlayers.OwnerService, FdoPlayers.OwnerStaff, FdoPlayers.Installer],
        FdoSteps.All, [Rendezvous, Bypass], []);

    private static Term Word(string word, WordUse use, string definition, string section, params ReadOnlySpan<Span> spans) =>
        new(word, use, definition, "FDO 1.1 " + section, [.. spans]);
}
