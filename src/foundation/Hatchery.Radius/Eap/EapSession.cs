using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Radius.Eap;

/// <summary>A conversation between two messages: where it stands, the method's state, and the last answer, which a repeated response gets again.</summary>
internal sealed class EapSession(byte identifier) : ISessionState<EapSession>
{
    private IEapServerState? _state;
    private byte[]? _stateBytes;
    private byte[] _lastResponse = [];

    /// <summary>Of the request that is open.</summary>
    public byte Identifier { get; private set; } = identifier;
    /// <summary>Null: not known yet.</summary>
    public string? Identity { get; set; }
    public int Route { get; set; }
    /// <summary>0: none was begun.</summary>
    public byte Method { get; private set; }
    /// <summary>The method's first request is open, so a Nak is in order.</summary>
    public bool IsFirst { get; set; }
    public int Rounds { get; private set; }
    public EapAnswer? LastAnswer { get; private set; }
    public bool Ended => LastAnswer is { Packet.Code: not EapCode.Request };

    public byte NextIdentifier()
    {
        Rounds++;
        return ++Identifier;
    }

    public void Begin(byte method) => (Method, IsFirst, _state, _stateBytes) = (method, true, null, null);

    public IEapServerState? StateOf(IEapServerMethod method) => _state ??= _stateBytes is { } bytes ? method.ReadState(bytes) : null;

    public void Keep(IEapServerState? state) => (_state, _stateBytes) = (state, null);

    public void Answered(ReadOnlySpan<byte> response, EapAnswer answer) => (_lastResponse, LastAnswer) = (SHA256.HashData(response), answer);

    /// <summary>The answer, if this is the response answered last; else null.</summary>
    public EapAnswer? Again(ReadOnlySpan<byte> response)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(response, hash);
        return hash.SequenceEqual(_lastResponse) ? LastAnswer : null;
    }

    public byte[] Write()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        writer.Write(Identifier);
        writer.Write(Identity ?? "");
        writer.Write(Route);
        writer.Write(Method);
        writer.Write(IsFirst);
        writer.Write(Rounds);
        Bytes(writer, _lastResponse);
        var state = _state?.Write() ?? _stateBytes;
        writer.Write(state is not null);
        Bytes(writer, state ?? []);
        var answer = LastAnswer!;
        Bytes(writer, answer.Packet.Encode());
        Bytes(writer, answer.State.Span);
        writer.Write(answer.Profile);
        // The server's own key material does not travel: a repeated answer needs what the NAS gets.
        Bytes(writer, answer.Keys is { } keys ? keys.Msk.Reveal() : default);
        Bytes(writer, answer.Keys is { } named ? named.SessionId.Span : default);
        writer.Flush();
        return bytes.ToArray();
    }

    public static EapSession Read(ReadOnlyMemory<byte> bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes.ToArray()), Encoding.UTF8);
        var session = new EapSession(reader.ReadByte());
        string identity = reader.ReadString();
        session.Identity = identity.Length == 0 ? null : identity;
        session.Route = reader.ReadInt32();
        session.Method = reader.ReadByte();
        session.IsFirst = reader.ReadBoolean();
        session.Rounds = reader.ReadInt32();
        session._lastResponse = Bytes(reader);
        bool hasState = reader.ReadBoolean();
        byte[] state = Bytes(reader);
        session._stateBytes = hasState ? state : null;
        var packet = EapPacket.Parse(Bytes(reader));
        byte[] name = Bytes(reader);
        string profile = reader.ReadString();
        byte[] msk = Bytes(reader), sessionId = Bytes(reader);
        session.LastAnswer = new EapAnswer(packet, name, msk.Length == 0 ? null : new EapKeys(msk, default, sessionId), profile, false);
        return session;
    }

    private static void Bytes(BinaryWriter writer, ReadOnlySpan<byte> value)
    {
        writer.Write(value.Length);
        writer.Write(value);
    }

    private static byte[] Bytes(BinaryReader reader) => reader.ReadBytes(reader.ReadInt32());
}
