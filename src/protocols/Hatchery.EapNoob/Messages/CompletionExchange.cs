namespace Hatchery.EapNoob.Messages;

/// <summary>Type 5: which OOB message did the peer get?</summary>
public sealed record NoobIdRequest : NoobMessage
{
    internal NoobIdRequest(MemberTable members) : base(members, NoobSteps.NoobIdRequest) => PeerId = ReadPeerId();

    public static NoobIdRequest Make(string peerId) => new(new MessageText(5).Add("PeerId", peerId).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 5.</summary>
public sealed record NoobIdResponse : NoobMessage
{
    internal NoobIdResponse(MemberTable members) : base(members, NoobSteps.NoobIdResponse) => (PeerId, NoobId) = (ReadPeerId(), members.Bytes(Member.NoobId, 16));

    /// <summary>16 bytes.</summary>
    public ReadOnlyMemory<byte> NoobId { get; }

    public static NoobIdResponse Make(string peerId, ReadOnlySpan<byte> noobId) =>
        new(new MessageText(5).Add("PeerId", peerId).Add("NoobId", Base64Text.Encode(noobId)).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 6.</summary>
public sealed record CompletionRequest : NoobMessage
{
    internal CompletionRequest(MemberTable members) : base(members, NoobSteps.CompletionRequest) =>
        (PeerId, NoobId, Macs) = (ReadPeerId(), members.Bytes(Member.NoobId, 16), members.Bytes(Member.MACs, 32));

    /// <summary>16 bytes.</summary>
    public ReadOnlyMemory<byte> NoobId { get; }
    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Macs { get; }
    public override Protection Protection => Protection.Integrity;

    public static CompletionRequest Make(string peerId, ReadOnlySpan<byte> noobId, ReadOnlySpan<byte> macs) =>
        new(new MessageText(6).Add("PeerId", peerId).Add("NoobId", Base64Text.Encode(noobId)).Add("MACs", Base64Text.Encode(macs)).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 6.</summary>
public sealed record CompletionResponse : NoobMessage
{
    internal CompletionResponse(MemberTable members) : base(members, NoobSteps.CompletionResponse) => (PeerId, Macp) = (ReadPeerId(), members.Bytes(Member.MACp, 32));

    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Macp { get; }
    public override Protection Protection => Protection.Integrity;

    public static CompletionResponse Make(string peerId, ReadOnlySpan<byte> macp) =>
        new(new MessageText(6).Add("PeerId", peerId).Add("MACp", Base64Text.Encode(macp)).ToTable(NoobVariant.Rfc9140));
}
