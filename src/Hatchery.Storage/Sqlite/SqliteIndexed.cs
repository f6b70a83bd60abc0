using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Hatchery.Storage;

/// <summary>The index rows of a record, as the record itself names them: JSON, [["name","value"],…].</summary>
internal static class SqliteIndexed
{
    /// <summary>Null: none.</summary>
    public static string? Write(ImmutableArray<(string Name, string Value)> indexes)
    {
        if (indexes.IsDefaultOrEmpty)
            return null;
        var text = new StringBuilder(64).Append('[');
        foreach (var (name, value) in indexes)
        {
            text.Append(text.Length > 1 ? ",[\"" : "[\"").Append(JsonEncodedText.Encode(name).Value).Append("\",\"")
                .Append(JsonEncodedText.Encode(value).Value).Append("\"]");
        }
        return text.Append(']').ToString();
    }

    public static ImmutableArray<(string Name, string Value)> Read(string? indexed)
    {
        if (indexed is null)
            return [];
        var all = ImmutableArray.CreateBuilder<(string, string)>();
        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(indexed));
        string? name = null;
        while (json.Read())
            if (json.TokenType == JsonTokenType.StartArray)
                name = null;
            else if (json.TokenType == JsonTokenType.String && name is null)
                name = json.GetString();
            else if (json.TokenType == JsonTokenType.String)
                all.Add((name!, json.GetString()!));
        return all.ToImmutable();
    }
}
