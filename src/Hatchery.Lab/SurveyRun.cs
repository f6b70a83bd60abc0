using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>The survey as a whole: for the CLI and whoever else wants it.</summary>
public static class SurveyRun
{
    public const string DefaultSeed = "hatchery";

    /// <summary>Runs everything in virtual time. Same seed, same report.</summary>
    /// <param name="only">Ids of protocols or methods; empty: all. Throws <see cref="ArgumentException"/> for an unknown one.</param>
    /// <param name="progress">Told the id of each run before it starts.</param>
    public static SurveyReport Simulated(IReadOnlyCollection<string>? only = null, string seed = DefaultSeed, Action<string>? progress = null) =>
        Simulated(LabMethods.Only(only ?? []), seed, progress);

    public static SurveyReport Simulated(ImmutableArray<ILabProtocol> protocols, string seed, Action<string>? progress = null) =>
        ReportBuilder.Build(Surveyor.Run(protocols, seed, progress), protocols, seed);

    /// <summary>From what real processes observed. What only a simulation can vary is marked as not computed.</summary>
    public static SurveyReport Live(IEnumerable<LabRun> runs)
    {
        var byMethod = runs.GroupBy(r => r.Method).Select(g => new MethodRuns(g.First().Protocol, g.Key, [.. g])).ToList();
        var protocols = LabMethods.All.Where(p => byMethod.Any(m => m.Protocol == p.Protocol)).ToList();
        return ReportBuilder.Build(byMethod, protocols, "live", LiveNote.Standard);
    }
}
