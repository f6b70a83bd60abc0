using System.Collections.Immutable;
using Hatchery.EapNoob.Messages;

namespace Hatchery.EapNoob.Device;

/// <summary>What a peer keeps of its association (RFC 9140 §3.1, §3.4.1): ephemeral until the Completion Exchange, persistent from then on.</summary>
public sealed record NoobPeerState
{
    public AssociationState State { get; init; }
    /// <summary>What the device says of itself: a JSON object of at most 500 bytes.</summary>
    public string PeerInfo { get; init; } = "{}";
    /// <summary>A NAI that the user configured; empty: the well-known ones.</summary>
    public string ConfiguredNai { get; init; } = "";

    public string PeerId { get; init; } = "";
    /// <summary>The NAI to be used next, and in a persistent association its NAI.</summary>
    public string Nai { get; init; } = "";
    public int Verp { get; init; }
    public int Cryptosuitep { get; init; }
    /// <summary>As long as the server may not have the new one; 0: none.</summary>
    public int CryptosuitepPrev { get; init; }
    /// <summary>32 bytes; null before the Completion Exchange.</summary>
    public SecretBytes? Kz { get; init; }
    /// <inheritdoc cref="CryptosuitepPrev"/>
    public SecretBytes? KzPrev { get; init; }
    /// <summary>The way of the KDF that the server was found to have; null: not found yet.</summary>
    public bool? Datalength { get; init; }
    /// <summary>A JSON object, as the server sent it last.</summary>
    public ReadOnlyMemory<byte> ServerInfo { get; init; }
    /// <summary>As the server has it; sent again in a Reconnect Exchange when <see cref="PeerInfo"/> is another.</summary>
    public string PeerInfoSent { get; init; } = "";

    /// <summary>Elements 2 to 16 of the hashes' input (<see cref="HashInput"/>).</summary>
    public ReadOnlyMemory<byte> HashInput { get; init; }
    /// <summary>ECDHE secret, 32 bytes.</summary>
    public SecretBytes? Z { get; init; }
    public ReadOnlyMemory<byte> Np { get; init; }
    public ReadOnlyMemory<byte> Ns { get; init; }
    public OobDirections Dirp { get; init; }
    /// <summary>Seconds; null: the server did not say.</summary>
    public int? SleepTime { get; init; }
    /// <summary>Shown, newest last.</summary>
    public ImmutableArray<IssuedNoob> Noobs { get; init; } = [];
    /// <summary>Of the OOB message that came; 16 bytes.</summary>
    public SecretBytes? ReceivedNoob { get; init; }
    public NoobIdForm NoobIdForm { get; init; }
    /// <summary>Forms of NoobId that the server did not recognize.</summary>
    public int NoobIdTries { get; init; }
    /// <summary>Invalid OOB messages since the Initial Exchange.</summary>
    public int OobFailures { get; init; }

