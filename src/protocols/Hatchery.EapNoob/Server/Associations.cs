using System.Collections.Immutable;
using Hatchery.EapNoob.Messages;

namespace Hatchery.EapNoob.Server;

/// <summary>An ephemeral association: state 1 or 2 (RFC 9140 §3.1). Expires.</summary>
public sealed record WaitingPeer
{
    public string PeerId { get; init; } = "";
    public AssociationState State { get; init; } = AssociationState.WaitingForOob;
    /// <summary>The identity that the peer used in the Initial Exchange.</summary>
    public string Nai { get; init; } = "";
    public int Verp { get; init; }
    public int Cryptosuitep { get; init; }
    public OobDirections Dirp { get; init; }
    /// <summary>Elements 2 to 16 of the hashes' input.</summary>
    public ReadOnlyMemory<byte> HashInput { get; init; }
    /// <summary>ECDHE secret, 32 bytes.</summary>
    public SecretBytes? Z { get; init; }
    public ReadOnlyMemory<byte> Np { get; init; }
    public ReadOnlyMemory<byte> Ns { get; init; }
    /// <summary>What the device claims to be: a JSON object.</summary>
    public ReadOnlyMemory<byte> PeerInfo { get; init; }
    /// <summary>As it was told.</summary>
    public ReadOnlyMemory<byte> ServerInfo { get; init; }
    /// <summary>Where it came from: NAS and link-layer address as the NAS saw it.</summary>
    public string Station { get; init; } = "";
    public DateTimeOffset Since { get; init; }
    /// <summary>Of the Initial Exchange: what users do belongs to it.</summary>
    public Guid Session { get; init; }
    /// <summary>Shown to a user, to be taken to the device; newest last.</summary>
    public ImmutableArray<IssuedNoob> Issued { get; init; } = [];
    /// <summary>Of the OOB message that a user brought from the device.</summary>
    public SecretBytes? ReceivedNoob { get; init; }
    /// <summary>The form of NoobId to send next, and how many the peer did not recognize.</summary>
    public NoobIdForm NoobIdForm { get; init; }
    /// <inheritdoc cref="NoobIdForm"/>
    public int NoobIdTries { get; init; }
    /// <summary>Invalid OOB messages.</summary>
    public int OobFailures { get; init; }
    /// <summary>Whose the device will be: set when an OOB message is received or issued.</summary>
    public string Account { get; init; } = "";

    private const string Why = "a server's record";

    public static readonly Schema<WaitingPeer> Schema = new Schema<WaitingPeer>("eapnoob.waiting", 1, new())
        .Plain("PeerId", s => s.PeerId, (s, v) => s with { PeerId = v }, Lifetime.Imparted, Why)
        .Plain("State", s => (int)s.State, (s, v) => s with { State = (AssociationState)v }, Lifetime.Imparted, Why)
        .Plain("Nai", s => s.Nai, (s, v) => s with { Nai = v }, Lifetime.Imparted, Why)
        .Plain("Verp", s => s.Verp, (s, v) => s with { Verp = v }, Lifetime.Imparted, Why)
        .Plain("Cryptosuitep", s => s.Cryptosuitep, (s, v) => s with { Cryptosuitep = v }, Lifetime.Imparted, Why)
        .Plain("Dirp", s => (int)s.Dirp, (s, v) => s with { Dirp = (OobDirections)v }, Lifetime.Imparted, Why)
        .Plain("HashInput", s => s.HashInput, (s, v) => s with { HashInput = v }, Lifetime.Imparted, Why)
        .Plain("Z", s => s.Z, (s, v) => s with { Z = v }, Lifetime.Imparted, Why, secret: true)
        .Plain("Np", s => s.Np, (s, v) => s with { Np = v }, Lifetime.Imparted, Why)
        .Plain("Ns", s => s.Ns, (s, v) => s with { Ns = v }, Lifetime.Imparted, Why)
        .Plain("PeerInfo", s => s.PeerInfo, (s, v) => s with { PeerInfo = v }, Lifetime.Imparted, Why)
        .Plain("ServerInfo", s => s.ServerInfo, (s, v) => s with { ServerInfo = v }, Lifetime.Imparted, Why)
        .Plain("Station", s => s.Station, (s, v) => s with { Station = v }, Lifetime.Imparted, Why)
        .Plain("Since", s => s.Since, (s, v) => s with { Since = v }, Lifetime.Imparted, Why)
        .Plain("Session", s => s.Session, (s, v) => s with { Session = v }, Lifetime.Imparted, Why)
        .Items("Issued", s => s.Issued, (s, v) => s with { Issued = v }, Lifetime.Imparted, IssuedNoob.Schema)
        .Plain("ReceivedNoob", s => s.ReceivedNoob, (s, v) => s with { ReceivedNoob = v }, Lifetime.Imparted, Why, secret: true)
        .Plain("NoobIdForm", s => (int)s.NoobIdForm, (s, v) => s with { NoobIdForm = (NoobIdForm)v }, Lifetime.Imparted, Why)
        .Plain("NoobIdTries", s => s.NoobIdTries, (s, v) => s with { NoobIdTries = v }, Lifetime.Imparted, Why)
        .Plain("OobFailures", s => s.OobFailures, (s, v) => s with { OobFailures = v }, Lifetime.Imparted, Why)
        .Plain("Account", s => s.Account, (s, v) => s with { Account = v }, Lifetime.Imparted, Why)
        .Index("station", s => s.Station.Length > 0 ? s.Station : null);
}

