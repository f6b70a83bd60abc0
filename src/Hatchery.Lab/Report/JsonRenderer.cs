using System.Text;
using System.Text.Json;

namespace Hatchery.Lab;

/// <summary>UTF-8, indented; "schema" says the form's version.</summary>
public static class JsonRenderer
{
    public static string Render(SurveyReport report)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("schema", "hatchery.survey");
            json.WriteNumber("schemaVersion", SurveyReport.SchemaVersion);
            json.WriteString("seed", report.Seed);
            json.WriteBoolean("live", report.Live is not null);
            if (report.Live is { } live)
            {
                json.WriteStartArray("differences");
                foreach (string difference in live.Differences)
                    json.WriteStringValue(difference);
                json.WriteEndArray();
            }
            json.WriteStartArray("sections");
            foreach (var section in report.Sections)
            {
                json.WriteStartObject();
                json.WriteString("id", section.Id);
                json.WriteString("title", section.Title);
                json.WriteString("intro", section.Intro);
                json.WriteStartArray("blocks");
                foreach (var block in section.Blocks)
                    Write(json, block);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray()) + "\n";
    }

    private static void Write(Utf8JsonWriter json, ReportBlock block)
    {
        json.WriteStartObject();
        json.WriteString("id", block.Id);
        json.WriteString("title", block.Title);
        switch (block)
        {
            case ReportBlock.Table table:
                json.WriteString("kind", "table");
                Strings(json, "columns", table.Columns);
                json.WriteStartArray("rows");
                foreach (var row in table.Rows)
                {
                    json.WriteStartArray();
                    foreach (var cell in row)
                    {
                        json.WriteStartObject();
                        json.WriteString("text", cell.Text);
                        if (cell.Tone != Tone.Plain)
                            json.WriteString("tone", Words.Plain(cell.Tone));
                        if (!cell.Sources.IsEmpty)
                            Strings(json, "sources", cell.Sources);
                        json.WriteEndObject();
                    }
                    json.WriteEndArray();
                }
                json.WriteEndArray();
                break;
            case ReportBlock.Lanes lanes:
                json.WriteString("kind", "lanes");
                json.WriteStartArray("groups");
                foreach (var group in lanes.Groups)
                {
                    json.WriteStartObject();
                    json.WriteString("name", group.Name);
                    Strings(json, "steps", group.StepNames);
                    Strings(json, "phases", group.Phases.Select(p => Words.Plain(p)));
                    json.WriteStartArray("lanes");
                    foreach (var lane in group.Lanes)
                    {
                        json.WriteStartObject();
                        json.WriteString("word", lane.Word);
                        json.WriteString("use", Words.Plain(lane.Use));
                        json.WriteStartArray("spans");
                        foreach (var (start, end) in lane.Spans)
                        {
                            json.WriteStartArray();
                            json.WriteNumberValue(start + 1);
                            json.WriteNumberValue(end + 1);
                            json.WriteEndArray();
                        }
                        json.WriteEndArray();
                        json.WriteEndObject();
                    }
                    json.WriteEndArray();
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                break;
            case ReportBlock.Ladder ladder:
                json.WriteString("kind", "ladder");
                Strings(json, "actors", ladder.Actors);
                json.WriteString("outcome", ladder.Outcome);
                json.WriteStartArray("steps");
                foreach (var step in ladder.Steps)
                {
                    json.WriteStartObject();
                    json.WriteString("id", step.Anchor);
                    json.WriteNumber("number", step.Number);
                    json.WriteString("name", step.Name);
                    json.WriteString("phase", Words.Plain(step.Phase));
                    json.WriteString("act", Words.Plain(step.Act));
                    json.WriteString("from", ladder.Actors[step.From]);
                    json.WriteString("to", ladder.Actors[step.To]);
                    json.WriteString("medium", step.Medium);
                    json.WriteNumber("bytes", step.Size);
                    json.WriteString("readable", Words.Plain(step.Readable));
                    if (step.Since is { } since)
                        json.WriteNumber("microseconds", (long)since.TotalMicroseconds);
                    if (!step.Changes.IsEmpty)
                        Strings(json, "beliefs", step.Changes);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                break;
        }
        json.WriteEndObject();
    }

    private static void Strings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
