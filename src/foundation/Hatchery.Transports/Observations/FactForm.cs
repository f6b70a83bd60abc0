using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Hatchery.Transports;

/// <summary>The JSON form of facts, as members of the object that is being written.</summary>
internal static class FactForm
{
    public static void Write(Utf8JsonWriter json, Fact fact)
    {
        WriteName(json, "subject", fact.Subject);
        switch (fact)
        {
            case Fact.Seen f:
                json.WriteString("fact", "seen");
                json.WriteString("protocol", f.Protocol);
                WriteNames(json, "proven", f.Proven);
                WriteNames(json, "claimed", f.Claimed);
                break;
            case Fact.Decided f:
                json.WriteString("fact", "decided");
                WriteDecision(json, f.Decision);
                ObservationForm.WriteTexts(json, "evidence", f.Evidence);
                break;
            case Fact.Imparted f:
                json.WriteString("fact", "imparted");
                json.WriteString("item", f.Item);
                if (f.Expires is { } expires)
                    json.WriteString("expires", expires.ToString("O", CultureInfo.InvariantCulture));
                break;
            case Fact.OwnerChanged f:
                json.WriteString("fact", "owner-changed");
                json.WriteString("from", f.From);
                json.WriteString("to", f.To);
                break;
            case Fact.Renamed f:
                json.WriteString("fact", "renamed");
                WriteName(json, "name", f.NewName);
                break;
            case Fact.Refused f:
                json.WriteString("fact", "refused");
                json.WriteString("error", f.ProtocolError);
                json.WriteString("field", f.Field);
                json.WriteString("sentence", f.Sentence);
                break;
            case Fact.Administered f:
                json.WriteString("fact", "administered");
                json.WriteString("act", f.Act);
                json.WriteString("by", f.By);
                break;
            default:
                throw new NotSupportedException($"{fact.GetType()} has no form.");
        }
    }

    public static Fact Read(JsonElement json)
    {
        var subject = Name(json.GetProperty("subject"));
        string T(string name) => ObservationForm.Text(json, name);
        return T("fact") switch
        {
            "seen" => new Fact.Seen(subject, T("protocol"), Names(json, "proven"), Names(json, "claimed")),
            "decided" => new Fact.Decided(subject, ReadDecision(json.GetProperty("decision")), ObservationForm.Texts(json, "evidence")),
            "imparted" => new Fact.Imparted(subject, T("item"), ObservationForm.Optional(json, "expires") is { } e
                ? DateTimeOffset.ParseExact(e, "O", CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind) : null),
            "owner-changed" => new Fact.OwnerChanged(subject, T("from"), T("to")),
            "renamed" => new Fact.Renamed(subject, Name(json.GetProperty("name"))),
            "refused" => new Fact.Refused(subject, T("error"), T("field"), T("sentence")),
            "administered" => new Fact.Administered(subject, T("act"), T("by")),
            var other => throw new InvalidDataException($"there is no fact called {other}."),
        };
    }

    private static void WriteDecision(Utf8JsonWriter json, Decision decision)
    {
        json.WriteStartObject("decision");
        switch (decision)
        {
            case Decision.Admit d: json.WriteString("admit", d.Profile); break;
            case Decision.Hold d: json.WriteNumber("hold", d.AskAgain.Ticks); break;
            case Decision.Refuse d: json.WriteString("refuse", d.Reason); break;
            default: throw new NotSupportedException($"{decision.GetType()} has no form.");
        }
        json.WriteEndObject();
    }

    private static Decision ReadDecision(JsonElement json) =>
        ObservationForm.Optional(json, "admit") is { } profile ? new Decision.Admit(profile)
        : json.TryGetProperty("hold", out var ticks) ? new Decision.Hold(new TimeSpan(ticks.GetInt64()))
        : new Decision.Refuse(ObservationForm.Text(json, "refuse"));

    private static void WriteName(Utf8JsonWriter json, string member, Identifier name)
    {
        json.WriteStartArray(member);
        json.WriteStringValue(name.Kind);
        json.WriteStringValue(name.Value);
        json.WriteEndArray();
    }

    private static void WriteNames(Utf8JsonWriter json, string member, ImmutableArray<Identifier> names)
    {
        json.WriteStartArray(member);
        foreach (var name in ObservationForm.Items(names))
        {
            json.WriteStartArray();
            json.WriteStringValue(name.Kind);
            json.WriteStringValue(name.Value);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private static Identifier Name(JsonElement json) => new(json[0].GetString()!, json[1].GetString()!);

    private static ImmutableArray<Identifier> Names(JsonElement json, string member) => [.. json.GetProperty(member).EnumerateArray().Select(Name)];
}
