namespace Hatchery.Server.Roles;

/// <summary>What this server can run. A protocol adds its lines.</summary>
public static class RoleList
{
    public static IReadOnlyList<IServerRole> All { get; } =
    [
        new FdoManufacturerRole(), new FdoRendezvousRole(), new FdoOwnerRole(),
        new CaRole(), new EstServerRole(), new EstRaRole(),
        new EapNoobServerRole(),
        new DppControllerRole(),
    ];

    public static IReadOnlyList<Protocol> Protocols { get; } = [.. All.Select(r => r.Protocol).Distinct()];
}
