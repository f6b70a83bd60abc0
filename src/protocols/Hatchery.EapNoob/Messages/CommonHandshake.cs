using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob.Messages;

/// <summary>EAP-Request/Identity, as the peer sees it.</summary>
public sealed record IdentityRequest : IMessage
{
    public StepKind Kind => NoobSteps.IdentityRequest;
}

/// <summary>EAP-Response/Identity: a NAI (RFC 9140 §3.3.1).</summary>
public sealed record IdentityResponse(string Nai) : IMessage
{
    public StepKind Kind => NoobSteps.Identity;
}

/// <summary>EAP-Success or EAP-Failure.</summary>
/// <param name="Profile">At the server: what the admission policy said.</param>
public sealed record ConversationEnd(bool Succeeded, string PeerId = "", string Profile = "") : IMessage
{
    public StepKind Kind => Succeeded ? NoobSteps.Success : NoobSteps.Failure;

    public void Identify(ref Correlators into)
    {
        if (PeerId.Length > 0)
            into.Add("noob.peerid", PeerId);
    }
}

/// <summary>PeerState and the server's own state (RFC 9140 §3.2.1, figure 1).</summary>
public enum AssociationState { Unregistered, WaitingForOob, OobReceived, Reconnecting, Registered }

/// <summary>Type 1.</summary>
public sealed record CommonRequest : NoobMessage
{
    internal CommonRequest(MemberTable members) : base(members, NoobSteps.CommonRequest) { }

    public static CommonRequest Make() => new(new MessageText(1).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 1.</summary>
public sealed record CommonResponse : NoobMessage
{
    internal CommonResponse(MemberTable members) : base(members, NoobSteps.CommonResponse)
    {
        PeerId = ReadPeerId();
        PeerState = (AssociationState)members.Integer(Member.PeerState, 0, 3);
        if (PeerId.Length == 0 && PeerState != AssociationState.Unregistered)
            throw NoobException.Structure("PeerId", $"missing in state {(int)PeerState}.");
    }

    /// <summary>Never Registered: who is does not begin.</summary>
    public AssociationState PeerState { get; }

    public static CommonResponse Make(string peerId, AssociationState state) =>
        new(new MessageText(1).Add("PeerId", state == AssociationState.Unregistered ? null : peerId).Add("PeerState", (int)state).ToTable(NoobVariant.Rfc9140));
}

/// <summary>What the peer's method answers, with what EAP must know besides.</summary>
public sealed record PeerAnswer(NoobMessage Message, EapDecision Decision, EapKeys? Keys = null) : IMessage
{
    public StepKind Kind => Message.Kind;
    public Protection Protection => Message.Protection;
    public void Identify(ref Correlators into) => Message.Identify(ref into);
}
