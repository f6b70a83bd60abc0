using System.CommandLine;
using System.Diagnostics;
using System.Security.Authentication;
using Hatchery.Cli.Output;
using Hatchery.Cryptography;
using Hatchery.Est;
using Hatchery.Est.Device;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Hatchery.Server;
using Hatchery.Tls;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>Runs an EST client on real sockets, with what every such verb offers: progress, JSON, observations for the survey, capture.</summary>
internal sealed class EstClientRun
{
    private readonly Option<FileInfo?> _observations = new("--observations") { Description = "Append what the device sees to this file, for the survey (JSON lines)." };
    private readonly Option<FileInfo?> _witnessKey = new("--witness-key") { Description = "Fingerprint under this key (32 bytes) instead of the device's own, to be read together with others." };
    private readonly Option<FileInfo?> _pcap = new("--pcap") { Description = "Capture the device's traffic to this file (pcapng)." };
    private readonly Option<bool> _json = Out.JsonOption();

    public void AddTo(Command command)
    {
        command.Add(_observations);
        command.Add(_witnessKey);
        command.Add(_pcap);
        command.Add(_json);
    }

    public async Task<int> RunAsync(ParseResult result, EstDeviceFolder device, EstDeviceState state, EstDeviceOptions options, SslProtocols protocols, bool engine, CancellationToken cancel)
    {
        bool json = result.GetValue(_json);
        var key = result.GetValue(_witnessKey) is { } file ? new WitnessKey(await File.ReadAllBytesAsync(file.FullName, cancel)) : device.WitnessKey;
        var sinks = new List<IObservationSink> { new Progress(quiet: json) };
        using var observations = result.GetValue(_observations) is { } path
            ? new ObservationFileWriter(new FileStream(path.FullName, FileMode.Append, FileAccess.Write, FileShare.Read), [EstProfile.Protocol]) : null;
        using var pcap = result.GetValue(_pcap) is { } capture ? new PcapngWriter(File.Create(capture.FullName)) : null;
        if (observations is not null)
            sinks.Add(observations);
        if (pcap is not null)
            sinks.Add(pcap);
        var witness = new Witness(key, Watch.Steps | Watch.Costs | (pcap is not null ? Watch.Frames : 0), () => new SessionId(Guid.NewGuid()), [.. sinks]);
        var clock = new SystemClock();
        var chance = new SystemChance();
        var party = new EstDevice(state, options, chance);
        var carrier = new HttpCarrier(_ => new EstHttpClient(options.Tolerance), new HttpCarrierOptions
        {
            Witness = witness,
            Clock = clock,
            Protocols = protocols,
            ReportChannel = true,
            Identities = item => EstDeviceFolder.Context(party.State, item),
            Secure = engine ? EngineTls.Client(TlsVersions.All, item => EstDeviceFolder.EngineIdentity(party.State, item), chance, clock) : null,
        });
        string instance = state.SerialNumber.Length > 0 ? state.SerialNumber : state.User.Length > 0 ? state.User : "device";
        var host = new PartyHost<EstDeviceState>(party,
            new PartyIdentity<EstDeviceState>(new Actor(EstPlayers.Client, instance, "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), EstDeviceState.Schema), carrier, device.File)
        {
            Witness = witness,
            Clock = clock,
            People = new ConsolePeople(Console.In, Console.Error),
        };
        var watch = Stopwatch.StartNew();
        var outcome = await host.RunAsync(cancel);
        Print(outcome, device.State, party, json, watch.ElapsedMilliseconds);
        return outcome.Succeeded ? 0 : 1;
    }

    private static void Print(Outcome outcome, EstDeviceState after, EstDevice party, bool json, long milliseconds)
    {
        var leaf = after.Chain.IsEmpty ? null : Certificate.Parse(after.Chain[0]);
        if (json)
        {
            Out.Json(j =>
            {
                j.WriteBoolean("succeeded", outcome.Succeeded);
                j.WriteString("reason", outcome.Reason);
                if (outcome.ProtocolError is { } error)
                    j.WriteString("error", error);
                if (leaf is not null)
                {
                    j.WriteString("certificate", leaf.SerialText);
                    j.WriteString("subject", leaf.SubjectText);
                }
                j.WriteNumber("milliseconds", milliseconds);
            });
            return;
        }
        Console.WriteLine($"{(outcome.Succeeded ? "Done" : "Failed")}: {outcome.Reason} ({milliseconds} ms).{(leaf is null ? "" : $" {leaf}, until {leaf.NotAfter:u}")}");
        foreach (byte[] anchor in after.ExplicitAnchors)
            Console.WriteLine($"Anchor {Certificate.Parse(anchor).SubjectText}, SHA-256 {Convert.ToHexString(Certificate.Parse(anchor).Sha256())}");
        if (party.Demands is { } demands && demands != CsrDemands.None)
            Console.WriteLine($"The server wants: {(demands.ChallengePassword ? "linking of identity and proof of possession; " : "")}{(demands.Key is { } key ? $"a key {key.Algorithm} {key.Curve}{key.Bits}; " : "")}{string.Join("; ", demands.Extensions.Select(e => "extension " + e.Oid))}");
    }

    /// <summary>One line per message on standard error.</summary>
    private sealed class Progress(bool quiet) : IObservationSink
    {
        public void Add(Observation observation)
        {
            if (!quiet && observation is Observation.Seen seen)
                Console.Error.WriteLine($"  {(seen.Way == Way.Sent ? "→" : "←")} {seen.Kind.Name,-28} {seen.Size,6} bytes  {seen.Peer?.Instance}");
        }
    }
}
