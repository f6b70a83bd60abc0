using System.CommandLine;
using Hatchery.Cli.Output;
using Hatchery.Server;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery eapnoob …: EAP-NOOB, both sides.</summary>
internal static class EapNoobVerbs
{
    public static Command Make() => new("eapnoob", "EAP-NOOB (RFC 9140): a device that gets into a network with its user's help, and what users and operators do at the server.")
    {
        EapNoobDeviceVerbs.Make(),
        new Command("server", "Devices in a running server: who waits, whose are they, codes in both directions.")
        {
            Get("waiting", "Devices that wait for their users.", "/eapnoob/waiting?limit=1000"),
            Get("devices", "Registered devices.", "/eapnoob/devices?limit=1000"),
            Receive(), Code(), Remove(),
        },
    };

    private static Command Get(string name, string description, string path)
    {
        var admin = new AdminClient();
        var command = new Command(name, description);
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Get, path, null, cancel)));
            return 0;
        });
        return command;
    }

    private static Command Receive()
    {
        var admin = new AdminClient();
        var code = new Argument<string>("CODE") { Description = "What the device shows: the URL, or its query." };
        var account = new Option<string?>("--account") { Description = "Whose the device will be; by default the token's own." };
        var yes = new Option<bool>("--yes") { Description = "Do not ask whether it is the device in your hand." };
        var command = new Command("receive", "Brings what a device shows to the server, after a look at what the device claims to be.") { code, account, yes };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            byte[] body = System.Text.Encoding.UTF8.GetBytes(result.GetRequiredValue(code));
            using var device = System.Text.Json.JsonDocument.Parse(await admin.CallAsync(result, HttpMethod.Post, "/eapnoob/oob/look", body, cancel, "text/plain"));
            Console.Error.WriteLine($"The device says that it is: {Printable(device.RootElement.GetProperty("claims").GetString()!)}");
            if (!result.GetValue(yes))
            {
                Console.Error.Write("Is it the one in your hand? [y/N] ");
                if (Console.ReadLine()?.Trim() is not ("y" or "Y" or "yes"))
                    throw new CommandException("Not registered.");
            }
            string query = result.GetValue(account) is { } name ? $"?account={Uri.EscapeDataString(name)}" : "";
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Post, "/eapnoob/oob" + query, body, cancel, "text/plain")));
            return 0;
        });
        return command;
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));

    private static Command Code()
    {
        var admin = new AdminClient();
        var peer = new Argument<string>("PEERID") { Description = "As 'eapnoob server waiting' names it." };
        var account = new Option<string?>("--account") { Description = "Whose the device will be; by default the token's own." };
        var png = new Option<FileInfo?>("--png") { Description = "Write the QR code to this file." };
        var json = Out.JsonOption();
        var command = new Command("code", "A code for the user to take to the device, as text and QR code.") { peer, account, png, json };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            string query = result.GetValue(account) is { } name ? $"?account={Uri.EscapeDataString(name)}" : "";
            string answer = await admin.CallAsync(result, HttpMethod.Post, $"/eapnoob/waiting/{Uri.EscapeDataString(result.GetRequiredValue(peer))}/code{query}", [], cancel);
            using var parsed = System.Text.Json.JsonDocument.Parse(answer);
            string code = parsed.RootElement.GetProperty("code").GetString()!;
            if (result.GetValue(png) is { } file)
                await File.WriteAllBytesAsync(file.FullName, QrPicture.Png(code), cancel);
            if (result.GetValue(json))
                Console.WriteLine(AdminClient.Pretty(answer));
            else
                Console.WriteLine($"{QrPicture.Terminal(code)}{code}");
            return 0;
        });
        return command;
    }

    private static Command Remove()
    {
        var admin = new AdminClient();
        var peer = new Argument<string>("PEERID") { Description = "As 'eapnoob server devices' names it." };
        var command = new Command("remove", "Forgets a registered device. It must be reset before it can be registered again.") { peer };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            await admin.CallAsync(result, HttpMethod.Delete, $"/eapnoob/devices/{Uri.EscapeDataString(result.GetRequiredValue(peer))}", null, cancel);
            return 0;
        });
        return command;
    }
}
