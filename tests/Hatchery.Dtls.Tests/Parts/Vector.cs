using System.Text.Json;

namespace Hatchery.Dtls.Tests;

internal static class Vector
{
    public static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", name + ".json"))).RootElement;
    public static byte[] Hex(this JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString()!);
    public static byte[] Hex(this JsonElement element) => Convert.FromHexString(element.GetString()!);
}
