using Hatchery.Radius.Tests.Peers;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

namespace Hatchery.Radius.Tests;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        if (args is [Wire.Argument, var scenario])
            return await Wire.InNamespaceAsync(WireTests.Scenarios[scenario]);
        return args.Any(a => a is "--server" or "--internal-msbuild-node")
            ? await TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : await ConsoleRunner.Run(args);
    }
}
