namespace Hatchery.EapNoob;

public static class NoobPlayers
{
    public static readonly Player Peer = new("EAP peer", PlayerKind.Device, Reach.During | Reach.After, true, "owner", "RFC 9140 §2");
    /// <summary>Switch or access point: passes EAP on, knows nothing of the method, opens the port at the end.</summary>
    public static readonly Player Authenticator = new("Authenticator", PlayerKind.NetworkNode, Reach.During | Reach.After, true, "network operator", "RFC 9140 §2");
    public static readonly Player Server = new("EAP server", PlayerKind.Service, Reach.During | Reach.After, false, "owner", "RFC 9140 §2");
    /// <summary>Has the device in hand and an account at the server.</summary>
    public static readonly Player User = new("User", PlayerKind.User, Reach.During, true, "owner", "RFC 9140 §3.2.3");
}
