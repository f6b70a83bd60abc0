using System.CommandLine;
using System.Text.Json;
using Hatchery.Cli.Output;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery device …: the registry, the policy's open questions and the audit log of a running server.</summary>
internal static class DeviceVerbs
{
    public static Command Make() => new("device", "The devices that a running server knows: list, show, approve, audit.") { List(), Show(), Held(), Decide("approve", "admit"), Decide("refuse", "refuse"), Audit() };

    private static Command List()
    {
        var admin = new AdminClient();
        var json = Out.JsonOption();
        var command = new Command("list", "The device registry.") { json };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            string text = await admin.CallAsync(result, HttpMethod.Get, "/devices?limit=1000", null, cancel);
            if (result.GetValue(json))
            {
                Console.WriteLine(AdminClient.Pretty(text));
                return 0;
            }
            using var devices = JsonDocument.Parse(text);
            foreach (var device in devices.RootElement.EnumerateArray())
            {
                var names = device.GetProperty("identifiers").EnumerateArray().Where(i => i.GetProperty("kind").GetString() != "spki-sha256").Select(i => $"{i.GetProperty("kind").GetString()}:{i.GetProperty("value").GetString()}");
                Console.WriteLine($"{device.GetProperty("id").GetString()}  {device.GetProperty("state").GetString(),-9} {device.GetProperty("lastProtocol").GetString(),-6} {string.Join("  ", names)}");
            }
            return 0;
        });
        return command;
    }

    private static Command Show()
    {
        var admin = new AdminClient();
        var id = new Argument<Guid>("ID") { Description = "The registry's id." };
        var command = new Command("show", "One device, as JSON.") { id };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Get, $"/devices/{result.GetRequiredValue(id)}", null, cancel)));
            return 0;
        });
        return command;
    }

    private static Command Held()
    {
        var admin = new AdminClient();
        var command = new Command("held", "Devices that wait for an operator, as JSON.");
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Get, "/policy/held", null, cancel)));
            return 0;
        });
        return command;
    }

    private static Command Decide(string verb, string decision)
    {
        var admin = new AdminClient();
        var subject = new Argument<string>("SUBJECT") { Description = "As 'device held' names it: kind:value." };
        var profile = new Option<string>("--profile") { Description = "Which profile it gets.", DefaultValueFactory = _ => "default" };
        var command = new Command(verb, $"{(decision == "admit" ? "Admits" : "Refuses")} a device that waits.") { subject };
        if (decision == "admit")
            command.Add(profile);
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            var body = new MemoryStream();
            await using (var json = new Utf8JsonWriter(body))
            {
                json.WriteStartObject();
                json.WriteString("subject", result.GetRequiredValue(subject));
                json.WriteString("decision", decision);
                json.WriteString("profile", decision == "admit" ? result.GetValue(profile) : "");
                json.WriteEndObject();
            }
            await admin.CallAsync(result, HttpMethod.Post, "/policy/held/decide", body.ToArray(), cancel, "application/json");
            return 0;
        });
        return command;
    }

    private static Command Audit()
    {
        var admin = new AdminClient();
        var device = new Option<Guid?>("--device") { Description = "Of one device only." };
        var verify = new Option<bool>("--verify") { Description = "Check that no entry was altered or removed; exit code 0 only if none was." };
        var command = new Command("audit", "The audit log, as JSON.") { device, verify };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            if (result.GetValue(verify))
            {
                string verdict = await admin.CallAsync(result, HttpMethod.Get, "/audit/verify", null, cancel);
                Console.WriteLine(AdminClient.Pretty(verdict));
                using var json = JsonDocument.Parse(verdict);
                return json.RootElement.GetProperty("intact").GetBoolean() ? 0 : 1;
            }
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Get, $"/audit?limit=1000{(result.GetValue(device) is { } id ? $"&device={id}" : "")}", null, cancel)));
            return 0;
        });
        return command;
    }
}
