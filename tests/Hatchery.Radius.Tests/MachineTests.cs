using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Simulation;

namespace Hatchery.Radius.Tests;

/// <summary>The machines of EAP, state by state.</summary>
public sealed class MachineTests
{
    private const byte Method = 51;
    private static Moment At(double seconds) => new(TimeSpan.FromSeconds(seconds), null);
    private static byte[] Packet(EapCode code, byte id, byte type = 0, params byte[] data) => new EapPacket(code, id, type, data).Encode();

    private sealed class Peer
    {
        public readonly EapPeer Machine = new(new EapPeerOptions(Method));
        public double Now = 1;

        public Peer() => Machine.Restart(At(Now));

        public EapPeerHappening? Hear(byte[] packet)
        {
            Machine.Receive(packet, At(Now), default);
            return Event();
        }

        public EapPeerHappening? Event() => Machine.TryEvent(out var happened) ? happened.What : null;
        public byte[]? Says(out bool repeats) => Machine.TryResponse(out var packet, out _, out repeats) ? packet.ToArray() : null;
        public byte[]? Says() => Says(out _);

        public Peer InMethod(EapMethodState state = EapMethodState.MayContinue, EapDecision decision = EapDecision.Fail)
        {
            Assert.Equal(EapPeerHappening.Identity, Hear(Packet(EapCode.Request, 1, EapType.Identity)));
            Machine.Identify("x@example.org"u8.ToArray(), default, At(Now));
            Assert.Equal(Packet(EapCode.Response, 1, EapType.Identity, [.. "x@example.org"u8]), Says());
            Assert.Equal(EapPeerHappening.Request, Hear(Packet(EapCode.Request, 2, Method, 7)));
            Machine.Respond(new EapPeerResponse(new byte[] { 8 }, state, decision), default, At(Now));
            Assert.Equal(Packet(EapCode.Response, 2, Method, 8), Says());
            return this;
        }
    }

    [Fact]
    public void A_repeated_request_gets_the_same_response_without_the_method()
    {
        var peer = new Peer().InMethod();
        Assert.Null(peer.Hear(Packet(EapCode.Request, 2, Method, 7)));
        Assert.Equal(Packet(EapCode.Response, 2, Method, 8), peer.Says(out bool repeats));
        Assert.True(repeats);
    }

    [Fact]
    public void What_comes_while_the_method_thinks_is_discarded()
    {
        var peer = new Peer().InMethod();
        Assert.Equal(EapPeerHappening.Request, peer.Hear(Packet(EapCode.Request, 3, Method, 9)));
        Assert.Null(peer.Hear(Packet(EapCode.Request, 3, Method, 9)));
        Assert.Null(peer.Hear(Packet(EapCode.Request, 4, Method, 10)));
        Assert.Null(peer.Hear(Packet(EapCode.Failure, 3)));
        Assert.Null(peer.Says());
        peer.Machine.Respond(new EapPeerResponse(new byte[] { 11 }, EapMethodState.MayContinue, EapDecision.Fail), default, At(2));
        Assert.Equal(Packet(EapCode.Response, 3, Method, 11), peer.Says());
        // Only one answer to one request.
        peer.Machine.Respond(new EapPeerResponse(new byte[] { 12 }, EapMethodState.MayContinue, EapDecision.Fail), default, At(2));
        Assert.Null(peer.Says());
    }

