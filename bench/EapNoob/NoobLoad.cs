using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Cryptography;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;
using Hatchery.Radius.Eap;
using Hatchery.Storage;

namespace Hatchery.Bench.EapNoob;

/// <summary>What the server's side of EAP-NOOB costs: Initial Exchanges, and Reconnect Exchanges in KeyingMode 2 with X25519, on SQLite with durable commits, from the EAP packet to the EAP packet.
/// Devices are played in the same process: an Initial Exchange costs them nothing but formatting, a Reconnect Exchange one agreement and one KDF. <see cref="OverRadiusAsync"/> has the server
/// in a process of its own.</summary>
internal static partial class NoobLoad
{
    /// <summary>How an EAP packet of a device gets to the server.</summary>
    private delegate ValueTask<EapAnswer> Way(byte[] packet, ReadOnlyMemory<byte> state, string station);

    private sealed class Everyone : IAdmission
    {
        public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("default"));
    }

    private static readonly X25519Agreement s_key = X25519Agreement.FromPrivate(SHA256.HashData("device"u8));
    private static readonly string s_pkp = $$"""{"kty":"OKP","crv":"X25519","x":"{{Url(s_key.PublicPoint.Span)}}"}""";
    private const string ServerInfo = """{"ServerName":"Example","ServerURL":"https://noob.example.org/oob"}""";
    private const int MaxTogether = 64;
    private static readonly byte[] s_np = SHA256.HashData("nonce"u8);

    private static string Url(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);

    public static async Task<int> RunAsync(string[] args)
    {
        int seconds = args is ["--seconds", var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 4;
        double floor = Floor.Microseconds();
        string folder = Directory.CreateTempSubdirectory("hatchery-noob-").FullName;
        try
        {
            var clock = new Transports.SystemClock();
            Caller Caller() => new() { Now = clock.Now, Listener = "load" };
            await using var store = await StoreAsync(folder, Caller());
            var eap = Server(store);
            ValueTask<EapAnswer> Way(byte[] packet, ReadOnlyMemory<byte> state, string station) => eap.HandleAsync(new EapArrival(packet, state, "load", c => c.CallingStation = station), Caller(), default)!;
            using var self = Process.GetCurrentProcess();
            foreach (int together in new[] { 16, 64 })
            {
                await MeasureAsync($"Initial Exchange, {together} at a time", self, seconds, together, floor, _ => InitialAsync(Way));
                await MeasureAsync($"Reconnect Exchange, KeyingMode 2, {together} at a time", self, seconds, together, floor, i => ReconnectAsync(Way, i));
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"floor: {floor:F1} us, one X25519 key and one agreement in bare OpenSSL; a Reconnect Exchange's figure includes the device's agreement"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        return 0;
    }

    private static async Task<RecordStore> StoreAsync(string folder, Caller caller)
    {
        var backend = await SqliteBackend.OpenAsync(Path.Combine(folder, "hatchery.db"), TimeProvider.System);
        var store = new RecordStore(backend, new AesGcmSealer(new byte[32], new SystemChance()));
        await RegisterAsync(store, caller, MaxTogether);
        return store;
    }

    private static EapServer Server(RecordStore store)
    {
        var chance = new SystemChance();
        var method = new NoobServer(store, new Everyone(), chance, new NoobServerOptions { ServerInfo = ServerInfo });
        return new EapServer(store.Sessions, chance, [new EapRoute("*", method)], EapObserver.None with { Failed = (_, e) => throw e, Refused = (_, _, f) => throw f }, new() { ConversationLife = TimeSpan.FromSeconds(5) });
    }

    /// <param name="payer">Whose CPU time counts.</param>
    private static async Task MeasureAsync(string what, Process payer, int seconds, int together, double floor, Func<int, Task> one)
    {
        int done = 0;
        bool stop = false;
        var tasks = Enumerable.Range(0, together).Select(i => Task.Run(async () =>
        {
            while (!Volatile.Read(ref stop))
            {
                await one(i);
                Interlocked.Increment(ref done);
            }
        })).ToList();
        await Task.Delay(TimeSpan.FromSeconds(2));
        payer.Refresh();
        var (before, cpu, watch) = (Volatile.Read(ref done), payer.TotalProcessorTime, Stopwatch.StartNew());
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        payer.Refresh();
        double count = Volatile.Read(ref done) - before, spent = (payer.TotalProcessorTime - cpu).TotalMicroseconds / count, rate = count / watch.Elapsed.TotalSeconds;
        Volatile.Write(ref stop, true);
        await Task.WhenAll(tasks);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {rate:F0}/s, {spent:F0} us CPU each, {1e6 / spent:F0}/s per core, {spent / floor:F1} times the floor"));
    }

    private static async Task<(EapAnswer Answer, string Json)> AskAsync(Way way, EapAnswer? before, byte type, byte[] data, string station)
    {
        byte identifier = before?.Packet.Identifier ?? 1;
        var answer = await way(new EapPacket(EapCode.Response, identifier, type, data).Encode(), before?.State ?? default, station);
        return (answer, Encoding.UTF8.GetString(answer.Packet.Data.Span));
    }

    private static byte[] Text(string json) => Encoding.UTF8.GetBytes(json);

    private static string Member(string json, string name)
    {
        int at = json.IndexOf($"\"{name}\":\"", StringComparison.Ordinal) + name.Length + 4;
        return json[at..json.IndexOf('"', at)];
    }

    private static async Task InitialAsync(Way way)
    {
        string station = Convert.ToHexString(RandomNumberGenerator.GetBytes(6));
        var (answer, json) = await AskAsync(way, null, EapType.Identity, "noob@eap-noob.arpa"u8.ToArray(), station);
        (answer, json) = await AskAsync(way, answer, NoobEap.Type, Text("""{"Type":1,"PeerState":0}"""), station);
        string peerId = Member(json, "PeerId");
        (answer, _) = await AskAsync(way, answer, NoobEap.Type, Text($$"""{"Type":2,"Verp":1,"PeerId":"{{peerId}}","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"Manufacturer":"Acme","SerialNumber":"DU-9999"} }"""), station);
        (answer, _) = await AskAsync(way, answer, NoobEap.Type, Text($$"""{"Type":3,"PeerId":"{{peerId}}","PKp":{{s_pkp}},"Np":"{{Url(s_np)}}"}"""), station);
        if (answer.Packet.Code != EapCode.Failure)
            throw new InvalidOperationException("It did not end.");
    }

    /// <summary>The association of a registered device.</summary>
    private static (string PeerId, byte[] Kz) Device(int i) => (Url(SHA256.HashData(Text($"device {i}")).AsSpan(0, 16)), SHA256.HashData(Text($"Kz {i}")));

    private static async Task RegisterAsync(RecordStore store, Caller caller, int count)
    {
        var unit = store.Begin(caller);
        foreach (var (peerId, kz) in Enumerable.Range(0, count).Select(Device))
            unit.Insert(RegisteredPeer.Schema, new(peerId), new RegisteredPeer
            {
                PeerId = peerId,
                Nai = "noob@eap-noob.arpa",
                Verp = 1,
                Cryptosuitep = 1,
                Kz = new SecretBytes(kz),
                Account = "alice",
                PeerInfo = Text("{}"),
                ServerInfo = Text(ServerInfo),
                Since = caller.Wall,
            });
        await unit.CommitAsync(default);
    }

    private static async Task ReconnectAsync(Way way, int i)
    {
        var device = Device(i);
        string id = device.PeerId, np = Url(s_np);
        var (answer, _) = await AskAsync(way, null, EapType.Identity, "noob@eap-noob.arpa"u8.ToArray(), id);
        (answer, _) = await AskAsync(way, answer, NoobEap.Type, Text($$"""{"Type":1,"PeerId":"{{id}}","PeerState":3}"""), id);
        (answer, string request8) = await AskAsync(way, answer, NoobEap.Type, Text($$"""{"Type":7,"Verp":1,"PeerId":"{{id}}","Cryptosuitep":1}"""), id);
        string x = Member(request8, "x"), ns = Member(request8, "Ns2");
        (answer, _) = await AskAsync(way, answer, NoobEap.Type, Text($$"""{"Type":8,"PeerId":"{{id}}","PKp2":{{s_pkp}},"Np2":"{{np}}"}"""), id);
        using var keys = KeySchedule.Derive(s_key.Agree(System.Buffers.Text.Base64Url.DecodeFromChars(x)), s_np, System.Buffers.Text.Base64Url.DecodeFromChars(ns), device.Kz, false);
        string input = $$"""[1,[1],1,"{{id}}",[1,2],"","",1,"","noob@eap-noob.arpa","",2,{"kty":"OKP","crv":"X25519","x":"{{x}}"},"{{ns}}",{{s_pkp}},"{{np}}",""]""";
        (answer, _) = await AskAsync(way, answer, NoobEap.Type, Text($$"""{"Type":9,"PeerId":"{{id}}","MACp2":"{{Url(HMACSHA256.HashData(keys.Kmp, Text(input)))}}"}"""), id);
        if (answer.Packet.Code != EapCode.Success)
            throw new InvalidOperationException("It was not accepted.");
    }

    /// <summary>The server's public-key operations of one exchange in bare OpenSSL, with kept objects.</summary>
    private static unsafe partial class Floor
    {
        private const string Crypto = "libcrypto.so.3";
        [LibraryImport(Crypto, StringMarshalling = StringMarshalling.Utf8)] private static partial nint EVP_PKEY_Q_keygen(nint context, nint properties, string type);
        [LibraryImport(Crypto)] private static partial nint EVP_PKEY_CTX_new(nint key, nint engine);
        [LibraryImport(Crypto)] private static partial int EVP_PKEY_keygen_init(nint context);
        [LibraryImport(Crypto)] private static partial int EVP_PKEY_generate(nint context, nint* key);
        [LibraryImport(Crypto)] private static partial void EVP_PKEY_free(nint key);
        [LibraryImport(Crypto)] private static partial int EVP_PKEY_derive_init(nint context);
        [LibraryImport(Crypto)] private static partial int EVP_PKEY_derive_set_peer(nint context, nint peer);
        [LibraryImport(Crypto)] private static partial int EVP_PKEY_derive(nint context, byte* secret, nuint* length);

        public static double Microseconds()
        {
            nint key = EVP_PKEY_Q_keygen(0, 0, "X25519"), peer = EVP_PKEY_Q_keygen(0, 0, "X25519"), derive = EVP_PKEY_CTX_new(key, 0), generate = EVP_PKEY_CTX_new(key, 0);
            Check(EVP_PKEY_derive_init(derive) & EVP_PKEY_derive_set_peer(derive, peer) & EVP_PKEY_keygen_init(generate));
            byte* secret = stackalloc byte[32];
            double best = double.MaxValue;
            for (int batch = 0; batch < 20; batch++)
            {
                const int Rounds = 200;
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < Rounds; i++)
                {
                    nint made = 0;
                    Check(EVP_PKEY_generate(generate, &made));
                    EVP_PKEY_free(made);
                    nuint size = 32;
                    Check(EVP_PKEY_derive(derive, secret, &size));
                }
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / Rounds);
            }
            return best;
        }

        private static void Check(int result)
        {
            if (result != 1)
                throw new InvalidOperationException("libcrypto refused.");
        }
    }
}
