using System.Collections.Immutable;

namespace Hatchery.EapNoob.Messages;

/// <summary>How a Reconnect Exchange makes keys (RFC 9140 §3.5).</summary>
public enum KeyingMode
{
    /// <summary>0, implied: the Completion Exchange.</summary>
    Completion = 0,
    /// <summary>1: from Kz and new nonces.</summary>
    WithoutEcdhe = 1,
    /// <summary>2: with new ECDHE keys, so that a stolen Kz opens nothing that was recorded.</summary>
    Ecdhe = 2,
    /// <summary>3: as 2, with another cryptosuite and a new Kz.</summary>
    EcdheNewCryptosuite = 3,
}

/// <summary>Type 7.</summary>
public sealed record ReconnectRequest : NoobMessage
{
    internal ReconnectRequest(MemberTable members, NoobVariant variant) : base(members, NoobSteps.ReconnectRequest)
    {
        PeerId = ReadPeerId();
        Vers = members.Integers(Member.Vers);
        Cryptosuites = members.Integers(Member.Cryptosuites);
        NewNai = Infos.Nai(members, variant);
        ServerInfo = members.Has(Member.ServerInfo) ? Infos.Read(members, Member.ServerInfo) : default;
    }

    public ImmutableArray<int> Vers { get; }
    /// <summary>Best first.</summary>
    public ImmutableArray<int> Cryptosuites { get; }
    /// <inheritdoc cref="InitialRequest.NewNai"/>
    public string? NewNai { get; }
    /// <summary>A JSON object, verbatim; empty: unchanged.</summary>
    public ReadOnlyMemory<byte> ServerInfo { get; }

    public static ReconnectRequest Make(IReadOnlyList<int> vers, string peerId, IReadOnlyList<int> cryptosuites, string? newNai, ReadOnlySpan<byte> serverInfo, NoobVariant variant) =>
        new(new MessageText(7).Add("Vers", vers).Add("PeerId", peerId).Add("Cryptosuites", cryptosuites).Add(variant.RealmMember ? "Realm" : "NewNAI", newNai)
            .AddRaw("ServerInfo", serverInfo).ToTable(variant), variant);
}

/// <summary>Type 7.</summary>
public sealed record ReconnectResponse : NoobMessage
{
    internal ReconnectResponse(MemberTable members) : base(members, NoobSteps.ReconnectResponse)
    {
        PeerId = ReadPeerId();
        Verp = members.Integer(Member.Verp, 0, int.MaxValue);
        Cryptosuitep = members.Integer(Member.Cryptosuitep, 0, int.MaxValue);
        PeerInfo = members.Has(Member.PeerInfo) ? Infos.Read(members, Member.PeerInfo) : default;
    }

    public int Verp { get; }
    public int Cryptosuitep { get; }
    /// <summary>A JSON object, verbatim; empty: unchanged.</summary>
    public ReadOnlyMemory<byte> PeerInfo { get; }

    public static ReconnectResponse Make(int verp, string peerId, int cryptosuitep, ReadOnlySpan<byte> peerInfo) =>
        new(new MessageText(7).Add("Verp", verp).Add("PeerId", peerId).Add("Cryptosuitep", cryptosuitep).AddRaw("PeerInfo", peerInfo).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 8.</summary>
public sealed record ReconnectKeyRequest : NoobMessage
{
    internal ReconnectKeyRequest(MemberTable members, NoobVariant variant) : base(members, NoobSteps.ReconnectKeyRequest)
    {
        PeerId = ReadPeerId();
        KeyingMode = (KeyingMode)members.Integer(Member.KeyingMode, 1, 3);
        if (members.Has(Member.PKs2) != KeyingMode is not KeyingMode.WithoutEcdhe)
            throw NoobException.Structure("PKs2", $"KeyingMode {(int)KeyingMode} {(members.Has(Member.PKs2) ? "has none" : "needs it")}.");
        Pks2 = members.Has(Member.PKs2) ? EcdheKey.Parse(members.Object(Member.PKs2), "PKs2", variant) : null;
        Ns2 = members.Bytes(Member.Ns2, 32);
    }

    public KeyingMode KeyingMode { get; }
    /// <summary>Null in KeyingMode 1.</summary>
    public EcdheKey? Pks2 { get; }
    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Ns2 { get; }

    public static ReconnectKeyRequest Make(string peerId, KeyingMode mode, ReadOnlySpan<byte> pks2, ReadOnlySpan<byte> ns2, NoobVariant variant) =>
        new(new MessageText(8).Add("PeerId", peerId).Add("KeyingMode", (int)mode).AddRaw("PKs2", pks2).Add("Ns2", Base64Text.Encode(ns2)).ToTable(variant), variant);
}

/// <summary>Type 8.</summary>
public sealed record ReconnectKeyResponse : NoobMessage
{
    internal ReconnectKeyResponse(MemberTable members, NoobVariant variant) : base(members, NoobSteps.ReconnectKeyResponse)
    {
        PeerId = ReadPeerId();
        Pkp2 = members.Has(Member.PKp2) ? EcdheKey.Parse(members.Object(Member.PKp2), "PKp2", variant) : null;
        Np2 = members.Bytes(Member.Np2, 32);
    }

    /// <summary>Null in KeyingMode 1.</summary>
    public EcdheKey? Pkp2 { get; }
    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Np2 { get; }

    public static ReconnectKeyResponse Make(string peerId, ReadOnlySpan<byte> pkp2, ReadOnlySpan<byte> np2, NoobVariant variant) =>
        new(new MessageText(8).Add("PeerId", peerId).AddRaw("PKp2", pkp2).Add("Np2", Base64Text.Encode(np2)).ToTable(variant), variant);
}

/// <summary>Type 9.</summary>
public sealed record ReconnectMacRequest : NoobMessage
{
    internal ReconnectMacRequest(MemberTable members) : base(members, NoobSteps.ReconnectMacRequest) => (PeerId, Macs2) = (ReadPeerId(), members.Bytes(Member.MACs2, 32));

    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Macs2 { get; }
    public override Protection Protection => Protection.Integrity;

    public static ReconnectMacRequest Make(string peerId, ReadOnlySpan<byte> macs2) =>
        new(new MessageText(9).Add("PeerId", peerId).Add("MACs2", Base64Text.Encode(macs2)).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 9.</summary>
public sealed record ReconnectMacResponse : NoobMessage
{
    internal ReconnectMacResponse(MemberTable members) : base(members, NoobSteps.ReconnectMacResponse) => (PeerId, Macp2) = (ReadPeerId(), members.Bytes(Member.MACp2, 32));

    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Macp2 { get; }
    public override Protection Protection => Protection.Integrity;

    public static ReconnectMacResponse Make(string peerId, ReadOnlySpan<byte> macp2) =>
        new(new MessageText(9).Add("PeerId", peerId).Add("MACp2", Base64Text.Encode(macp2)).ToTable(NoobVariant.Rfc9140));
}