    [Fact]
    public void Success_and_Failure_count_only_where_the_method_allows()
    {
        // Of another request.
        Assert.Null(new Peer().InMethod(EapMethodState.Done, EapDecision.UnconditionalSuccess).Hear(Packet(EapCode.Success, 1)));
        Assert.Null(new Peer().InMethod(EapMethodState.Done, EapDecision.UnconditionalSuccess).Hear(Packet(EapCode.Success, 4)));
        // Of the next number, as some servers do.
        Assert.Equal(EapPeerHappening.Success, new Peer().InMethod(EapMethodState.Done, EapDecision.UnconditionalSuccess).Hear(Packet(EapCode.Success, 3)));
        Assert.Equal(EapPeerHappening.Success, new Peer().InMethod(EapMethodState.Done, EapDecision.UnconditionalSuccess).Hear(Packet(EapCode.Success, 2)));
        Assert.Equal(EapPeerHappening.Success, new Peer().InMethod(EapMethodState.MayContinue, EapDecision.ConditionalSuccess).Hear(Packet(EapCode.Success, 2)));
        // Forged in the middle of the method, and after it has decided.
        Assert.Null(new Peer().InMethod(EapMethodState.Continue).Hear(Packet(EapCode.Success, 2)));
        Assert.Null(new Peer().InMethod(EapMethodState.Continue).Hear(Packet(EapCode.Failure, 2)));
        Assert.Null(new Peer().InMethod(EapMethodState.Done, EapDecision.UnconditionalSuccess).Hear(Packet(EapCode.Failure, 2)));
        // Believed.
        Assert.Equal(EapPeerHappening.Failure, new Peer().InMethod().Hear(Packet(EapCode.Failure, 2)));
        Assert.Equal(EapPeerHappening.Failure, new Peer().InMethod().Hear(Packet(EapCode.Success, 2)));
        Assert.Equal(EapPeerHappening.Failure, new Peer().InMethod(EapMethodState.Done, EapDecision.ConditionalSuccess).Hear(Packet(EapCode.Failure, 2)));
    }

    [Fact]
    public void A_lost_Success_is_not_missed_and_silence_is_failure()
    {
        foreach (var (decision, what) in new[] { (EapDecision.UnconditionalSuccess, EapPeerHappening.Success), (EapDecision.ConditionalSuccess, EapPeerHappening.Failure), (EapDecision.Fail, EapPeerHappening.Failure) })
        {
            var peer = new Peer().InMethod(EapMethodState.Done, decision);
            peer.Machine.Tick(At(60.9));
            Assert.Null(peer.Event());
            Assert.Equal(TimeSpan.FromSeconds(61), peer.Machine.Deadline);
            peer.Machine.Tick(At(61));
            Assert.Equal(what, peer.Event());
            Assert.Equal(Moment.Never, peer.Machine.Deadline);
        }
    }

    [Fact]
    public void Naks_and_notifications()
    {
        var peer = new Peer();
        Assert.Null(peer.Hear(Packet(EapCode.Request, 1, EapType.Md5Challenge, 1, 2)));
        Assert.Equal(Packet(EapCode.Response, 1, EapType.Nak, Method), peer.Says());
        Assert.Null(peer.Hear(Packet(EapCode.Request, 2, EapType.Expanded, 0, 0, 0, 0, 0, 0, 51)));
        Assert.Equal(Packet(EapCode.Response, 2, EapType.Nak, Method), peer.Says());
        Assert.Equal(EapPeerHappening.Notification, peer.Hear(Packet(EapCode.Request, 3, EapType.Notification, [.. "hello"u8])));
        Assert.Equal(Packet(EapCode.Response, 3, EapType.Notification), peer.Says());
        // A Nak is the answer to no request of Nak.
        Assert.Null(peer.Hear(Packet(EapCode.Request, 4, EapType.Nak, 1)));
        Assert.Null(peer.Says());
        // Within a method no other is begun.
        var busy = new Peer().InMethod();
        Assert.Null(busy.Hear(Packet(EapCode.Request, 9, EapType.Md5Challenge, 1, 2)));
        Assert.Null(busy.Hear(Packet(EapCode.Request, 10, EapType.Identity)));
        Assert.Null(busy.Says());
    }

    [Fact]
    public void A_supplicant_starts_asks_again_and_hears_when_it_is_wanted()
    {
        var supplicant = new EapolSupplicant<int>(new EapPeerOptions(Method), 9);
        var buffer = new byte[100];
        byte[]? Sent() => supplicant.TryTransmit(buffer, out var piece) ? Check(piece) : null;
        byte[] Check(Transmit<int> piece)
        {
            Assert.Equal(9, piece.Path);
            return buffer[..piece.Length];
        }
        void Hear(int from, byte[] eap)
        {
            var frame = new byte[4 + eap.Length];
            EapolFrame.Encode(EapolType.EapPacket, eap, frame);
            supplicant.Receive(frame, from, At(40), default);
        }
        supplicant.Start(At(1));
        Assert.Equal([2, 1, 0, 0], Sent());
        supplicant.Tick(At(31));
        Assert.Equal([2, 1, 0, 0], Sent());
        Hear(5, Packet(EapCode.Request, 1, EapType.Identity));
        // A second authenticator is not heard in this conversation.
        Hear(6, Packet(EapCode.Request, 2, EapType.Identity));
        Assert.True(supplicant.TryEvent(out var asked));
        Assert.Equal(1, asked.Identifier);
        Assert.False(supplicant.TryEvent(out _));
        supplicant.Identify("x"u8.ToArray(), default, At(40));
        Assert.Equal([2, 0, 0, 6, 2, 1, 0, 6, 1, (byte)'x'], Sent());
        Hear(5, Packet(EapCode.Failure, 1));
        Assert.True(supplicant.TryEvent(out var failed));
        Assert.False(failed.Carrier);
        Hear(5, Packet(EapCode.Request, 7, EapType.Identity));
        Assert.True(supplicant.TryEvent(out var wanted));
        Assert.Equal(EapPeerHappening.Wanted, wanted.What);
        supplicant.Logoff(At(50));
        Assert.Equal([2, 2, 0, 0], Sent());
        Assert.Equal(Moment.Never, supplicant.Deadline);
    }

