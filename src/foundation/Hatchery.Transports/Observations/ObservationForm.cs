using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Hatchery.Transports;

/// <summary>The JSON form of observations. Times are ticks of 100 ns; wall time is ISO 8601.</summary>
internal static class ObservationForm
{
    public static void Write(Utf8JsonWriter json, Observation observation, Func<StepKind, string> protocolOf)
    {
        json.WriteStartObject();
        json.WriteString("type", observation switch
        {
            Observation.Seen => "seen",
            Observation.Linked => "linked",
            Observation.FactReported => "fact",
            Observation.BeliefsChanged => "beliefs",
            Observation.OperationsSpent => "spent",
            Observation.Closed => "closed",
            Observation.FrameCaptured => "frame",
            _ => throw new NotSupportedException($"{observation.GetType()} has no form."),
        });
        json.WriteNumber("number", observation.Number);
        json.WriteString("session", observation.Session.Value);
        json.WriteNumber("elapsed", observation.At.Elapsed.Ticks);
        if (observation.At.Wall is { } wall)
            json.WriteString("wall", wall.ToString("O", CultureInfo.InvariantCulture));
        switch (observation)
        {
            case Observation.Seen s: WriteSeen(json, s, protocolOf); break;
            case Observation.Linked l: json.WriteString("other", l.Other.Value); break;
            case Observation.FactReported f: FactForm.Write(json, f.Fact); break;
            case Observation.BeliefsChanged b: WriteBeliefs(json, b); break;
            case Observation.OperationsSpent o: WriteSpent(json, o); break;
            case Observation.Closed c: WriteOutcome(json, c.Outcome); break;
            case Observation.FrameCaptured f: WriteFrame(json, f); break;
        }
        json.WriteEndObject();
    }

    public static Observation Read(JsonElement json, Func<string, string, StepKind> kindOf)
    {
        long number = json.GetProperty("number").GetInt64();
        var session = new SessionId(json.GetProperty("session").GetGuid());
        var at = new Moment(new TimeSpan(json.GetProperty("elapsed").GetInt64()), json.TryGetProperty("wall", out var wall)
            ? DateTimeOffset.ParseExact(wall.GetString()!, "O", CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind) : null);
        return Text(json, "type") switch
        {
            "seen" => new Observation.Seen(number, session, at, kindOf(Text(json, "protocol"), Text(json, "kind")), Value<Way>(json, "way"),
                ReadActor(json.GetProperty("here")), json.TryGetProperty("peer", out var peer) ? ReadActor(peer) : null, ReadMedium(json.GetProperty("medium")),
                [.. json.GetProperty("layers").EnumerateArray().Select(l => new Layer(Text(l, "name"), Value<Protection>(l, "protection")))],
                [.. json.GetProperty("frames").EnumerateArray().Select(f => new Tag(f.GetInt64()))], Texts(json, "correlators"),
                json.GetProperty("size").GetInt32(), Text(json, "digest"), json.GetProperty("entropy").GetInt32()),
            "linked" => new Observation.Linked(number, session, at, new SessionId(json.GetProperty("other").GetGuid())),
            "fact" => new Observation.FactReported(number, session, at, FactForm.Read(json)),
            "beliefs" => new Observation.BeliefsChanged(number, session, at, ReadActor(json.GetProperty("holder")), ReadBeliefs(json, "before"), ReadBeliefs(json, "after")),
            "spent" => new Observation.OperationsSpent(number, session, at, ReadActor(json.GetProperty("here")),
                json.GetProperty("operations").EnumerateObject().ToImmutableDictionary(o => o.Name, o => o.Value.GetInt32())),
            "closed" => new Observation.Closed(number, session, at, new Outcome(json.GetProperty("succeeded").GetBoolean(), Text(json, "reason"), Optional(json, "error"))),
            "frame" => new Observation.FrameCaptured(number, session, at, new Tag(json.GetProperty("tag").GetInt64()), Value<Way>(json, "way"),
                ReadMedium(json.GetProperty("medium")), Text(json, "from"), Text(json, "to"), json.GetProperty("repeats").GetBoolean(), json.GetProperty("bytes").GetBytesFromBase64()),
            var other => throw new InvalidDataException($"there is no observation of type {other}."),
        };
    }

