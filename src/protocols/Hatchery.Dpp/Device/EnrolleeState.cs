using System.Collections.Immutable;

namespace Hatchery.Dpp.Device;

/// <summary>What an Enrollee keeps. A reset leaves what the factory put in: with it, whoever has the URI can provision the device again.</summary>
public sealed record EnrolleeState
{
    public int BootstrappingGroup { get; init; }
    /// <summary>The scalar, big endian, of the curve's width.</summary>
    public SecretBytes? BootstrappingKey { get; init; }
    /// <summary>As printed.</summary>
    public string? Uri { get; init; }
    public string Name { get; init; } = "";
    /// <summary>"sta" or "ap".</summary>
    public string NetRole { get; init; } = DppGroup.Station;
    public string? MudUrl { get; init; }
    /// <summary>A Configurator that the device was told of before: URI with its address.</summary>
    public string? ConfiguratorUri { get; init; }
    public ImmutableArray<DppCredential> Credentials { get; init; } = [];
    /// <summary>C-sign-key and ppKey, where the device became a Configurator.</summary>
    public SecretBytes? ConfiguratorKeys { get; init; }

    public bool IsProvisioned => !Credentials.IsEmpty || ConfiguratorKeys is not null;

    public static readonly Schema<EnrolleeState> Schema = new Schema<EnrolleeState>("dpp.enrollee", 1, new EnrolleeState())
        .Plain("bootstrapping group", s => s.BootstrappingGroup, (s, v) => s with { BootstrappingGroup = v }, Lifetime.Factory, "the curve of the key")
        .Item("bootstrapping key", s => s.BootstrappingKey!, (s, v) => s with { BootstrappingKey = v }, Lifetime.Factory, BeliefKind.KeyPair, About.Device, secret: true)
        .Item("URI", s => s.Uri!, (s, v) => s with { Uri = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Item("name", s => s.Name, (s, v) => s with { Name = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Plain("netRole", s => s.NetRole, (s, v) => s with { NetRole = v }, Lifetime.Factory, "what the device is")
        .Plain("MUD URL", s => s.MudUrl!, (s, v) => s with { MudUrl = v }, Lifetime.Factory, "the same for all devices of a model")
        .Item("Configurator's URI", s => s.ConfiguratorUri!, (s, v) => s with { ConfiguratorUri = v }, Lifetime.Imparted, BeliefKind.TrustAnchor, About.Owner)
        .Items("credentials", s => s.Credentials, (s, v) => s with { Credentials = v }, Lifetime.Imparted, DppCredential.Schema)
        .Item("Configurator's keys", s => s.ConfiguratorKeys!, (s, v) => s with { ConfiguratorKeys = v }, Lifetime.Imparted, BeliefKind.OwnerCredential, About.Owner, secret: true);

    /// <summary>Null: the factory put none in.</summary>
    public BootstrappingKeyPair? OpenBootstrappingKey() =>
        BootstrappingKey is { } scalar && DppCurve.ByGroup(BootstrappingGroup) is { } curve ? BootstrappingKeyPair.FromScalar(curve, scalar.Reveal()) : null;

    /// <summary>What the factory does.</summary>
    public static EnrolleeState Manufacture(string name, DppCurve curve, string? information, Chance chance, ImmutableArray<DppChannel> channels = default, string netRole = DppGroup.Station, int version = 3)
    {
        using var key = BootstrappingKeyPair.Generate(curve, chance);
        using var scalar = key.Key.ExportScalar();
        var uri = new DppUri { Key = key.Public, Information = information, Version = version, Channels = channels.IsDefault ? [] : channels };
        return new EnrolleeState { BootstrappingGroup = curve.IkeGroup, BootstrappingKey = new SecretBytes(scalar.Reveal()), Uri = uri.ToString(), Name = name, NetRole = netRole };
    }

    public override string ToString() => Name;
}
