using Hatchery.Fdo;
using Hatchery.Lab.Protocols;

namespace Hatchery.Lab.Tests;

public sealed class FdoSurveyTests
{
    private static readonly Lazy<SurveyReport> s_report = new(() => SurveyRun.Simulated(["fdo"], "test"));

    [Fact]
    public void Dump()
    {
        var text = MarkdownRenderer.Render(s_report.Value);
        File.WriteAllText("/tmp/lab-survey.md", text);
        foreach (var f in ReportFiles.Render(s_report.Value, ReportFormat.Html)) File.WriteAllText("/tmp/lab-" + f.Name, f.Content);
    }
}
