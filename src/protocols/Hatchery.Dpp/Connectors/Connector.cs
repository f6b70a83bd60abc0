using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Hatchery.Dpp;

/// <summary>A group that a Connector admits to, and as what.</summary>
/// <param name="GroupId">"*" matches every group.</param>
/// <param name="NetRole">"sta", "ap" or "configurator".</param>
public sealed record DppGroup(string GroupId, string NetRole)
{
    public const string Any = "*", Station = "sta", AccessPoint = "ap", Configurator = "configurator";
}

/// <summary>A Connector: what a Configurator signs over a device's key for network access (DPP §4.2). A compact JWS.</summary>
public sealed record Connector
{
    /// <summary>Characters.</summary>
    public const int MaxLength = 4096;

    /// <summary>As received or issued.</summary>
    public required string Text { get; init; }
    public required string KeyId { get; init; }
    public required ImmutableArray<DppGroup> Groups { get; init; }
    public required DppCurve Curve { get; init; }
    /// <summary>Uncompressed.</summary>
    public required ReadOnlyMemory<byte> NetAccessKey { get; init; }
    /// <summary>As written; null: for ever.</summary>
    public string? Expiry { get; init; }
    /// <summary>Null from Configurators before version 3.</summary>
    public int? Version { get; init; }

    /// <summary>Parses and verifies (§6.6.1): form first, then which key, then the signature.</summary>
    /// <exception cref="DppException">NoMatch: another C-sign-key signed it. InvalidConnector: everything else.</exception>
    public static Connector Verify(string text, DppPublicKey signer)
    {
        var (header, payload, signature) = Split(text);
        string keyId = CheckHeader(header, signer.Curve, signer);
        if (signature.Length != 2 * signer.Curve.Width || !signer.Verify(Encoding.ASCII.GetBytes(text[..text.LastIndexOf('.')]), signature))
            throw Invalid("signature", "is wrong.");
        try
        {
            return ParsePayload(text, keyId, payload);
        }
        catch (DppException e) when (e.Error != nameof(DppStatus.InvalidConnector))
        {
            throw new DppException(nameof(DppStatus.InvalidConnector), e.FieldName, e.Message, e);
        }
    }

    private static (byte[] Header, byte[] Payload, byte[] Signature) Split(string text)
    {
        string[] parts = text.Length > MaxLength ? [] : text.Split('.', 4);
        if (parts.Length != 3 || Json.TryBase64Url(parts[0]) is not { } header || Json.TryBase64Url(parts[1]) is not { } payload || Json.TryBase64Url(parts[2]) is not { } signature)
            throw Invalid("Connector", "is no compact JWS.");
        return (header, payload, signature);
    }

    private static string CheckHeader(byte[] header, DppCurve curve, DppPublicKey signer)
    {
        try
        {
            using var json = Json.Parse(header, "header");
            if (Json.Need(json.RootElement, "typ") != "dppCon")
                throw Invalid("typ", "is not dppCon.");
            string keyId = Json.Need(json.RootElement, "kid");
            if (Json.TryBase64Url(keyId) is not { Length: 32 } kid)
                throw Invalid("kid", "is no hash.");
            if (!kid.AsSpan().SequenceEqual(signer.Hash.Span))
                throw new DppException(DppStatus.NoMatch, "kid", "Another C-sign-key signed the Connector.");
            return Json.Need(json.RootElement, "alg") == curve.Algorithm ? keyId : throw Invalid("alg", $"is not {curve.Algorithm}.");
        }
        catch (DppException e) when (e.Error is not (nameof(DppStatus.InvalidConnector) or nameof(DppStatus.NoMatch)))
        {
            throw new DppException(nameof(DppStatus.InvalidConnector), e.FieldName, e.Message, e);
        }
    }