    public static readonly Schema<NoobPeerState> Schema = new Schema<NoobPeerState>("eapnoob.peer", 1, new())
        .Item("PeerInfo", s => s.PeerInfo, (s, v) => s with { PeerInfo = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Item("ConfiguredNai", s => s.ConfiguredNai, (s, v) => s with { ConfiguredNai = v }, Lifetime.Factory, BeliefKind.NetworkParameters, About.Network)
        .Plain("State", s => (int)s.State, (s, v) => s with { State = (AssociationState)v }, Lifetime.Imparted, "where the protocol stands")
        .Item("PeerId", s => s.PeerId, (s, v) => s with { PeerId = v }, Lifetime.Imparted, BeliefKind.Identifier, About.Device)
        .Item("Nai", s => s.Nai, (s, v) => s with { Nai = v }, Lifetime.Imparted, BeliefKind.NetworkParameters, About.Network)
        .Plain("Verp", s => s.Verp, (s, v) => s with { Verp = v }, Lifetime.Imparted, "a version number")
        .Plain("Cryptosuitep", s => s.Cryptosuitep, (s, v) => s with { Cryptosuitep = v }, Lifetime.Imparted, "a choice of algorithms")
        .Plain("CryptosuitepPrev", s => s.CryptosuitepPrev, (s, v) => s with { CryptosuitepPrev = v }, Lifetime.Imparted, "a choice of algorithms")
        .Item("Kz", s => s.Kz, (s, v) => s with { Kz = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Service, secret: true)
        .Item("KzPrev", s => s.KzPrev, (s, v) => s with { KzPrev = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Service, secret: true)
        .Plain("Datalength", s => s.Datalength is { } d ? d ? 2 : 1 : 0, (s, v) => s with { Datalength = v == 0 ? null : v == 2 }, Lifetime.Imparted, "a variant of the protocol")
        .Item("ServerInfo", s => s.ServerInfo, (s, v) => s with { ServerInfo = v }, Lifetime.Imparted, BeliefKind.ServiceEndpoint, About.Service)
        .Plain("PeerInfoSent", s => s.PeerInfoSent, (s, v) => s with { PeerInfoSent = v }, Lifetime.Imparted, "what the other side knows")
        .Plain("HashInput", s => s.HashInput, (s, v) => s with { HashInput = v }, Lifetime.Imparted, "a transcript")
        .Plain("Z", s => s.Z, (s, v) => s with { Z = v }, Lifetime.Imparted, "not authenticated yet; gone with the Completion Exchange", secret: true)
        .Plain("Np", s => s.Np, (s, v) => s with { Np = v }, Lifetime.Imparted, "a nonce")
        .Plain("Ns", s => s.Ns, (s, v) => s with { Ns = v }, Lifetime.Imparted, "a nonce")
        .Plain("Dirp", s => (int)s.Dirp, (s, v) => s with { Dirp = (OobDirections)v }, Lifetime.Imparted, "a choice")
        .Plain("SleepTime", s => s.SleepTime, (s, v) => s with { SleepTime = v }, Lifetime.Imparted, "a delay")
        .Items("Noobs", s => s.Noobs, (s, v) => s with { Noobs = v }, Lifetime.Imparted, IssuedNoob.Schema)
        .Plain("ReceivedNoob", s => s.ReceivedNoob, (s, v) => s with { ReceivedNoob = v }, Lifetime.Imparted, "gone with the Completion Exchange", secret: true)
        .Plain("NoobIdForm", s => (int)s.NoobIdForm, (s, v) => s with { NoobIdForm = (NoobIdForm)v }, Lifetime.Imparted, "a variant of the protocol")
        .Plain("NoobIdTries", s => s.NoobIdTries, (s, v) => s with { NoobIdTries = v }, Lifetime.Imparted, "a counter")
        .Plain("OobFailures", s => s.OobFailures, (s, v) => s with { OobFailures = v }, Lifetime.Imparted, "a counter");

    /// <summary>As it leaves the factory.</summary>
    /// <param name="peerInfo">A JSON object; members Type, PeerName, Manufacturer, Model, SerialNumber, MACAddress, SSID, BSSID (RFC 9140 §5.5).</param>
    /// <exception cref="NoobException">No object, a member twice, or longer than 500 bytes.</exception>
    public static NoobPeerState Make(string peerInfo, string configuredNai = "")
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(peerInfo);
        if (text.Length > NoobLimits.Info || text.Length == 0 || text[0] != '{')
            throw NoobException.Invalid("PeerInfo", $"not a JSON object of at most {NoobLimits.Info} bytes.");
        Infos.Check(text, "PeerInfo");
        return new() { PeerInfo = peerInfo, ConfiguredNai = configuredNai };
    }

    /// <summary>State 0: everything that an association was made of is gone.</summary>
    internal NoobPeerState Unregister() => Schema.Reset(this);

    /// <summary>What only the way to the Completion Exchange needs is gone.</summary>
    internal NoobPeerState Settle() => this with
    {
        HashInput = default,
        Z = null,
        Np = default,
        Ns = default,
        Dirp = 0,
        SleepTime = null,
        Noobs = [],
        ReceivedNoob = null,
        NoobIdTries = 0,
        OobFailures = 0,
    };
}
