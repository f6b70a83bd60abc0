using System.CommandLine;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery est …: Enrollment over Secure Transport, both sides.</summary>
internal static class EstVerbs
{
    public static Command Make() => new("est", "EST: a client to enroll with or to test servers with, and what an operator of a server does.")
    {
        EstClientVerbs.Make(),
        EstServerVerbs.Make(),
    };
}
