using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

namespace Hatchery.Storage.Tests;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        if (args is [CrashChild.Argument, var path])
            return await CrashChild.RunAsync(path);
        return args.Any(a => a is "--server" or "--internal-msbuild-node")
            ? await TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : await ConsoleRunner.Run(args);
    }
}
