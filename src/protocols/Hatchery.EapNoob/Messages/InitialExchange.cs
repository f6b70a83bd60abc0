using System.Collections.Immutable;
using System.Text.Json;

namespace Hatchery.EapNoob.Messages;

/// <summary>Dirs and Dirp: which way the OOB message may go (RFC 9140 §3.3.2).</summary>
[Flags]
public enum OobDirections { PeerToServer = 1, ServerToPeer = 2, Both = 3 }

/// <summary>Reads what the two infos have in common.</summary>
internal static class Infos
{
    /// <summary>At most 500 bytes, an object; no member twice, or two readers would see two devices.</summary>
    /// <exception cref="NoobException">1002, 1003.</exception>
    public static ReadOnlyMemory<byte> Read(MemberTable members, Member member)
    {
        var info = members.Object(member);
        if (info.Length > NoobLimits.Info)
            throw NoobException.Invalid(member.ToString(), $"{info.Length} bytes; at most {NoobLimits.Info} are allowed.");
        Check(info, member.ToString());
        return info;
    }

    public static void Check(ReadOnlyMemory<byte> info, string field)
    {
        try
        {
            using var json = JsonDocument.Parse(info, new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false });
            // Half a surrogate pair shows only when a string is read.
            foreach (var member in json.RootElement.EnumerateObject())
                if (member.Value.ValueKind == JsonValueKind.String)
                    member.Value.GetString();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw NoobException.Invalid(field, "not one JSON object whose members stand there once.", e);
        }
    }

    /// <summary>A member that is a string; null: none.</summary>
    public static string? Text(ReadOnlyMemory<byte> info, string name)
    {
        if (info.IsEmpty)
            return null;
        using var json = JsonDocument.Parse(info);
        return json.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    /// <exception cref="NoobException">1001.</exception>
    public static string? Nai(MemberTable members, NoobVariant variant)
    {
        if (!members.Has(Member.NewNAI))
            return null;
        string text = members.String(Member.NewNAI, NoobLimits.Nai);
        if (variant.RealmMember && text.Length == 0)
            return variant.DefaultRealm;
        try
        {
            Radius.Eap.Nai.Parse(variant.RealmMember ? "noob@" + text : text);
        }
        catch (Radius.RadiusException e)
        {
            throw new NoobException(NoobErrorCode.InvalidNai, "NewNAI", "NewNAI: " + e.Message, e);
        }
        return text;
    }
}

/// <summary>Type 2.</summary>
public sealed record InitialRequest : NoobMessage
{
    internal InitialRequest(MemberTable members, NoobVariant variant) : base(members, NoobSteps.InitialRequest)
    {
        PeerId = ReadPeerId();
        Vers = members.Integers(Member.Vers);
        Cryptosuites = members.Integers(Member.Cryptosuites);
        Dirs = (OobDirections)members.Integer(Member.Dirs, 1, 3);
        NewNai = Infos.Nai(members, variant);
        ServerInfo = Infos.Read(members, Member.ServerInfo);
    }

    public ImmutableArray<int> Vers { get; }
    /// <summary>Member NewNAI; null: the peer keeps the one it used.</summary>
    public string? NewNai { get; }
    /// <summary>Best first.</summary>
    public ImmutableArray<int> Cryptosuites { get; }
    public OobDirections Dirs { get; }
    /// <summary>A JSON object, verbatim.</summary>
    public ReadOnlyMemory<byte> ServerInfo { get; }

    /// <summary>Member ServerURL of ServerInfo, or Url as forks before the RFC have it; null: none.</summary>
    public string? ServerUrl => Infos.Text(ServerInfo, "ServerURL") ?? Infos.Text(ServerInfo, "Url");

    public static InitialRequest Make(IReadOnlyList<int> vers, string peerId, string? newNai, IReadOnlyList<int> cryptosuites, OobDirections dirs, ReadOnlySpan<byte> serverInfo,
        NoobVariant variant) => new(new MessageText(2).Add("Vers", vers).Add("PeerId", peerId).Add(variant.RealmMember ? "Realm" : "NewNAI", newNai).Add("Cryptosuites", cryptosuites)
            .Add("Dirs", (int)dirs).AddRaw("ServerInfo", serverInfo).ToTable(variant), variant);
}

