using System.Collections.Immutable;

namespace Hatchery.Lab;

public enum ReportFormat { Markdown, Html, Json, Csv }

/// <summary>A report as files: names and contents, to be written as UTF-8 without a mark by whoever has a folder.</summary>
public static class ReportFiles
{
    public static ImmutableArray<(string Name, string Content)> Render(SurveyReport report, ReportFormat format) => format switch
    {
        ReportFormat.Markdown => [("survey.md", MarkdownRenderer.Render(report))],
        ReportFormat.Html => [("survey.html", HtmlRenderer.Render(report))],
        ReportFormat.Json => [("survey.json", JsonRenderer.Render(report))],
        ReportFormat.Csv => CsvRenderer.Render(report),
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };
}
