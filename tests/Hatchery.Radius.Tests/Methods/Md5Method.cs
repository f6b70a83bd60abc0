using System.Security.Cryptography;
using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Tests.Methods;

/// <summary>MD5-Challenge (RFC 3748 §5.4): every peer of this world speaks it. It makes no keys.</summary>
internal sealed class Md5Method(string password, Chance chance, string profile = "") : IEapServerMethod
{
    public byte Type => EapType.Md5Challenge;
    /// <summary>Responses that were judged.</summary>
    public int Judged;
    public List<EapConversation> Conversations { get; } = [];

    private sealed record Challenge(byte[] Value) : IEapServerState
    {
        public byte[] Write() => Value;
    }

    public IMessage ParseIdentity(EapConversation conversation) => new Text(TestSteps.Identity, System.Text.Encoding.UTF8.GetBytes(conversation.Identity.Text));

    public IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation) =>
        data.Length >= 17 && data.Span[0] == 16 ? new Text(TestSteps.Response, data[1..17]) : throw new TestFault("no digest");

    public ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel)
    {
        var text = (Text)request;
        if (text.Kind == TestSteps.Identity)
        {
            lock (Conversations)
                Conversations.Add(conversation);
            var value = chance.Bytes(16, "MD5.Challenge");
            conversation.State = new Challenge(value);
            return new(new EapTurn.Request(new Text(TestSteps.Request, value), (byte[])[16, .. value]));
        }
        Interlocked.Increment(ref Judged);
        var challenge = (Challenge)conversation.State!;
        bool right = text.Bytes.Span.SequenceEqual(Digest(conversation.Identifier, password, challenge.Value));
        return new(right ? new EapTurn.Success(new Text(TestSteps.Success, default), null, profile) : new EapTurn.Failure(new Text(TestSteps.Failure, default)));
    }

    public EapTurn Refuse(ProtocolException? fault, EapConversation conversation) => new EapTurn.Failure(new Text(TestSteps.Failure, default));

    public IEapServerState ReadState(ReadOnlyMemory<byte> bytes) => new Challenge(bytes.ToArray());

    internal static byte[] Digest(byte identifier, string password, ReadOnlySpan<byte> challenge) =>
        MD5.HashData([identifier, .. System.Text.Encoding.UTF8.GetBytes(password), .. challenge]);

    public static Text Answer(ReadOnlyMemory<byte> request, byte identifier, string password) =>
        new(TestSteps.Response, (byte[])[16, .. Digest(identifier, password, request.Span.Slice(1, request.Span[0]))], EapMethodState.Done, EapDecision.UnconditionalSuccess);
}
