namespace Hatchery.Radius.Eap;

/// <summary>The server's side of an EAP method, as a service: request in, turn out; what it must remember between two messages is in the conversation, which the
/// EAP server keeps as a session under RADIUS State, so any process can go on. One object serves all conversations.</summary>
public interface IEapServerMethod
{
    /// <summary>EAP method type, 4 to 253.</summary>
    byte Type { get; }

    /// <summary>The EAP-Response/Identity that begins the conversation, as a message of this method. <see cref="EapConversation.Identity"/> is set.</summary>
    /// <exception cref="ProtocolException">Answered by <see cref="Refuse"/>.</exception>
    IMessage ParseIdentity(EapConversation conversation);

    /// <summary>The type-data of an EAP-Response of this method, at the door; the memory is the message's own.</summary>
    /// <exception cref="ProtocolException">Answered by <see cref="Refuse"/>.</exception>
    IMessage Parse(ReadOnlyMemory<byte> data, EapConversation conversation);

    /// <summary>Decides, commits what must be durable, and returns the next turn. Never called twice for one EAP-Response: a repeated one gets the same turn again.</summary>
    /// <exception cref="ProtocolException">Answered by <see cref="Refuse"/>.</exception>
    ValueTask<EapTurn> HandleAsync(IMessage request, EapConversation conversation, Caller caller, CancellationToken cancel);

    /// <summary>What the method prescribes for bad input: a last request that names the error, or failure. Null fault: something of ours broke.</summary>
    EapTurn Refuse(ProtocolException? fault, EapConversation conversation);

    /// <summary>A state that <see cref="IEapServerState.Write"/> wrote, perhaps in another process.</summary>
    IEapServerState ReadState(ReadOnlyMemory<byte> bytes);
}

/// <summary>What a method keeps between two messages of one conversation.</summary>
public interface IEapServerState
{
    byte[] Write();
}

/// <summary>One run of EAP as a method's server side sees it.</summary>
public sealed class EapConversation
{
    /// <summary>As the peer wrote it.</summary>
    public required Nai Identity { get; init; }
    /// <summary>Of the response that is handled; a few methods hash it.</summary>
    public byte Identifier { get; init; }
    /// <summary>The NAS or proxy that sent the request: its name in our table of clients.</summary>
    public required string Client { get; set; }
    /// <summary>Calling-Station-Id: the device's link-layer address as the NAS saw it; null if the NAS does not tell.</summary>
    public string? CallingStation { get; set; }
    /// <summary>Called-Station-Id, NAS-Identifier; null if the NAS does not tell.</summary>
    public string? CalledStation { get; set; }
    /// <inheritdoc cref="CalledStation"/>
    public string? NasIdentifier { get; set; }
    /// <summary>Longest EAP packet that the NAS can pass on, in bytes.</summary>
    public int Mtu { get; set; } = EapPacket.MinimumMtu;
    /// <summary>The method's; null until it sets it.</summary>
    public IEapServerState? State { get; set; }
}

/// <summary>What a method's server side does next.</summary>
/// <param name="Message">For whoever watches; null: nothing that is worth a sighting.</param>
public abstract record EapTurn(IMessage? Message)
{
    /// <param name="Data">Type-data of the EAP-Request.</param>
    public sealed record Request(IMessage? Message, ReadOnlyMemory<byte> Data) : EapTurn(Message);

    /// <summary>EAP-Success in an Access-Accept.</summary>
    /// <param name="Keys">Delivered to the NAS as MS-MPPE keys; null: the method makes none.</param>
    /// <param name="Profile">What the admission policy said; the RADIUS server maps it to attributes. Empty: none.</param>
    public sealed record Success(IMessage? Message, EapKeys? Keys, string Profile = "") : EapTurn(Message);

    /// <summary>EAP-Failure in an Access-Reject.</summary>
    public sealed record Failure(IMessage? Message) : EapTurn(Message);
}
