namespace Hatchery.Fdo;

public static class FdoPlayers
{
    public static readonly Player Device = new("Device", PlayerKind.Device, Reach.Factory | Reach.During | Reach.After, true, "owner", "FDO 1.1 §2.3");
    public static readonly Player Manufacturer = new("Manufacturing Server", PlayerKind.Manufacturer, Reach.Factory, true, "manufacturer", "FDO 1.1 §2.3");
    /// <summary>Whoever holds the voucher between manufacturer and owner; signs with a key of its own, off line.</summary>
    public static readonly Player Reseller = new("Supply Chain Party", PlayerKind.ThirdParty, Reach.Sale, false, "reseller", "FDO 1.1 §2.3");
    public static readonly Player Rendezvous = new("Rendezvous Server", PlayerKind.Service, Reach.Before | Reach.During, false, "manufacturer", "FDO 1.1 §2.3");
    public static readonly Player Owner = new("Owner Onboarding Service", PlayerKind.Owner, Reach.Before | Reach.During, false, "owner", "FDO 1.1 §2.3");
    /// <summary>What the owner runs and the device is to use once it is onboarded.</summary>
    public static readonly Player OwnerService = new("Device Management Service", PlayerKind.Service, Reach.After, false, "owner", "FDO 1.1 §2.3");
    public static readonly Player OwnerStaff = new("Owner's IT staff", PlayerKind.Administrator, Reach.Sale | Reach.Before, false, "owner", "FDO 1.1 §2.4");
    public static readonly Player Installer = new("Installer", PlayerKind.User, Reach.During, true, "owner", "FDO 1.1 §2.4");
}
