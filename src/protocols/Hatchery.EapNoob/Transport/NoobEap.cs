using System.Text;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob;

/// <summary>How the peer's messages map to EAP.</summary>
public sealed class NoobEap(NoobVariant? variant = null) : IEapPeerBinding
{
    /// <summary>EAP method type of EAP-NOOB (RFC 9140 §5.2).</summary>
    public const byte Type = 56;

    private readonly NoobVariant _variant = variant ?? NoobVariant.Rfc9140;

    byte IEapPeerBinding.Type => Type;
    /// <summary>Nothing: a provisioning identity has one method (RFC 9965).</summary>
    byte IEapPeerBinding.Proposal => 0;

    public IMessage ParseIdentity(ReadOnlyMemory<byte> hint) => new IdentityRequest();
    public IMessage Parse(ReadOnlyMemory<byte> data) => NoobRequests.Parse(data, _variant);
    public IMessage Ended(bool success) => new ConversationEnd(success);

    public EapPeerResponse Encode(IMessage message) => message switch
    {
        IdentityResponse identity => new(Encoding.UTF8.GetBytes(identity.Nai), EapMethodState.MayContinue, EapDecision.Fail),
        PeerAnswer answer => new(answer.Message.Raw, EapMethodState.MayContinue, answer.Decision, answer.Keys),
        _ => throw new ArgumentException($"{message.Kind} is no message of the peer.", nameof(message)),
    };
}
