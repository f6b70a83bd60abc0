using System.Collections.Immutable;
using System.Text;

namespace Hatchery.Lab;

/// <summary>One file per table (RFC 4180: CRLF, quotes doubled). Beside each column that has sources stands one with the anchors, separated by spaces.</summary>
public static class CsvRenderer
{
    /// <summary>By file name, in the report's order.</summary>
    public static ImmutableArray<(string Name, string Content)> Render(SurveyReport report) => [.. report.Tables.Select(t => (t.Id + ".csv", Table(t)))];

    private static string Table(ReportBlock.Table table)
    {
        var text = new StringBuilder();
        var sourced = table.Columns.Select((_, i) => table.Rows.Any(r => i < r.Length && !r[i].Sources.IsEmpty)).ToArray();
        Line(text, table.Columns.SelectMany((c, i) => sourced[i] ? [c, c + " (sources)"] : new[] { c }));
        foreach (var row in table.Rows)
            Line(text, row.SelectMany((c, i) => sourced[i] ? [c.Text, string.Join(' ', c.Sources)] : new[] { c.Text }));
        return text.ToString();
    }

    private static void Line(StringBuilder into, IEnumerable<string> values) => into.AppendJoin(',', values.Select(Quote)).Append("\r\n");

    /// <summary>What a spreadsheet would take for a formula is kept from being one by a leading apostrophe.</summary>
    internal static string Quote(string value)
    {
        if (value.Length > 0 && value[0] is '=' or '+' or '-' or '@' or '\t' or '\r')
            value = "'" + value;
        return value.AsSpan().IndexOfAny(",\"\r\n") < 0 ? value : $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
