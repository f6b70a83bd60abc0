using System.Collections.Immutable;

namespace Hatchery.EapNoob;

/// <summary>Every message of RFC 9140, and what people do.</summary>
public static class NoobSteps
{
    private static StepKind Down(string name, int type, Phase phase, string section) => new(name, type, phase, NoobPlayers.Server, NoobPlayers.Peer, "RFC 9140 §" + section);
    private static StepKind Up(string name, int type, Phase phase, string section) => new(name, type, phase, NoobPlayers.Peer, NoobPlayers.Server, "RFC 9140 §" + section);

    public static readonly StepKind PowerOn = new("power on", null, Phase.NetworkAttachment, NoobPlayers.User, NoobPlayers.Peer, "RFC 9140 §3.2", Act.Press);
    /// <summary>EAP-Request/Identity. The authenticator's, so it is no step of the methods.</summary>
    public static readonly StepKind IdentityRequest = new("EAP Request/Identity", null, Phase.NetworkAttachment, NoobPlayers.Authenticator, NoobPlayers.Peer, "RFC 3748 §5.1");
    /// <summary>EAP-Response/Identity: the NAI.</summary>
    public static readonly StepKind Identity = new("EAP Response/Identity", null, Phase.NetworkAttachment, NoobPlayers.Peer, NoobPlayers.Server, "RFC 9140 §3.3.1");

    public static readonly StepKind CommonRequest = Down("Common Handshake request", 1, Phase.Discovery, "3.2.1");
    public static readonly StepKind CommonResponse = Up("Common Handshake response", 1, Phase.Discovery, "3.2.1");
    public static readonly StepKind InitialRequest = Down("Initial Exchange request", 2, Phase.Discovery, "3.2.2");
    public static readonly StepKind InitialResponse = Up("Initial Exchange response", 2, Phase.Discovery, "3.2.2");
    public static readonly StepKind InitialKeyRequest = Down("Initial Exchange key request", 3, Phase.TrustEstablishment, "3.2.2");
    public static readonly StepKind InitialKeyResponse = Up("Initial Exchange key response", 3, Phase.TrustEstablishment, "3.2.2");
    public static readonly StepKind WaitingRequest = Down("Waiting Exchange request", 4, Phase.TrustEstablishment, "3.2.5");
    public static readonly StepKind WaitingResponse = Up("Waiting Exchange response", 4, Phase.TrustEstablishment, "3.2.5");
    public static readonly StepKind NoobIdRequest = Down("NoobId request", 5, Phase.TrustEstablishment, "3.2.4");
    public static readonly StepKind NoobIdResponse = Up("NoobId response", 5, Phase.TrustEstablishment, "3.2.4");
    public static readonly StepKind CompletionRequest = Down("Completion Exchange request", 6, Phase.Delivery, "3.2.4");
    public static readonly StepKind CompletionResponse = Up("Completion Exchange response", 6, Phase.Delivery, "3.2.4");
    public static readonly StepKind ReconnectRequest = Down("Reconnect Exchange request", 7, Phase.Renewal, "3.4.2");
    public static readonly StepKind ReconnectResponse = Up("Reconnect Exchange response", 7, Phase.Renewal, "3.4.2");
    public static readonly StepKind ReconnectKeyRequest = Down("Reconnect Exchange key request", 8, Phase.Renewal, "3.4.2");
    public static readonly StepKind ReconnectKeyResponse = Up("Reconnect Exchange key response", 8, Phase.Renewal, "3.4.2");
    public static readonly StepKind ReconnectMacRequest = Down("Reconnect Exchange MAC request", 9, Phase.Renewal, "3.4.2");
    public static readonly StepKind ReconnectMacResponse = Up("Reconnect Exchange MAC response", 9, Phase.Renewal, "3.4.2");
    public static readonly StepKind ServerError = Down("Error request", 0, Phase.TrustEstablishment, "3.6");
    public static readonly StepKind PeerError = Up("Error response", 0, Phase.TrustEstablishment, "3.6");
    /// <summary>With the keys that the authenticator got: the port is open, which it is for nobody without them.</summary>
    public static readonly StepKind Success = new("EAP Success", null, Phase.OperationProven, NoobPlayers.Server, NoobPlayers.Peer, "RFC 3748 §4.2");
    public static readonly StepKind Failure = new("EAP Failure", null, Phase.Discovery, NoobPlayers.Server, NoobPlayers.Peer, "RFC 3748 §4.2");

    /// <summary>The device shows the OOB message.</summary>
    public static readonly StepKind ShowAtPeer = new("OOB message shown by the device", null, Phase.TrustEstablishment, NoobPlayers.Peer, NoobPlayers.User, "RFC 9140 §3.2.3", Act.Show);
    /// <summary>The user takes it to the server, by scanning a code or opening a URL.</summary>
    public static readonly StepKind DeliverToServer = new("OOB message taken to the server", null, Phase.TrustEstablishment, NoobPlayers.User, NoobPlayers.Server, "RFC 9140 §3.2.3", Act.Scan);
    /// <summary>The user is told what the device claims to be, and takes it for his own.</summary>
    public static readonly StepKind ConfirmDevice = new("device confirmed by the user", null, Phase.Authorization, NoobPlayers.User, NoobPlayers.Server, "RFC 9140 §7.4", Act.Confirm);
    public static readonly StepKind ShowAtServer = new("OOB message shown by the server", null, Phase.TrustEstablishment, NoobPlayers.Server, NoobPlayers.User, "RFC 9140 §3.2.3", Act.Show);
    public static readonly StepKind DeliverToPeer = new("OOB message taken to the device", null, Phase.TrustEstablishment, NoobPlayers.User, NoobPlayers.Peer, "RFC 9140 §3.2.3", Act.Type);
    /// <summary>The device asks for help: the server does not know it any more, or does not want it.</summary>
    public static readonly StepKind AlertUser = new("user alerted", null, Phase.TrustEstablishment, NoobPlayers.Peer, NoobPlayers.User, "RFC 9140 §3.6.2", Act.Show);

    public static readonly ImmutableArray<StepKind> All =
    [
        PowerOn, IdentityRequest, Identity, CommonRequest, CommonResponse, InitialRequest, InitialResponse, InitialKeyRequest, InitialKeyResponse,
        ShowAtPeer, DeliverToServer, ConfirmDevice, ShowAtServer, DeliverToPeer, WaitingRequest, WaitingResponse, NoobIdRequest, NoobIdResponse,
        CompletionRequest, CompletionResponse, ReconnectRequest, ReconnectResponse, ReconnectKeyRequest, ReconnectKeyResponse, ReconnectMacRequest, ReconnectMacResponse,
        Success, Failure, ServerError, PeerError, AlertUser,
    ];
}