    private static Connector ParsePayload(string text, string keyId, byte[] payload)
    {
        using var json = Json.Parse(payload, "payload");
        var root = json.RootElement;
        if (!root.TryGetProperty("groups", out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is 0 or > 64)
            throw Invalid("groups", "is missing, empty or too long.");
        var groups = ImmutableArray.CreateBuilder<DppGroup>();
        foreach (var group in list.EnumerateArray())
        {
            if (group.ValueKind != JsonValueKind.Object)
                throw Invalid("groups", "holds something that is no group.");
            groups.Add(new DppGroup(Json.Need(group, "groupId"), Json.Need(group, "netRole")));
        }
        var key = Json.Object(root, "netAccessKey") ?? throw Invalid("netAccessKey", "is missing.");
        var (curve, point) = Jwk.Parse(key, "netAccessKey");
        return new Connector
        {
            Text = text,
            KeyId = keyId,
            Groups = groups.ToImmutable(),
            Curve = curve,
            NetAccessKey = point,
            Expiry = Json.Text(root, "expiry"),
            Version = Json.Number(root, "version"),
        };
    }

    /// <summary>Signs one.</summary>
    /// <param name="expiry">Null: for ever. Whole seconds.</param>
    /// <param name="version">Of the device's protocol; null: not said, as before version 3.</param>
    /// <param name="signer">The C-sign-key.</param>
    public static Connector Sign(ImmutableArray<DppGroup> groups, DppCurve curve, ReadOnlyMemory<byte> netAccessKey, DateTimeOffset? expiry, int? version, DppPublicKey key, ECDsa signer, Chance chance)
    {
        byte[] header = Json.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("typ", "dppCon");
            json.WriteString("kid", key.KeyId);
            json.WriteString("alg", key.Curve.Algorithm);
            json.WriteEndObject();
        });
        string? until = expiry?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        byte[] payload = Json.Write(json => WritePayload(json, groups, curve, netAccessKey.Span, until, version));
        string signed = Json.Base64Url(header) + "." + Json.Base64Url(payload);
        byte[] signature = chance.Signer(signer, "Connector").SignData(Encoding.ASCII.GetBytes(signed), key.Curve.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        return new Connector { Text = signed + "." + Json.Base64Url(signature), KeyId = key.KeyId, Groups = groups, Curve = curve, NetAccessKey = netAccessKey, Expiry = until, Version = version };
    }

    private static void WritePayload(Utf8JsonWriter json, ImmutableArray<DppGroup> groups, DppCurve curve, ReadOnlySpan<byte> netAccessKey, string? expiry, int? version)
    {
        json.WriteStartObject();
        json.WriteStartArray("groups");
        foreach (var group in groups)
        {
            json.WriteStartObject();
            json.WriteString("groupId", group.GroupId);
            json.WriteString("netRole", group.NetRole);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        Jwk.Write(json, "netAccessKey", curve, netAccessKey);
        if (expiry is not null)
            json.WriteString("expiry", expiry);
        if (version is { } number)
            json.WriteNumber("version", number);
        json.WriteEndObject();
    }

    /// <summary>An expiry that cannot be read counts as past. Without a clock nothing has expired.</summary>
    public bool HasExpired(DateTimeOffset? now) => Expiry is not null && now is { } clock && !(TryExpiry(out var until) && clock < until);

    /// <summary>ISO 8601 to the second, then nothing (UTC), Z, or an offset of hours or hours and minutes.</summary>
    public bool TryExpiry(out DateTimeOffset until)
    {
        until = default;
        if (Expiry is not { Length: >= 19 and <= 32 } text
            || !DateTime.TryParseExact(text[..19], "yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
            return false;
        string zone = text[19..];
        var offset = TimeSpan.Zero;
        if (zone is not ("" or "Z"))
        {
            string digits = zone[1..].Replace(":", "", StringComparison.Ordinal);
            if (zone[0] is not ('+' or '-') || digits.Length is not (2 or 4) || !digits.All(char.IsAsciiDigit))
                return false;
            offset = TimeSpan.FromMinutes((zone[0] == '-' ? -1 : 1) * (60 * int.Parse(digits[..2], CultureInfo.InvariantCulture) + (digits.Length == 4 ? int.Parse(digits[2..], CultureInfo.InvariantCulture) : 0)));
            if (offset.Duration() > TimeSpan.FromHours(14))
                return false;
        }
        if (time - DateTime.MinValue < TimeSpan.FromDays(1) || DateTime.MaxValue - time < TimeSpan.FromDays(1))
            return false;
        until = new DateTimeOffset(time, offset);
        return true;
    }

    /// <summary>Some pair of groups that have the same id, or "*", and roles that fit: station and access point, or a Configurator with anybody.</summary>
    public bool Matches(Connector other) => Groups.Any(mine => other.Groups.Any(theirs => (mine.GroupId == theirs.GroupId || mine.GroupId == DppGroup.Any || theirs.GroupId == DppGroup.Any)
        && (mine.NetRole, theirs.NetRole) is (DppGroup.Station, DppGroup.AccessPoint) or (DppGroup.AccessPoint, DppGroup.Station)
            or (DppGroup.Configurator, _) or (_, DppGroup.Configurator)));

    public override string ToString() => $"Connector of {KeyId}";

    private static DppException Invalid(string field, string sentence) => new(DppStatus.InvalidConnector, field, $"{field}: {sentence}");
}
