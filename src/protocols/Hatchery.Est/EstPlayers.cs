namespace Hatchery.Est;

public static class EstPlayers
{
    public static readonly Player Client = new("EST Client", PlayerKind.Device, Reach.Factory | Reach.During | Reach.After, true, "owner", "RFC 7030 §1.1");
    public static readonly Player Server = new("EST Server", PlayerKind.Service, Reach.Before | Reach.During | Reach.After, false, "owner", "RFC 7030 §1.1");
    /// <summary>Makes the device's IDevID, where it has one; the EST server knows its CA.</summary>
    public static readonly Player Manufacturer = new("Manufacturer", PlayerKind.Manufacturer, Reach.Factory, false, "manufacturer", "RFC 7030 §2.1");
    /// <summary>Runs server and CA: gives out passwords, decides on requests that wait.</summary>
    public static readonly Player Administrator = new("Administrator", PlayerKind.Administrator, Reach.Before | Reach.During, false, "owner", "RFC 7030 §3.6");
    /// <summary>Stands before the device: enters what it is told, or compares a fingerprint.</summary>
    public static readonly Player Installer = new("Installer", PlayerKind.User, Reach.During, true, "owner", "RFC 7030 §4.1.1");
    /// <summary>What the device's certificate is good for: a service of the domain that asks for it.</summary>
    public static readonly Player DomainService = new("Domain Service", PlayerKind.Service, Reach.After, false, "owner", "RFC 7030 §2");
}
