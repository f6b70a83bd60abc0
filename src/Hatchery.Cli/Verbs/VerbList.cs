using System.CommandLine;

namespace Hatchery.Cli.Verbs;

/// <summary>The command line. A protocol adds one line.</summary>
internal static class VerbList
{
    public static IEnumerable<Command> All() =>
    [
        DemoVerb.Make(),
        ServeVerb.Make(),
        SurveyVerb.Make(),
        DeviceVerbs.Make(),
        DppVerbs.Make(),
        FdoVerbs.Make(),
        EstVerbs.Make(),
        CaVerbs.Make(),
        EapNoobVerbs.Make(),
    ];
}
