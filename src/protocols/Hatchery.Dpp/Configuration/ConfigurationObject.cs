using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hatchery.Dpp;

/// <summary>Authentication and key management suites that a credential serves.</summary>
[Flags]
public enum DppAkm { None = 0, Dpp = 1, Psk = 2, Sae = 4, Dot1x = 8 }

/// <summary>What an enterprise network wants and proves (DPP §4.5.4).</summary>
/// <param name="CertificateBag">certs-only CMS, DER: the device's certificate and its chain.</param>
/// <param name="Anchors">Of the EAP server: each DER, a certificate or certs-only CMS.</param>
/// <param name="ServerName">Suffix of a dNSName that the EAP server's certificate must have; null: any.</param>
public sealed record EnterpriseCredential(ReadOnlyMemory<byte> CertificateBag, ImmutableArray<byte[]> Anchors, string? ServerName, ImmutableArray<int> EapMethods);

/// <summary>One network's credential: the DPP Configuration Object (DPP §4.5). Parsed, and nothing verified yet.</summary>
public sealed record ConfigurationObject
{
    /// <summary>UTF-8.</summary>
    public const int MaxLength = 16 * 1024;

    public string Technology { get; init; } = "infra";
    /// <summary>1 to 32 bytes.</summary>
    public required ReadOnlyMemory<byte> Ssid { get; init; }
    /// <summary>IANA MIBenum of the SSID's character set; set: the SSID travels in base64url.</summary>
    public int? SsidCharset { get; init; }
    public required DppAkm Akm { get; init; }
    /// <summary>Names suites by OUI and type, as from version 2 on.</summary>
    public bool UseSelectors { get; init; }
    /// <summary>8 to 63 characters, or any for SAE.</summary>
    public SecretText? Pass { get; init; }
    /// <summary>64 hexadecimal digits.</summary>
    public SecretText? PskHex { get; init; }
    /// <summary>SAE password identifier (version 3).</summary>
    public string? PasswordIdentifier { get; init; }
    public string? SignedConnector { get; init; }
    public DppPublicKey? CSign { get; init; }
    public DppPublicKey? PpKey { get; init; }
    public EnterpriseCredential? Enterprise { get; init; }

    /// <exception cref="DppException"/>
    public static ConfigurationObject Parse(ReadOnlyMemory<byte> text)
    {
        if (text.Length > MaxLength)
            throw DppException.Malformed("Configuration Object", $"has more than {MaxLength} bytes.");
        using var json = Json.Parse(text, "Configuration Object");
        var root = json.RootElement;
        if (Json.Need(root, "wi-fi_tech") is not ("infra" or "map") and var technology)
            throw DppException.Malformed("wi-fi_tech", $"is not known: {technology}.");
        var discovery = Json.Object(root, "discovery") ?? throw DppException.Malformed("discovery", "is missing.");
        byte[] ssid = Json.Text(discovery, "ssid64") is { } encoded ? Json.Base64Url(encoded, "ssid64") : Encoding.UTF8.GetBytes(Json.Need(discovery, "ssid"));
        if (ssid.Length is 0 or > 32)
            throw DppException.Malformed("ssid", "has not 1 to 32 bytes.");
        var cred = Json.Object(root, "cred") ?? throw DppException.Malformed("cred", "is missing.");
        string akm = Json.Need(cred, "akm");
        var parsed = new ConfigurationObject
        {
            Ssid = ssid,
            SsidCharset = Json.Number(discovery, "ssid_charset"),
            Akm = AkmText.Parse(akm),
            UseSelectors = AkmText.IsSelectors(akm),
            Pass = Json.Text(cred, "pass") is { } pass ? new SecretText(pass) : null,
            PskHex = Json.Text(cred, "psk_hex") is { } psk ? new SecretText(psk) : null,
            PasswordIdentifier = Json.Text(cred, "idpass"),
            SignedConnector = Json.Text(cred, "signedConnector"),
            CSign = Key(cred, "csign"),
            PpKey = Key(cred, "ppKey"),
            Enterprise = Json.Object(cred, "entCreds") is { } enterprise ? ParseEnterprise(enterprise) : null,
        };
        parsed.Check();
        return parsed;
    }

