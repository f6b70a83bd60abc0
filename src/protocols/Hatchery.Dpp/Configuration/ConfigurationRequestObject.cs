using System.Collections.Immutable;
using System.Text.Json;

namespace Hatchery.Dpp;

/// <summary>What the Enrollee says of itself: the DPP Configuration Request object (DPP §4.3).</summary>
public sealed record ConfigurationRequestObject
{
    public const int MaxName = 64;
    private static readonly ImmutableArray<string> s_roles = ["sta", "ap", "configurator", "mapAgent", "mapController", "mapBackhaulSta"];

    public required string Name { get; init; }
    /// <summary>"infra", or "map" of EasyMesh.</summary>
    public string Technology { get; init; } = "infra";
    /// <summary>"sta", "ap", "configurator".</summary>
    public required string NetRole { get; init; }
    /// <summary>RFC 8520.</summary>
    public string? MudUrl { get; init; }
    /// <summary>Global operating classes.</summary>
    public ImmutableArray<int> BandSupport { get; init; } = [];
    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Pkcs10 { get; init; }
    /// <summary>Bit 0: SAE password identifiers (version 3).</summary>
    public int? Capabilities { get; init; }

    public bool KnowsPasswordIdentifier => ((Capabilities ?? 0) & 1) != 0;

    /// <exception cref="DppException"/>
    public static ConfigurationRequestObject Parse(ReadOnlyMemory<byte> text)
    {
        using var json = Json.Parse(text, "Configuration Request");
        var root = json.RootElement;
        string name = Json.Need(root, "name"), technology = Json.Need(root, "wi-fi_tech"), role = Json.Need(root, "netRole");
        if (technology is not ("infra" or "map"))
            throw DppException.Malformed("wi-fi_tech", "is not known.");
        if (!s_roles.Contains(role))
            throw DppException.Malformed("netRole", "is not known.");
        var bands = ImmutableArray<int>.Empty;
        if (root.TryGetProperty("bandSupport", out var list))
        {
            if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > 256)
                throw DppException.Malformed("bandSupport", "is no list of numbers.");
            bands = [.. list.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Number && v.TryGetInt32(out int band) ? band : throw DppException.Malformed("bandSupport", "is no list of numbers."))];
        }
        return new ConfigurationRequestObject
        {
            Name = name.Length <= MaxName ? name : throw DppException.Malformed("name", $"has more than {MaxName} characters."),
            Technology = technology,
            NetRole = role,
            MudUrl = Json.Text(root, "mudurl"),
            BandSupport = bands,
            Pkcs10 = Json.Text(root, "pkcs10") is { } csr ? Json.Base64(csr, "pkcs10") : default,
            Capabilities = Json.Number(root, "capabilities"),
        };
    }

    /// <summary>UTF-8.</summary>
    public byte[] Encode() => Json.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("name", Name);
        json.WriteString("wi-fi_tech", Technology);
        json.WriteString("netRole", NetRole);
        if (MudUrl is not null)
            json.WriteString("mudurl", MudUrl);
        if (!BandSupport.IsEmpty)
        {
            json.WriteStartArray("bandSupport");
            foreach (int band in BandSupport)
                json.WriteNumberValue(band);
            json.WriteEndArray();
        }
        if (!Pkcs10.IsEmpty)
            json.WriteString("pkcs10", Convert.ToBase64String(Pkcs10.Span));
        if (Capabilities is { } capabilities)
            json.WriteNumber("capabilities", capabilities);
        json.WriteEndObject();
    });
}
