using System.CommandLine;
using System.Diagnostics;
using Hatchery.Cli.Output;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>Runs a party of a device on real sockets, with what every such verb offers: progress, JSON, observations for the survey, capture.</summary>
internal sealed class DeviceRun
{
    private readonly Option<FileInfo?> _observations = new("--observations") { Description = "Append what the device sees to this file, for the survey (JSON lines)." };
    private readonly Option<FileInfo?> _witnessKey = new("--witness-key") { Description = "Fingerprint under this key (32 bytes) instead of the device's own, to be read together with others." };
    private readonly Option<FileInfo?> _pcap = new("--pcap") { Description = "Capture the device's traffic to this file (pcapng)." };
    private readonly Option<bool> _json = Out.JsonOption();

    /// <summary>Null: fdo.download only.</summary>
    public FdoModuleOptions? Modules { get; set; }

    public void AddTo(Command command)
    {
        command.Add(_observations);
        command.Add(_witnessKey);
        command.Add(_pcap);
        command.Add(_json);
    }

    public async Task<int> RunAsync(ParseResult result, DeviceDirectory device, IParty<DeviceCredential> party, CancellationToken cancel)
    {
        bool json = result.GetValue(_json);
        var key = result.GetValue(_witnessKey) is { } file ? new WitnessKey(await File.ReadAllBytesAsync(file.FullName, cancel)) : device.WitnessKey;
        var sinks = new List<IObservationSink> { new Progress(quiet: json) };
        using var observations = result.GetValue(_observations) is { } path
            ? new ObservationFileWriter(new FileStream(path.FullName, FileMode.Append, FileAccess.Write, FileShare.Read), [FdoProfile.Protocol]) : null;
        using var pcap = result.GetValue(_pcap) is { } capture ? new PcapngWriter(File.Create(capture.FullName)) : null;
        if (observations is not null)
            sinks.Add(observations);
        if (pcap is not null)
            sinks.Add(pcap);
        var witness = new Witness(key, Watch.Steps | Watch.Costs | (pcap is not null ? Watch.Frames : 0), () => new SessionId(Guid.NewGuid()), [.. sinks]);
        var clock = new SystemClock();
        var carrier = Server.FdoCarriers.Make(to => to.Player == FdoPlayers.OwnerService ? new ServiceHttpClient() : new FdoHttpClient(), new HttpCarrierOptions { Witness = witness, Clock = clock });
        var before = device.File.Load() ?? DeviceCredential.Blank;
        string instance = before.SerialNumber.Length > 0 ? before.SerialNumber : "device";
        var host = new PartyHost<DeviceCredential>(party,
            new PartyIdentity<DeviceCredential>(new Actor(FdoPlayers.Device, instance, "owner"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), DeviceCredential.Schema), carrier, device.File)
        {
            Witness = witness,
            Clock = clock,
            Needs = new ModuleNeeds(Modules?.Make(result, device) ?? new DeviceModuleHost(new DownloadModule(device.Files))),
        };
        var watch = Stopwatch.StartNew();
        var outcome = await host.RunAsync(cancel);
        var after = device.File.Load() ?? before;
        if (json)
            Out.Json(j =>
            {
                j.WriteBoolean("succeeded", outcome.Succeeded);
                j.WriteString("reason", outcome.Reason);
                if (outcome.ProtocolError is { } error)
                    j.WriteString("error", error);
                j.WriteString("guid", after.Guid);
                j.WriteNumber("milliseconds", watch.Elapsed.TotalMilliseconds);
            });
        else
            Console.WriteLine($"{(outcome.Succeeded ? "Done" : "Failed")}: {outcome.Reason} ({watch.ElapsedMilliseconds} ms). GUID {after.Guid}");
        return outcome.Succeeded ? 0 : 1;
    }

    private sealed class ModuleNeeds(DeviceModuleHost modules) : INeeds
    {
        public ValueTask<Supply> AnswerAsync(Need need, CancellationToken cancel) =>
            need is ServiceInfoNeed asked ? modules.AnswerAsync(asked, cancel) : new(new Supply.Failed(need.Ticket, "Nothing here can answer that."));
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
