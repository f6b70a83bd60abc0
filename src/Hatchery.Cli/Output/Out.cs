using System.CommandLine;
using System.Text.Json;

namespace Hatchery.Cli.Output;

/// <summary>What every verb prints: sentences for people, one JSON object for machines.</summary>
internal static class Out
{
    public static Option<bool> JsonOption() => new("--json") { Description = "Print one JSON object instead of text, for machines." };

    public static void Json(Action<Utf8JsonWriter> write)
    {
        using var output = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
    }
}
