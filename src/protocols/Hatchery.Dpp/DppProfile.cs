using System.Collections.Immutable;

namespace Hatchery.Dpp;

/// <summary>Wi-Fi Easy Connect as data.</summary>
public static class DppProfile
{
    public const string TcpMethod = "dpp.tcp", ChirpMethod = "dpp.chirp", PkexMethod = "dpp.pkex", ReconfigurationMethod = "dpp.reconfiguration";

    private static readonly ImmutableDictionary<StepKind, Phase> s_asDeclared = ImmutableDictionary<StepKind, Phase>.Empty;
    private static readonly ImmutableArray<StepKind> s_configuration = [DppSteps.ConfigurationRequest, DppSteps.ConfigurationResponse, DppSteps.ConfigurationResult];
    private static readonly ImmutableArray<StepKind> s_introduction = [DppSteps.PeerDiscoveryRequest, DppSteps.PeerDiscoveryResponse];

    private static StepKind E(DppFrameType type) => DppSteps.Of(type, true);
    private static StepKind C(DppFrameType type) => DppSteps.Of(type, false);

    /// <summary>The device knows the Controller's URI and begins.</summary>
    public static readonly Method Tcp = new(TcpMethod, "Enrollee to Controller over TCP", [DppPlayers.Enrollee, DppPlayers.Configurator, DppPlayers.AccessPoint, DppPlayers.Installer],
        [DppSteps.ScanConfiguratorUri, E(DppFrameType.AuthenticationRequest), C(DppFrameType.AuthenticationResponse), E(DppFrameType.AuthenticationConfirm), .. s_configuration, .. s_introduction], s_asDeclared, "DPP §6.5");

    /// <summary>The Configurator knows the device's URI and answers its announcement.</summary>
    public static readonly Method Chirp = new(ChirpMethod, "QR code and presence announcement",
        [DppPlayers.Enrollee, DppPlayers.Configurator, DppPlayers.AccessPoint, DppPlayers.Installer, DppPlayers.Manufacturer],
        [DppSteps.PrintUri, DppSteps.ScanUri, DppSteps.PresenceAnnouncement, C(DppFrameType.AuthenticationRequest), E(DppFrameType.AuthenticationResponse), C(DppFrameType.AuthenticationConfirm),
            .. s_configuration, .. s_introduction], s_asDeclared, "DPP §6.2.1");

    public static readonly Method Pkex = new(PkexMethod, "PKEX: a code at both sides", [DppPlayers.Enrollee, DppPlayers.Configurator, DppPlayers.AccessPoint, DppPlayers.Installer],
        [DppSteps.TypeCodeConfigurator, DppSteps.TypeCodeEnrollee, E(DppFrameType.PkexExchangeRequest), C(DppFrameType.PkexExchangeResponse), E(DppFrameType.PkexCommitRevealRequest), C(DppFrameType.PkexCommitRevealResponse),
            E(DppFrameType.AuthenticationRequest), C(DppFrameType.AuthenticationResponse), E(DppFrameType.AuthenticationConfirm), .. s_configuration, .. s_introduction], s_asDeclared, "DPP §5.6");

    public static readonly Method Reconfiguration = new(ReconfigurationMethod, "Reconfiguration", [DppPlayers.Enrollee, DppPlayers.Configurator, DppPlayers.AccessPoint],
        [DppSteps.ReconfigAnnouncement, DppSteps.ReconfigAuthenticationRequest, DppSteps.ReconfigAuthenticationResponse, DppSteps.ReconfigAuthenticationConfirm, .. s_configuration, .. s_introduction], s_asDeclared, "DPP §6.5");

    public static readonly ImmutableArray<Term> Terms =
    [
        Word("bootstrapping", WordUse.Phase, "The transfer of a public key by a way that people trust: a QR code, an NFC tag, a code typed at both sides.", "§5",
            new Span(DppSteps.ScanConfiguratorUri, DppSteps.ScanConfiguratorUri, [TcpMethod]), new Span(DppSteps.PrintUri, DppSteps.ScanUri, [ChirpMethod]),
            new Span(DppSteps.TypeCodeConfigurator, C(DppFrameType.PkexCommitRevealResponse), [PkexMethod])),
        Word("provisioning", WordUse.Umbrella, "All of it: bootstrapping, authentication and configuration.", "§1",
            new Span(DppSteps.ScanConfiguratorUri, DppSteps.ConfigurationResult, [TcpMethod]), new Span(DppSteps.ScanUri, DppSteps.ConfigurationResult, [ChirpMethod]),
            new Span(DppSteps.TypeCodeConfigurator, DppSteps.ConfigurationResult, [PkexMethod])),
        Word("discovery", WordUse.Phase, "The device makes itself known, and a channel is found.", "§6.2.1", new Span(DppSteps.PresenceAnnouncement, DppSteps.PresenceAnnouncement, [ChirpMethod])),
        Word("authentication", WordUse.Phase, "Proof of the private half of a bootstrapping key, by one side or both.", "§6.2",
            new Span(E(DppFrameType.AuthenticationRequest), E(DppFrameType.AuthenticationConfirm), [TcpMethod, PkexMethod]), new Span(C(DppFrameType.AuthenticationRequest), C(DppFrameType.AuthenticationConfirm), [ChirpMethod])),
        Word("configuration", WordUse.Phase, "The device asks and is given Configuration Objects: networks, credentials, a Connector.", "§6.4", new Span(DppSteps.ConfigurationRequest, DppSteps.ConfigurationResult, [])),
        Word("network introduction", WordUse.Phase, "Two provisioned devices show each other their Connectors and derive a pairwise key.", "§6.6", new Span(DppSteps.PeerDiscoveryRequest, DppSteps.PeerDiscoveryResponse, [])),
        Word("reconfiguration", WordUse.Phase, "A device whose credentials no longer work is given new ones, without people.", "§6.5",
            new Span(DppSteps.ReconfigAnnouncement, DppSteps.ConfigurationResult, [ReconfigurationMethod])),
        Word("enrollment", WordUse.Informal, "What happens to an Enrollee; with certificates, the request for one.", "§6.4.5"),
        Word("Connector", WordUse.Artifact, "The Configurator's signature over a device's key, its groups and its role.", "§4.2"),
        Word("onboarding", WordUse.Informal, "The market's word for provisioning.", "§1"),
        Word("commissioning", WordUse.NotUsed, "Not a word of this standard.", "§1"),
        Word("initialization", WordUse.NotUsed, "Not a word of this standard.", "§1"),
    ];

    public static readonly Protocol Protocol = new("dpp", "Wi-Fi Easy Connect (DPP) 3.0", Terms,
        [DppPlayers.Enrollee, DppPlayers.Configurator, DppPlayers.AccessPoint, DppPlayers.Relay, DppPlayers.Manufacturer, DppPlayers.Installer], DppSteps.All, [Tcp, Chirp, Pkex, Reconfiguration], []);

    private static Term Word(string word, WordUse use, string definition, string section, params ReadOnlySpan<Span> spans) => new(word, use, definition, "DPP " + section, [.. spans]);
}
