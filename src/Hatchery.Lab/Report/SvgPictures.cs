using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Hatchery.Lab;

/// <summary>Ladders and lanes as inline SVG. Colours are CSS classes of the page, so that they follow light and dark.</summary>
internal static class SvgPictures
{
    private const int RowHeight = 22, ColumnWidth = 190, Margin = 90;

    public static string Ladder(ReportBlock.Ladder ladder)
    {
        var svg = new StringBuilder();
        int width = Margin * 2 + Math.Max(0, ladder.Actors.Length - 1) * ColumnWidth;
        var rows = Rows(ladder);
        int height = 44 + rows * RowHeight + 10;
        Open(svg, width, height, $"Ladder: {ladder.Title}");
        for (int i = 0; i < ladder.Actors.Length; i++)
        {
            int x = X(i);
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"life\" x1=\"{x}\" y1=\"30\" x2=\"{x}\" y2=\"{height}\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"actor\" x=\"{x}\" y=\"20\">{Short(ladder.Actors[i], 26)}</text>\n");
        }
        int y = 44;
        Phase? phase = null;
        foreach (var step in ladder.Steps)
        {
            if (step.Phase != phase)
            {
                svg.Append(CultureInfo.InvariantCulture, $"<line class=\"phase\" x1=\"0\" y1=\"{y + 4}\" x2=\"{width}\" y2=\"{y + 4}\"/><text class=\"phasename\" x=\"4\" y=\"{y + 16}\">{HtmlText.Escape(Words.Plain(step.Phase))}</text>\n");
                y += RowHeight;
                phase = step.Phase;
            }
            Step(svg, ladder, step, y);
            y += RowHeight;
            foreach (string change in step.Changes)
            {
                svg.Append(CultureInfo.InvariantCulture, $"<text class=\"belief\" x=\"{X(step.To) + 8}\" y=\"{y + 10}\">{Short(change, 40)}</text>\n");
                y += RowHeight;
            }
        }
        return svg.Append("</svg>").ToString();
    }

    private static int Rows(ReportBlock.Ladder ladder)
    {
        int rows = 0;
        Phase? phase = null;
        foreach (var step in ladder.Steps)
        {
            rows += 1 + step.Changes.Length + (step.Phase != phase ? 1 : 0);
            phase = step.Phase;
        }
        return rows;
    }

    private static int X(int actor) => Margin + actor * ColumnWidth;

    private static void Step(StringBuilder svg, ReportBlock.Ladder ladder, LadderStep step, int y)
    {
        string kind = step.Act == Act.Message ? step.Readable == Protection.Full ? "message sealed" : "message" : "act";
        string label = step.Act == Act.Message ? string.Create(CultureInfo.InvariantCulture, $"{step.Number} {step.Name}, {step.Size} B") : string.Create(CultureInfo.InvariantCulture, $"{step.Number} {step.Name}");
        string title = HtmlText.Escape($"{ladder.Actors[step.From]} to {ladder.Actors[step.To]}: {step.Name}; {Words.Plain(step.Act)}, {step.Medium}, {Words.Plain(step.Readable)}");
        svg.Append(CultureInfo.InvariantCulture, $"<g id=\"{HtmlText.Attribute(step.Anchor)}\" class=\"{kind}\"><title>{title}</title>");
        int from = X(step.From), to = X(step.To), line = y + 14;
        if (from == to)
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{from}\" cy=\"{line}\" r=\"4\"/><text x=\"{from + 8}\" y=\"{line + 4}\" class=\"own\">{Short(label, 40)}</text>");
        else
        {
            int tip = from < to ? -7 : 7;
            svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{from}\" y1=\"{line}\" x2=\"{to}\" y2=\"{line}\"/><path d=\"M{to} {line}l{tip} -4v8z\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{(from + to) / 2}\" y=\"{line - 3}\">{Short(label, Math.Abs(step.From - step.To) == 1 ? 30 : 60)}</text>");
        }
        svg.Append("</g>\n");
    }

    public static string Lanes(LaneGroup group)
    {
        const int cell = 18, laneHeight = 20;
        var svg = new StringBuilder();
        int label = 190, width = label + Math.Max(1, group.Phases.Length) * cell + 10, height = 34 + group.Lanes.Length * laneHeight + 6;
        Open(svg, width, height, $"Words of {group.Name}");
        for (int i = 0; i < group.Phases.Length;)
        {
            int end = i;
            while (end < group.Phases.Length && group.Phases[end] == group.Phases[i])
                end++;
            string name = Words.Plain(group.Phases[i]);
            svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"p{(int)group.Phases[i] % 2}\" x=\"{label + i * cell}\" y=\"4\" width=\"{(end - i) * cell}\" height=\"{height - 8}\"><title>{HtmlText.Escape(name)}</title></rect>");
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"phasename\" x=\"{label + i * cell + 2}\" y=\"16\">{Short(name, Math.Max(1, (end - i) * cell / 6))}</text>\n");
            i = end;
        }
        for (int l = 0; l < group.Lanes.Length; l++)
        {
            var lane = group.Lanes[l];
            int y = 28 + l * laneHeight;
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"word\" x=\"{label - 8}\" y=\"{y + 12}\">{Short(lane.Word, 28)}</text>");
            foreach (var (start, end) in lane.Spans)
                svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"lane {Words.Plain(lane.Use).Replace(' ', '-')}\" x=\"{label + start * cell + 1}\" y=\"{y + 2}\" width=\"{(end - start + 1) * cell - 2}\" height=\"{laneHeight - 6}\" rx=\"3\"><title>{HtmlText.Escape($"{lane.Word} ({Words.Plain(lane.Use)}): {group.StepNames[start]} to {group.StepNames[end]}")}</title></rect>");
            svg.Append('\n');
        }
        return svg.Append("</svg>").ToString();
    }

    private static void Open(StringBuilder svg, int width, int height, string title) => svg.Append(CultureInfo.InvariantCulture,
        $"<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\"><title>{HtmlText.Escape(title)}</title>\n");

    private static string Short(string text, int length) => HtmlText.Escape(text.Length <= length ? text : string.Concat(text.AsSpan(0, Math.Max(0, length - 1)), "…"));
}
