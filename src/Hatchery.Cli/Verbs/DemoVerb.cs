using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Hatchery.Cli.Output;
using Hatchery.Lab;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery demo: one real device per method over real sockets, and what it believed before and after.</summary>
internal static class DemoVerb
{
    private const int PagePort = 8080;

    public static Command Make()
    {
        var only = new Option<string[]>("--only") { Description = "Protocols or methods (fdo, fdo.bypass), separated by commas; by default all.", CustomParser = Ids.Parse, DefaultValueFactory = _ => [] };
        var exit = new Option<bool>("--exit") { Description = "End when all have run, instead of leaving the page on http://localhost:8080." };
        var pcap = new Option<FileInfo?>("--pcap") { Description = "Capture the devices' traffic to this file (pcapng, for Wireshark); with several methods, one file each." };
        var interactive = new Option<bool>("--interactive") { Description = "Where a person takes part, wait for you instead of playing that person." };
        var json = Out.JsonOption();
        var command = new Command("demo", """
            Starts the server in a fresh folder on free ports, onboards one real device with every method, each in a process of its own, over real sockets,
            and prints what each device believed before and after. Exit code 0 only if all succeeded.
            """) { only, exit, pcap, interactive, json };
        command.SetAction(async (result, cancel) =>
        {
            bool machine = result.GetValue(json), end = result.GetValue(exit);
            ImmutableArray<ILabProtocol> protocols;
            try
            {
                protocols = LabMethods.Only(result.GetValue(only) ?? []);
            }
            catch (ArgumentException e)
            {
                throw new CommandException(e.Message);
            }
            var todo = protocols.SelectMany(p => p.Methods.Select(m => (Method: m, Live: LiveMethods.Find(m.Id)))).Where(m => m.Live is not null).ToList();
            var results = new List<LiveResult>();
            for (int i = 0; i < todo.Count; i++)
            {
                var (method, live) = todo[i];
                bool last = i == todo.Count - 1;
                if (!machine)
                    Console.Error.WriteLine($"{method.Id}: {method.Name} …");
                string? capture = result.GetValue(pcap) is { } file ? todo.Count == 1 ? file.FullName : Path.ChangeExtension(file.FullName, $".{method.Id}{file.Extension}") : null;
                await using var server = await LiveRuns.StartAsync(live!.Bypass, last && !end && !machine ? PagePort : null, null, cancel, result.GetValue(interactive));
                var outcome = await live.RunAsync(server, method, capture, cancel);
                results.Add(outcome);
                if (!machine)
                    Print(outcome);
                if (last && !machine)
                {
                    Summary(results);
                    if (!end)
                    {
                        Console.WriteLine($"\n{server.Server.Screen}\nThe page is on http://localhost:{PagePort}. Ctrl+C ends it.");
                        try
                        {
                            await Task.Delay(Timeout.Infinite, cancel);
                        }
                        catch (OperationCanceledException)
                        {
                            Console.WriteLine("Draining.");
                        }
                    }
                }
            }
            if (machine)
                Out.Json(j => Write(j, results));
            return results.Count > 0 && results.All(r => r.Succeeded) ? 0 : 1;
        });
        return command;
    }

    private static void Print(LiveResult result)
    {
        Console.WriteLine($"\n== {result.Protocol.Name}: {result.Method.Name} ==\n");
        if (result.Run?.First is { } ceremony)
        {
            Console.WriteLine(LadderText.Render(ceremony));
            Console.WriteLine("The device believed before:");
            Console.Write(BeliefText.Table(ceremony.Before));
            Console.WriteLine("and after:");
            Console.Write(BeliefText.Table(ceremony.After));
            foreach (var change in BeliefDifference.Between(ceremony.Before, ceremony.After))
                Console.WriteLine($"  {change.Change.ToString().ToLowerInvariant(),-9} {change.Belief.Item}");
        }
        if (!result.Succeeded)
            Console.WriteLine($"It failed: {result.Reason}");
    }

    private static void Summary(List<LiveResult> results)
    {
        Console.WriteLine($"\n{"method",-18} {"result",-8} {"time",8} {"messages",9} {"bytes",7} {"human acts",11}");
        foreach (var result in results)
        {
            var steps = result.Run?.First?.Steps ?? [];
            Console.WriteLine($"{result.Method.Id,-18} {(result.Succeeded ? "works" : "FAILED"),-8} {result.Took.TotalSeconds,6:F1} s {steps.Count(s => s.Kind.Act == Act.Message),9} "
                + $"{steps.Sum(s => s.Size),7} {steps.Count(s => s.Kind.Act != Act.Message),11}{(result.Succeeded ? "" : "   " + result.Reason)}");
        }
    }

    private static void Write(Utf8JsonWriter json, List<LiveResult> results)
    {
        json.WriteBoolean("succeeded", results.Count > 0 && results.All(r => r.Succeeded));
        json.WriteStartArray("methods");
        foreach (var result in results)
        {
            var ceremony = result.Run?.First;
            json.WriteStartObject();
            json.WriteString("protocol", result.Protocol.Id);
            json.WriteString("method", result.Method.Id);
            json.WriteBoolean("succeeded", result.Succeeded);
            json.WriteString("reason", result.Reason);
            json.WriteNumber("milliseconds", (long)result.Took.TotalMilliseconds);
            json.WriteNumber("messages", ceremony?.Steps.Count(s => s.Kind.Act == Act.Message) ?? 0);
            json.WriteNumber("bytes", ceremony?.Steps.Sum(s => s.Size) ?? 0);
            json.WriteNumber("humanActs", ceremony?.Steps.Count(s => s.Kind.Act != Act.Message) ?? 0);
            BeliefText.Write(json, "before", ceremony?.Before ?? []);
            BeliefText.Write(json, "after", ceremony?.After ?? []);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
