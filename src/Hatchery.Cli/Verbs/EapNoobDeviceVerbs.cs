using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Hatchery.Cli.Output;
using Hatchery.Cryptography;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery eapnoob device …: a device whose association is in a folder. It is a real one as far as any server can tell.</summary>
internal static class EapNoobDeviceVerbs
{
    private static readonly Option<DirectoryInfo> s_state = new("--state") { Description = "The device: a folder with its association.", DefaultValueFactory = _ => new DirectoryInfo("eapnoob-device") };

    public static Command Make() => new("device", "A device: let it join a network, look into it, reset it.") { Join(), Show(), Reset() };

    private static Command Join()
    {
        var radius = new Option<string?>("--radius") { Description = "Speak RADIUS to this server, HOST:PORT, as device and switch in one." };
        var secret = new Option<string?>("--secret") { Description = "The RADIUS secret." };
        var network = new Option<string?>("--interface") { Description = "Speak 802.1X on this interface instead; needs CAP_NET_RAW." };
        var serial = new Option<string>("--serial") { Description = "Serial number of a new device.", DefaultValueFactory = _ => "SN-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(4)) };
        var maker = new Option<string>("--manufacturer") { Description = "Manufacturer of a new device.", DefaultValueFactory = _ => "Hatchery" };
        var model = new Option<string>("--model") { Description = "Model of a new device.", DefaultValueFactory = _ => "Duckling" };
        var nai = new Option<string?>("--nai") { Description = "A NAI that the user configured; by default @noob.eap.arpa, then noob@eap-noob.arpa." };
        var direction = new Option<string>("--direction") { Description = "Which way the user carries the code: show (device to server), take (server to device) or both.", DefaultValueFactory = _ => "show" };
        direction.AcceptOnlyFromAmong("show", "take", "both");
        var variant = new Option<string>("--variant") { Description = $"The form of the protocol: {string.Join(", ", NoobVariant.All.Select(v => v.Name))}.", DefaultValueFactory = _ => "rfc9140" };
        variant.AcceptOnlyFromAmong([.. NoobVariant.All.Select(v => v.Name)]);
        var suite = new Option<int[]>("--cryptosuite") { Description = "1 (X25519), 2 (P-256); by default both.", AllowMultipleArgumentsPerToken = true };
        var http = new Option<bool>("--allow-http") { Description = "Show the server's URL even if it is not https." };
        var shows = new Option<FileInfo?>("--show-file") { Description = "Write the code to this file instead of the terminal." };
        var png = new Option<FileInfo?>("--png") { Description = "Write the code to this file as a QR code." };
        var takes = new Option<FileInfo?>("--take-file") { Description = "Take the code from this file as soon as it is there, instead of the terminal." };
        var failures = new Option<int>("--failures") { Description = "Conversations that fail in a row before it gives up.", DefaultValueFactory = _ => 20 };
        var backoff = new Option<int>("--backoff") { Description = "Seconds after a conversation that failed; doubled each time.", DefaultValueFactory = _ => 60 };
        var observations = new Option<FileInfo?>("--observations") { Description = "Append what the device sees to this file, for the survey (JSON lines)." };
        var witnessKey = new Option<FileInfo?>("--witness-key") { Description = "Fingerprint under this key (32 bytes) instead of the device's own, to be read together with others." };
        var pcap = new Option<FileInfo?>("--pcap") { Description = "Capture the device's traffic to this file (pcapng)." };
        var json = Out.JsonOption();
        var command = new Command("join", """
            Gets into the network: a new device shows a code (QR and URL) that its user takes to the server, and waits; a registered one reconnects.
            Without an authenticator near, --radius makes it device and switch in one, and it then says whether the keys that the server delivered are its own.
            """)
        { s_state, radius, secret, network, serial, maker, model, nai, direction, variant, suite, http, shows, png, takes, failures, backoff, observations, witnessKey, pcap, json };
        command.SetAction(async (result, cancel) =>
        {
            using var device = new EapNoobFolder(result.GetRequiredValue(s_state));
            var state = device.File.Load() ?? NoobPeerState.Make(PeerInfo(result.GetRequiredValue(maker), result.GetRequiredValue(model), result.GetRequiredValue(serial)), result.GetValue(nai) ?? "");
            if (device.File.Load() is null)
                device.File.Save(state, device.File.Origins);
            bool machine = result.GetValue(json);
            var sinks = new List<IObservationSink>();
            using var written = result.GetValue(observations) is { } path
                ? new ObservationFileWriter(new FileStream(path.FullName, FileMode.Append, FileAccess.Write, FileShare.Read), [NoobProfile.Protocol]) : null;
            using var capture = result.GetValue(pcap) is { } file ? new PcapngWriter(File.Create(file.FullName)) : null;
            if (written is not null)
                sinks.Add(written);
            if (capture is not null)
                sinks.Add(capture);
            sinks.Add(new Progress(machine));
            var key = result.GetValue(witnessKey) is { } shared ? new WitnessKey(await File.ReadAllBytesAsync(shared.FullName, cancel)) : device.WitnessKey;
            var witness = new Witness(key, Watch.Steps | Watch.Costs | (capture is not null ? Watch.Frames : 0), () => new SessionId(Guid.NewGuid()), [.. sinks]);
            var clock = new SystemClock();
            var form = NoobVariant.All.First(v => v.Name == result.GetValue(variant));
            await using var link = Link(result.GetValue(radius), result.GetValue(secret), result.GetValue(network), new NoobEap(form), witness, clock);
            var options = new NoobPeerOptions(new Destination(result.GetValue(network) is null ? "radius" : "eapol", result.GetValue(network) ?? result.GetValue(radius)!, 0, new ChannelSecurity.None(), NoobPlayers.Server))
            {
                Variant = form,
                Directions = result.GetValue(direction) switch { "take" => OobDirections.ServerToPeer, "both" => OobDirections.Both, _ => OobDirections.PeerToServer },
                Cryptosuites = result.GetValue(suite) is { Length: > 0 } suites ? [.. suites] : [Cryptosuites.X25519, Cryptosuites.P256],
                AllowsHttpUrl = result.GetValue(http),
                MaxFailures = result.GetValue(failures),
                Backoff = TimeSpan.FromSeconds(result.GetValue(backoff)),
            };
            using var peer = new NoobPeer(state, options, new SystemChance());
            var host = new PartyHost<NoobPeerState>(peer, new PartyIdentity<NoobPeerState>(new Actor(NoobPlayers.Peer, Instance(state), "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), NoobPeerState.Schema),
                link.Carrier, device.File)
            {
                Witness = witness,
                Clock = clock,
                People = new EapNoobPeople(Console.Error, Console.In, result.GetValue(shows), result.GetValue(png), result.GetValue(takes)),
            };
            var watch = Stopwatch.StartNew();
            var outcome = await host.RunAsync(cancel);
            Say(outcome, device.State(), link.KeysAgree(), peer, watch.Elapsed, machine);
            return outcome.Succeeded && link.KeysAgree() is not false ? 0 : 1;
        });
        return command;
    }

    private static EapNoobLink Link(string? radius, string? secret, string? network, NoobEap binding, IWitness witness, SystemClock clock)
    {
        if (network is not null)
            return EapNoobLink.Eapol(network, binding, witness, clock);
        if (radius is null || secret is null)
            throw new CommandException("Where is the network? --interface NAME, or --radius HOST:PORT and --secret SECRET.");
        if (!IPEndPoint.TryParse(radius, out var server) || server.Port == 0)
        {
            int colon = radius.LastIndexOf(':');
            if (colon < 0 || !ushort.TryParse(radius.AsSpan(colon + 1), out ushort port))
                throw new CommandException($"{radius} is not of the form HOST:PORT.");
            server = new IPEndPoint(Dns.GetHostAddresses(radius[..colon])[0], port);
        }
        return EapNoobLink.Radius(server, secret, "02-00-00-00-00-01", binding, witness, clock);
    }

    private static string Instance(NoobPeerState state)
    {
        using var info = JsonDocument.Parse(state.PeerInfo);
        return info.RootElement.TryGetProperty("SerialNumber", out var serial) && serial.GetString() is { Length: > 0 } text ? text : "device";
    }

    private static string PeerInfo(string maker, string model, string serial)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            json.WriteString("Manufacturer", maker);
            json.WriteString("Model", model);
            json.WriteString("SerialNumber", serial);
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(text.ToArray());
    }

    private static void Say(Outcome outcome, NoobPeerState state, bool? keysAgree, NoobPeer peer, TimeSpan took, bool machine)
    {
        if (machine)
        {
            Out.Json(j =>
            {
                j.WriteBoolean("succeeded", outcome.Succeeded);
                j.WriteString("reason", outcome.Reason);
                if (outcome.ProtocolError is { } error)
                    j.WriteString("error", error);
                j.WriteString("peerId", state.PeerId);
                j.WriteString("state", state.State.ToString());
                if (keysAgree is { } agree)
                    j.WriteBoolean("keysAgree", agree);
                if (peer.Keys is { } keys)
                    j.WriteString("sessionId", Convert.ToHexStringLower(keys.SessionId.Span));
                j.WriteNumber("milliseconds", took.TotalMilliseconds);
            });
            return;
        }
        Console.WriteLine($"{(outcome.Succeeded ? "Joined as" : "Failed:")} {outcome.Reason} ({took.TotalSeconds:F1} s). PeerId {state.PeerId}, {state.State}"
            + (outcome.Succeeded ? keysAgree switch { true => "; the authenticator has the device's keys", false => "; BUT THE AUTHENTICATOR HAS OTHER KEYS", _ => "" } : ""));
    }

    private static Command Show()
    {
        var json = Out.JsonOption();
        var command = new Command("show", "Says what the device believes. Secrets are not shown.") { s_state, json };
        command.SetAction(result =>
        {
            using var device = new EapNoobFolder(result.GetRequiredValue(s_state));
            var state = device.State();
            var beliefs = NoobPeerState.Schema.Project(state, device.WitnessKey, item => device.File.Origins.GetValueOrDefault(item, Origin.Factory));
            if (result.GetValue(json))
                Out.Json(j =>
                {
                    j.WriteString("peerId", state.PeerId);
                    j.WriteString("state", state.State.ToString());
                    j.WriteString("nai", state.Nai);
                    BeliefText.Write(j, "beliefs", beliefs);
                });
            else
            {
                Console.WriteLine($"PeerId {state.PeerId}, {state.State}, NAI {state.Nai}");
                Console.Write(BeliefText.Table(beliefs));
            }
            return 0;
        });
        return command;
    }

    private static Command Reset()
    {
        var command = new Command("reset", "Factory reset: forgets the association; the user must register the device again.") { s_state };
        command.SetAction(result =>
        {
            using var device = new EapNoobFolder(result.GetRequiredValue(s_state));
            device.File.Save(NoobPeerState.Schema.Reset(device.State()), new Dictionary<string, Origin>());
            Console.WriteLine("The device is as it left the factory.");
            return 0;
        });
        return command;
    }

    /// <summary>One line per message on standard error.</summary>
    private sealed class Progress(bool quiet) : IObservationSink
    {
        public void Add(Observation observation)
        {
            if (!quiet && observation is Observation.Seen seen)
                Console.Error.WriteLine($"  {(seen.Way == Way.Sent ? "→" : "←")} {seen.Kind.Name,-36} {seen.Size,6} bytes");
        }
    }
}
