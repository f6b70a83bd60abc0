using System.Collections.Immutable;
using System.CommandLine;
using System.Security.Authentication;
using System.Security.Cryptography;
using Hatchery.Cli.Output;
using Hatchery.Est;
using Hatchery.Est.Device;
using Hatchery.Pki;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery est client …: an EST client whose state is in a folder. It is a real one as far as any server can tell.</summary>
internal static class EstClientVerbs
{
    internal static readonly Option<DirectoryInfo> State = new("--state")
    {
        Description = "The client: a folder with its keys, certificates and trust anchors.",
        DefaultValueFactory = _ => new DirectoryInfo("est-client"),
    };

    public static Command Make() => new("client", "A client: get to know a CA, enroll, renew, let the server make a key, look into it, reset it.")
    {
        Run("cacerts", "Fetches the CA certificates of a server that is authorized already.", EstGoal.CaCerts),
        Run("bootstrap", "Fetches the CA certificates of a server that nobody knows yet; you compare the fingerprint, or give it with --fingerprint.", EstGoal.CaCerts, bootstrap: true),
        Run("csrattrs", "Shows what the server wants to see in requests.", EstGoal.CsrAttrs),
        Run("enroll", "Gets a certificate for a new key: authenticated by IDevID, by an earlier certificate, by user name and password, or by TLS-SRP.", EstGoal.Enroll),
        Run("reenroll", "Renews the certificate now, with a new key.", EstGoal.Reenroll),
        Run("serverkeygen", "Gets a key that the server makes, and its certificate.", EstGoal.ServerKeyGen),
        Show(), Export(), Reset(),
    };

