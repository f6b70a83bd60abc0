using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Hatchery.Dpp;

/// <summary>Every message of DPP, and what people do. Who may initiate is not fixed: messages of bootstrapping and authentication exist in both directions.</summary>
public static class DppSteps
{
    private static readonly Player E = DppPlayers.Enrollee, C = DppPlayers.Configurator, A = DppPlayers.AccessPoint;

    public static readonly StepKind PrintUri = new("bootstrapping information printed", null, Phase.Manufacture, DppPlayers.Manufacturer, E, "DPP §5.2", Act.Carry);
    /// <summary>The user's camera, or a list of URIs that comes with the devices.</summary>
    public static readonly StepKind ScanUri = new("URI scanned by the Configurator", null, Phase.Discovery, DppPlayers.Installer, C, "DPP §5.3", Act.Scan);
    public static readonly StepKind ScanConfiguratorUri = new("URI scanned by the Enrollee", null, Phase.Discovery, DppPlayers.Installer, E, "DPP §5.3", Act.Scan);
    public static readonly StepKind TypeCodeConfigurator = new("code entered at the Configurator", null, Phase.TrustEstablishment, DppPlayers.Installer, C, "DPP §5.6", Act.Type);
    public static readonly StepKind TypeCodeEnrollee = new("code entered at the Enrollee", null, Phase.TrustEstablishment, DppPlayers.Installer, E, "DPP §5.6", Act.Type);

    private static readonly (StepKind FromEnrollee, StepKind FromConfigurator) s_request = Both(DppFrameType.AuthenticationRequest, "DPP Authentication Request", "6.2.2"),
        s_response = Both(DppFrameType.AuthenticationResponse, "DPP Authentication Response", "6.2.3"),
        s_confirm = Both(DppFrameType.AuthenticationConfirm, "DPP Authentication Confirm", "6.2.4"),
        s_exchange1 = Both(DppFrameType.PkexVersion1ExchangeRequest, "PKEX Version 1 Exchange Request", "5.6.2"),
        s_exchange = Both(DppFrameType.PkexExchangeRequest, "PKEX Exchange Request", "5.6.2"),
        s_exchanged = Both(DppFrameType.PkexExchangeResponse, "PKEX Exchange Response", "5.6.2"),
        s_reveal = Both(DppFrameType.PkexCommitRevealRequest, "PKEX Commit-Reveal Request", "5.6.3"),
        s_revealed = Both(DppFrameType.PkexCommitRevealResponse, "PKEX Commit-Reveal Response", "5.6.3");

    public static readonly StepKind PresenceAnnouncement = One(DppFrameType.PresenceAnnouncement, "Presence Announcement", Phase.Discovery, E, C, "6.2.1");
    public static readonly StepKind PushButtonPresenceAnnouncement = One(DppFrameType.PushButtonPresenceAnnouncement, "Push Button Presence Announcement", Phase.Discovery, E, C, "5.8");
    public static readonly StepKind PushButtonPresenceAnnouncementResponse =
        One(DppFrameType.PushButtonPresenceAnnouncementResponse, "Push Button Presence Announcement Response", Phase.Discovery, C, E, "5.8");

    public static readonly StepKind ConfigurationRequest = new("DPP Configuration Request", DppMessage.GasInitialRequest, Phase.Authorization, E, C, "DPP §6.4.2");
    public static readonly StepKind ConfigurationResponse = new("DPP Configuration Response", DppMessage.GasInitialResponse, Phase.Delivery, C, E, "DPP §6.4.3");
    public static readonly StepKind ComebackRequest = new("GAS Comeback Request", DppMessage.GasComebackRequest, Phase.Delivery, E, C, "DPP §6.4.1");
    public static readonly StepKind Comeback = new("GAS response with a comeback delay", DppMessage.GasComebackResponse, Phase.Delivery, C, E, "DPP §6.4.1");
    public static readonly StepKind ConfigurationResult = One(DppFrameType.ConfigurationResult, "Configuration Result", Phase.Delivery, E, C, "6.4.4");
    public static readonly StepKind ConnectionStatusResult = One(DppFrameType.ConnectionStatusResult, "Connection Status Result", Phase.OperationProven, E, C, "6.4.5");

