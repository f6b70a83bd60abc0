using System.Formats.Cbor;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Fdo.Services;

/// <summary>What a service keeps between two messages of one protocol run, with what it last answered: the same request again gets the same
/// answer, so a lost response costs nothing; any other replay is out of order.</summary>
internal sealed class Conversation<TState>(TState? state, Guid session) : ISessionState<Conversation<TState>> where TState : class, ISessionState<TState>
{
    /// <summary>Null: over, and kept for its last answer only.</summary>
    public TState? State { get; private set; } = state;
    public Guid Session { get; } = session;
    /// <summary>Under which it is stored; set by whoever opens or takes it.</summary>
    public string Key { get; set; } = "";
    /// <summary>Type of the request answered last; 0 before the first.</summary>
    public int LastType { get; private set; }
    /// <summary>The request answered last, and its SHA-256 where only that is known: a conversation that was written and read.</summary>
    private ReadOnlyMemory<byte> _lastRequest;
    private byte[] _lastHash = [];
    private FdoMessage? _answer;

    public void Answered(FdoMessage request, FdoMessage answer) => (LastType, _lastRequest, _lastHash, _answer) = (request.Type, request.Raw, [], answer);

    /// <summary>What was agreed is forgotten, keys first; the last answer is kept.</summary>
    public void End()
    {
        (State as IDisposable)?.Dispose();
        State = null;
    }

    /// <summary>The answer, if this is the request answered last; else null.</summary>
    public FdoMessage? Again(FdoMessage request) => request.Type == LastType
        && (_lastHash.Length > 0 ? SHA256.HashData(request.Raw.Span).AsSpan().SequenceEqual(_lastHash) : request.Raw.Span.SequenceEqual(_lastRequest.Span)) ? _answer : null;

    public byte[] Write()
    {
        var writer = new CborWriter();
        writer.WriteStartArray(6);
        writer.WriteByteString(State?.Write() ?? []);
        writer.WriteByteString(Session.ToByteArray(bigEndian: true));
        writer.WriteInt32(LastType);
        writer.WriteByteString(_lastHash.Length > 0 || LastType == 0 ? _lastHash : SHA256.HashData(_lastRequest.Span));
        writer.WriteInt32(_answer?.Type ?? 0);
        writer.WriteByteString(_answer is null ? [] : _answer.Raw.Span);
        writer.WriteEndArray();
        return writer.Encode();
    }

    public static Conversation<TState> Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new CborReader(bytes);
        reader.ReadStartArray();
        byte[] state = reader.ReadByteString();
        var result = new Conversation<TState>(state.Length == 0 ? null : TState.Read(state), new Guid(reader.ReadByteString(), bigEndian: true));
        (result.LastType, result._lastHash) = (reader.ReadInt32(), reader.ReadByteString());
        int type = reader.ReadInt32();
        byte[] answer = reader.ReadByteString();
        result._answer = type == 0 ? null : FdoCodec.Parse(type, answer);
        reader.ReadEndArray();
        return result;
    }
}

/// <summary>The Authorization token names a conversation of one protocol (FDO 1.1 §4.3). It is opaque, 128 random bits, stored as its hash, short
/// because some devices have little room for headers, and never changed during a run because some keep the first they see.</summary>
internal sealed class Conversations<TState>(IRecordStore store, Chance chance, string protocol, TimeSpan life) where TState : class, ISessionState<TState>
{
    private const string Scheme = "Bearer ";
    private static readonly TimeSpan s_afterwards = TimeSpan.FromSeconds(30);
    private readonly string _kind = "fdo." + protocol;

    /// <summary>The token to hand out, and the conversation, which is not stored before <see cref="PutAsync"/>.</summary>
    public (string Token, Conversation<TState> Conversation) Open(TState state, Caller caller)
    {
        string token = Scheme + Convert.ToHexStringLower(chance.Bytes(16, $"{protocol}.Authorization"));
        var (key, session) = Names(token);
        caller.Session = new SessionId(session);
        return (token, new Conversation<TState>(state, session) { Key = key });
    }

    /// <summary>Throws <see cref="FdoException"/> 1: no token, none of this protocol, expired, or under way in another request.</summary>
    public async ValueTask<Conversation<TState>> TakeAsync(Caller caller, CancellationToken cancel)
    {
        if (caller.Token is null)
            throw new FdoException(FdoErrorCode.InvalidJwtToken, "Authorization", "There is no Authorization header.");
        var (key, session) = Names(caller.Token);
        caller.Session = new SessionId(session);
        var conversation = await store.Sessions.TakeAsync<Conversation<TState>>(_kind, key, cancel)
            ?? throw new FdoException(FdoErrorCode.InvalidJwtToken, "Authorization", $"The token names no {protocol} that is under way.");
        conversation.Key = key;
        return conversation;
    }

