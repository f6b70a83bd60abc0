using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Tests.Methods;

/// <summary>EAP-GPSK (RFC 5433) with ciphersuite 2 and no protected payload: a method that makes keys, is short, and that hostapd and wpa_supplicant speak on both sides.</summary>
internal static class Gpsk
{
    public const byte Type = 51;
    private static readonly byte[] s_suite = [0, 0, 0, 0, 0, 2];

    /// <summary>RFC 5433 §4.</summary>
    public sealed record Keys(byte[] Sk, EapKeys Exported)
    {
        public static Keys Derive(byte[] psk, byte[] randPeer, byte[] idPeer, byte[] randServer, byte[] idServer)
        {
            byte[] input = [.. randPeer, .. idPeer, .. randServer, .. idServer];
            byte[] mk = Gkdf(32, psk, [.. Length(psk.Length), .. psk, .. s_suite, .. input]);
            byte[] all = Gkdf(160, mk, input);
            byte[] methodId = Gkdf(16, new byte[32], [.. "Method ID"u8, Type, .. s_suite, .. input]);
            return new(all[128..160], new EapKeys(all.AsSpan(0, 64), all.AsSpan(64, 64), [Type, .. methodId]));
        }

        private static byte[] Gkdf(int length, byte[] key, byte[] data)
        {
            var result = new List<byte>();
            for (ushort i = 1; result.Count < length; i++)
                result.AddRange(HMACSHA256.HashData(key, (byte[])[.. Length(i), .. data]));
            return [.. result.Take(length)];
        }
    }

    private static byte[] Length(int value) => [(byte)(value >> 8), (byte)value];
    private static byte[] Lv(byte[] value) => [.. Length(value.Length), .. value];
    private static byte[] Mic(byte[] sk, byte[] payload) => HMACSHA256.HashData(sk, payload);

    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public byte[] Take(int length)
        {
            if (length > _rest.Length)
                throw new TestFault("short");
            var part = _rest[..length].ToArray();
            _rest = _rest[length..];
            return part;
        }

        public byte[] Lv() => Take(BinaryPrimitives.ReadUInt16BigEndian(Take(2)));
    }

    public sealed class Method(string serverId, byte[] psk, Chance chance) : IEapServerMethod
    {
        public byte Type => Gpsk.Type;
        public int Completed;
        public Keys? Last { get; private set; }

        private sealed record State(byte[] Rand, byte[]? Sk, byte[]? Msk) : IEapServerState
        {
            public Keys? Keys { get; init; }
            public byte[] Write() => Keys is null ? Rand : [.. Rand, .. Keys.Sk, .. Keys.Exported.Msk.Reveal(), .. Keys.Exported.SessionId.Span];
        }

        public IMessage ParseIdentity(EapConversation conversation) => new Text(TestSteps.Identity, Encoding.UTF8.GetBytes(conversation.Identity.Text));
        public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation) => data.Length > 0 ? new Text(TestSteps.Response, data) : throw new TestFault("empty");

        public ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel)
        {
            var text = (Text)request;
            byte[] id = Encoding.UTF8.GetBytes(serverId);
            if (text.Kind == TestSteps.Identity)
            {
                var rand = chance.Bytes(32, "GPSK.RAND_Server");
                conversation.State = new State(rand, null, null);
                return Ask([1, .. Lv(id), .. rand, .. Lv(s_suite)]);
            }
            var state = (State)conversation.State!;
            var bytes = text.Bytes.Span;
            if (bytes[0] == 2 && state.Keys is null)
            {
                var payload = bytes[1..];
                var reader = new Reader(payload);
                byte[] idPeer = reader.Lv(), idServer = reader.Lv(), randPeer = reader.Take(32), randServer = reader.Take(32), list = reader.Lv(), suite = reader.Take(6);
                reader.Lv();
                byte[] mic = reader.Take(32);
                var keys = Keys.Derive(psk, randPeer, idPeer, randServer, idServer);
                if (!idServer.SequenceEqual(id) || !randServer.SequenceEqual(state.Rand) || !list.SequenceEqual(s_suite) || !suite.SequenceEqual(s_suite)
                    || !mic.SequenceEqual(Mic(keys.Sk, payload[..^32].ToArray())))
                    throw new TestFault("MIC");
                conversation.State = state with { Keys = keys };
                byte[] third = [.. randPeer, .. randServer, .. Lv(id), .. s_suite, .. Length(0)];
                return Ask([3, .. third, .. Mic(keys.Sk, third)]);
            }
            if (bytes[0] == 4 && state.Keys is { } known && bytes[1..].SequenceEqual((byte[])[0, 0, .. Mic(known.Sk, [0, 0])]))
            {
                Interlocked.Increment(ref Completed);
                Last = known;
                return new(new EapTurn.Success(new Text(TestSteps.Success, default), known.Exported, "full"));
            }
            throw new TestFault("op-code");
        }

        private static ValueTask<EapTurn> Ask(byte[] data) => new(new EapTurn.Request(new Text(TestSteps.Request, data), data));

        public EapTurn Refuse(ProtocolException? fault, EapConversation conversation) => new EapTurn.Failure(new Text(TestSteps.Failure, default));

        public IEapServerState ReadState(ReadOnlyMemory<byte> bytes)
        {
            var all = bytes.ToArray();
            return new State(all[..32], null, null) { Keys = all.Length == 32 ? null : new Keys(all[32..64], new EapKeys(all.AsSpan(64, 64), default, all.AsSpan(128))) };
        }
    }

    /// <summary>The peer's side, for one conversation.</summary>
    public sealed class Peer(string peerId, byte[] psk, Chance chance)
    {
        private byte[] _randPeer = [], _randServer = [], _idServer = [];
        public Keys? Keys { get; private set; }

        public Text Answer(ReadOnlyMemory<byte> request)
        {
            var bytes = request.Span;
            byte[] id = Encoding.UTF8.GetBytes(peerId);
            var reader = new Reader(bytes[1..]);
            if (bytes[0] == 1)
            {
                _idServer = reader.Lv();
                _randServer = reader.Take(32);
                byte[] list = reader.Lv();
                _randPeer = chance.Bytes(32, "GPSK.RAND_Peer");
                Keys = Keys.Derive(psk, _randPeer, id, _randServer, _idServer);
                byte[] second = [.. Lv(id), .. Lv(_idServer), .. _randPeer, .. _randServer, .. Lv(list), .. s_suite, .. Length(0)];
                return new(TestSteps.Response, (byte[])[2, .. second, .. Mic(Keys.Sk, second)], EapMethodState.Continue);
            }
            byte[] payload = bytes[1..^32].ToArray();
            if (bytes[0] != 3 || !bytes[^32..].SequenceEqual(Mic(Keys!.Sk, payload)))
                return new(TestSteps.Response, (byte[])[5, 0, 0, 0, 2], EapMethodState.Done);
            return new(TestSteps.Response, (byte[])[4, 0, 0, .. Mic(Keys.Sk, [0, 0])], EapMethodState.Done, EapDecision.UnconditionalSuccess, Keys.Exported);
        }
    }
}