/// <summary>Type 2.</summary>
public sealed record InitialResponse : NoobMessage
{
    internal InitialResponse(MemberTable members) : base(members, NoobSteps.InitialResponse)
    {
        PeerId = ReadPeerId();
        Verp = members.Integer(Member.Verp, 0, int.MaxValue);
        Cryptosuitep = members.Integer(Member.Cryptosuitep, 0, int.MaxValue);
        Dirp = (OobDirections)members.Integer(Member.Dirp, 1, 3);
        PeerInfo = Infos.Read(members, Member.PeerInfo);
    }

    public int Verp { get; }
    public int Cryptosuitep { get; }
    public OobDirections Dirp { get; }
    /// <summary>A JSON object, verbatim.</summary>
    public ReadOnlyMemory<byte> PeerInfo { get; }

    public override void Identify(ref Correlators into)
    {
        base.Identify(ref into);
        if (Infos.Text(PeerInfo, "SerialNumber") is { Length: > 0 } serial)
            into.Add("serial", serial);
    }

    public static InitialResponse Make(int verp, string peerId, int cryptosuitep, OobDirections dirp, ReadOnlySpan<byte> peerInfo) =>
        new(new MessageText(2).Add("Verp", verp).Add("PeerId", peerId).Add("Cryptosuitep", cryptosuitep).Add("Dirp", (int)dirp).AddRaw("PeerInfo", peerInfo).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 3.</summary>
public sealed record InitialKeyRequest : NoobMessage
{
    internal InitialKeyRequest(MemberTable members, NoobVariant variant) : base(members, NoobSteps.InitialKeyRequest)
    {
        PeerId = ReadPeerId();
        Pks = EcdheKey.Parse(members.Object(Member.PKs), "PKs", variant);
        Ns = members.Bytes(Member.Ns, 32);
        SleepTime = members.Has(Member.SleepTime) ? members.Integer(Member.SleepTime, 0, NoobLimits.SleepTime) : null;
    }

    public EcdheKey Pks { get; }
    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Ns { get; }
    /// <summary>Seconds until the peer is to ask again; null: as it likes.</summary>
    public int? SleepTime { get; }

    public static InitialKeyRequest Make(string peerId, ReadOnlySpan<byte> pks, ReadOnlySpan<byte> ns, int? sleepTime, NoobVariant variant) =>
        new(new MessageText(3).Add("PeerId", peerId).AddRaw("PKs", pks).Add("Ns", Base64Text.Encode(ns)).Add("SleepTime", sleepTime).ToTable(variant), variant);
}

/// <summary>Type 3.</summary>
public sealed record InitialKeyResponse : NoobMessage
{
    internal InitialKeyResponse(MemberTable members, NoobVariant variant) : base(members, NoobSteps.InitialKeyResponse)
    {
        PeerId = ReadPeerId();
        Pkp = EcdheKey.Parse(members.Object(Member.PKp), "PKp", variant);
        Np = members.Bytes(Member.Np, 32);
    }

    public EcdheKey Pkp { get; }
    /// <summary>32 bytes.</summary>
    public ReadOnlyMemory<byte> Np { get; }

    public static InitialKeyResponse Make(string peerId, ReadOnlySpan<byte> pkp, ReadOnlySpan<byte> np, NoobVariant variant) =>
        new(new MessageText(3).Add("PeerId", peerId).AddRaw("PKp", pkp).Add("Np", Base64Text.Encode(np)).ToTable(variant), variant);
}

/// <summary>Type 4: nothing has come yet.</summary>
public sealed record WaitingRequest : NoobMessage
{
    internal WaitingRequest(MemberTable members) : base(members, NoobSteps.WaitingRequest)
    {
        PeerId = ReadPeerId();
        SleepTime = members.Has(Member.SleepTime) ? members.Integer(Member.SleepTime, 0, NoobLimits.SleepTime) : null;
    }

    /// <inheritdoc cref="InitialKeyRequest.SleepTime"/>
    public int? SleepTime { get; }

    public static WaitingRequest Make(string peerId, int? sleepTime) => new(new MessageText(4).Add("PeerId", peerId).Add("SleepTime", sleepTime).ToTable(NoobVariant.Rfc9140));
}

/// <summary>Type 4.</summary>
public sealed record WaitingResponse : NoobMessage
{
    internal WaitingResponse(MemberTable members) : base(members, NoobSteps.WaitingResponse) => PeerId = ReadPeerId();

    public static WaitingResponse Make(string peerId) => new(new MessageText(4).Add("PeerId", peerId).ToTable(NoobVariant.Rfc9140));
}
