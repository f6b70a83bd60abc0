using System.Runtime.CompilerServices;

namespace Hatchery.Lab.Tests;

public sealed class GeneratedSurveyTests
{
    /// <summary>Made again by: ./hatchery survey --out docs</summary>
    [Fact]
    public void The_survey_in_docs_is_what_the_program_computes()
    {
        string file = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "docs", "survey.md"));
        var (_, content) = Assert.Single(ReportFiles.Render(SurveyRun.Simulated(), ReportFormat.Markdown));
        Assert.Equal(content, File.ReadAllText(file));
    }

    private static string Here([CallerFilePath] string path = "") => path;
}