    private static void WriteSeen(Utf8JsonWriter json, Observation.Seen s, Func<StepKind, string> protocolOf)
    {
        json.WriteString("protocol", protocolOf(s.Kind));
        json.WriteString("kind", s.Kind.Name);
        json.WriteString("way", $"{s.Way}");
        WriteActor(json, "here", s.Here);
        if (s.Peer is not null)
            WriteActor(json, "peer", s.Peer);
        WriteMedium(json, s.Medium);
        json.WriteStartArray("layers");
        foreach (var layer in Items(s.Layers))
        {
            json.WriteStartObject();
            json.WriteString("name", layer.Name);
            json.WriteString("protection", $"{layer.Protection}");
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("frames");
        foreach (var tag in Items(s.Frames))
            json.WriteNumberValue(tag.Value);
        json.WriteEndArray();
        WriteTexts(json, "correlators", s.Correlators);
        json.WriteNumber("size", s.Size);
        json.WriteString("digest", s.Digest);
        json.WriteNumber("entropy", s.EntropyBits);
    }

    private static void WriteBeliefs(Utf8JsonWriter json, Observation.BeliefsChanged b)
    {
        WriteActor(json, "holder", b.Holder);
        foreach (var (name, beliefs) in new[] { ("before", b.Before), ("after", b.After) })
        {
            json.WriteStartArray(name);
            foreach (var belief in Items(beliefs))
            {
                json.WriteStartObject();
                json.WriteString("item", belief.Item);
                json.WriteString("kind", $"{belief.Kind}");
                json.WriteString("about", $"{belief.About}");
                json.WriteString("origin", $"{belief.ImpartedBy}");
                json.WriteString("fingerprint", belief.Fingerprint);
                if (belief.SecretBits is { } bits)
                    json.WriteNumber("bits", bits);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
    }

    private static ImmutableArray<Belief> ReadBeliefs(JsonElement json, string name) =>
        [.. json.GetProperty(name).EnumerateArray().Select(b => new Belief(Text(b, "item"), Value<BeliefKind>(b, "kind"), Value<About>(b, "about"),
            Value<Origin>(b, "origin"), Text(b, "fingerprint"), b.TryGetProperty("bits", out var bits) ? bits.GetInt32() : null))];

    private static void WriteSpent(Utf8JsonWriter json, Observation.OperationsSpent o)
    {
        WriteActor(json, "here", o.Here);
        json.WriteStartObject("operations");
        foreach (var (operation, count) in o.Operations.OrderBy(p => p.Key, StringComparer.Ordinal))
            json.WriteNumber(operation, count);
        json.WriteEndObject();
    }

    private static void WriteOutcome(Utf8JsonWriter json, Outcome outcome)
    {
        json.WriteBoolean("succeeded", outcome.Succeeded);
        json.WriteString("reason", outcome.Reason);
        if (outcome.ProtocolError is not null)
            json.WriteString("error", outcome.ProtocolError);
    }

    private static void WriteFrame(Utf8JsonWriter json, Observation.FrameCaptured f)
    {
        json.WriteNumber("tag", f.Tag.Value);
        json.WriteString("way", $"{f.Way}");
        WriteMedium(json, f.Medium);
        json.WriteString("from", f.From);
        json.WriteString("to", f.To);
        json.WriteBoolean("repeats", f.Repeats);
        json.WriteBase64String("bytes", f.Bytes.Span);
    }

    private static void WriteActor(Utf8JsonWriter json, string name, Actor actor)
    {
        json.WriteStartObject(name);
        json.WriteString("instance", actor.Instance);
        json.WriteString("by", actor.OperatedBy);
        var player = actor.Player;
        json.WriteString("player", player.Name);
        json.WriteString("kind", $"{player.Kind}");
        json.WriteNumber("reach", (int)player.Reach);
        json.WriteBoolean("local", player.IsLocal);
        json.WriteString("usually", player.UsuallyOperatedBy);
        json.WriteString("reference", player.Reference);
        json.WriteEndObject();
    }

    private static Actor ReadActor(JsonElement json) => new(
        new Player(Text(json, "player"), Value<PlayerKind>(json, "kind"), (Reach)json.GetProperty("reach").GetInt32(), json.GetProperty("local").GetBoolean(),
            Text(json, "usually"), Text(json, "reference")), Text(json, "instance"), Text(json, "by"));

    private static void WriteMedium(Utf8JsonWriter json, Medium medium)
    {
        json.WriteStartObject("medium");
        json.WriteString("name", medium.Name);
        json.WriteBoolean("radio", medium.IsRadio);
        json.WriteBoolean("human", medium.IsHuman);
        json.WriteEndObject();
    }

    private static Medium ReadMedium(JsonElement json) => new(Text(json, "name"), json.GetProperty("radio").GetBoolean(), json.GetProperty("human").GetBoolean());

    internal static void WriteTexts(Utf8JsonWriter json, string name, ImmutableArray<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in Items(values))
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    internal static ImmutableArray<string> Texts(JsonElement json, string name) => [.. json.GetProperty(name).EnumerateArray().Select(e => e.GetString()!)];

    internal static string Text(JsonElement json, string name) => json.GetProperty(name).GetString() ?? throw new InvalidDataException($"{name} is null.");

    internal static string? Optional(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;

    internal static ImmutableArray<T> Items<T>(ImmutableArray<T> array) => array.IsDefault ? [] : array;

    private static T Value<T>(JsonElement json, string name) where T : struct, Enum =>
        Enum.TryParse<T>(Text(json, name), out var value) && Enum.IsDefined(value) ? value : throw new InvalidDataException($"{name} is none of {typeof(T).Name}.");
}
