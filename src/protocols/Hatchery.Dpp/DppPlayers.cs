namespace Hatchery.Dpp;

public static class DppPlayers
{
    public static readonly Player Enrollee = new("Enrollee", PlayerKind.Device, Reach.Factory | Reach.During | Reach.After, true, "owner", "DPP §2.3");
    public static readonly Player Configurator = new("Configurator", PlayerKind.Owner, Reach.Before | Reach.During, true, "owner", "DPP §2.3");
    /// <summary>A provisioned access point: the peer of network introduction.</summary>
    public static readonly Player AccessPoint = new("Access Point", PlayerKind.NetworkNode, Reach.After, true, "owner", "DPP §6.6");
    public static readonly Player Relay = new("Relay", PlayerKind.NetworkNode, Reach.During, true, "owner", "DPP §6.5");
    public static readonly Player Manufacturer = new("Manufacturer", PlayerKind.Manufacturer, Reach.Factory, false, "manufacturer", "DPP §5.1");
    public static readonly Player Installer = new("Installer", PlayerKind.User, Reach.During, true, "owner", "DPP §2.3");
}
