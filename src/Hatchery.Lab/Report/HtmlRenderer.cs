using System.Globalization;
using System.Text;

namespace Hatchery.Lab;

/// <summary>One page, well-formed as XML too, without scripts and without anything to load.</summary>
public static class HtmlRenderer
{
    private const string Style = """
        :root{color-scheme:light dark;--bg:#fff;--fg:#1c2024;--dim:#667;--line:#d5d9de;--head:#f2f4f7;--good:#1a7f37;--bad:#c62828;--warn:#9a6700;--accent:#1f5fbf;--sealed:#6b3fa0;--lane:#1f5fbf;--p0:#f2f4f7;--p1:#e6eaf0}
        @media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e7eb;--dim:#9aa3ad;--line:#343a41;--head:#1e2328;--good:#57c878;--bad:#ff7b72;--warn:#e3b341;--accent:#79b0ff;--sealed:#c49bff;--lane:#5b93e6;--p0:#1b2025;--p1:#252b32}}
        body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1400px;padding:1.5rem;background:var(--bg);color:var(--fg)}
        h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:1.6rem 0 .4rem;font-size:1.05rem}
        nav a{margin-right:1rem}a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
        .scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem}th,td{border:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top}th{background:var(--head);position:sticky;top:0}
        .good{color:var(--good)}.bad{color:var(--bad);font-weight:600}.warning{color:var(--warn)}.missing{color:var(--dim);font-style:italic}sup a{margin-left:.15rem}
        .note{border-left:4px solid var(--warn);padding:.2rem 1rem;background:var(--head)}:target{outline:2px solid var(--warn)}
        details>summary{cursor:pointer;margin:.4rem 0}
        svg{font:11px system-ui,sans-serif;max-width:none}svg text{fill:var(--fg);text-anchor:middle}svg .actor{font-weight:600}svg .life{stroke:var(--line)}svg .phase{stroke:var(--line);stroke-dasharray:3 3}
        svg .phasename{fill:var(--dim);text-anchor:start;font-size:10px}svg .message line,svg .message path,svg .message circle{stroke:var(--accent);fill:var(--accent)}svg .sealed line,svg .sealed path{stroke:var(--sealed);fill:var(--sealed)}
        svg .act line,svg .act path,svg .act circle{stroke:var(--warn);fill:var(--warn);stroke-dasharray:4 3}svg .belief{fill:var(--good);text-anchor:start}svg .own{text-anchor:start}svg .word{text-anchor:end}
        svg .p0{fill:var(--p0)}svg .p1{fill:var(--p1)}svg .lane{fill:var(--lane)}svg .lane.informal{fill:none;stroke:var(--lane);stroke-width:1.5}svg .lane.phase{opacity:.75}
        """;

    public static string Render(SurveyReport report)
    {
        var html = new StringBuilder();
        html.Append("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>")
            .Append("<title>Initial security setup of IoT devices: the survey, computed</title>\n<style>").Append(Style.ReplaceLineEndings("\n")).Append("</style></head>\n<body>\n");
        html.Append("<h1>Initial security setup of IoT devices: the survey, computed</h1>\n");
        html.Append(CultureInfo.InvariantCulture, $"<p>Seed <code>{HtmlText.Escape(report.Seed)}</code>. Every cell was computed from a run; the small numbers lead to the run or step that it came from.</p>\n");
        if (report.Live is { } live)
        {
            html.Append("<div class=\"note\"><p>Live run over real sockets. It differs from the simulated survey:</p><ul>");
            foreach (string difference in live.Differences)
                html.Append("<li>").Append(HtmlText.Escape(difference)).Append("</li>");
            html.Append("</ul></div>\n");
        }
        html.Append("<nav>").AppendJoin("", report.Sections.Select(s => $"<a href=\"#{HtmlText.Attribute(s.Id)}\">{HtmlText.Escape(s.Title)}</a>")).Append("</nav>\n");
        foreach (var section in report.Sections)
        {
            html.Append(CultureInfo.InvariantCulture, $"<section id=\"{HtmlText.Attribute(section.Id)}\"><h2>{HtmlText.Escape(section.Title)}</h2>\n<p>{HtmlText.Escape(section.Intro)}</p>\n");
            foreach (var block in section.Blocks)
            {
                html.Append(CultureInfo.InvariantCulture, $"<h3 id=\"{HtmlText.Attribute(block.Id)}\">{HtmlText.Escape(block.Title)}</h3>\n");
                switch (block)
                {
                    case ReportBlock.Table table: Table(html, table); break;
                    case ReportBlock.Lanes lanes:
                        foreach (var group in lanes.Groups)
                            html.Append("<p>").Append(HtmlText.Escape(group.Name)).Append("</p>\n<div class=\"scroll\">").Append(SvgPictures.Lanes(group)).Append("</div>\n");
                        break;
                    case ReportBlock.Ladder ladder:
                        html.Append("<p>").Append(HtmlText.Escape(ladder.Outcome)).Append("</p>\n<div class=\"scroll\">").Append(SvgPictures.Ladder(ladder)).Append("</div>\n");
                        break;
                }
            }
            html.Append("</section>\n");
        }
        return html.Append("</body>\n</html>\n").ToString();
    }

    private static void Table(StringBuilder html, ReportBlock.Table table)
    {
        if (table.Rows.IsEmpty)
        {
            html.Append("<p class=\"missing\">Nothing to show.</p>\n");
            return;
        }
        html.Append("<div class=\"scroll\"><table>\n<thead><tr>").AppendJoin("", table.Columns.Select(c => $"<th>{HtmlText.Escape(c)}</th>")).Append("</tr></thead>\n<tbody>\n");
        foreach (var row in table.Rows)
        {
            html.Append("<tr>");
            for (int i = 0; i < row.Length; i++)
            {
                var cell = row[i];
                string id = i == 0 && table.Id == "runs-table" ? $" id=\"{HtmlText.Attribute(cell.Text)}\"" : "";
                string tone = cell.Tone == Tone.Plain ? "" : $" class=\"{Words.Plain(cell.Tone)}\"";
                html.Append("<td").Append(id).Append(tone).Append('>').Append(HtmlText.Escape(cell.Text));
                if (!cell.Sources.IsEmpty)
                    html.Append("<sup>").AppendJoin("", cell.Sources.Select((s, n) => $"<a href=\"#{HtmlText.Attribute(s)}\">{Words.Number(n + 1)}</a>")).Append("</sup>");
                html.Append("</td>");
            }
            html.Append("</tr>\n");
        }
        html.Append("</tbody></table></div>\n");
    }
}
