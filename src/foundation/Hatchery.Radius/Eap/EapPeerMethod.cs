namespace Hatchery.Radius.Eap;

/// <summary>RFC 4137 §4.2, methodState: whether the peer's method expects more.</summary>
public enum EapMethodState
{
    /// <summary>The method must go on: Success and Failure are ignored meanwhile.</summary>
    Continue,
    /// <summary>The server may send another request, or end the conversation.</summary>
    MayContinue,
    /// <summary>The method has ended: further requests of it are ignored.</summary>
    Done,
}

/// <summary>RFC 4137 §4.2, decision: what the peer makes of a Success, of a Failure, or of none.</summary>
public enum EapDecision { Fail, ConditionalSuccess, UnconditionalSuccess }

/// <summary>What a method's peer side answers.</summary>
/// <param name="Data">Type-data of the EAP-Response.</param>
/// <param name="Keys">Set as soon as the method has them; handed out at Success.</param>
public readonly record struct EapPeerResponse(ReadOnlyMemory<byte> Data, EapMethodState State, EapDecision Decision, EapKeys? Keys = null);

/// <summary>How a method's messages map to EAP at the peer: what <see cref="EapPeerCarrier"/> needs. Shared by all conversations.</summary>
public interface IEapPeerBinding
{
    /// <summary>EAP method type, 4 to 253. Requests of others are answered by a Nak.</summary>
    byte Type { get; }

    /// <summary>What a Nak proposes where the server begins another method; 0: nothing (RFC 9965 demands that of provisioning identities).</summary>
    byte Proposal => Type;

    /// <summary>EAP-Request/Identity as a message.</summary>
    /// <param name="hint">Its type-data: a displayable message, mostly empty.</param>
    IMessage ParseIdentity(ReadOnlyMemory<byte> hint);

    /// <summary>The type-data of an EAP-Request of this method; the memory is the message's own.</summary>
    /// <exception cref="ProtocolException">Reported as <see cref="CarrierFault.Broken"/>.</exception>
    IMessage Parse(ReadOnlyMemory<byte> data);

    /// <summary>EAP-Success or EAP-Failure as the peer's machine accepted it, as a message.</summary>
    IMessage Ended(bool success);

    /// <summary>A message that answers EAP-Request/Identity: <see cref="EapPeerResponse.Data"/> is the identity, the rest is ignored.
    /// Any other: the response of the method. The message carries <see cref="EapPeerResponse.State"/>, decision and keys besides what goes on the wire.</summary>
    EapPeerResponse Encode(IMessage message);
}