    public static readonly StepKind PeerDiscoveryRequest = One(DppFrameType.PeerDiscoveryRequest, "Peer Discovery Request", Phase.OperationProven, E, A, "6.6.1");
    public static readonly StepKind PeerDiscoveryResponse = One(DppFrameType.PeerDiscoveryResponse, "Peer Discovery Response", Phase.OperationProven, A, E, "6.6.1");
    public static readonly StepKind PrivateIntroductionQuery = One(DppFrameType.PrivatePeerIntroductionQuery, "Private Peer Introduction Query", Phase.OperationProven, E, A, "6.6.4");
    public static readonly StepKind PrivateIntroductionNotify = One(DppFrameType.PrivatePeerIntroductionNotify, "Private Peer Introduction Notify", Phase.OperationProven, A, E, "6.6.4");
    public static readonly StepKind PrivateIntroductionUpdate = One(DppFrameType.PrivatePeerIntroductionUpdate, "Private Peer Introduction Update", Phase.OperationProven, E, A, "6.6.4");

    public static readonly StepKind ReconfigAnnouncement = One(DppFrameType.ReconfigAnnouncement, "Reconfig Announcement", Phase.Renewal, E, C, "6.5.2");
    public static readonly StepKind ReconfigAuthenticationRequest = One(DppFrameType.ReconfigAuthenticationRequest, "Reconfig Authentication Request", Phase.Renewal, C, E, "6.5.3");
    public static readonly StepKind ReconfigAuthenticationResponse = One(DppFrameType.ReconfigAuthenticationResponse, "Reconfig Authentication Response", Phase.Renewal, E, C, "6.5.4");
    public static readonly StepKind ReconfigAuthenticationConfirm = One(DppFrameType.ReconfigAuthenticationConfirm, "Reconfig Authentication Confirm", Phase.Renewal, C, E, "6.5.5");

    public static readonly ImmutableArray<StepKind> All =
    [
        PrintUri, ScanUri, ScanConfiguratorUri, TypeCodeConfigurator, TypeCodeEnrollee, PresenceAnnouncement, PushButtonPresenceAnnouncement, PushButtonPresenceAnnouncementResponse,
        .. Pair(s_exchange1), .. Pair(s_exchange), .. Pair(s_exchanged), .. Pair(s_reveal), .. Pair(s_revealed), .. Pair(s_request), .. Pair(s_response), .. Pair(s_confirm),
        ConfigurationRequest, ConfigurationResponse, ComebackRequest, Comeback, ConfigurationResult, ConnectionStatusResult,
        PeerDiscoveryRequest, PeerDiscoveryResponse, PrivateIntroductionQuery, PrivateIntroductionNotify, PrivateIntroductionUpdate,
        ReconfigAnnouncement, ReconfigAuthenticationRequest, ReconfigAuthenticationResponse, ReconfigAuthenticationConfirm,
    ];

    private static readonly FrozenDictionary<(DppFrameType, bool), StepKind> s_byType = ByType();

    /// <summary>The kind of a frame.</summary>
    public static StepKind Of(DppFrameType type, bool fromEnrollee) =>
        s_byType.TryGetValue((type, fromEnrollee), out var kind) || s_byType.TryGetValue((type, !fromEnrollee), out kind) ? kind
        : throw new ArgumentOutOfRangeException(nameof(type));

    private static FrozenDictionary<(DppFrameType, bool), StepKind> ByType()
    {
        var kinds = new Dictionary<(DppFrameType, bool), StepKind>();
        foreach (var kind in All)
            if (kind.Code is { } code && kind.Act == Act.Message && kind != ConfigurationRequest && kind != ConfigurationResponse && kind != ComebackRequest && kind != Comeback)
                kinds.Add(((DppFrameType)code, kind.From == E), kind);
        return kinds.ToFrozenDictionary();
    }

    private static (StepKind, StepKind) Both(DppFrameType type, string name, string section) =>
        (One(type, name + " (Enrollee)", Phase.TrustEstablishment, E, C, section), One(type, name + " (Configurator)", Phase.TrustEstablishment, C, E, section));

    private static StepKind One(DppFrameType type, string name, Phase phase, Player from, Player to, string section) => new(name, (int)type, phase, from, to, "DPP §" + section);
    private static StepKind[] Pair((StepKind FromEnrollee, StepKind FromConfigurator) both) => [both.FromEnrollee, both.FromConfigurator];
}