    private static DppPublicKey? Key(JsonElement cred, string name)
    {
        if (Json.Object(cred, name) is not { } jwk)
            return null;
        var (curve, point) = Jwk.Parse(jwk, name);
        return new DppPublicKey(curve, point);
    }

    private static EnterpriseCredential ParseEnterprise(JsonElement json)
    {
        var anchors = ImmutableArray.CreateBuilder<byte[]>();
        if (Json.Text(json, "caCert") is { } one)
            anchors.Add(Json.Base64(one, "caCert"));
        // Several, as one implementation writes them.
        if (json.TryGetProperty("caCerts", out var many))
        {
            if (many.ValueKind == JsonValueKind.String)
                anchors.Add(Json.Base64(many.GetString()!, "caCerts"));
            else if (many.ValueKind == JsonValueKind.Array && many.GetArrayLength() <= 16)
                anchors.AddRange(many.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => Json.Base64(v.GetString()!, "caCerts")));
        }
        var methods = ImmutableArray<int>.Empty;
        if (json.TryGetProperty("eapMethods", out var list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() <= 64)
            methods = [.. list.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.Number && v.TryGetInt32(out _)).Select(v => v.GetInt32())];
        return new EnterpriseCredential(Json.Base64(Json.Need(json, "certBag"), "certBag"), anchors.ToImmutable(), Json.Text(json, "trustedEapServerName"), methods);
    }

    /// <summary>That the credential has what its suites need.</summary>
    /// <exception cref="DppException"/>
    public void Check()
    {
        if ((Akm & DppAkm.Psk) != 0 && Pass is null && PskHex is null)
            throw DppException.Malformed("cred", "has neither pass nor psk_hex.");
        if ((Akm & DppAkm.Psk) != 0 && Pass is { } pass && Encoding.UTF8.GetByteCount(pass.Reveal()) is < 8 or > 63)
            throw DppException.Malformed("pass", "has not 8 to 63 bytes.");
        if (PskHex is { } psk && (psk.Reveal().Length != 64 || !psk.Reveal().All(char.IsAsciiHexDigit)))
            throw DppException.Malformed("psk_hex", "has not 64 hexadecimal digits.");
        if ((Akm & DppAkm.Sae) != 0 && Pass is null)
            throw DppException.Malformed("pass", "is missing, and SAE needs it.");
        if (PasswordIdentifier is not null && (Akm & DppAkm.Sae) == 0)
            throw DppException.Malformed("idpass", "is there without SAE.");
        if ((Akm & DppAkm.Dpp) != 0 && (SignedConnector is null || CSign is null))
            throw DppException.Malformed("cred", "has no Connector, or no key that signed it.");
        if (SignedConnector is not null && CSign is null)
            throw DppException.Malformed("csign", "is missing.");
        if ((Akm & DppAkm.Dot1x) != 0 && Enterprise is null)
            throw DppException.Malformed("entCreds", "is missing.");
        if (PpKey is { } pp && CSign is { } csign && pp.Curve != csign.Curve)
            throw DppException.Malformed("ppKey", "is on another curve than csign.");
        if (SignedConnector is { } text && text.AsSpan().ContainsAny('"', '\n', '\r'))
            throw DppException.Malformed("signedConnector", "has characters that no Connector has.");
    }

    /// <summary>UTF-8, in the order of members that others use.</summary>
    public byte[] Encode() => Json.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("wi-fi_tech", Technology);
        json.WriteStartObject("discovery");
        if (SsidCharset is { } charset)
        {
            json.WriteString("ssid64", Json.Base64Url(Ssid.Span));
            json.WriteNumber("ssid_charset", charset);
        }
        else
            json.WriteString("ssid", Encoding.UTF8.GetString(Ssid.Span));
        json.WriteEndObject();
        json.WriteStartObject("cred");
        json.WriteString("akm", AkmText.Of(Akm, UseSelectors));
        if (Pass is { } pass)
            json.WriteString("pass", pass.Reveal());
        else if (PskHex is { } psk)
            json.WriteString("psk_hex", psk.Reveal());
        if (PasswordIdentifier is not null)
            json.WriteString("idpass", PasswordIdentifier);
        if (Enterprise is { } enterprise)
            WriteEnterprise(json, enterprise);
        if (SignedConnector is not null)
            json.WriteString("signedConnector", SignedConnector);
        if (CSign is { } csign)
            Jwk.Write(json, "csign", csign.Curve, csign.Point.Span, csign.KeyId);
        if (PpKey is { } pp)
            Jwk.Write(json, "ppKey", pp.Curve, pp.Point.Span);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private static void WriteEnterprise(Utf8JsonWriter json, EnterpriseCredential enterprise)
    {
        json.WriteStartObject("entCreds");
        json.WriteString("certBag", Convert.ToBase64String(enterprise.CertificateBag.Span));
        if (!enterprise.Anchors.IsDefaultOrEmpty)
            json.WriteString("caCert", Convert.ToBase64String(enterprise.Anchors[0]));
        if (enterprise.ServerName is not null)
            json.WriteString("trustedEapServerName", enterprise.ServerName);
        json.WriteStartArray("eapMethods");
        foreach (int method in enterprise.EapMethods)
            json.WriteNumberValue(method);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The SSID as text for people; bytes that are no UTF-8 in hexadecimal.</summary>
    public override string ToString() => System.Text.Unicode.Utf8.IsValid(Ssid.Span) ? Encoding.UTF8.GetString(Ssid.Span) : Convert.ToHexStringLower(Ssid.Span);
}

