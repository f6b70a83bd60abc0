using System.CommandLine;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery ca …: the embedded certificate authority of a running server, through its admin API.</summary>
internal static class CaVerbs
{
    public static Command Make()
    {
        var rollover = new Command("rollover", "Root rollover, in three stages; days or months may lie between.")
        {
            Act("begin", "A new root, the links between both, and a new issuer are published; the old issuer goes on.", "/ca/rollover/begin", takesRootKey: true, givesRootKey: true),
            Act("complete", "The new issuer signs from now on.", "/ca/rollover/complete"),
            Act("retire", "Old roots, and what is below them, are no longer published nor trusted.", "/ca/rollover/retire"),
        };
        return new Command("ca", "The certificate authority of a running server: its certificates, renewal of the issuer, root rollover.")
        {
            Show(), Act("renew-issuer", "A new issuer under the newest root, which signs at once.", "/ca/issuer/renew", takesRootKey: true), rollover,
        };
    }

    private static Command Show()
    {
        var admin = new AdminClient();
        var command = new Command("show", "Its certificates: roots, links, issuers, and which of them signs.");
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            Console.WriteLine(AdminClient.Pretty(await admin.CallAsync(result, HttpMethod.Get, "/ca", null, cancel)));
            return 0;
        });
        return command;
    }

    private static Command Act(string name, string description, string path, bool takesRootKey = false, bool givesRootKey = false)
    {
        var admin = new AdminClient();
        var command = new Command(name, description);
        var key = new Option<FileInfo?>("--root-key") { Description = "PEM file with the root's private key, where the server does not keep it." };
        var away = new Option<FileInfo?>("--new-root-key") { Description = "Where to write the new root's key, which the server then does not keep." };
        if (takesRootKey)
            command.Add(key);
        if (givesRootKey)
            command.Add(away);
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            byte[]? body = takesRootKey && result.GetValue(key) is { } file ? await File.ReadAllBytesAsync(file.FullName, cancel) : null;
            if (!givesRootKey || result.GetValue(away) is not { } to)
            {
                await admin.CallAsync(result, HttpMethod.Post, path, body, cancel);
                Console.WriteLine("Done.");
                return 0;
            }
            // Made first: a key that cannot be written would be lost.
            await using var made = Hatchery.Server.PrivateFile.Create(to.FullName);
            string pem = await admin.CallAsync(result, HttpMethod.Post, path + "?keepRootKey=false", body, cancel);
            await made.WriteAsync(System.Text.Encoding.ASCII.GetBytes(pem), cancel);
            Console.WriteLine($"Done. The root's key is in {to.FullName} and nowhere else.");
            return 0;
        });
        return command;
    }
}
