using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Hatchery.Cli.Output;
using Hatchery.Cryptography;
using Hatchery.Dpp;
using Hatchery.Dpp.Device;
using Hatchery.Server;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery dpp …: Wi-Fi Easy Connect. The device is a real one as far as any Controller can tell.</summary>
internal static class DppVerbs
{
    private static readonly Option<DirectoryInfo> s_state = new("--state")
    {
        Description = "The device: a folder with its key and what it received.",
        DefaultValueFactory = _ => new DirectoryInfo("dpp-device"),
    };

    public static Command Make() => new("dpp", "Wi-Fi Easy Connect (DPP): a device to test Controllers with, and its URI.") { new Command("device", "A device: make it, enroll it, look into it, reset it.") { MakeDevice(), Enroll(), Show(), Reset() }, Read() };

    private static Command MakeDevice()
    {
        var name = new Option<string>("--name") { Description = "The device's name.", DefaultValueFactory = _ => "device-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3)) };
        var curve = new Option<string>("--curve") { Description = "Of its bootstrapping key.", DefaultValueFactory = _ => "P-256" };
        curve.AcceptOnlyFromAmong([.. DppCurve.All.Select(c => c.Name)]);
        var role = new Option<string>("--role") { Description = "sta (a station) or ap (an access point).", DefaultValueFactory = _ => "sta" };
        role.AcceptOnlyFromAmong("sta", "ap");
        var command = new Command("make", "What a factory does: a new key pair. Prints the URI that goes on the label.") { s_state, name, curve, role };
        command.SetAction(result =>
        {
            using var folder = new Folder(result.GetRequiredValue(s_state));
            if (folder.File.Load() is not null)
                throw new CommandException($"{folder.Path} holds a device already. Take another folder, or remove this one.");
            var state = EnrolleeState.Manufacture(result.GetRequiredValue(name), DppCurve.ByName(result.GetValue(curve))!, result.GetValue(name), new SystemChance(), netRole: result.GetRequiredValue(role));
            folder.File.Save(state, new Dictionary<string, Origin>());
            Console.WriteLine(state.Uri);
        });
        return command;
    }

    private static Command Enroll()
    {
        var address = new Option<string>("--address") { Description = "The Controller, HOST or HOST:PORT; by default the one in its URI.", Required = false };
        var controller = new Option<string?>("--controller") { Description = "The Controller's URI: the device begins, and knows whom it talks to." };
        var code = new Option<string?>("--code") { Description = "A code that is entered at both sides (PKEX)." };
        var identifier = new Option<string?>("--identifier") { Description = "Which code it is." };
        var reconfigure = new Option<bool>("--reconfigure") { Description = "Ask for new credentials by the old ones." };
        var json = Out.JsonOption();
        var command = new Command("enroll", "Goes to a Controller over TCP. With --controller, --code or --reconfigure in that way; otherwise it announces itself, and a Controller that knows its URI begins.")
            { s_state, address, controller, code, identifier, reconfigure, json };
        command.SetAction(async (result, cancel) =>
        {
            using var folder = new Folder(result.GetRequiredValue(s_state));
            var state = folder.Device();
            DppUri? uri = null;
            try
            {
                uri = result.GetValue(controller) is { } text ? DppUri.Parse(text) : null;
            }
            catch (DppException e)
            {
                throw new CommandException(e.Message);
            }
            var (host, port) = Address(result.GetValue(address), uri);
            using var key = state.OpenBootstrappingKey()!;
            var options = new EnrolleeSessionOptions
            {
                Exchange = new ExchangeOptions
                {
                    Own = [key],
                    Capabilities = DppCapabilities.Enrollee,
                    Pkex = result.GetValue(code) is { } secret ? new PkexOptions(PkexCode.FromText(secret, result.GetValue(identifier)), key, 2, 3, default, true) : null,
                },
                Request = new ConfigurationRequestObject { Name = state.Name, NetRole = state.NetRole, MudUrl = state.MudUrl, Capabilities = 1 },
            };
            var clock = new SystemClock();
            using var session = new EnrolleeSession(options, new SystemChance());
            var outcome = await RunAsync(folder, state, session, host, port, () =>
            {
                if (uri is not null)
                    session.Initiate(uri.Key, clock.Now);
                else if (options.Exchange.Pkex is not null)
                    session.InitiatePkex(clock.Now);
                else if (result.GetValue(reconfigure))
                    session.AnnounceReconfiguration(state.Credentials.FirstOrDefault(c => c.Connector is not null) ?? throw new CommandException("The device has no Connector."), clock.Now);
                else
                    session.Chirp(clock.Now);
            }, quiet: result.GetValue(json), cancel);
            var after = folder.Device();
            if (result.GetValue(json))
                Out.Json(j =>
                {
                    j.WriteBoolean("succeeded", outcome.Succeeded);
                    j.WriteString("reason", outcome.Reason);
                    if (outcome.ProtocolError is { } error)
                        j.WriteString("error", error);
                    j.WriteNumber("credentials", after.Credentials.Length);
                });
            else
                Console.WriteLine($"{(outcome.Succeeded ? "Done" : "Failed")}: {outcome.Reason} {string.Join(", ", after.Credentials)}");
            return outcome.Succeeded ? 0 : 1;
        });
        return command;
    }

    private static async Task<Outcome> RunAsync(Folder folder, EnrolleeState state, EnrolleeSession session, string host, int port, Action begin, bool quiet, CancellationToken cancel)
    {
        var connection = new EnrolleeConnection(session);
        Outcome? outcome = null;
        TcpEnginePump<EnrolleeEvent> pump = null!;
        pump = new TcpEnginePump<EnrolleeEvent>(connection, (in EnrolleeEvent happened) =>
        {
            if (!quiet && (happened.Received ?? (happened.Move as EnrolleeMove.Send)?.Message) is { } message)
                Console.Error.WriteLine($"  {(happened.Received is null ? "→" : "←")} {message.Kind.Name,-48} {message.Body.Length,6} bytes");
            switch (happened.Move)
            {
                case EnrolleeMove.Save(var received):
                    var keys = received.Backup is { } backup ? new SecretBytes([(byte)backup.Curve.IkeGroup, .. backup.CSign.Reveal(), .. backup.PpKey.Reveal()]) : state.ConfiguratorKeys;
                    var saved = state with { Credentials = received.Credentials, ConfiguratorKeys = keys };
                    folder.File.Save(saved, EnrolleeState.Schema.Project(saved, folder.WitnessKey, _ => Origin.Protocol).ToDictionary(b => b.Item,
                        b => b.Item is "bootstrapping key" or "URI" or "name" ? Origin.Factory : Origin.Protocol));
                    connection.Saved();
                    break;
                case EnrolleeMove.FindPeer:
                    session.SupplyPeer(null, new SystemClock().Now);
                    connection.Drain();
                    break;
                case EnrolleeMove.TryNetwork:
                    // There is no radio here: what could be said of a network would be made up.
                    session.Connected(new DppConnectionStatus(255, default, null));
                    connection.Drain();
                    break;
                case EnrolleeMove.End(var end):
                    outcome = end;
                    pump.Close();
                    break;
            }
        });
        begin();
        connection.Drain();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(host, port, cancel);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            return new Outcome(false, $"{host}:{port} cannot be reached: {e.Message}");
        }
        var ended = await pump.RunAsync(socket, cancel);
        return outcome ?? new Outcome(false, $"The Controller closed the connection ({ended}): it says nothing to those it does not know.");
    }

