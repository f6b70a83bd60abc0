using System.CommandLine;
using System.Security.Cryptography;
using Hatchery.Cli.Verbs;
using Hatchery.Server;
using Hatchery.Storage;

namespace Hatchery.Cli;

internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        var root = new RootCommand("Hatchery: the initial security setup of IoT devices. Start with: hatchery demo");
        foreach (var verb in VerbList.All())
            root.Add(verb);
        try
        {
            return await root.Parse(args).InvokeAsync(new InvocationConfiguration
            {
                // serve has its own limit for draining; the library's two seconds would cut it off.
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = Timeout.InfiniteTimeSpan,
            });
        }
        catch (OperationCanceledException)
        {
            return 130;
        }
        catch (Exception e) when (e is ProtocolException or CommandException or ConfigurationFault or StorageException or CryptographicException or IOException
            or InvalidDataException or UnauthorizedAccessException or FormatException or HttpRequestException)
        {
            await Console.Error.WriteLineAsync($"hatchery: {e.Message}");
            return 1;
        }
    }
}

/// <summary>What a user did wrong, or cannot have; the sentence is all that is shown.</summary>
internal sealed class CommandException(string sentence) : Exception(sentence);
