using System.Diagnostics;
using System.Text;
using Hatchery.Dpp.Tests.Sessions;
using Hatchery.Dpp.Transport;

namespace Hatchery.Dpp.Tests.Peers;

/// <summary>What another dissector makes of our messages (package tshark, which brings text2pcap).</summary>
public class TsharkTests
{
    [Theory]
    [InlineData(true), InlineData(false)]
    public async Task Our_messages_are_dissected_without_a_malformed_packet(bool radio)
    {
        var messages = new List<DppMessage>();
        using (var pair = new Pair())
        {
            pair.Known = hash => hash.Span.SequenceEqual(pair.DeviceKey.Public.ChirpHash.Span) ? pair.DeviceKey.Public : null;
            pair.Enrollee.Chirp(pair.Now);
            pair.Run().AssertProvisioned();
            messages.AddRange(pair.Passed);
            using var again = new Pair(keys: pair.Keys);
            again.Enrollee.AnnounceReconfiguration(pair.Received!.Credentials[0], again.Now);
            messages.AddRange(again.Run().Passed);
        }
        using (var coded = new Pair(pkexC: PkexCode.FromText("open sesame", null), pkexE: PkexCode.FromText("open sesame", null)))
        {
            coded.Enrollee.InitiatePkex(coded.Now);
            messages.AddRange(coded.Run().Passed);
        }
        string folder = Directory.CreateTempSubdirectory("hatchery-dpp-").FullName;
        try
        {
            var text = new StringBuilder();
            byte[] mac = [2, 0, 0, 0, 0, 1];
            foreach (var message in messages)
            {
                byte[] bytes = radio ? new DppRadioFrame(mac, mac, message.Body).Encode() : DppTcp.Encode(message);
                text.Append("0000 ").Append(string.Join(' ', bytes.Select(b => b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)))).Append('\n');
            }
            await File.WriteAllTextAsync(Path.Combine(folder, "frames.txt"), text.ToString());
            string pcap = Path.Combine(folder, "frames.pcap");
            await RunAsync("text2pcap", [.. radio ? (string[])["-l", "105"] : ["-T", "40000,7871"], Path.Combine(folder, "frames.txt"), pcap]);
            // No TCP reassembly: each message has a packet of its own.
            string seen = await RunAsync("tshark", ["-r", pcap, "-o", "tcp.desegment_tcp_streams:false", "-V"]);
            Assert.DoesNotContain("Malformed", seen, StringComparison.Ordinal);
            int dissected = seen.Split('\n').Count(line => line.TrimStart().StartsWith(radio ? "WFA Subtype: Device Provisioning Protocol" : "Wi-Fi Device Provisioning Protocol", StringComparison.Ordinal));
            Assert.True(dissected >= messages.Count(m => m is DppFrame), $"{dissected} of {messages.Count} were dissected: {seen}");
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    private static async Task<string> RunAsync(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program}: {await errors}");
    }
}
