using System.Text.Json;

namespace Hatchery.Fdo;

/// <summary>The file that the owner's planner delivers: where the owner's service is, and the token that opens it. UTF-8 JSON.</summary>
public sealed record AgentFile(Uri Service, Guid Guid, SecretText Token)
{
    public const string Name = "hatchery-agent.json";

    public byte[] Write()
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("service", Service.AbsoluteUri);
            json.WriteString("guid", Guid.ToString("N"));
            json.WriteString("token", Token.Reveal());
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Null if the bytes are no such file.</summary>
    public static AgentFile? Read(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            var root = json.RootElement;
            return new AgentFile(new Uri(root.GetProperty("service").GetString()!), Guid.ParseExact(root.GetProperty("guid").GetString()!, "N"),
                new SecretText(root.GetProperty("token").GetString()!));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException or ArgumentNullException)
        {
            return null;
        }
    }
}
