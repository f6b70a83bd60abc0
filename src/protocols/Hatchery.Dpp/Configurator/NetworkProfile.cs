using System.Collections.Immutable;

namespace Hatchery.Dpp.Configurator;

/// <summary>A network that devices are provisioned for; groups and roles are the policy of who may talk with whom.</summary>
public sealed record NetworkProfile
{
    public string Name { get; init; } = "";
    /// <summary>1 to 32 bytes.</summary>
    public required ReadOnlyMemory<byte> Ssid { get; init; }
    public int? SsidCharset { get; init; }
    public required DppAkm Akm { get; init; }
    public bool UseSelectors { get; init; }
    public SecretText? Pass { get; init; }
    public SecretText? PskHex { get; init; }
    public string? PasswordIdentifier { get; init; }
    public ImmutableArray<string> Groups { get; init; } = [DppGroup.Any];
    /// <summary>netRole that may have it: "sta", "ap".</summary>
    public ImmutableArray<string> Roles { get; init; } = [DppGroup.Station, DppGroup.AccessPoint];
    /// <summary>Of a Connector; null: for ever.</summary>
    public TimeSpan? Validity { get; init; }
    /// <summary>Curve of all netAccessKeys; null: whatever the device authenticated with.</summary>
    public DppCurve? NetAccessKeyCurve { get; init; }
    /// <summary>No Connector: for PSK and SAE only.</summary>
    public bool WithoutConnector { get; init; }

    /// <summary>The Configuration Object for one device (DPP §4.5), in what its version knows.</summary>
    public ConfigurationObject For(ConfiguratorKeys keys, ConfigurationAsked asked, DateTimeOffset? now, EnterpriseCredential? enterprise = null)
    {
        bool first = asked.PeerVersion < 2;
        var akm = first && (Akm & DppAkm.Dpp) != 0 ? DppAkm.Dpp : Akm;
        bool connector = !WithoutConnector && ((akm & DppAkm.Dpp) != 0 || !first);
        bool secret = (akm & (DppAkm.Psk | DppAkm.Sae)) != 0;
        return new ConfigurationObject
        {
            Ssid = Ssid,
            SsidCharset = first || asked.Request.NetRole == DppGroup.AccessPoint ? null : SsidCharset,
            Akm = akm,
            UseSelectors = UseSelectors && !first,
            Pass = secret ? Pass : null,
            PskHex = secret ? PskHex : null,
            PasswordIdentifier = secret ? PasswordIdentifier : null,
            Enterprise = enterprise,
            SignedConnector = !connector ? null : keys.Issue([.. Groups.Select(g => new DppGroup(g, asked.Request.NetRole))], asked.NetAccessCurve, asked.NetAccessKey,
                Validity is { } life && now is { } wall ? wall + life : null, asked.OwnVersion > 2 ? asked.PeerVersion : null).Text,
            CSign = connector ? keys.CSign : null,
            PpKey = connector && !first ? keys.PpKey : null,
        };
    }
}

/// <summary>What a device asked for, authenticated and checked.</summary>
/// <param name="Peer">Its bootstrapping key; null where only we were authenticated.</param>
/// <param name="NetAccessKey">The key that a Connector is to be for, uncompressed.</param>
/// <param name="HasNewKey">It made that key because we asked for another curve.</param>
/// <param name="CanNewKey">There may still be a round for a new key.</param>
/// <param name="ReconfigurationOf">The Connector that it showed; null: first provisioning.</param>
public sealed record ConfigurationAsked(ConfigurationRequestObject Request, BootstrappingKey? Peer, bool IsMutual, int PeerVersion, int OwnVersion, DppCurve NetAccessCurve,
    ReadOnlyMemory<byte> NetAccessKey, bool HasNewKey, bool CanNewKey, Connector? ReconfigurationOf);

/// <summary>What the Configurator's policy says to it.</summary>
public abstract record ConfigurationDecision
{
    /// <param name="Objects">In order of preference; devices of version 1 get the first.</param>
    public sealed record Provide(ImmutableArray<ConfigurationObject> Objects, bool AskStatus = false, ConfiguratorBackup? Backup = null) : ConfigurationDecision;
    /// <param name="Delay">Until the device asks again.</param>
    public sealed record NotYet(TimeSpan Delay) : ConfigurationDecision;
    /// <param name="Status">ConfigureFailure, CsrBad or ConfigurePending.</param>
    public sealed record Refuse(DppStatus Status, string Reason) : ConfigurationDecision;
    public sealed record NeedCsr(ReadOnlyMemory<byte> CsrAttributes = default) : ConfigurationDecision;
    public sealed record NeedNewKey(DppCurve Curve) : ConfigurationDecision;
}
