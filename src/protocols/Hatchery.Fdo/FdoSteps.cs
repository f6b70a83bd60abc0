using System.Collections.Immutable;

namespace Hatchery.Fdo;

/// <summary>Every message of FDO 1.1, and what people do.</summary>
public static class FdoSteps
{
    private static StepKind Message(string name, int type, Phase phase, Player from, Player to, string section) => new(name, type, phase, from, to, $"FDO 1.1 §{section}");
    private static StepKind Di(string name, int type, Player from, Player to, string section) => Message($"DI.{name}", type, Phase.Manufacture, from, to, section);
    private static StepKind To0(string name, int type, Player from, Player to, string section) => Message($"TO0.{name}", type, Phase.Discovery, from, to, section);
    private static StepKind To1(string name, int type, Player from, Player to, string section) => Message($"TO1.{name}", type, Phase.Discovery, from, to, section);
    private static StepKind To2(string name, int type, Phase phase, bool up, string section) =>
        Message($"TO2.{name}", type, phase, up ? FdoPlayers.Device : FdoPlayers.Owner, up ? FdoPlayers.Owner : FdoPlayers.Device, section);

    public static readonly StepKind AppStart = Di("AppStart", 10, FdoPlayers.Device, FdoPlayers.Manufacturer, "5.2.1");
    public static readonly StepKind SetCredentials = Di("SetCredentials", 11, FdoPlayers.Manufacturer, FdoPlayers.Device, "5.2.2");
    public static readonly StepKind SetHmac = Di("SetHMAC", 12, FdoPlayers.Device, FdoPlayers.Manufacturer, "5.2.3");
    public static readonly StepKind DiDone = Di("Done", 13, FdoPlayers.Manufacturer, FdoPlayers.Device, "5.2.4");

    /// <summary>Signs the voucher to the next owner and hands the file over; repeated at each sale.</summary>
    public static readonly StepKind ExtendVoucher = new("voucher extension", null, Phase.Sale, FdoPlayers.Manufacturer, FdoPlayers.OwnerStaff, "FDO 1.1 §3.4", Act.Carry);
    public static readonly StepKind ResellVoucher = new("voucher extension by a reseller", null, Phase.Sale, FdoPlayers.Reseller, FdoPlayers.OwnerStaff, "FDO 1.1 §3.4", Act.Carry);
    /// <summary>The buyer's public key goes to the seller.</summary>
    public static readonly StepKind GiveOwnerKey = new("owner key handed over", null, Phase.Sale, FdoPlayers.OwnerStaff, FdoPlayers.Manufacturer, "FDO 1.1 §3.4", Act.Carry);
    public static readonly StepKind ImportVoucher = new("voucher import", null, Phase.Sale, FdoPlayers.OwnerStaff, FdoPlayers.Owner, "FDO 1.1 §3.4", Act.Carry);
    public static readonly StepKind PowerOn = new("power on", null, Phase.NetworkAttachment, FdoPlayers.Installer, FdoPlayers.Device, "FDO 1.1 §2.4", Act.Press);

    public static readonly StepKind To0Hello = To0("Hello", 20, FdoPlayers.Owner, FdoPlayers.Rendezvous, "5.3.1");
    public static readonly StepKind To0HelloAck = To0("HelloAck", 21, FdoPlayers.Rendezvous, FdoPlayers.Owner, "5.3.2");
    public static readonly StepKind OwnerSign = To0("OwnerSign", 22, FdoPlayers.Owner, FdoPlayers.Rendezvous, "5.3.3");
    public static readonly StepKind AcceptOwner = To0("AcceptOwner", 23, FdoPlayers.Rendezvous, FdoPlayers.Owner, "5.3.4");

    public static readonly StepKind HelloRV = To1("HelloRV", 30, FdoPlayers.Device, FdoPlayers.Rendezvous, "5.4.1");
    public static readonly StepKind HelloRVAck = To1("HelloRVAck", 31, FdoPlayers.Rendezvous, FdoPlayers.Device, "5.4.2");
    public static readonly StepKind ProveToRV = To1("ProveToRV", 32, FdoPlayers.Device, FdoPlayers.Rendezvous, "5.4.3");
    public static readonly StepKind RVRedirect = To1("RVRedirect", 33, FdoPlayers.Rendezvous, FdoPlayers.Device, "5.4.4");

    public static readonly StepKind HelloDevice = To2("HelloDevice", 60, Phase.TrustEstablishment, true, "5.5.2");
    public static readonly StepKind ProveOVHdr = To2("ProveOVHdr", 61, Phase.TrustEstablishment, false, "5.5.3");
    public static readonly StepKind GetOVNextEntry = To2("GetOVNextEntry", 62, Phase.TrustEstablishment, true, "5.5.4");
    public static readonly StepKind OVNextEntry = To2("OVNextEntry", 63, Phase.TrustEstablishment, false, "5.5.5");
    public static readonly StepKind ProveDevice = To2("ProveDevice", 64, Phase.TrustEstablishment, true, "5.5.6");
    public static readonly StepKind SetupDevice = To2("SetupDevice", 65, Phase.Delivery, false, "5.5.7");
    public static readonly StepKind DeviceServiceInfoReady = To2("DeviceServiceInfoReady", 66, Phase.Delivery, true, "5.5.8");
    public static readonly StepKind OwnerServiceInfoReady = To2("OwnerServiceInfoReady", 67, Phase.Delivery, false, "5.5.9");
    public static readonly StepKind DeviceServiceInfo = To2("DeviceServiceInfo", 68, Phase.Delivery, true, "5.5.10");
    public static readonly StepKind OwnerServiceInfo = To2("OwnerServiceInfo", 69, Phase.Delivery, false, "5.5.11");
    public static readonly StepKind Done = To2("Done", 70, Phase.Delivery, true, "5.5.12");
    public static readonly StepKind Done2 = To2("Done2", 71, Phase.Delivery, false, "5.5.13");

    /// <summary>What fdo.download delivered is used against the owner's service, which refuses who does not have it. Outside the standard, which ends with Done2.</summary>
    public static readonly StepKind ServiceUse = new("fdo.ServiceUse", null, Phase.OperationProven, FdoPlayers.Device, FdoPlayers.OwnerService, "FDO 1.1 §3.8");
    public static readonly StepKind ServiceAccept = new("fdo.ServiceAccept", null, Phase.OperationProven, FdoPlayers.OwnerService, FdoPlayers.Device, "FDO 1.1 §3.8");

    /// <summary>Either side sends it; as a step it is told by its session who did.</summary>
    public static readonly StepKind Error = new("Error", 255, Phase.TrustEstablishment, FdoPlayers.Device, FdoPlayers.Owner, "FDO 1.1 §5.1.1");

    public static readonly ImmutableArray<StepKind> All =
    [
        AppStart, SetCredentials, SetHmac, DiDone, GiveOwnerKey, ExtendVoucher, ResellVoucher, ImportVoucher,
        To0Hello, To0HelloAck, OwnerSign, AcceptOwner, PowerOn, HelloRV, HelloRVAck, ProveToRV, RVRedirect,
        HelloDevice, ProveOVHdr, GetOVNextEntry, OVNextEntry, ProveDevice, SetupDevice, DeviceServiceInfoReady, OwnerServiceInfoReady,
        DeviceServiceInfo, OwnerServiceInfo, Done, Done2, ServiceUse, ServiceAccept, Error,
    ];

    /// <summary>The kind of a message type; null if there is none.</summary>
    public static StepKind? OfType(int type)
    {
        foreach (var kind in All)
            if (kind.Code == type)
                return kind;
        return null;
    }
}
