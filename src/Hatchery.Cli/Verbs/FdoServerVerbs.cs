using System.CommandLine;
using Hatchery.Fdo;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery fdo server …: vouchers in a running server, through its admin API.</summary>
internal static class FdoServerVerbs
{
    public static Command Make() => new("server", "Vouchers in a running server: list, sell, extend, import, export.")
    {
        Get("made", "Devices that the manufacturer made.", "/fdo/manufactured?limit=1000"),
        Get("list", "Devices of the owner.", "/fdo/vouchers?limit=1000"),
        Get("keys", "The owner's public keys, to give to sellers.", "/fdo/owner-keys"),
        Act("sell", "Where one server is manufacturer and owner: extends a device's voucher to itself, imports it, registers it.", guid => $"/fdo/sell/{guid}", needsKey: false),
        Act("extend", "The manufacturer extends a device's voucher to a buyer; prints it.", guid => $"/fdo/manufactured/{guid}/extend", needsKey: true),
        Act("resell", "The owner sells a device on; prints the extended voucher.", guid => $"/fdo/vouchers/{guid}/extend", needsKey: true),
        Export(), Import(), Bulk(), Sold(), Plan(), Results(),
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

    private static Command Act(string name, string description, Func<Guid, string> path, bool needsKey)
    {
        var admin = new AdminClient();
        var guid = new Argument<Guid>("GUID") { Description = "The device." };
        var to = new Option<FileInfo>("--to") { Description = "The buyer's public key (PEM).", Required = true };
        var command = new Command(name, description) { guid };
        if (needsKey)
            command.Add(to);
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            byte[] body = needsKey ? await File.ReadAllBytesAsync(result.GetRequiredValue(to).FullName, cancel) : [];
            string answer = await admin.CallAsync(result, HttpMethod.Post, path(result.GetRequiredValue(guid)), body, cancel);
            Console.WriteLine(answer.StartsWith('{') ? AdminClient.Pretty(answer) : answer.TrimEnd());
            return 0;
        });
        return command;
    }

    private static Command Export()
    {
        var admin = new AdminClient();
        var guid = new Argument<Guid>("GUID") { Description = "The device." };
        var made = new Option<bool>("--made") { Description = "The manufacturer's copy instead of the owner's." };
        var command = new Command("export", "Prints a voucher (PEM).") { guid, made };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            var device = result.GetRequiredValue(guid);
            Console.Write(await admin.CallAsync(result, HttpMethod.Get, result.GetValue(made) ? $"/fdo/manufactured/{device}/voucher" : $"/fdo/vouchers/{device}/pem", null, cancel));
            return 0;
        });
        return command;
    }

    private static Command Import()
    {
        var admin = new AdminClient();
        var file = new Argument<FileInfo[]>("FILE") { Description = "Vouchers (PEM blocks or CBOR items, any number) that name one of the owner's keys.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("import", "Gives the owner vouchers, and has them registered. Says of each that is refused why; exit code 0 only if all were taken.") { file };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            bool all = true;
            foreach (var one in result.GetRequiredValue(file))
            {
                byte[] content = await File.ReadAllBytesAsync(one.FullName, cancel);
                if (IsOne(content))
                {
                    Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Post, "/fdo/vouchers", content, cancel)));
                    continue;
                }
                string answer = await admin.CallAsync(result, HttpMethod.Post, "/fdo/vouchers/import", content, cancel);
                using var read = System.Text.Json.JsonDocument.Parse(answer);
                all &= read.RootElement.EnumerateArray().All(v => v.GetProperty("refused").ValueKind == System.Text.Json.JsonValueKind.Null);
                Console.WriteLine(AdminClient.Pretty(answer));
            }
            return all ? 0 : 1;
        });
        return command;
    }

    /// <summary>Of a voucher by itself the server says more, and refuses it as a whole; what cannot be read is the server's to refuse.</summary>
    private static bool IsOne(byte[] content)
    {
        try
        {
            return VoucherFile.ReadAll(content).Length == 1;
        }
        catch (FdoException)
        {
            return true;
        }
    }

    /// <summary>A pallet: all vouchers to one buyer.</summary>
    private static Command Bulk()
    {
        var admin = new AdminClient();
        var to = new Option<FileInfo>("--to") { Description = "The buyer's public key, or certificate chain (PEM).", Required = true };
        var serials = new Option<string[]>("--serial") { Description = "A serial number; may be given several times. Without it all devices that are not sold.", AllowMultipleArgumentsPerToken = true };
        var limit = new Option<int>("--limit") { Description = "At most so many.", DefaultValueFactory = _ => 1000 };
        var command = new Command("extend-all", "The manufacturer extends many vouchers to a buyer; prints them (PEM), to be imported by the buyer in one file.") { to, serials, limit };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            string query = string.Concat((result.GetValue(serials) ?? []).Select(s => "&serial=" + Uri.EscapeDataString(s)));
            Console.Write(await admin.CallAsync(result, HttpMethod.Post, $"/fdo/manufactured/extend?limit={result.GetValue(limit)}{query}",
                await File.ReadAllBytesAsync(result.GetRequiredValue(to).FullName, cancel), cancel));
            return 0;
        });
        return command;
    }

    private static Command Sold()
    {
        var admin = new AdminClient();
        var to = new Option<FileInfo>("--to") { Description = "The buyer's public key (PEM).", Required = true };
        var command = new Command("sold", "Prints the vouchers that were extended to a buyer (PEM).") { to };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.Write(await admin.CallAsync(result, HttpMethod.Get, $"/fdo/manufactured/vouchers?limit=10000&soldTo={KeyFiles.ReadPublic(result.GetRequiredValue(to).FullName).Fingerprint}", null, cancel));
            return 0;
        });
        return command;
    }

    private static Command Plan()
    {
        var admin = new AdminClient();
        var target = new Argument<string>("TARGET") { Description = "default, device:GUID, serial:NUMBER or profile:NAME." };
        var file = new Option<FileInfo?>("--file") { Description = "The plan (JSON), such as {\"steps\": [{\"download\": {\"name\": \"agent.conf\", \"text\": \"…\"}}]}. Without it the target's plan is removed." };
        var command = new Command("plan", "Says what is done on a device during TO2: download, upload, command, wget, csr, step by step.") { target, file };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            byte[]? body = result.GetValue(file) is { } path ? await File.ReadAllBytesAsync(path.FullName, cancel) : null;
            await admin.CallAsync(result, body is null ? HttpMethod.Delete : HttpMethod.Put, "/fdo/plans/" + Uri.EscapeDataString(result.GetRequiredValue(target)), body, cancel);
            Console.WriteLine(body is null ? "The plan is removed." : "The plan is stored.");
            return 0;
        });
        return command;
    }

    private static Command Results()
    {
        var admin = new AdminClient();
        var guid = new Argument<Guid>("GUID") { Description = "The device, by the GUID that it has now." };
        var command = new Command("results", "What a device gave in TO2: uploaded files, output of commands (content in base64).") { guid };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Get, $"/fdo/vouchers/{result.GetRequiredValue(guid)}/results", null, cancel)));
            return 0;
        });
        return command;
    }
}