    private static Command Run(string name, string description, EstGoal goal, bool bootstrap = false)
    {
        var server = new Option<string?>("--to") { Description = "HOST:PORT or HOST:PORT/LABEL; needed the first time." };
        var anchors = new Option<FileInfo[]>("--anchor") { Description = "PEM: the EST CA's root, as trust anchor (Explicit database)." };
        var others = new Option<FileInfo[]>("--implicit-anchor") { Description = "PEM: a third party's root that may vouch for the server's name (Implicit database)." };
        var identity = new Option<FileInfo?>("--identity") { Description = "PEM: an IDevID or another certificate and its chain, and its private key." };
        var serial = new Option<string?>("--serial") { Description = "Serial number, for the subject; by default that of the identity." };
        var users = new Option<FileInfo?>("--user-file") { Description = "A file that holds NAME:PASSWORD." };
        var ask = new Option<bool>("--password") { Description = "Asks for user name and password." };
        var srp = new Option<bool>("--srp") { Description = "User name and password prove themselves in the TLS handshake (TLS-SRP)." };
        var fingerprint = new Option<string?>("--fingerprint") { Description = "SHA-256 of the root certificate, hex; else you are asked." };
        var tls = new Option<string>("--tls") { Description = "1.2, where channel binding is tls-unique; 1.3; or engine, for channel binding on 1.3 too.", DefaultValueFactory = _ => "1.2" };
        tls.AcceptOnlyFromAmong("1.2", "1.3", "engine");
        var cmc = new Option<bool>("--full-cmc") { Description = "Through /fullcmc." };
        var tolerant = new Option<bool>("--tolerant") { Description = "Takes what some servers do wrong: other media types, PKCS#1 keys, open multipart bodies, raw DER." };
        var prove = new Option<bool>("--prove") { Description = "Uses the new certificate against this server's domain service." };
        var waits = new Option<int?>("--waits") { Description = "How often to wait for a decision; by default for ever." };
        var run = new EstClientRun();
        var command = new Command(name, description) { State, server, anchors, others, tls, tolerant };
        if (bootstrap || goal is EstGoal.Enroll)
            command.Add(fingerprint);
        if (goal is EstGoal.Enroll or EstGoal.ServerKeyGen or EstGoal.Reenroll)
            foreach (var option in new Option[] { identity, serial, users, ask, srp, cmc, prove, waits })
                command.Add(option);
        run.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            using var device = new EstDeviceFolder(result.GetRequiredValue(State));
            var state = Prepared(device.State, result.GetValue(server), result.GetValue(anchors) ?? [], result.GetValue(others) ?? []);
            bool acts = goal is EstGoal.Enroll or EstGoal.ServerKeyGen or EstGoal.Reenroll;
            if (acts)
                state = Identified(state, result.GetValue(identity), result.GetValue(serial), result.GetValue(users));
            // What was typed on this command line, a user brought.
            var origins = new Dictionary<string, Origin>(device.File.Origins);
            if (acts && result.GetValue(users) is not null)
                (origins["user name"], origins["password"]) = (Origin.User, Origin.User);
            if ((result.GetValue(anchors) ?? []).Length > 0)
                origins["Explicit trust anchors"] = Origin.User;
            device.File.Save(state, origins);
            string? expected = bootstrap || goal == EstGoal.Enroll ? result.GetValue(fingerprint) : null;
            var options = new EstDeviceOptions
            {
                Goal = goal,
                Bootstrap = bootstrap || expected is not null,
                RootSha256 = expected is null ? default : Fingerprint(expected),
                AskPassword = acts && (result.GetValue(ask) || result.GetValue(srp)),
                Srp = acts && result.GetValue(srp),
                FullCmc = acts && result.GetValue(cmc) ? new CmcIdentity() : null,
                ProveOperation = acts && result.GetValue(prove),
                Waits = acts ? result.GetValue(waits) : null,
                Tolerance = result.GetValue(tolerant) ? EstTolerance.All : EstTolerance.Strict,
            };
            var version = result.GetValue(tls);
            return await run.RunAsync(result, device, state, options, version == "1.3" ? SslProtocols.Tls13 : SslProtocols.Tls12, engine: version == "engine" || options.Srp, cancel);
        });
        return command;
    }

    private static EstDeviceState Prepared(EstDeviceState state, string? server, FileInfo[] anchors, FileInfo[] others)
    {
        if (server is not null)
            state = state with { Server = server };
        if (state.Server.Length == 0)
            throw new CommandException("Which server? --to HOST:PORT");
        if (anchors.Length > 0)
            state = state with { ExplicitAnchors = Certificates(anchors) };
        return others.Length > 0 ? state with { ImplicitAnchors = Certificates(others) } : state;
    }

    private static ImmutableArray<byte[]> Certificates(IEnumerable<FileInfo> files) => [.. files.SelectMany(f => PemFile.ReadAll(File.ReadAllText(f.FullName), "CERTIFICATE"))];

    private static EstDeviceState Identified(EstDeviceState state, FileInfo? identity, string? serial, FileInfo? users)
    {
        if (identity is not null)
        {
            var (key, chain) = PrivateKeys.FromPem(File.ReadAllText(identity.FullName));
            state = state with { IdentityKey = new SecretBytes(key.ExportPkcs8()), IdentityChain = [.. chain.Select(c => c.ToArray())] };
            serial ??= DirectoryName.Find(Certificate.Parse(chain[0]).Subject, Oids.SerialNumber);
        }
        if (serial is not null)
            state = state with { SerialNumber = serial };
        if (users is not null)
        {
            string text = File.ReadAllText(users.FullName).Trim();
            int colon = text.IndexOf(':', StringComparison.Ordinal);
            state = colon > 0 ? state with { User = text[..colon], Password = new SecretText(text[(colon + 1)..]) } : throw new CommandException($"{users.Name} does not hold NAME:PASSWORD.");
        }
        return state;
    }

    private static byte[] Fingerprint(string text)
    {
        string hex = text.Replace(":", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal);
        return hex.Length == 64 && hex.All(char.IsAsciiHexDigit) ? Convert.FromHexString(hex) : throw new CommandException("A fingerprint is 64 hex digits.");
    }

    private static Command Show()
    {
        var json = Out.JsonOption();
        var command = new Command("show", "Says what the client believes. Secrets are not shown.") { State, json };
        command.SetAction(result =>
        {
            using var device = new EstDeviceFolder(result.GetRequiredValue(State));
            var state = device.State;
            var beliefs = EstDeviceState.Schema.Project(state, device.WitnessKey, item => device.File.Origins.GetValueOrDefault(item, Origin.Factory));
            if (result.GetValue(json))
                Out.Json(j =>
                {
                    j.WriteString("server", state.Server);
                    if (!state.Chain.IsEmpty)
                        j.WriteString("certificate", Certificate.Parse(state.Chain[0]).SerialText);
                    BeliefText.Write(j, "beliefs", beliefs);
                });
            else
            {
                Console.WriteLine($"EST server {state.Server}; {(state.Chain.IsEmpty ? "no certificate yet" : $"{Certificate.Parse(state.Chain[0])}, until {Certificate.Parse(state.Chain[0]).NotAfter:u}")}");
                Console.Write(BeliefText.Table(beliefs));
            }
            return 0;
        });
        return command;
    }

    private static Command Export()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "Where private key and certificate chain go (PEM, mode 0600)." };
        var command = new Command("export", "Writes the private key and the certificate with its chain to a PEM file.") { file, State };
        command.SetAction(result =>
        {
            using var device = new EstDeviceFolder(result.GetRequiredValue(State));
            var state = device.State;
            if (state.Key is null || state.Chain.IsEmpty)
                throw new CommandException("There is no certificate yet.");
            using var stream = Hatchery.Server.PrivateFile.Create(result.GetRequiredValue(file).FullName);
            string pem = PemEncoding.WriteString("PRIVATE KEY", state.Key.Reveal()) + "\n" + string.Concat(state.Chain.Select(c => PemEncoding.WriteString("CERTIFICATE", c) + "\n"));
            stream.Write(System.Text.Encoding.ASCII.GetBytes(pem));
            return 0;
        });
        return command;
    }

    private static Command Reset()
    {
        var command = new Command("reset", "Factory reset: keeps server, IDevID and third parties' anchors; forgets the CA, keys and certificates.") { State };
        command.SetAction(result =>
        {
            using var device = new EstDeviceFolder(result.GetRequiredValue(State));
            device.File.Save(EstDeviceState.Schema.Reset(device.State), device.File.Origins);
            Console.WriteLine("The client knows no CA any more.");
            return 0;
        });
        return command;
    }
}
