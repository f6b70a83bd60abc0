using System.Text.Json;

namespace Hatchery.Est.Tests.Vectors;

internal static class Vector
{
    public static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Vectors", name + ".json"))).RootElement;
    public static byte[] Hex(this JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString()!);
    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
