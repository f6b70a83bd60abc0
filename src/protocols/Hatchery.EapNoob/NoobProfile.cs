using System.Collections.Immutable;

namespace Hatchery.EapNoob;

/// <summary>RFC 9140 as data.</summary>
public static class NoobProfile
{
    public const string PeerToServerMethod = "eapnoob.peer-to-server", ServerToPeerMethod = "eapnoob.server-to-peer", ReconnectMethod = "eapnoob.reconnect";

    private static readonly ImmutableDictionary<StepKind, Phase> s_asDeclared = ImmutableDictionary<StepKind, Phase>.Empty;
    private static readonly ImmutableArray<Player> s_players = [NoobPlayers.Peer, NoobPlayers.Authenticator, NoobPlayers.Server, NoobPlayers.User];

    private static readonly ImmutableArray<StepKind> s_initial =
        [NoobSteps.PowerOn, NoobSteps.Identity, NoobSteps.CommonRequest, NoobSteps.CommonResponse, NoobSteps.InitialRequest, NoobSteps.InitialResponse,
         NoobSteps.InitialKeyRequest, NoobSteps.InitialKeyResponse];

    /// <summary>The device shows a code, the user takes it to the server.</summary>
    public static readonly Method PeerToServer = new(PeerToServerMethod, "OOB message from device to server", s_players,
        [.. s_initial, NoobSteps.ShowAtPeer, NoobSteps.ConfirmDevice, NoobSteps.DeliverToServer, NoobSteps.CompletionRequest, NoobSteps.CompletionResponse, NoobSteps.Success],
        s_asDeclared, "RFC 9140 §3.2");

    /// <summary>The server shows a code, the user takes it to the device.</summary>
    public static readonly Method ServerToPeer = new(ServerToPeerMethod, "OOB message from server to device", s_players,
        [.. s_initial, NoobSteps.ConfirmDevice, NoobSteps.ShowAtServer, NoobSteps.DeliverToPeer, NoobSteps.NoobIdRequest, NoobSteps.NoobIdResponse, NoobSteps.CompletionRequest,
         NoobSteps.CompletionResponse, NoobSteps.Success],
        s_asDeclared, "RFC 9140 §3.2");

    /// <summary>A registered device comes back.</summary>
    public static readonly Method Reconnect = new(ReconnectMethod, "Reconnect Exchange", [NoobPlayers.Peer, NoobPlayers.Authenticator, NoobPlayers.Server],
        [NoobSteps.Identity, NoobSteps.CommonRequest, NoobSteps.CommonResponse, NoobSteps.ReconnectRequest, NoobSteps.ReconnectResponse, NoobSteps.ReconnectKeyRequest,
         NoobSteps.ReconnectKeyResponse, NoobSteps.ReconnectMacRequest, NoobSteps.ReconnectMacResponse, NoobSteps.Success],
        s_asDeclared, "RFC 9140 §3.4");

    public static readonly ImmutableArray<Term> Terms =
    [
        Word("bootstrapping", WordUse.Umbrella, "A device without any credential comes to share a key with a server, through a network that knows neither, with the help of one message that a user carries.",
            "§1", new Span(NoobSteps.PowerOn, NoobSteps.CompletionResponse, [PeerToServerMethod, ServerToPeerMethod])),
        Word("registration", WordUse.Phase, "The device becomes one of the user's account at the server.", "§3.2", new Span(NoobSteps.InitialRequest, NoobSteps.CompletionResponse, [PeerToServerMethod, ServerToPeerMethod])),
        Word("Initial Exchange", WordUse.Phase, "Version, cryptosuite and direction are negotiated and ECDHE keys exchanged; nothing of it is authenticated yet, and EAP ends in failure.", "§3.2.2",
            new Span(NoobSteps.InitialRequest, NoobSteps.InitialKeyResponse, [PeerToServerMethod, ServerToPeerMethod])),
        Word("OOB Step", WordUse.Phase, "The user carries one message between device and server, in the one direction or the other.", "§3.2.3",
            new Span(NoobSteps.ShowAtPeer, NoobSteps.DeliverToServer, [PeerToServerMethod]), new Span(NoobSteps.ShowAtServer, NoobSteps.DeliverToPeer, [ServerToPeerMethod])),
        Word("Completion Exchange", WordUse.Phase, "Both show that they have the same keys and the same OOB message; the association becomes persistent.", "§3.2.4",
            new Span(NoobSteps.CompletionRequest, NoobSteps.CompletionResponse, [PeerToServerMethod, ServerToPeerMethod])),
        Word("Reconnect Exchange", WordUse.Phase, "New session keys from the association, without the user.", "§3.4.2", new Span(NoobSteps.ReconnectRequest, NoobSteps.ReconnectMacResponse, [ReconnectMethod])),
        Word("rekeying", WordUse.Informal, "A Reconnect Exchange, with fresh ECDHE keys in KeyingModes 2 and 3.", "§3.5"),
        Word("authentication", WordUse.Phase, "The user's OOB message authenticates what was exchanged in band.", "§3.1"),
        Word("misbinding", WordUse.Informal, "A user registers another device than the one in his hand.", "§7.4"),
        Word("enrollment", WordUse.NotUsed, "Not a word of this standard.", "§1"),
        Word("onboarding", WordUse.NotUsed, "Not a word of this standard.", "§1"),
        Word("provisioning", WordUse.NotUsed, "Not a word of RFC 9140; RFC 9965 calls the identities of devices without credentials provisioning identifiers.", "§1"),
        Word("commissioning", WordUse.NotUsed, "Not a word of this standard.", "§1"),
        Word("reset", WordUse.Informal, "The user deletes the association on the device; in band nothing can.", "§3.4.4"),
    ];

    public static readonly Protocol Protocol = new("eapnoob", "EAP-NOOB (RFC 9140)", Terms, s_players, NoobSteps.All, [PeerToServer, ServerToPeer, Reconnect], []);

    private static Term Word(string word, WordUse use, string definition, string section, params ReadOnlySpan<Span> spans) => new(word, use, definition, "RFC 9140 " + section, [.. spans]);
}
