using System.Diagnostics;
using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

public sealed class CaptureTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    private static async Task<string> TsharkAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("tshark", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return output.Trim();
    }

    [Fact]
    public async Task What_passed_dissects_as_HTTP_without_fault_and_bodies_are_whole()
    {
        var body = string.Concat(Enumerable.Range(0, 12000).Select(n => (char)('a' + n % 26)));
        using (var writer = PcapngWriter.Create(_file))
        {
            var witness = new Witness(new WitnessKey(new byte[32]), Watch.Frames, () => new SessionId(Guid.NewGuid()), writer);
            await using var server = new RawServer(RawServer.ServeAsync);
            var events = new Events();
            var connection = new HttpCarrier(_ => new WordBinding(), new HttpCarrierOptions { Witness = witness }).Open(Sample.To(server.Port), witness.NewSession(), events);
            for (int n = 0; n < 3; n++)
            {
                connection.Send(new Word(Sample.Hello, body), witness.NewTag());
                await events.NextAsync<Word>();
            }
            connection.Close();
        }
        string[] http = ["-r", _file, "-d", "tcp.port==1-65535,http", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
        Assert.Equal("", await TsharkAsync([.. http, "-Y", "_ws.malformed || tcp.analysis.flags || tcp.checksum.status==\"Bad\" || ip.checksum.status==\"Bad\""]));
        Assert.Equal(Enumerable.Repeat("POST", 3), (await TsharkAsync([.. http, "-Y", "http.request", "-T", "fields", "-e", "http.request.method"])).Split('\n'));
        Assert.Equal(3, (await TsharkAsync([.. http, "-Y", "http.response.code==200"])).Split('\n').Length);
        Assert.Equal(Enumerable.Repeat(body, 3), (await TsharkAsync([.. http, "-Y", "http.request", "-T", "fields", "-e", "http.file_data"])).Split('\n'));
    }

    [Fact]
    public async Task Datagrams_raw_packets_and_radio_frames_stand_on_interfaces_of_their_own()
    {
        byte[] ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x16, 0x33, 0x16, 0x33, 0, 8, 0, 0];
        using (var writer = PcapngWriter.Create(_file))
        {
            void Add(string medium, string from, string to, Way way, byte[] bytes) => writer.Add(new Observation.FrameCaptured(1, default,
                new Moment(TimeSpan.Zero, new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero).AddTicks(1)), default, way, new Medium(medium), from, to, false, bytes));
            Add("UDP", "[::1]:40000", "[::1]:5683", Way.Sent, [0x40, 0, 0, 1]);
            Add("UDP", "[::1]:40000", "[::1]:5683", Way.Received, [0x40, 0, 0, 1]);
            Add("UDP", "device:40000", "server:5683", Way.Sent, [0x40, 0, 0, 2, 0]);
            Add("IPv4", "a", "b", Way.Sent, ip);
            Add("BLE advertising", "a", "b", Way.Sent, [1, 2, 3]);
        }
        var lines = await TsharkAsync("-r", _file, "-o", "udp.check_checksum:TRUE", "-T", "fields", "-E", "separator=,", "-e", "frame.time_epoch", "-e", "frame.interface_name",
            "-e", "udp.srcport", "-e", "udp.checksum.status", "-e", "ipv6.src", "-e", "ip.src", "-e", "frame.len");
        const string At = "1893553445.000000100";
        Assert.Equal([$"{At},TCP/IP,40000,1,::1,,66", $"{At},TCP/IP,40000,1,,192.0.2.1,47", $"{At},IPv4,5683,3,,10.0.0.1,28", $"{At},BLE advertising,,,,,3"], lines.Split('\n'));
    }
}
