using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading.Channels;
using CsCheck;
using Hatchery.Cryptography;
using Hatchery.Fdo.Rendezvous;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Tests.Ceremonies;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;

namespace Hatchery.Fdo.Tests.Simulated;

public sealed class FdoStreamTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private sealed record Heard(int Type, string? Token, string Body, string? Fault);

    private static readonly Gen<(FdoMessage Message, string? Token)> s_message = Gen.Select(
        Gen.OneOf(Gen.Int[0, 255].Select(n => (FdoMessage)new GetOVNextEntry(n)), Gen.Const((FdoMessage)new To0Hello()),
            Gen.Frequency((8, Gen.Int[0, 300]), (2, Gen.Int[8000, 65000])).Select(n => (FdoMessage)new ErrorMessage(100, 60, new string('e', n), null, null))),
        Gen.Frequency((1, Gen.Const((string?)null)), (1, Gen.String[Gen.Char['!', '~'], 0, 60].Select(s => (string?)s))));

    /// <summary>The bytes of one side, asked for in pieces of any size.</summary>
    private static byte[] Written(IEnumerable<(FdoMessage Message, string? Token)> messages, int piece)
    {
        using var all = new MemoryStream();
        var into = new byte[piece];
        var engine = new FdoStream();
        foreach (var (message, token) in messages)
        {
            Assert.Equal(Accepted.Yes, engine.Send(message, token, default));
            while (engine.TryTransmit(into, out var transmit))
                all.Write(into, 0, transmit.Length);
        }
        return all.ToArray();
    }

    private static List<Heard> Read(byte[] bytes, IEnumerable<int> splits)
    {
        var engine = new FdoStream();
        var heard = new List<Heard>();
        int at = 0;
        foreach (int size in splits.Append(bytes.Length))
        {
            var piece = bytes.AsSpan(at, Math.Min(size, bytes.Length - at)).ToArray();
            at += piece.Length;
            engine.Receive(piece, default, default, default);
            // The caller's buffer is its own again.
            Array.Clear(piece);
            while (engine.TryEvent(out var happened))
                heard.Add(new Heard(happened.Type, happened.Token, Convert.ToHexString(happened.Body.Span), happened.Fault?.FieldName));
        }
        Assert.False(engine.TryTransmit(new byte[10], out _));
        return heard;
    }

    [Fact]
    public void However_a_stream_is_cut_the_messages_come_out_whole_and_in_order() =>
        Gen.Select(s_message.Array[0, 12], Gen.Int[1, 70_000], Gen.OneOf(Gen.Int[0, 40].Array[0, 200], Gen.Int[0, 20_000].Array[0, 30])).Sample((messages, piece, splits) =>
        {
            var heard = Read(Written(messages, piece), splits);
            Assert.Equal(messages.Select(m => new Heard(m.Message.Type, m.Token, Convert.ToHexString(m.Message.Raw.Span), null)), heard);
        }, iter: 500);

    [Fact]
    public void A_frame_of_the_greatest_length_and_another_right_behind_it_are_both_taken()
    {
        var long1 = new ErrorMessage(100, 60, new string('e', 65_000), null, null);
        var bytes = Written([(long1, null), (long1, null), (new To0Hello(), "t")], 1000);
        Assert.Equal([255, 255, 20], Read(bytes, Enumerable.Repeat(16_384, 100)).Select(h => h.Type));
        Assert.Equal([255, 255, 20], Read(bytes, []).Select(h => h.Type));
    }

    [Fact]
    public void Any_bytes_give_messages_and_at_most_one_fault_whichever_way_they_are_cut()
    {
        var anything = Gen.Byte.Array[0, 300];
        var nearly = Gen.Select(s_message.Array[1, 3], Gen.Select(Gen.Int[0, 60], Gen.Byte).Array[1, 4], (messages, changes) =>
        {
            byte[] bytes = Written(messages, 1000);
            foreach (var (at, value) in changes)
                bytes[at % bytes.Length] = value;
            return bytes;
        });
        int faults = 0, good = 0;
        Gen.Select(Gen.OneOf(anything, nearly), Gen.Int[1, 50].Array[0, 50]).Sample((bytes, splits) =>
        {
            var heard = Read(bytes, splits);
            Assert.Equal(Read(bytes, []), heard);
            Assert.All(heard.SkipLast(1), h => Assert.Null(h.Fault));
            Assert.All(heard, h => Assert.InRange(h.Type, h.Fault is null ? 0 : -1, h.Fault is null ? 255 : -1));
            Interlocked.Add(ref faults, heard.Count(h => h.Fault is not null));
            Interlocked.Add(ref good, heard.Count(h => h.Fault is null));
        }, iter: 20_000);
        Assert.True(faults > 1000 && good > 100, $"{faults} faults, {good} messages: the test has no teeth");
    }

    [Theory]
    [InlineData("85 06 14 18 65 A0", "length")]
    [InlineData("85 1A 00 01 00 00", "length")]
    [InlineData("85 1B FF FF FF FF FF FF FF FF", "length")]
    [InlineData("85 1F", "length")]
    [InlineData("85 20", "length")]
    [InlineData("84", "frame")]
    [InlineData("9F", "frame")]
    [InlineData("47 45 54 20 2F", "frame")]
    [InlineData("85 18 08 14 18 64 A0 80", "protver")]
    [InlineData("85 18 0A 19 01 00 18 65 A0 80", "msgType")]
    [InlineData("85 18 0C 1A FF FF FF FF 18 65 A0 80", "msgType")]
    [InlineData("85 18 10 14 18 65 A1 65 6F 74 68 65 72 61 31 80", "protocolInfo")]
    [InlineData("85 18 09 14 18 65 A0 80 80", "frame")]
    public void What_is_no_frame_is_refused_as_soon_as_it_shows(string hex, string field)
    {
        byte[] bytes = Convert.FromHexString(hex.Replace(" ", ""));
        Assert.Equal([field], Read(bytes, Enumerable.Repeat(1, bytes.Length)).Select(h => h.Fault));
        // Nothing that follows is believed.
        Assert.Equal([field], Read([.. bytes, .. Written([(new To0Hello(), null)], 100)], []).Select(h => h.Fault));
    }

    [Theory]
    [InlineData("85 07 14 18 65 A0 80")]
    [InlineData("85 18 08 14 18 65 A0 80")]
    [InlineData("85 19 00 09 14 18 65 A0 80")]
    [InlineData("85 1A 00 00 00 0B 14 18 65 A0 80")]
    [InlineData("85 1B 00 00 00 00 00 00 00 0F 14 18 65 A0 80")]
    [InlineData("85 18 0A 18 14 19 00 65 A0 80")]
    public void The_length_may_be_written_in_any_form(string hex)
    {
        byte[] bytes = Convert.FromHexString(hex.Replace(" ", ""));
        Assert.Equal([new Heard(20, null, "80", null)], Read(bytes, []));
        Assert.Empty(Read(bytes[..^1], []));
    }

    [Fact]
    public void A_peer_that_asks_and_never_reads_does_not_fill_the_memory()
    {
        var engine = new FdoStream();
        var message = new ErrorMessage(100, 60, new string('e', 1000), null, null);
        int taken = 0;
        while (engine.Send(message, null, default) == Accepted.Yes)
            Assert.InRange(++taken, 1, 10_000);
        Assert.Equal(Accepted.TryLater, engine.Send(message, null, default));
        while (engine.TryTransmit(new byte[500], out _))
        {
        }
        Assert.Equal(Accepted.Yes, engine.Send(message, null, default));
        Assert.Equal(Accepted.TooLarge, engine.Send(new ErrorMessage(100, 60, new string('e', 65_535), null, null), null, default));
    }

    /// <summary>The listener's end: each frame goes to the services, each answer back with its token.</summary>
    private static TcpEngineListener Listen(Fleet fleet, Channel<PumpEnd> ends)
    {
        var chance = new SystemChance();
        var dispatcher = new FdoDispatcher(new To0Service(fleet.RendezvousStore, fleet, chance, new RendezvousOptions()), new To1Service(fleet.RendezvousStore, fleet, chance));
        var driver = new ServiceDriver(dispatcher, new Actor(FdoPlayers.Rendezvous, "rv", "service"), p => new Actor(p, p.Name, p.UsuallyOperatedBy), Witness.None,
            (_, _, _) => { }, (what, fault) => throw new InvalidOperationException(what, fault));
        return new TcpEngineListener(new(IPAddress.Loopback, 0), async (socket, cancel) =>
        {
            var engine = new FdoStream();
            TcpEnginePump<FdoStreamEvent> pump = null!;
            pump = new(engine, (in FdoStreamEvent happened) =>
            {
                if (happened.Fault is not null)
                {
                    pump.Close();
                    return;
                }
                var (type, token, body) = (happened.Type, happened.Token, happened.Body.ToArray());
                var caller = new Caller { Now = Fleet.Operator.Now, Listener = "tcp", Remote = "test", Session = new SessionId(Guid.NewGuid()), Token = token };
                var handled = driver.HandleAsync(_ => FdoCodec.Parse(type, body), body, caller, Medium.Tcp, fault => new Reply(FdoErrors.Answer(fault as FdoException, type, null, chance)),
                    reply => (reply, reply.Message is FdoMessage m ? m.Raw : default), cancel);
                Assert.True(handled.IsCompleted);
                if (handled.Result.Message is FdoMessage answer)
                    Assert.Equal(Accepted.Yes, engine.Send(answer, handled.Result.Token, default));
            });
            ends.Writer.TryWrite(await pump.RunAsync(socket, cancel));
        }, e => ends.Writer.TryComplete(e));
    }

    [Fact]
    public async Task TO0_over_a_real_connection_registers_the_owner()
    {
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256);
        var voucher = await fleet.SellAsync(fleet.Manufacture(ECCurve.NamedCurves.nistP256).Guid);
        var ends = Channel.CreateUnbounded<PumpEnd>();
        await using var listener = Listen(fleet, ends);
        var socket = await TcpDialer.ConnectAsync("localhost", listener.EndPoint.Port, TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);
        var engine = new FdoStream();
        var chance = new SystemChance();
        uint granted = 0;
        string? token = null;
        TcpEnginePump<FdoStreamEvent> pump = null!;
        pump = new(engine, (in FdoStreamEvent happened) =>
        {
            Assert.Null(happened.Fault);
            token ??= happened.Token;
            switch (FdoCodec.Parse(happened.Type, happened.Body.ToArray()))
            {
                case To0HelloAck ack:
                    var to0d = To0d.Create(voucher, 1000, ack.NonceTO0Sign);
                    var to1d = To1d.Sign([new To2AddressEntry(null, "owner.test", 80, TransportProtocol.Tcp)], FdoHash.Of(HashType.Sha256, to0d.Raw.Span), fleet.OwnerKey, chance);
                    Assert.Equal(Accepted.Yes, engine.Send(new OwnerSign(to0d, to1d), token, default));
                    break;
                case AcceptOwner accept:
                    granted = accept.WaitSeconds;
                    pump.Close();
                    break;
                case var other:
                    Assert.Fail($"{other}");
                    break;
            }
        });
        pump.Post(() => engine.Send(new To0Hello(), null, default));
        Assert.Equal(PumpEnd.Closed, await pump.RunAsync(socket, Cancel));
        Assert.Equal(1000u, granted);
        Assert.NotNull(token);
        Assert.Equal(PumpEnd.PeerClosed, await ends.Reader.ReadAsync(Cancel));
        Assert.NotNull(await fleet.RendezvousStore.Begin(Fleet.Operator).GetAsync(RendezvousEntry.Schema, RendezvousEntry.Key(voucher.Guid), Cancel));
    }

    [Fact]
    public async Task Garbage_ends_its_connection_and_no_other()
    {
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256);
        var ends = Channel.CreateUnbounded<PumpEnd>();
        await using var listener = Listen(fleet, ends);
        using var good = await TcpDialer.ConnectAsync("localhost", listener.EndPoint.Port, TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);
        using var bad = await TcpDialer.ConnectAsync("localhost", listener.EndPoint.Port, TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);
        await bad.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray(), Cancel);
        Assert.Equal(0, await bad.ReceiveAsync(new byte[1], Cancel));
        Assert.Equal(PumpEnd.Closed, await ends.Reader.ReadAsync(Cancel));
        await good.SendAsync(Written([(new HelloRV(Guid.NewGuid(), new SigInfo(SigInfo.For(PublicKeyType.Secp256R1))), null)], 1000), Cancel);
        var engine = new FdoStream();
        var buffer = new byte[1000];
        FdoStreamEvent happened;
        while (!engine.TryEvent(out happened))
        {
            int n = await good.ReceiveAsync(buffer, Cancel);
            Assert.NotEqual(0, n);
            engine.Receive(buffer.AsSpan(0, n), default, default, default);
        }
        HandDevice.IsError(6, FdoCodec.Parse(happened.Type, happened.Body.ToArray()));
    }
}