    private static (string Host, int Port) Address(string? text, DppUri? uri)
    {
        if (text is null)
            return uri?.Host is { } host ? (host, uri.Port) : throw new CommandException("Where is the Controller? --address HOST:PORT says it.");
        if (IPEndPoint.TryParse(text, out var end) && end.Port != 0)
            return (end.Address.ToString(), end.Port);
        int colon = text.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) ? (text[..colon], port) : (text, DppUri.DefaultPort);
    }

    private static Command Show()
    {
        var command = new Command("show", "What the device believes.") { s_state };
        command.SetAction(result =>
        {
            using var folder = new Folder(result.GetRequiredValue(s_state));
            var state = folder.Device();
            Console.WriteLine(state.Uri);
            foreach (var belief in EnrolleeState.Schema.Project(state, folder.WitnessKey, i => folder.File.Origins.GetValueOrDefault(i, Origin.Factory)))
                Console.WriteLine($"  {belief.Item,-36} {belief.Kind,-18} about {belief.About,-8} from {belief.ImpartedBy,-8} {belief.Fingerprint}");
        });
        return command;
    }

    private static Command Reset()
    {
        var command = new Command("reset", "A factory reset: the key and the URI stay.") { s_state };
        command.SetAction(result =>
        {
            using var folder = new Folder(result.GetRequiredValue(s_state));
            folder.File.Save(EnrolleeState.Schema.Reset(folder.Device()), new Dictionary<string, Origin>());
            Console.WriteLine("Only what the factory put in is left.");
        });
        return command;
    }

    private static Command Read()
    {
        var text = new Argument<string>("uri") { Description = "DPP:…;;" };
        var command = new Command("uri", "Reads bootstrapping information.") { text };
        command.SetAction(result =>
        {
            try
            {
                var uri = DppUri.Parse(result.GetRequiredValue(text));
                Console.WriteLine($"curve {uri.Key.Curve}, version {uri.Version ?? 1}, hash {uri.Key}, information {uri.Information ?? "none"}, channels {(uri.Channels.IsEmpty ? "any" : string.Join(' ', uri.Channels))}");
            }
            catch (DppException e)
            {
                throw new CommandException(e.Message);
            }
        });
        return command;
    }

    /// <summary>An Enrollee's folder.</summary>
    private sealed class Folder(DirectoryInfo folder) : SimulatedDeviceFolder<EnrolleeState>(folder.FullName, EnrolleeState.Schema, "enrollee")
    {
        public EnrolleeState Device() => File.Load() is { BootstrappingKey: not null } state ? state : throw new CommandException($"{Path} holds no device. Start with: hatchery dpp device make");
    }
}
