using System.CommandLine;

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
        Export(), Import(),
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
        var file = new Argument<FileInfo>("FILE") { Description = "A voucher (PEM or CBOR) that names one of the owner's keys." };
        var command = new Command("import", "Gives the owner a voucher, and has it registered.") { file };
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Post, "/fdo/vouchers", await File.ReadAllBytesAsync(result.GetRequiredValue(file).FullName, cancel), cancel)));
            return 0;
        });
        return command;
    }
}