/// <summary>The two ways to write suites (DPP §4.5.3).</summary>
internal static class AkmText
{
    private static readonly (DppAkm Akm, string Name, string Selectors)[] s_known =
    [
        (DppAkm.Dpp, "dpp", "506F9A02"), (DppAkm.Psk, "psk", "000FAC02+000FAC06"), (DppAkm.Sae, "sae", "000FAC08"), (DppAkm.Psk | DppAkm.Sae, "psk+sae", "000FAC02+000FAC06+000FAC08"),
        (DppAkm.Dpp | DppAkm.Sae, "dpp+sae", "506F9A02+000FAC08"), (DppAkm.Dpp | DppAkm.Psk | DppAkm.Sae, "dpp+psk+sae", "506F9A02+000FAC08+000FAC02+000FAC06"),
        (DppAkm.Dot1x, "dot1x", "000FAC01+000FAC05"),
    ];

    public static bool IsSelectors(string text) => text.Length >= 8 && text.Split('+').All(part => part.Length == 8 && part.All(char.IsAsciiHexDigit));

    /// <exception cref="DppException">Nothing in it is known.</exception>
    public static DppAkm Parse(string text)
    {
        foreach (var (akm, name, _) in s_known)
            if (text == name)
                return akm;
        var found = DppAkm.None;
        if (IsSelectors(text))
        {
            foreach (string part in text.Split('+'))
                found |= uint.Parse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) switch
                {
                    0x506F9A02 => DppAkm.Dpp,
                    0x000FAC02 or 0x000FAC06 => DppAkm.Psk,
                    0x000FAC08 => DppAkm.Sae,
                    0x000FAC01 or 0x000FAC05 => DppAkm.Dot1x,
                    _ => DppAkm.None,
                };
        }
        return found != DppAkm.None ? found : throw DppException.Malformed("akm", "names no suite that is known.");
    }

    public static string Of(DppAkm akm, bool selectors)
    {
        foreach (var (known, name, text) in s_known)
            if (known == akm)
                return selectors ? text : name;
        throw new ArgumentException($"There is no credential for {akm}.", nameof(akm));
    }
}
