using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Hatchery.Cryptography;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Transports;

namespace Hatchery.Bench.EapNoob;

/// <summary>The same through RADIUS on UDP: the server in a process and on a core of its own, devices and their NAS in this one.</summary>
internal static partial class NoobLoad
{
    private static readonly RadiusSecret s_secret = new("a secret of 22 letters");

    public static async Task<int> OverRadiusAsync(string[] args)
    {
        int seconds = args is ["--seconds", var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 4;
        double floor = Floor.Microseconds();
        var start = new ProcessStartInfo("taskset", ["-c", "0", "dotnet", typeof(NoobLoad).Assembly.Location, "eapnoob-server"]) { RedirectStandardOutput = true, RedirectStandardInput = true };
        using var server = Process.Start(start)!;
        try
        {
            int port = int.Parse((await server.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
            await using var nas = new Nas(new IPEndPoint(IPAddress.Loopback, port));
            foreach (int together in new[] { 16, 64 })
            {
                await MeasureAsync($"Initial Exchange through RADIUS, {together} at a time", server, seconds, together, floor, _ => InitialAsync(nas.AskAsync));
                await MeasureAsync($"Reconnect Exchange, KeyingMode 2, through RADIUS, {together} at a time", server, seconds, together, floor, i => ReconnectAsync(nas.AskAsync, i));
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"floor: {floor:F1} us, one X25519 key and one agreement in bare OpenSSL; CPU is the server process's, kernel included"));
        }
        finally
        {
            server.StandardInput.Close();
            await server.WaitForExitAsync();
        }
        return 0;
    }

    /// <summary>Says its port; ends with its input.</summary>
    public static async Task<int> ServeAsync()
    {
        string folder = Directory.CreateTempSubdirectory("hatchery-noob-").FullName;
        try
        {
            var (chance, clock) = (new SystemChance(), new SystemClock());
            await using var store = await StoreAsync(folder, new() { Now = clock.Now, Listener = "load" });
            var engine = new RadiusServer<UdpPath>(new RadiusClients([new RadiusNas("load", IPNetwork.Parse("127.0.0.0/8"), s_secret)]), p => p.ToEndPoint().Address, chance);
            RadiusServerHost? host = null;
            await using var pump = new UdpEnginePump<RadiusServerEvent>(new IPEndPoint(IPAddress.Loopback, 0), engine, (in RadiusServerEvent what) => host!.Happened(what));
            host = new RadiusServerHost(engine.Answer, new RadiusEapService(Server(store)), "load", () => clock.Now, pump.Post, (_, _, f) => Console.Error.WriteLine(f.Message),
                (_, e) => Console.Error.WriteLine(e));
            pump.Start();
            Console.WriteLine(pump.EndPoint.Port.ToString(CultureInfo.InvariantCulture));
            await Console.In.ReadToEndAsync();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        return 0;
    }

    private sealed class Nas : IAsyncDisposable
    {
        private readonly RadiusClient<UdpPath> _client;
        private readonly UdpEnginePump<RadiusClientEvent> _pump;
        private readonly SystemClock _clock = new();
        private readonly ConcurrentDictionary<long, TaskCompletionSource<EapAnswer>> _asked = new();

        public Nas(IPEndPoint server)
        {
            _client = new([new(UdpPath.From(server), s_secret)], new SystemChance());
            _pump = new(new IPEndPoint(IPAddress.Loopback, 0), _client, (in RadiusClientEvent what) =>
            {
                _asked.TryRemove(what.Ticket, out var asked);
                if (what.Answer is not { Packet: var packet })
                    asked!.SetException(new TimeoutException("The server does not answer."));
                else
                    asked!.SetResult(new EapAnswer(EapPacket.Parse(packet.EapMessage()), packet.TryGet(RadiusAttribute.State, out var state) ? state.ToArray() : default, null, "", false));
            });
            _pump.Start();
        }

        public ValueTask<EapAnswer> AskAsync(byte[] packet, ReadOnlyMemory<byte> state, string station)
        {
            var message = new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, "noob@eap-noob.arpa").Add(RadiusAttribute.NasIdentifier, "load")
                .Add(RadiusAttribute.CallingStationId, station).Add(RadiusAttribute.NasPortType, 15).Add(RadiusAttribute.FramedMtu, 1400);
            if (!state.IsEmpty)
                message.Add(RadiusAttribute.State, state.Span);
            message.AddEap(packet);
            var answer = new TaskCompletionSource<EapAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
            _pump.Post(() => _asked[_client.Send(message, _clock.Now)] = answer);
            return new(answer.Task);
        }

        public ValueTask DisposeAsync() => _pump.DisposeAsync();
    }
}
