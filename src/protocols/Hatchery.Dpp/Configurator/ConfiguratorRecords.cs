namespace Hatchery.Dpp.Configurator;

/// <summary>The keys of a Configurator. Whoever loses them loses the network: nobody can join or be reconfigured any more.</summary>
public sealed record ConfiguratorRecord(string Name, int Group, SecretBytes? CSign, SecretBytes? PpKey, SecretBytes? Bootstrapping)
{
    public static readonly Schema<ConfiguratorRecord> Schema = new Schema<ConfiguratorRecord>("dpp.configurator", 1, new("", 0, null, null, null))
        .Plain("name", r => r.Name, (r, v) => r with { Name = v }, Lifetime.Factory, "a server's record")
        .Plain("group", r => r.Group, (r, v) => r with { Group = v }, Lifetime.Factory, "a server's record")
        .Plain("csign", r => r.CSign!, (r, v) => r with { CSign = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("ppKey", r => r.PpKey!, (r, v) => r with { PpKey = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("bootstrapping", r => r.Bootstrapping!, (r, v) => r with { Bootstrapping = v }, Lifetime.Factory, "a server's record", secret: true);
}

/// <summary>A device whose URI was brought here; its key is the SHA-256 of its bootstrapping key, hex.</summary>
public sealed record KnownPeer(string Uri, string ChirpHash)
{
    public static readonly Schema<KnownPeer> Schema = new Schema<KnownPeer>("dpp.peer", 1, new("", ""))
        .Plain("uri", r => r.Uri, (r, v) => r with { Uri = v }, Lifetime.Factory, "a server's record")
        .Plain("chirp", r => r.ChirpHash, (r, v) => r with { ChirpHash = v }, Lifetime.Factory, "a server's record")
        .Index("chirp", r => r.ChirpHash);
}

/// <summary>A Connector or credential that was given out; written before it leaves. Its key is the SHA-256 of the netAccessKey, hex: a device that tries again overwrites nothing.</summary>
/// <param name="Result">"sent", then what the device said: "Ok", "ConfigRejected", or "unknown".</param>
/// <param name="Connection">A status number of the device's first attempt to connect; -1: not said.</param>
public sealed record Enrollment(string Device, string Name, string NetRole, string Network, DateTimeOffset At, string Result, int Connection)
{
    public static readonly Schema<Enrollment> Schema = new Schema<Enrollment>("dpp.enrollment", 1, new("", "", "", "", default, "", -1))
        .Plain("device", r => r.Device, (r, v) => r with { Device = v }, Lifetime.Factory, "a server's record")
        .Plain("name", r => r.Name, (r, v) => r with { Name = v }, Lifetime.Factory, "a server's record")
        .Plain("netRole", r => r.NetRole, (r, v) => r with { NetRole = v }, Lifetime.Factory, "a server's record")
        .Plain("network", r => r.Network, (r, v) => r with { Network = v }, Lifetime.Factory, "a server's record")
        .Plain("at", r => r.At, (r, v) => r with { At = v }, Lifetime.Factory, "a server's record")
        .Plain("result", r => r.Result, (r, v) => r with { Result = v }, Lifetime.Factory, "a server's record")
        .Plain("connection", r => r.Connection, (r, v) => r with { Connection = v }, Lifetime.Factory, "a server's record")
        .Index("device", r => r.Device);
}
