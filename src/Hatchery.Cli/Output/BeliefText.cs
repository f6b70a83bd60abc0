using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Hatchery.Cli.Output;

/// <summary>Beliefs as text and JSON; fingerprints only.</summary>
internal static class BeliefText
{
    public static string Table(ImmutableArray<Belief> beliefs, string indent = "  ")
    {
        var text = new StringBuilder();
        foreach (var belief in beliefs)
            text.Append(indent).Append($"{belief.Item,-34} {belief.Kind,-18} about {belief.About,-8} by {belief.ImpartedBy,-8} {belief.Fingerprint}")
                .Append(belief.SecretBits is { } bits ? $"  secret, {bits} bits" : "").Append('\n');
        return text.ToString();
    }

    public static void Write(Utf8JsonWriter json, string name, ImmutableArray<Belief> beliefs)
    {
        json.WriteStartArray(name);
        foreach (var belief in beliefs)
        {
            json.WriteStartObject();
            json.WriteString("item", belief.Item);
            json.WriteString("kind", belief.Kind.ToString());
            json.WriteString("about", belief.About.ToString());
            json.WriteString("by", belief.ImpartedBy.ToString());
            json.WriteString("fingerprint", belief.Fingerprint);
            if (belief.SecretBits is { } bits)
                json.WriteNumber("secretBits", bits);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
