using System.CommandLine;
using Hatchery.Server;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery serve: the onboarding server.</summary>
internal static class ServeVerb
{
    public static Command Make()
    {
        var config = new Option<FileInfo?>("--config") { Description = "Configuration; by default hatchery.json in this folder, or a local set-up if there is none." };
        var print = new Option<bool>("--print-config") { Description = "Print the configuration of the local set-up, to start a hatchery.json from, and end." };
        var command = new Command("serve", """
            Runs the server: roles, registry, policy, audit log, admin API and page, until it is interrupted; then it drains.
            Over the configuration go environment (HATCHERY__LISTENERS__PUBLIC__PORT=8443) and command line (--listeners:public:port=8443).
            Without a configuration it runs every role on loopback, admits anyone, and says so.
            """) { config, print };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction(async (result, cancel) =>
        {
            if (result.GetValue(print))
            {
                Console.WriteLine(LocalSetUp.Json("data", 8080, 8081));
                return 0;
            }
            var file = result.GetValue(config) ?? new FileInfo("hatchery.json");
            var builder = new ConfigurationBuilder();
            if (file.Exists)
                builder.AddJsonFile(file.FullName);
            else if (result.GetValue(config) is not null)
                throw new CommandException($"There is no {file.FullName}.");
            else
                builder.AddJsonStream(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(LocalSetUp.Json("data", 8080, 8081))));
            builder.AddEnvironmentVariables("HATCHERY__").AddCommandLine([.. result.UnmatchedTokens]);
            await using var server = await HatcheryServer.StartAsync(ServerOptions.Read(builder.Build()), cancel, Console.Error);
            Console.Write(server.Screen);
            try
            {
                await Task.Delay(Timeout.Infinite, cancel);
            }
            catch (OperationCanceledException)
            {
                Console.WriteLine("Draining.");
            }
            await server.StopAsync();
            return 0;
        });
        return command;
    }
}

/// <summary>Every role on loopback: what demo runs, and serve without a configuration.</summary>
internal static class LocalSetUp
{
    public static string Json(string dataDirectory, int port, int adminPort, bool bypass = false, int radiusPort = 1812) => $$"""
        {
          "dataDirectory": {{System.Text.Json.JsonSerializer.Serialize(dataDirectory)}},
          "listeners": {
            "public": { "address": "127.0.0.1", "port": {{port}}, "carrier": "http" },
            "admin": { "address": "127.0.0.1", "port": {{adminPort}}, "carrier": "http" },
            "radius": { "address": "127.0.0.1", "port": {{radiusPort}}, "carrier": "udp" }
          },
          "admission": { "acceptAnyone": true },
          "page": { "listener": "admin", "openForReading": true },
          "roles": {
            "fdo.manufacturer": { "listener": "public", "rendezvous": [ "http://127.0.0.1:{{port}}{{(bypass ? ";bypass" : "")}}" ] },
            "fdo.rendezvous": { "listener": "public" },
            "fdo.owner": { "listener": "public", "addresses": [ "http://127.0.0.1:{{port}}" ] },
            "eapnoob.server": {
              "serverName": "Hatchery", "oobListener": "public", "url": "http://127.0.0.1:{{port}}/noob", "sleepSeconds": {{(radiusPort == 0 ? 1 : 10)}},
              "radius": { "listeners": [ "radius" ], "clients": [ { "name": "local", "address": "127.0.0.1", "secret": "testing123" } ] }
            }
          }
        }
        """;
}
