using System.Globalization;
using System.Text;

namespace Hatchery.Lab;

/// <summary>GitHub's dialect. Ladders and lanes are text blocks.</summary>
public static class MarkdownRenderer
{
    public static string Render(SurveyReport report)
    {
        var text = new StringBuilder();
        text.Append("# Initial security setup of IoT devices: the survey, computed\n\n");
        text.Append(CultureInfo.InvariantCulture, $"Seed `{Escape(report.Seed)}`. Every cell was computed from a run; the links in brackets lead there.\n\n");
        if (report.Live is { } live)
        {
            text.Append("**Live run over real sockets.** It differs from the simulated survey:\n\n");
            foreach (string difference in live.Differences)
                text.Append("- ").Append(Escape(difference)).Append('\n');
            text.Append('\n');
        }
        foreach (var section in report.Sections)
        {
            text.Append("## ").Append(Escape(section.Title)).Append("\n\n").Append(Escape(section.Intro)).Append("\n\n");
            foreach (var block in section.Blocks)
            {
                text.Append(CultureInfo.InvariantCulture, $"<a id=\"{HtmlText.Attribute(block.Id)}\"></a>\n\n### ").Append(Escape(block.Title)).Append("\n\n");
                switch (block)
                {
                    case ReportBlock.Table table: Table(text, table); break;
                    case ReportBlock.Lanes lanes: Lanes(text, lanes); break;
                    case ReportBlock.Ladder ladder: Ladder(text, ladder); break;
                }
                text.Append('\n');
            }
        }
        return text.ToString();
    }

    private static void Table(StringBuilder text, ReportBlock.Table table)
    {
        if (table.Rows.IsEmpty)
        {
            text.Append("Nothing to show.\n");
            return;
        }
        text.Append("| ").AppendJoin(" | ", table.Columns.Select(Escape)).Append(" |\n|").Append(string.Concat(Enumerable.Repeat("---|", table.Columns.Length))).Append('\n');
        foreach (var row in table.Rows)
            text.Append("| ").AppendJoin(" | ", row.Select((c, i) => (i == 0 && table.Id == "runs-table" ? $"<a id=\"{HtmlText.Attribute(c.Text)}\"></a>" : "") + CellText(c))).Append(" |\n");
    }

    private static string CellText(Cell cell)
    {
        string text = Escape(cell.Text);
        if (cell.Tone == Tone.Missing)
            text = $"*{text}*";
        else if (cell.Tone == Tone.Bad)
            text = $"**{text}**";
        // More than a few links would bury the cell; JSON and CSV have all.
        return cell.Sources.IsEmpty ? text : text + string.Concat(cell.Sources.Take(3).Select(Link));
    }

    /// <summary>A step stands inside a text block, which has no anchors: the link leads to its ladder and names the step.</summary>
    private static string Link(string source)
    {
        int at = source.LastIndexOf(".s", StringComparison.Ordinal);
        return at > 0 && source.AsSpan(at + 2).IndexOfAnyExceptInRange('0', '9') < 0 && source.LastIndexOf(".c", at, StringComparison.Ordinal) > 0
            ? $" [[step {source[(at + 2)..]}]](#{source[..at]})" : $" [[run]](#{source})";
    }

    private static void Lanes(StringBuilder text, ReportBlock.Lanes lanes)
    {
        foreach (var group in lanes.Groups)
        {
            int width = group.Lanes.Select(l => l.Word.Length).DefaultIfEmpty(0).Max();
            text.Append(Escape(group.Name)).Append("\n\n```text\n");
            text.Append(new string(' ', width)).Append(" |").Append(string.Concat(group.Phases.Select(p => Letter(p)))).Append("|\n");
            foreach (var lane in group.Lanes)
            {
                var row = new char[group.Phases.Length];
                Array.Fill(row, '.');
                foreach (var (start, end) in lane.Spans)
                    Array.Fill(row, '#', start, end - start + 1);
                text.Append(Fenced(lane.Word).PadRight(width)).Append(" |").Append(row).Append("|\n");
            }
            text.Append("```\n\n");
        }
        if (!lanes.Groups.IsEmpty)
            text.Append("One column per step. Phases: ").AppendJoin(", ", Enum.GetValues<Phase>().Select(p => $"{Letter(p)} {Words.Plain(p)}")).Append(".\n");
    }

    private static char Letter(Phase phase) => "MSNDTALORX"[(int)phase];

    private static void Ladder(StringBuilder text, ReportBlock.Ladder ladder)
    {
        text.Append("```text\n");
        Phase? phase = null;
        foreach (var step in ladder.Steps)
        {
            if (step.Phase != phase)
                text.Append(CultureInfo.InvariantCulture, $"-- {Words.Plain(step.Phase)} --\n");
            phase = step.Phase;
            string size = step.Act == Act.Message ? string.Create(CultureInfo.InvariantCulture, $"{step.Size} B, {Words.Plain(step.Readable)}") : Words.Plain(step.Act);
            text.Append(CultureInfo.InvariantCulture, $"{step.Number,3}  {Fenced(ladder.Actors[step.From])} {(step.Act == Act.Message ? "->" : "~>")} {Fenced(ladder.Actors[step.To])}: {Fenced(step.Name)} ({size})\n");
            foreach (string change in step.Changes)
                text.Append("       ").Append(Fenced(change)).Append('\n');
        }
        text.Append("```\n\n").Append(Escape(ladder.Outcome)).Append('\n');
    }

    private static string Fenced(string text) => new([.. text.Select(c => char.IsControl(c) || c == '`' ? '?' : c)]);

    internal static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (char c in text)
            if (c is '\r' or '\n')
                escaped.Append(' ');
            else if (char.IsControl(c))
                escaped.Append('?');
            else if (c is '<')
                escaped.Append("&lt;");
            else if (c is '>')
                escaped.Append("&gt;");
            else if (c is '&')
                escaped.Append("&amp;");
            else
                escaped.Append(c is '|' or '*' or '_' or '`' or '[' or ']' or '\\' ? "\\" : "").Append(c);
        return escaped.ToString();
    }
}

/// <summary>Text in HTML, SVG and XML.</summary>
internal static class HtmlText
{
    public static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            switch (c)
            {
                case '<': escaped.Append("&lt;"); break;
                case '>': escaped.Append("&gt;"); break;
                case '&': escaped.Append("&amp;"); break;
                case '"': escaped.Append("&quot;"); break;
                case '\'': escaped.Append("&#39;"); break;
                default:
                    if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                        escaped.Append(c).Append(text[++i]);
                    else
                        escaped.Append((char.IsControl(c) && c is not ('\n' or '\t')) || char.IsSurrogate(c) || c is '\uFFFE' or '\uFFFF' ? '\uFFFD' : c);
                    break;
            }
        }
        return escaped.ToString();
    }

    public static string Attribute(string text) => Escape(text);
}