/// <summary>A persistent association: state 3 or 4 (RFC 9140 §3.4.1). Only an operator or its owner deletes one.</summary>
public sealed record RegisteredPeer
{
    public string PeerId { get; init; } = "";
    /// <summary>The NAI that the peer has.</summary>
    public string Nai { get; init; } = "";
    public int Verp { get; init; }
    public int Cryptosuitep { get; init; }
    /// <summary>32 bytes.</summary>
    public SecretBytes? Kz { get; init; }
    /// <summary>Whose it is.</summary>
    public string Account { get; init; } = "";
    /// <summary>What the device claims to be, verified to be what it said when it was registered: a JSON object.</summary>
    public ReadOnlyMemory<byte> PeerInfo { get; init; }
    /// <summary>As it was told last.</summary>
    public ReadOnlyMemory<byte> ServerInfo { get; init; }
    public NoobIdForm NoobIdForm { get; init; }
    public DateTimeOffset Since { get; init; }

    private const string Why = "a server's record";

    public static readonly Schema<RegisteredPeer> Schema = new Schema<RegisteredPeer>("eapnoob.association", 1, new())
        .Plain("PeerId", s => s.PeerId, (s, v) => s with { PeerId = v }, Lifetime.Imparted, Why)
        .Plain("Nai", s => s.Nai, (s, v) => s with { Nai = v }, Lifetime.Imparted, Why)
        .Plain("Verp", s => s.Verp, (s, v) => s with { Verp = v }, Lifetime.Imparted, Why)
        .Plain("Cryptosuitep", s => s.Cryptosuitep, (s, v) => s with { Cryptosuitep = v }, Lifetime.Imparted, Why)
        .Plain("Kz", s => s.Kz, (s, v) => s with { Kz = v }, Lifetime.Imparted, Why, secret: true)
        .Plain("Account", s => s.Account, (s, v) => s with { Account = v }, Lifetime.Imparted, Why)
        .Plain("PeerInfo", s => s.PeerInfo, (s, v) => s with { PeerInfo = v }, Lifetime.Imparted, Why)
        .Plain("ServerInfo", s => s.ServerInfo, (s, v) => s with { ServerInfo = v }, Lifetime.Imparted, Why)
        .Plain("NoobIdForm", s => (int)s.NoobIdForm, (s, v) => s with { NoobIdForm = (NoobIdForm)v }, Lifetime.Imparted, Why)
        .Plain("Since", s => s.Since, (s, v) => s with { Since = v }, Lifetime.Imparted, Why)
        .Index("account", s => s.Account.Length > 0 ? s.Account : null);
}

/// <summary>Names of devices in facts.</summary>
internal static class NoobIdentifiers
{
    public static Identifier Subject(string peerId) => new("noob.peerid", peerId);

    /// <summary>What a device claims: serial number and link-layer address.</summary>
    public static ImmutableArray<Identifier> Claims(ReadOnlyMemory<byte> peerInfo)
    {
        var claims = ImmutableArray.CreateBuilder<Identifier>(2);
        if ((Infos.Text(peerInfo, "SerialNumber") ?? Infos.Text(peerInfo, "Serial")) is { Length: > 0 } serial)
            claims.Add(new Identifier("serial", serial));
        if (Infos.Text(peerInfo, "MACAddress") is { Length: > 0 } mac)
            claims.Add(new Identifier("mac", mac.Replace(":", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant()));
        return claims.ToImmutable();
    }

    public static RecordKey Key(string peerId) => new(peerId);

    /// <summary>The form of those that we give: nobody else's can name a record of ours.</summary>
    public static bool IsOurs(string peerId) => peerId.Length == 22 && peerId.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}
