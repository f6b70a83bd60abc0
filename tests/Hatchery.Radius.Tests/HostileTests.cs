using CsCheck;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Simulation;

namespace Hatchery.Radius.Tests;

/// <summary>Whatever comes: silence, an answer of the standard, or the library's one exception.</summary>
public sealed class HostileTests
{
    private static readonly RadiusSecret s_secret = new("testing123");

    private static void Declared(Action act)
    {
        try
        {
            act();
        }
        catch (RadiusException)
        {
        }
    }

    [Fact]
    public void Random_bytes_at_every_parser() => Gen.Byte.Array[0, 300].Sample(bytes =>
    {
        Declared(() => Everything(RadiusPacket.Parse(bytes)));
        Declared(() => EapPacket.Parse(bytes));
        Declared(() => EapolFrame.Parse(bytes));
        Declared(() => Nai.Parse(bytes));
        Declared(() => HiddenAttributes.RevealKey(s_secret, new byte[16], bytes).Dispose());
        Declared(() => HiddenAttributes.RevealPassword(s_secret, new byte[16], bytes).Dispose());
    }, iter: 20_000);

    /// <summary>Attributes of every kind and length.</summary>
    [Fact]
    public void Random_attributes() => Gen.Select(Gen.Byte, Gen.Byte.Array[0, 40]).Array[0, 12].Sample(attributes =>
    {
        byte[] body = [.. attributes.SelectMany(a => (byte[])[a.Item1, (byte)(2 + a.Item2.Length), .. a.Item2])];
        byte[] packet = [1, 1, (byte)((20 + body.Length) >> 8), (byte)(20 + body.Length), .. new byte[16], .. body];
        Declared(() => Everything(RadiusPacket.Parse(packet)));
    }, iter: 5_000);

    private static void Everything(RadiusPacket packet)
    {
        packet.Text(RadiusAttribute.UserName);
        packet.Integer(RadiusAttribute.FramedMtu);
        packet.Address(RadiusAttribute.NasIpAddress);
        packet.TryGetVendor(HiddenAttributes.Microsoft, HiddenAttributes.MppeRecvKey, out _);
        s_secret.CheckMessageAuthenticator(packet, packet.Authenticator);
        packet.EapMessage();
    }

    /// <summary>Any bit of a request turned over on the way, and it is discarded.</summary>
    [Fact]
    public void A_changed_request_is_silence()
    {
        var world = new World();
        byte[] request = new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, "fred@example.org")
            .AddEap(new EapPacket(EapCode.Response, 1, EapType.Identity, "fred@example.org"u8.ToArray()).Encode()).SignRequest(9, new byte[16], s_secret);
        for (int bit = 0; bit < request.Length * 8; bit++)
        {
            byte[] changed = [.. request];
            changed[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Empty(world.Ask(changed));
        }
        Assert.Single(world.Ask(request));
        // Padding behind the packet is no part of it.
        Assert.Single(world.Ask([.. request, 1, 2, 3]));
    }

    /// <summary>Any bit of an answer turned over, and the client waits on.</summary>
    [Fact]
    public void A_changed_answer_is_ignored()
    {
        var chance = new SeededChance("answers");
        var world = new World();
        var client = new RadiusClient<int>([new(1, s_secret)], chance);
        client.Send(new RadiusMessage(RadiusCode.AccessRequest).AddEap(new EapPacket(EapCode.Response, 1, EapType.Identity, "fred@example.org"u8.ToArray()).Encode()), world.Now);
        var buffer = new byte[4096];
        Assert.True(client.TryTransmit(buffer, out var piece));
        byte[] answer = Assert.Single(world.Ask(buffer[..piece.Length]));
        for (int bit = 0; bit < answer.Length * 8; bit++)
        {
            byte[] changed = [.. answer];
            changed[bit / 8] ^= (byte)(1 << bit % 8);
            client.Receive(changed, 1, world.Now, default);
            Assert.False(client.TryEvent(out _));
        }
        client.Receive([.. answer], 2, world.Now, default);
        Assert.False(client.TryEvent(out _));
        client.Receive(answer, 1, world.Now, default);
        Assert.True(client.TryEvent(out _));
    }

    /// <summary>A NAS that knows the secret and sends nonsense: the conversation may fail, the server does not.</summary>
    [Fact]
    public void EAP_from_a_hostile_NAS() => Gen.Select(Gen.Byte, Gen.Byte, Gen.Byte.Array[0, 60], Gen.Int[0, 3]).Array[1, 6].Sample(moves =>
    {
        var world = new World();
        byte[] state = [];
        byte id = 0, expected = 0;
        foreach (var (a, b, data, kind) in moves)
        {
            byte[] eap = kind switch
            {
                0 => data,
                1 => new EapPacket(EapCode.Response, expected, EapType.Identity, "fred@md5.example"u8.ToArray()).Encode(),
                2 => new EapPacket(EapCode.Response, expected, (byte)(a % 60), data).Encode(),
                _ => new EapPacket((EapCode)(1 + a % 2), b, Gpsk.Type, data).Encode(),
            };
            var message = new RadiusMessage(RadiusCode.AccessRequest).AddEap(eap);
            if (state.Length > 0 && a % 5 != 0)
                message.Add(RadiusAttribute.State, a % 7 == 0 ? data : state);
            foreach (var answer in world.Ask(message.SignRequest(id++, new byte[16], s_secret)))
            {
                var packet = RadiusPacket.Parse(answer);
                if (packet.TryGet(RadiusAttribute.State, out var next))
                    state = next.ToArray();
                if (packet.EapMessage() is { Length: >= 2 } request)
                    expected = request[1];
                Assert.NotEqual(RadiusCode.AccessAccept, packet.Code);
            }
        }
        Assert.Empty(world.Failed);
    }, iter: 3_000, threads: 1);

