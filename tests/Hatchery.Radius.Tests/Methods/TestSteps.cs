namespace Hatchery.Radius.Tests.Methods;

internal static class TestSteps
{
    public static readonly Player Peer = new("peer", PlayerKind.Device, Reach.During, true, "owner", "RFC 3748");
    public static readonly Player Server = new("EAP server", PlayerKind.Service, Reach.During, false, "owner", "RFC 3748");
    public static readonly StepKind IdentityRequest = Kind("IdentityRequest", Server, Peer), Identity = Kind("Identity", Peer, Server),
        Request = Kind("Request", Server, Peer), Response = Kind("Response", Peer, Server), Success = Kind("Success", Server, Peer), Failure = Kind("Failure", Server, Peer);

    private static StepKind Kind(string name, Player from, Player to) => new(name, null, Phase.NetworkAttachment, from, to, "test");
}

/// <summary>A message of a test method: its kind, and the bytes under it.</summary>
internal sealed record Text(StepKind Kind, ReadOnlyMemory<byte> Bytes, Eap.EapMethodState State = Eap.EapMethodState.MayContinue,
    Eap.EapDecision Decision = Eap.EapDecision.Fail, Eap.EapKeys? Keys = null) : IMessage;

/// <summary>Any method of these tests at the peer.</summary>
internal sealed class Binding(byte type) : Eap.IEapPeerBinding
{
    public byte Type => type;
    public IMessage ParseIdentity(ReadOnlyMemory<byte> hint) => new Text(TestSteps.IdentityRequest, hint);
    public IMessage Parse(ReadOnlyMemory<byte> data) => new Text(TestSteps.Request, data);
    public IMessage Ended(bool success) => new Text(success ? TestSteps.Success : TestSteps.Failure, default);

    public Eap.EapPeerResponse Encode(IMessage message)
    {
        var text = (Text)message;
        return new(text.Bytes, text.State, text.Decision, text.Keys);
    }
}

internal sealed class TestFault(string sentence) : ProtocolException("test", "data", sentence);

/// <summary>A peer that answers by a function; what it heard, in order.</summary>
internal sealed class AnsweringPeer(string identity, Func<ReadOnlyMemory<byte>, Text> answer) : ICarrierEvents
{
    public List<string> Heard { get; } = [];
    public TaskCompletionSource<bool> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public IConnection? Connection { get; set; }
    public CarrierFault? Fault { get; private set; }

    public void Received(IMessage message, Encoded encoded, Tag tag)
    {
        var text = (Text)message;
        Heard.Add(text.Kind.Name);
        if (text.Kind == TestSteps.IdentityRequest)
            Connection!.Send(new Text(TestSteps.Identity, System.Text.Encoding.UTF8.GetBytes(identity)), default);
        else if (text.Kind == TestSteps.Request)
            Connection!.Send(answer(text.Bytes), default);
        else
            Ended.TrySetResult(text.Kind == TestSteps.Success);
    }

    public void Supplied(Supply supply) => throw new InvalidOperationException();

    public void Lost(CarrierFault fault)
    {
        Heard.Add("Lost");
        Fault = fault;
        Ended.TrySetResult(false);
    }
}
