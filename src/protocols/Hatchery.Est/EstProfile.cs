using System.Collections.Immutable;

namespace Hatchery.Est;

/// <summary>Enrollment over Secure Transport (RFC 7030, RFC 8951, RFC 9908) as data.</summary>
public static class EstProfile
{
    public const string CertificateMethod = "est.certificate", IdentityMethod = "est.idevid", PasswordMethod = "est.password", FingerprintMethod = "est.fingerprint",
        SecretMethod = "est.srp";

    private static readonly ImmutableArray<StepKind> s_enroll =
        [EstSteps.CsrAttrsRequest, EstSteps.CsrAttrsResponse, EstSteps.SimpleEnrollRequest, EstSteps.SimpleEnrollResponse, EstSteps.ServiceUse, EstSteps.ServiceAccept];
    private static readonly ImmutableArray<StepKind> s_anchors = [EstSteps.CaCertsRequest, EstSteps.CaCertsResponse];
    private static readonly ImmutableDictionary<StepKind, Phase> s_asDeclared = ImmutableDictionary<StepKind, Phase>.Empty;
    private static readonly ImmutableArray<Player> s_always = [EstPlayers.Client, EstPlayers.Server, EstPlayers.DomainService, EstPlayers.Installer];

    /// <summary>The client has a certificate that the server trusts, and an anchor for the server.</summary>
    public static readonly Method Certificate = new(CertificateMethod, "Existing certificate", [.. s_always, EstPlayers.Manufacturer],
        [EstSteps.InstallCertificate, EstSteps.PowerOn, .. s_anchors, .. s_enroll], s_asDeclared, "RFC 7030 §2.2.1");

    public static readonly Method Identity = new(IdentityMethod, "Manufacturer's IDevID", [.. s_always, EstPlayers.Manufacturer],
        [EstSteps.InstallIdentity, EstSteps.PowerOn, .. s_anchors, .. s_enroll], s_asDeclared, "RFC 7030 §2.2.1");

    public static readonly Method Password = new(PasswordMethod, "User name and password", [.. s_always, EstPlayers.Administrator],
        [EstSteps.GivePassword, EstSteps.PowerOn, EstSteps.TypePassword, .. s_anchors, .. s_enroll], s_asDeclared, "RFC 7030 §2.2.3");

    /// <summary>The client knows no anchor; a person compares the fingerprint of the one that /cacerts brings.</summary>
    public static readonly Method Fingerprint = new(FingerprintMethod, "Bootstrap by fingerprint", [.. s_always, EstPlayers.Administrator],
        [EstSteps.GiveFingerprint, EstSteps.GivePassword, EstSteps.PowerOn, .. s_anchors, EstSteps.ShowFingerprint, EstSteps.CompareFingerprint, EstSteps.TypePassword, .. s_enroll],
        s_asDeclared, "RFC 7030 §4.1.1");

    /// <summary>Both prove one password to each other in the handshake; no certificate is needed.</summary>
    public static readonly Method Secret = new(SecretMethod, "TLS-SRP", [.. s_always, EstPlayers.Administrator],
        [EstSteps.GivePassword, EstSteps.PowerOn, EstSteps.TypePassword, .. s_anchors, .. s_enroll], s_asDeclared, "RFC 7030 §3.3.3");

    public static readonly ImmutableArray<Term> Terms =
    [
        Word("enrollment", WordUse.Umbrella, "The client gets a certificate from the CA behind the EST server.", "§2.2", new Span(EstSteps.CaCertsRequest, EstSteps.SimpleEnrollResponse, [])),
        Word("bootstrap", WordUse.Phase, "The client comes to know the CA: it fetches the CA certificates from a server that it cannot authenticate yet, and a person confirms them.",
            "§4.1.1", new Span(EstSteps.CaCertsRequest, EstSteps.CompareFingerprint, [FingerprintMethod])),
        Word("distribution of CA certificates", WordUse.Phase, "The client fetches the current CA certificates, at first and later to follow a change of the root.", "§2.1",
            new Span(EstSteps.CaCertsRequest, EstSteps.CaCertsResponse, [])),
        Word("initial enrollment", WordUse.SingleStep, "The first request for a certificate, authenticated by something that is not from this CA.", "§2.2",
            new Span(EstSteps.SimpleEnrollRequest, EstSteps.SimpleEnrollResponse, [])),
        Word("re-enrollment", WordUse.SingleStep, "Renew (same key) or rekey (new key), authenticated by the certificate that is to be replaced.", "§2.3"),
        Word("provisioning", WordUse.Informal, "The profile is for clients that must be provisioned with certificates.", "§1", new Span(EstSteps.CaCertsRequest, EstSteps.SimpleEnrollResponse, [])),
        Word("proof of possession", WordUse.SingleStep, "The request is signed by the key that it brings; linked with the TLS session by its channel binding.", "§3.4, §3.5",
            new Span(EstSteps.SimpleEnrollRequest, EstSteps.SimpleEnrollRequest, [])),
        Word("authorization", WordUse.Informal, "The server decides by policy whether an authenticated client gets what it asks for.", "§3.7",
            new Span(EstSteps.SimpleEnrollRequest, EstSteps.SimpleEnrollResponse, [])),
        Word("trust anchor database", WordUse.Artifact, "Explicit: the EST CA's. Implicit: of third parties, installed before.", "§1.1"),
        Word("onboarding", WordUse.NotUsed, "Not a word of this standard.", "§1"),
        Word("commissioning", WordUse.NotUsed, "Not a word of this standard.", "§1"),
        Word("configuration", WordUse.Informal, "The URI of the server, and what authenticates both sides, are configured beforehand.", "§3.1"),
        Word("discovery", WordUse.NotUsed, "None: the URI is configured. Over CoAP resources are discovered (RFC 9148).", "§3.1"),
    ];

    public static readonly Protocol Protocol = new("est", "EST, Enrollment over Secure Transport", Terms,
        [EstPlayers.Client, EstPlayers.Server, EstPlayers.Manufacturer, EstPlayers.Administrator, EstPlayers.Installer, EstPlayers.DomainService],
        EstSteps.All, [Certificate, Identity, Password, Fingerprint, Secret], []);

    private static Term Word(string word, WordUse use, string definition, string section, params ReadOnlySpan<Span> spans) =>
        new(word, use, definition, "RFC 7030 " + section, [.. spans]);
}
