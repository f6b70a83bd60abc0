using System.Diagnostics;
using System.Globalization;
using System.Net;
using Hatchery.Cryptography;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Transports;

namespace Hatchery.Bench.Radius;

/// <summary>What carrying EAP costs: Access-Requests per second through client table, Message-Authenticator, duplicate detection, conversation, signing, with a method that does
/// nothing. Conversations of two requests; the second answer carries keys.</summary>
internal static class RadiusLoad
{
    private static readonly RadiusSecret s_secret = new("a secret of 22 letters");

    private sealed class Nothing : IEapServerMethod, IEapServerState
    {
        private static readonly byte[] s_request = new byte[100];
        public byte Type => 255;
        public IMessage ParseIdentity(EapConversation conversation) => s_identity;
        public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation) => s_response;
        public EapTurn Refuse(ProtocolException? fault, EapConversation conversation) => new EapTurn.Failure(null);
        public IEapServerState ReadState(ReadOnlyMemory<byte> bytes) => this;
        public byte[] Write() => [];

        public ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel)
        {
            conversation.State = this;
            return new(ReferenceEquals(request, s_identity) ? new EapTurn.Request(null, s_request) : new EapTurn.Success(null, new EapKeys(new byte[64], new byte[64], new byte[33])));
        }

        private sealed record Said(StepKind Kind) : IMessage;
        private static readonly Player s_peer = new("peer", PlayerKind.Device, Reach.During, true, "owner", ""), s_server = new("server", PlayerKind.Service, Reach.During, false, "owner", "");
        private static readonly Said s_identity = new(new StepKind("Identity", null, Phase.NetworkAttachment, s_peer, s_server, "")),
            s_response = new(new StepKind("Response", null, Phase.NetworkAttachment, s_peer, s_server, ""));
    }

    public static async Task<int> RunAsync(string[] args)
    {
        int seconds = args is ["--seconds", var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 4;
        Console.WriteLine(InOneThread(seconds));
        Console.WriteLine(await OverUdpAsync(seconds, 64));
        return 0;
    }

    private static RadiusEapService Service(Chance chance) =>
        new(new EapServer(new MemorySessions(TimeProvider.System, limit: 1 << 20), chance, [new EapRoute("*", new Nothing())], EapObserver.None, new() { ConversationLife = TimeSpan.FromSeconds(5) }));

    private static RadiusClients Clients() => new([new RadiusNas("load", IPNetwork.Parse("127.0.0.0/8"), s_secret)]);

    private static RadiusMessage Request(ReadOnlySpan<byte> state, byte identifier)
    {
        var message = new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, "noob@eap-noob.arpa").Add(RadiusAttribute.NasIdentifier, "load")
            .Add(RadiusAttribute.CallingStationId, "02-00-00-00-00-01").Add(RadiusAttribute.NasPortType, 15).Add(RadiusAttribute.FramedMtu, 1400);
        if (!state.IsEmpty)
            message.Add(RadiusAttribute.State, state);
        return message.AddEap(state.IsEmpty ? new EapPacket(EapCode.Response, identifier, EapType.Identity, "noob@eap-noob.arpa"u8.ToArray()).Encode()
            : new EapPacket(EapCode.Response, identifier, 255, new byte[150]).Encode());
    }

    /// <summary>Only the server's part is timed.</summary>
    private static string InOneThread(int seconds)
    {
        var chance = new SystemChance();
        var clock = new SystemClock();
        var engine = new RadiusServer<int>(Clients(), _ => IPAddress.Loopback, chance);
        var host = new RadiusServerHost(engine.Answer, Service(chance), "load", () => clock.Now, a => a(), (_, _, _) => { }, (_, e) => throw e, inline: true);
        var client = new RadiusClient<int>([new(1, s_secret)], chance);
        var buffer = new byte[4096];
        long ticks = 0, requests = 0, allocated = 0;
        void Ask(RadiusMessage message)
        {
            client.Send(message, clock.Now);
            client.TryTransmit(buffer, out var piece);
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            engine.Receive(buffer.AsSpan(0, piece.Length), 1, clock.Now, default);
            while (engine.TryEvent(out var what))
                host.Happened(what);
            engine.TryTransmit(buffer, out piece);
            engine.Tick(clock.Now);
            ticks += Stopwatch.GetTimestamp() - start;
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            requests++;
            client.Receive(buffer.AsSpan(0, piece.Length), 1, clock.Now, default);
        }
        var end = clock.Elapsed + TimeSpan.FromSeconds(2);
        for (int warm = 1; warm >= 0; warm--)
        {
            (ticks, requests, allocated) = (0, 0, 0);
            end = clock.Elapsed + TimeSpan.FromSeconds(warm == 1 ? 2 : seconds);
            while (clock.Elapsed < end)
            {
                Ask(Request(default, 1));
                client.TryEvent(out var challenge);
                challenge.Answer!.Packet.TryGet(RadiusAttribute.State, out var state);
                Ask(Request(state, challenge.Answer.Packet.EapMessage()![1]));
                if (!client.TryEvent(out var accept) || accept.Answer!.Packet.Code != RadiusCode.AccessAccept)
                    throw new InvalidOperationException("It was not accepted.");
            }
        }
        double each = ticks * 1e6 / Stopwatch.Frequency / requests;
        return string.Create(CultureInfo.InvariantCulture, $"one thread, no sockets: {each:F1} us and {allocated / requests} bytes per Access-Request, {1e6 / each:F0} requests/s");
    }

    private static async Task<string> OverUdpAsync(int seconds, int together)
    {
        var chance = new SystemChance();
        var clock = new SystemClock();
        var engine = new RadiusServer<UdpPath>(Clients(), p => p.ToEndPoint().Address, chance);
        RadiusServerHost? host = null;
        await using var server = new UdpEnginePump<RadiusServerEvent>(new IPEndPoint(IPAddress.Loopback, 0), engine, (in RadiusServerEvent what) => host!.Happened(what));
        host = new RadiusServerHost(engine.Answer, Service(chance), "load", () => clock.Now, server.Post, (_, _, _) => { }, (_, e) => throw e);
        server.Start();
        var client = new RadiusClient<UdpPath>([new(UdpPath.From(server.EndPoint), s_secret)], chance);
        long answered = 0, unanswered = 0;
        await using var load = new UdpEnginePump<RadiusClientEvent>(new IPEndPoint(IPAddress.Loopback, 0), client, (in RadiusClientEvent what) =>
        {
            if (what.Answer is null)
                unanswered++;
            else
                answered++;
            if (what.Answer is { Packet.Code: RadiusCode.AccessChallenge } challenge && challenge.Packet.TryGet(RadiusAttribute.State, out var state))
                client.Send(Request(state, challenge.Packet.EapMessage()![1]), clock.Now);
            else
                client.Send(Request(default, 1), clock.Now);
        });
        load.Start();
        load.Post(() =>
        {
            for (int i = 0; i < together; i++)
                client.Send(Request(default, 1), clock.Now);
        });
        await Task.Delay(TimeSpan.FromSeconds(2));
        var (before, start, cpu) = (Volatile.Read(ref answered), clock.Elapsed, Process.GetCurrentProcess().TotalProcessorTime);
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        double done = Volatile.Read(ref answered) - before, time = (clock.Elapsed - start).TotalSeconds, spent = (Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalMicroseconds;
        return string.Create(CultureInfo.InvariantCulture,
            $"over UDP on loopback, {together} conversations at a time, server and load in one process: {done / time:F0} requests/s, {spent / done:F1} us CPU per request on both sides together, {unanswered} unanswered");
    }
}
