using System.Text.Json;

namespace Hatchery.Dpp.Tests.Vectors;

internal static class Vector
{
    public static JsonElement Load(string name) => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", name + ".json"))).RootElement;

    public static TheoryData<string> Names(string pattern) => [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Vectors"), pattern + ".json").Select(f => Path.GetFileNameWithoutExtension(f)!).Order()];

    public static byte[] Hex(this JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? Convert.FromHexString(value.GetString()!) : [];
    public static string Text(this JsonElement json, string name) => json.GetProperty(name).GetString()!;
    public static DppCurve Curve(this JsonElement json, string name = "curve") => DppCurve.ByName(json.Text(name))!;
    public static string ToHex(this byte[] bytes) => Convert.ToHexStringLower(bytes);
    public static string ToHex(this ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);
}