    /// <param name="isOver">Its last request was answered: it is kept for a repetition of that, not for as long as a device may be busy.</param>
    public ValueTask PutAsync(Conversation<TState> conversation, bool isOver, CancellationToken cancel) =>
        store.Sessions.PutAsync(_kind, conversation.Key, conversation, isOver && life > s_afterwards ? s_afterwards : life, cancel);

    public ValueTask DropAsync(string token, CancellationToken cancel) => store.Sessions.DropAsync(_kind, Names(token).Key, cancel);

    /// <summary>Halves of the token's SHA-256: one it is stored under, the other names the session to whoever watches.</summary>
    private static (string Key, Guid Session) Names(string token)
    {
        Span<byte> utf8 = stackalloc byte[256], hash = stackalloc byte[32];
        var bytes = token.Length <= 80 ? utf8[..Encoding.UTF8.GetBytes(token, utf8)] : Encoding.UTF8.GetBytes(token);
        SHA256.HashData(bytes, hash);
        return (Convert.ToHexStringLower(hash[..16]), new Guid(hash[16..]));
    }
}

/// <summary>A service of one of FDO's protocols: finds the conversation, keeps the order of messages, answers a repeated request again.</summary>
public abstract class FdoService : IService
{
    private protected FdoService() { }

    /// <summary>The message types that it answers.</summary>
    internal abstract IReadOnlyList<int> Types { get; }

    public abstract ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel);

    /// <summary>Drops what an error message of the peer ends; errors carry no authority beyond that.</summary>
    internal abstract ValueTask AbandonAsync(string token, CancellationToken cancel);

    private protected static FdoException Unexpected(FdoMessage message, int last) =>
        FdoException.Invalid("message type", last == 0 ? $"{message.Kind} begins no protocol here." : $"{message.Kind} does not follow type {last}.");
}

/// <inheritdoc/>
public abstract class FdoService<TState> : FdoService where TState : class, ISessionState<TState>
{
    private readonly Conversations<TState> _conversations;

    private protected FdoService(IRecordStore store, Chance chance, string protocol, TimeSpan life)
    {
        (Store, Chance) = (store, chance);
        _conversations = new Conversations<TState>(store, chance, protocol, life);
    }

    private protected IRecordStore Store { get; }
    private protected Chance Chance { get; }

    /// <summary>Answers the first message of the protocol.</summary>
    private protected abstract ValueTask<(TState State, FdoMessage Answer)> BeginAsync(FdoMessage first, Caller caller, CancellationToken cancel);

    /// <summary>Answers a later one, or throws.</summary>
    /// <param name="last">Type of the message answered before.</param>
    private protected abstract ValueTask<FdoMessage> GoOnAsync(TState state, FdoMessage message, int last, Caller caller, CancellationToken cancel);

    private protected abstract bool Begins(int type);
    /// <summary>Whether the conversation goes on although this fault was answered.</summary>
    private protected virtual bool Survives(TState state, FdoMessage message) => false;

    public sealed override async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel)
    {
        var message = (FdoMessage)request;
        if (Begins(message.Type))
        {
            var (state, answer) = await BeginAsync(message, caller, cancel);
            var (token, opened) = _conversations.Open(state, caller);
            opened.Answered(message, answer);
            await _conversations.PutAsync(opened, isOver: false, cancel);
            return new Reply(answer, token);
        }
        var conversation = await _conversations.TakeAsync(caller, cancel);
        bool keep = false;
        try
        {
            if (conversation.Again(message) is { } again)
            {
                keep = true;
                return new Reply(again);
            }
            if (conversation.State is not { } state)
                throw Unexpected(message, conversation.LastType);
            var answer = await GoOnAsync(state, message, conversation.LastType, caller, cancel);
            conversation.Answered(message, answer);
            if (message.Type == Types[^1])
                conversation.End();
            keep = true;
            return new Reply(answer);
        }
        catch (FdoException)
        {
            keep = conversation.State is { } state && Survives(state, message);
            throw;
        }
        finally
        {
            // The conversation is kept after its last message too, for a while: the answer may have been lost.
            if (keep)
                await _conversations.PutAsync(conversation, conversation.State is null, cancel);
            else
                await _conversations.DropAsync(caller.Token!, cancel);
        }
    }

    internal sealed override ValueTask AbandonAsync(string token, CancellationToken cancel) => _conversations.DropAsync(token, cancel);
}
