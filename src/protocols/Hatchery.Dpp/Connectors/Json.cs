using System.Buffers;
using System.Buffers.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Hatchery.Dpp;

/// <summary>JSON as DPP needs it: small, flat, without duplicate members, so that no two parsers see two things.</summary>
internal static class Json
{
    public const int MaxLength = 64 * 1024;
    private static readonly JsonDocumentOptions s_strict = new() { MaxDepth = 16, AllowDuplicateProperties = false };
    private static readonly JsonWriterOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <exception cref="DppException">Too long, no JSON, or no object.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> text, string field)
    {
        if (text.Length > MaxLength)
            throw DppException.Malformed(field, $"has more than {MaxLength} bytes.");
        try
        {
            var document = JsonDocument.Parse(text, s_strict);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
            throw DppException.Malformed(field, "is no JSON object.");
        }
        catch (JsonException e)
        {
            throw DppException.Malformed(field, "is no JSON, or has a member twice.", e);
        }
    }

    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, s_plain))
            write(writer);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Null if absent.</summary>
    /// <exception cref="DppException">Not a string, or broken Unicode.</exception>
    public static string? Text(JsonElement json, string name)
    {
        if (!json.TryGetProperty(name, out var value))
            return null;
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : throw DppException.Malformed(name, "is no string.");
        }
        catch (InvalidOperationException e)
        {
            throw DppException.Malformed(name, "is broken Unicode.", e);
        }
    }

    /// <exception cref="DppException">Absent, or not a string.</exception>
    public static string Need(JsonElement json, string name) => Text(json, name) ?? throw DppException.Malformed(name, "is missing.");

    /// <exception cref="DppException">Not an object.</exception>
    public static JsonElement? Object(JsonElement json, string name) => !json.TryGetProperty(name, out var value) ? null
        : value.ValueKind == JsonValueKind.Object ? value : throw DppException.Malformed(name, "is no object.");

    public static int? Number(JsonElement json, string name) => !json.TryGetProperty(name, out var value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw DppException.Malformed(name, "is no number.");

    /// <exception cref="DppException">No base64url without padding.</exception>
    public static byte[] Base64Url(string text, string field) => TryBase64Url(text) ?? throw DppException.Malformed(field, "is no base64url.");

    public static byte[]? TryBase64Url(ReadOnlySpan<char> text)
    {
        if (text.Contains('=') || !Base64UrlOnly(text))
            return null;
        try
        {
            return System.Buffers.Text.Base64Url.DecodeFromChars(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static bool Base64UrlOnly(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                return false;
        return true;
    }

    public static string Base64Url(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);

    /// <exception cref="DppException"/>
    public static byte[] Base64(string text, string field)
    {
        byte[] bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out int length) ? bytes[..length] : throw DppException.Malformed(field, "is no base64.");
    }
}

/// <summary>An EC public key as a JWK: {"kty":"EC","crv","x","y"}.</summary>
internal static class Jwk
{
    /// <exception cref="DppException">Another key type, a curve that is not known, or a point that is not on it.</exception>
    public static (DppCurve Curve, byte[] Point) Parse(JsonElement json, string field)
    {
        if (Json.Need(json, "kty") != "EC")
            throw DppException.Malformed(field, "is no EC key.");
        var curve = DppCurve.ByName(Json.Need(json, "crv")) ?? throw DppException.Malformed(field, "is on a curve that is not known.");
        byte[] x = Json.Base64Url(Json.Need(json, "x"), field + ".x"), y = Json.Base64Url(Json.Need(json, "y"), field + ".y");
        if (x.Length != curve.Width || y.Length != curve.Width)
            throw DppException.Malformed(field, "has a coordinate of another length than the curve's.");
        return (curve, curve.Point([.. x, .. y], field));
    }

    public static void Write(Utf8JsonWriter json, string name, DppCurve curve, ReadOnlySpan<byte> point, string? kid = null)
    {
        json.WriteStartObject(name);
        json.WriteString("kty", "EC");
        json.WriteString("crv", curve.Name);
        json.WriteString("x", Json.Base64Url(point.Slice(1, curve.Width)));
        json.WriteString("y", Json.Base64Url(point[(1 + curve.Width)..]));
        if (kid is not null)
            json.WriteString("kid", kid);
        json.WriteEndObject();
    }
}