    [Fact]
    public void Anything_at_a_peer() => Gen.Select(Gen.Int[0, 5], Gen.Byte, Gen.Byte, Gen.Byte.Array[0, 40]).Array[1, 20].Sample(moves =>
    {
        var supplicant = new EapolSupplicant<int>(new EapPeerOptions(Gpsk.Type), 1);
        var now = new Moment(TimeSpan.FromSeconds(1), null);
        var buffer = new byte[2000];
        supplicant.Start(now);
        bool succeeded = false;
        foreach (var (kind, a, b, data) in moves)
        {
            byte[] eap = kind switch
            {
                0 => new EapPacket(EapCode.Request, a, EapType.Identity, data).Encode(),
                1 => new EapPacket(EapCode.Request, a, b, data).Encode(),
                2 => new EapPacket(EapCode.Success, a, 0, default).Encode(),
                3 => new EapPacket(EapCode.Failure, a, 0, default).Encode(),
                _ => data,
            };
            var frame = new byte[eap.Length + 4];
            EapolFrame.Encode(kind == 5 ? (EapolType)b : EapolType.EapPacket, eap, frame);
            supplicant.Receive(kind == 4 ? data : frame, a % 2, now, default);
            now = now with { Elapsed = now.Elapsed + TimeSpan.FromSeconds(b / 20) };
            supplicant.Tick(now);
            while (supplicant.TryEvent(out var happened))
            {
                succeeded |= happened.What == EapPeerHappening.Success;
                if (happened.What == EapPeerHappening.Identity && a % 3 > 0)
                    supplicant.Identify("x@example.org"u8.ToArray(), default, now);
                if (happened.What == EapPeerHappening.Request && a % 3 > 0)
                    supplicant.Respond(new EapPeerResponse(data, (EapMethodState)(b % 3), EapDecision.Fail), default, now);
            }
            while (supplicant.TryTransmit(buffer, out _))
            {
            }
        }
        Assert.False(succeeded, "A method that has not decided for success does not succeed.");
    }, iter: 5_000);

    [Fact]
    public void Streams_cut_anywhere() => Gen.Int[1, 60].Array[1, 30].Sample(cuts =>
    {
        var nas = new RadiusNas("nas", new System.Net.IPNetwork(System.Net.IPAddress.Any, 0), RadiusSecret.RadSec);
        var server = new RadiusStreamServer(nas, "test", new SeededChance("stream"));
        byte[] all = [.. Enumerable.Range(0, 5).SelectMany(i => new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, new string('x', i * 20 + 1))
            .SignRequest((byte)i, new byte[16], RadiusSecret.RadSec))];
        int at = 0, heard = 0, turn = 0;
        while (at < all.Length)
        {
            int take = Math.Min(cuts[turn++ % cuts.Length], all.Length - at);
            server.Receive(all.AsSpan(at, take).ToArray(), default, new Moment(TimeSpan.Zero, null), default);
            at += take;
            while (server.TryEvent(out var happened))
                heard += happened.Request is null ? 0 : 1;
        }
        Assert.Equal(5, heard);
        // Something else than RADIUS ends the connection.
        server.Receive("GET / HTTP/1.1\r\n\r\n"u8.ToArray(), default, new Moment(TimeSpan.Zero, null), default);
        Assert.True(server.IsBroken);
    }, iter: 300);

    /// <summary>What is kept has a bound, whoever sends how much.</summary>
    [Fact]
    public void Floods_are_bounded()
    {
        var chance = new SeededChance("flood");
        var clients = new RadiusClients([new("nas", System.Net.IPNetwork.Parse("0.0.0.0/0"), s_secret) { MaxPending = 50 }]);
        var server = new RadiusServer<int>(clients, path => new System.Net.IPAddress(path), chance, new() { MaxKept = 200, ReportDiscarded = false });
        var now = new Moment(TimeSpan.FromSeconds(1), null);
        var buffer = new byte[4096];
        int served = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] request = new RadiusMessage(RadiusCode.AccessRequest).SignRequest((byte)i, BitConverter.GetBytes(i).Concat(new byte[12]).ToArray(), s_secret);
            server.Receive(request, i / 256, now, default);
            while (server.TryEvent(out var happened))
                if (i % 4 != 0)
                {
                    server.Answer(happened.Ticket, new RadiusMessage(RadiusCode.AccessReject), now);
                    served++;
                }
            while (server.TryTransmit(buffer, out _))
            {
            }
        }
        // One in four is never answered: at 50 of these the NAS has no more room, until they are given up.
        Assert.InRange(served, 140, 160);
        now = now with { Elapsed = TimeSpan.FromSeconds(60) };
        server.Tick(now);
        Assert.Equal(Moment.Never, server.Deadline);
        server.Receive(new RadiusMessage(RadiusCode.AccessRequest).SignRequest(1, new byte[16], s_secret), 9, now, default);
        Assert.True(server.TryEvent(out _));
    }
}
