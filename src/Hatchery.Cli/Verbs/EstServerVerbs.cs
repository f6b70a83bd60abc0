using System.CommandLine;
using System.Text.Json;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery est server …: a running EST server, through its admin API.</summary>
internal static class EstServerVerbs
{
    public static Command Make() => new("server", "A running server: its CA, users, requests that wait, what was issued, revocation.")
    {
        Get("ca", "The CA certificates with their fingerprints: what an installer is told.", "/est/ca"),
        Get("users", "Who may enroll by password.", "/est/users"),
        Get("waiting", "Requests that wait for a decision.", "/est/waiting"),
        Get("held", "Devices that wait for an operator, as the policy names them.", "/policy/held"),
        Get("issued", "Certificates that were issued.", "/est/issued?limit=1000"),
        Add(), Remove(), Decide(), Revoke(),
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

    private static Command Add()
    {
        var name = new Argument<string>("NAME") { Description = "User name; becomes the CN of the certificate." };
        var reusable = new Option<bool>("--reusable") { Description = "The password serves for many certificates; by default for one." };
        var srp = new Option<bool>("--srp") { Description = "Also for TLS-SRP." };
        return Post("add-user", "Makes a user, or gives one a new password; prints it this once.", HttpMethod.Post, _ => "/est/users", (j, r) =>
        {
            j.WriteString("name", r.GetRequiredValue(name));
            j.WriteBoolean("oneTime", !r.GetValue(reusable));
            j.WriteBoolean("srp", r.GetValue(srp));
        }, name, reusable, srp);
    }

    private static Command Remove()
    {
        var name = new Argument<string>("NAME");
        return Post("remove-user", "Removes a user.", HttpMethod.Delete, r => "/est/users/" + Uri.EscapeDataString(r.GetRequiredValue(name)), null, name);
    }

    private static Command Decide()
    {
        var subject = new Argument<string>("SUBJECT") { Description = "As held lists it, for example serial:SN-1." };
        var decision = new Argument<string>("DECISION") { Description = "admit or refuse." };
        decision.AcceptOnlyFromAmong("admit", "refuse");
        return Post("decide", "Admits or refuses a device that waits.", HttpMethod.Post, _ => "/policy/held/decide", (j, r) =>
        {
            j.WriteString("subject", r.GetRequiredValue(subject));
            j.WriteString("decision", r.GetRequiredValue(decision));
        }, subject, decision);
    }

    private static Command Revoke()
    {
        var serial = new Argument<string>("SERIAL") { Description = "Serial number in hex, as issued lists it." };
        var reason = new Option<string>("--reason") { Description = "As RFC 5280 names it: keyCompromise, superseded, cessationOfOperation…", DefaultValueFactory = _ => "unspecified" };
        return Post("revoke", "Revokes a certificate.", HttpMethod.Post, _ => "/est/revoke", (j, r) =>
        {
            j.WriteString("serial", r.GetRequiredValue(serial));
            j.WriteString("reason", r.GetRequiredValue(reason));
        }, serial, reason);
    }

    private static Command Post(string name, string description, HttpMethod method, Func<ParseResult, string> path, Action<Utf8JsonWriter, ParseResult>? body, params Symbol[] symbols)
    {
        var admin = new AdminClient();
        var command = new Command(name, description);
        foreach (var symbol in symbols)
            if (symbol is Argument argument)
                command.Add(argument);
            else
                command.Add((Option)symbol);
        admin.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            using var content = new MemoryStream();
            if (body is not null)
                using (var json = new Utf8JsonWriter(content))
                {
                    json.WriteStartObject();
                    body(json, result);
                    json.WriteEndObject();
                }
            string answer = await admin.CallAsync(result, method, path(result), body is null ? null : content.ToArray(), cancel, "application/json");
            Console.WriteLine(answer.Length > 0 ? AdminClient.Pretty(answer) : "Done.");
            return 0;
        });
        return command;
    }
}
