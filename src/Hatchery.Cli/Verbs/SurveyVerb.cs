using System.CommandLine;
using Hatchery.Lab;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery survey: the comparison, computed.</summary>
internal static class SurveyVerb
{
    public static Command Make()
    {
        var only = new Option<string[]>("--only") { Description = "Protocols or methods (fdo, fdo.bypass), separated by commas; by default all.", CustomParser = Ids.Parse, DefaultValueFactory = _ => [] };
        var format = new Option<string>("--format") { Description = "markdown, html, json or csv.", DefaultValueFactory = _ => "markdown" };
        format.AcceptOnlyFromAmong("markdown", "html", "json", "csv");
        var output = new Option<DirectoryInfo?>("--out") { Description = "Write files into this folder instead of printing; csv is one file per table." };
        var seed = new Option<string>("--seed") { Description = "Same seed, same report, byte for byte.", DefaultValueFactory = _ => SurveyRun.DefaultSeed };
        var live = new Option<bool>("--live") { Description = "From a run over real sockets instead of virtual time. Times, sizes of signatures and ports differ each time." };
        var command = new Command("survey", "Runs every protocol and computes terms, players, beliefs, processes, privacy, cost and attacks from the runs.") { only, format, output, seed, live };
        command.SetAction(async (result, cancel) =>
        {
            bool progress = !Console.IsErrorRedirected;
            string[] ids = result.GetValue(only) ?? [];
            SurveyReport report;
            try
            {
                report = result.GetValue(live)
                    ? SurveyRun.Live(await LiveRuns.AllAsync(ids, cancel))
                    : SurveyRun.Simulated(ids, result.GetRequiredValue(seed), progress ? id => Console.Error.WriteLine($"  {id}") : null);
            }
            catch (ArgumentException e)
            {
                throw new CommandException(e.Message);
            }
            var files = ReportFiles.Render(report, Enum.Parse<ReportFormat>(result.GetRequiredValue(format), ignoreCase: true));
            if (result.GetValue(output) is { } folder)
            {
                folder.Create();
                foreach (var (name, content) in files)
                {
                    await File.WriteAllTextAsync(Path.Combine(folder.FullName, name), content, cancel);
                    Console.WriteLine(Path.Combine(folder.FullName, name));
                }
            }
            else
                foreach (var (name, content) in files)
                {
                    if (files.Length > 1)
                        Console.WriteLine($"# {name}");
                    Console.Write(content);
                }
            return 0;
        });
        return command;
    }
}

internal static class Ids
{
    /// <summary>Separated by commas, or the option given several times.</summary>
    public static string[] Parse(System.CommandLine.Parsing.ArgumentResult result) =>
        [.. result.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];
}