    /// <summary>A peer that says nothing is asked again after 3, 6, 12, 20 and 20 seconds, then given up.</summary>
    [Fact]
    public void An_authenticator_repeats_and_gives_up()
    {
        var port = new NasPort(new NasPortOptions("nas"), new SeededChance("port"));
        port.Start(At(0));
        Assert.True(port.TryTransmit(out var request, out _));
        byte[] first = request.ToArray();
        foreach (double due in new[] { 3.0, 9, 21, 41, 61 })
        {
            Assert.Equal(TimeSpan.FromSeconds(due), port.Deadline);
            port.Tick(At(due));
            Assert.True(port.TryTransmit(out request, out bool repeats) && repeats);
            Assert.Equal(first, request.ToArray());
        }
        port.Tick(At(81));
        Assert.True(port.TryEvent(out var what));
        Assert.Equal(NasPortHappening.Unauthorized, what.What);
        Assert.Equal(Moment.Never, port.Deadline);
    }

    /// <summary>The first server is dead: its requests go to the second, and later ones there at once.</summary>
    [Fact]
    public void A_client_turns_to_the_next_server()
    {
        var client = new RadiusClient<int>([new(1, new RadiusSecret("a")), new(2, new RadiusSecret("b"))], new SeededChance("failover"));
        long ticket = client.Send(new RadiusMessage(RadiusCode.StatusServer), At(0));
        var buffer = new byte[4096];
        var to = new List<int>();
        byte[] last = [];
        void Drain()
        {
            while (client.TryTransmit(buffer, out var piece))
            {
                to.Add(piece.Path);
                last = buffer[..piece.Length];
            }
        }
        Drain();
        while (to[^1] == 1)
        {
            client.Tick(new Moment(client.Deadline, null));
            Drain();
        }
        Assert.Equal([1, 1, 1, 1, 2], to);
        var answer = new RadiusMessage(RadiusCode.AccessAccept).SignAnswer(last[1], last.AsSpan(4, 16), new RadiusSecret("b"), true, new SeededChance("x"));
        client.Receive(answer, 2, new Moment(client.Deadline, null), default);
        Assert.True(client.TryEvent(out var answered));
        Assert.Equal(ticket, answered.Ticket);
        Assert.NotNull(answered.Answer);
        client.Send(new RadiusMessage(RadiusCode.StatusServer), At(100));
        Drain();
        Assert.Equal(2, to[^1]);
        // Nobody: within 30 seconds that is said.
        while (client.Deadline != Moment.Never)
            client.Tick(new Moment(client.Deadline, null));
        Assert.True(client.TryEvent(out answered));
        Assert.Null(answered.Answer);
        Assert.Equal(0, client.InFlight);
    }

    [Fact]
    public void Identifiers_run_out_and_come_back()
    {
        var client = new RadiusClient<int>([new(1, new RadiusSecret("a"))], new SeededChance("identifiers"));
        for (int i = 0; i < 256; i++)
            Assert.NotEqual(0, client.Send(new RadiusMessage(RadiusCode.StatusServer), At(0)));
        Assert.Equal(0, client.Send(new RadiusMessage(RadiusCode.StatusServer), At(0)));
        while (client.Deadline != Moment.Never)
            client.Tick(new Moment(client.Deadline, null));
        Assert.NotEqual(0, client.Send(new RadiusMessage(RadiusCode.StatusServer), At(100)));
    }
}
