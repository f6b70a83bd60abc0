using System.Text.Json;

namespace Hatchery.Pki.Tests;

/// <summary>The published and recorded values in Vectors/.</summary>
internal static class Vector
{
    public static JsonElement Load(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", file)));
        return json.RootElement.Clone();
    }

    public static ReadOnlyMemory<byte> Hex(this JsonElement json, string property) => Convert.FromHexString(json.GetProperty(property).GetString()!);
    public static string Text(this JsonElement json, string property) => json.GetProperty(property).GetString()!;
    public static IEnumerable<JsonElement> List(this JsonElement json, string property) => json.GetProperty(property).EnumerateArray();
}
