using System.Collections.Immutable;

namespace Hatchery.Est;

/// <summary>Every message of EST, and what people do.</summary>
public static class EstSteps
{
    private static StepKind Ask(string name, Phase phase, string section) => new($"{name} request", null, phase, EstPlayers.Client, EstPlayers.Server, $"RFC 7030 §{section}");
    private static StepKind Tell(string name, Phase phase, string section) => new($"{name} response", null, phase, EstPlayers.Server, EstPlayers.Client, $"RFC 7030 §{section}");

    /// <summary>The factory puts an IDevID, its key and perhaps anchors into the device.</summary>
    public static readonly StepKind InstallIdentity = new("IDevID installation", null, Phase.Manufacture, EstPlayers.Manufacturer, EstPlayers.Client, "RFC 7030 §2.1", Act.Local);
    /// <summary>An earlier enrollment, or any other way, has left a certificate and an anchor.</summary>
    public static readonly StepKind InstallCertificate = new("certificate installation", null, Phase.Manufacture, EstPlayers.Manufacturer, EstPlayers.Client, "RFC 7030 §2.2.1", Act.Local);
    /// <summary>The administrator tells the installer user name and password.</summary>
    public static readonly StepKind GivePassword = new("password handed over", null, Phase.Sale, EstPlayers.Administrator, EstPlayers.Installer, "RFC 7030 §3.2.3", Act.Carry);
    public static readonly StepKind TypePassword = new("password entry", null, Phase.Authorization, EstPlayers.Installer, EstPlayers.Client, "RFC 7030 §3.2.3", Act.Type);
    /// <summary>The administrator tells the installer the CA certificate's fingerprint.</summary>
    public static readonly StepKind GiveFingerprint = new("fingerprint handed over", null, Phase.Sale, EstPlayers.Administrator, EstPlayers.Installer, "RFC 7030 §4.1.1", Act.Carry);
    public static readonly StepKind ShowFingerprint = new("fingerprint display", null, Phase.TrustEstablishment, EstPlayers.Client, EstPlayers.Installer, "RFC 7030 §4.1.1", Act.Show);
    public static readonly StepKind CompareFingerprint = new("fingerprint comparison", null, Phase.TrustEstablishment, EstPlayers.Installer, EstPlayers.Client, "RFC 7030 §4.1.1", Act.Compare);
    public static readonly StepKind PowerOn = new("power on", null, Phase.NetworkAttachment, EstPlayers.Installer, EstPlayers.Client, "RFC 7030 §2", Act.Press);
    public static readonly StepKind Approve = new("manual approval", null, Phase.Authorization, EstPlayers.Administrator, EstPlayers.Server, "RFC 7030 §4.2.3", Act.Confirm);

    public static readonly StepKind CaCertsRequest = Ask("cacerts", Phase.TrustEstablishment, "4.1.2");
    public static readonly StepKind CaCertsResponse = Tell("cacerts", Phase.TrustEstablishment, "4.1.3");
    public static readonly StepKind CsrAttrsRequest = Ask("csrattrs", Phase.Authorization, "4.5.1");
    public static readonly StepKind CsrAttrsResponse = Tell("csrattrs", Phase.Authorization, "4.5.2");
    public static readonly StepKind SimpleEnrollRequest = Ask("simpleenroll", Phase.Authorization, "4.2.1");
    public static readonly StepKind SimpleEnrollResponse = Tell("simpleenroll", Phase.Delivery, "4.2.3");
    public static readonly StepKind SimpleReenrollRequest = Ask("simplereenroll", Phase.Renewal, "4.2.2");
    public static readonly StepKind SimpleReenrollResponse = Tell("simplereenroll", Phase.Renewal, "4.2.3");
    public static readonly StepKind FullCmcRequest = Ask("fullcmc", Phase.Authorization, "4.3.1");
    public static readonly StepKind FullCmcResponse = Tell("fullcmc", Phase.Delivery, "4.3.2");
    public static readonly StepKind ServerKeyGenRequest = Ask("serverkeygen", Phase.Authorization, "4.4.1");
    public static readonly StepKind ServerKeyGenResponse = Tell("serverkeygen", Phase.Delivery, "4.4.2");

    /// <summary>401: the server asks for HTTP authentication.</summary>
    public static readonly StepKind Challenge = Tell("authentication", Phase.Authorization, "3.2.3");
    /// <summary>202 or 503 with Retry-After.</summary>
    public static readonly StepKind Pending = Tell("pending", Phase.Authorization, "4.2.3");
    public static readonly StepKind Refused = Tell("error", Phase.Authorization, "4.2.3");
    public static readonly StepKind Redirect = Tell("redirect", Phase.Discovery, "3.2.1");

    /// <summary>The new certificate is used against a service of the domain, which refuses who does not have one. Outside the standard, which ends with the certificate.</summary>
    public static readonly StepKind ServiceUse = new("est.ServiceUse", null, Phase.OperationProven, EstPlayers.Client, EstPlayers.DomainService, "RFC 7030 §2");
    public static readonly StepKind ServiceAccept = new("est.ServiceAccept", null, Phase.OperationProven, EstPlayers.DomainService, EstPlayers.Client, "RFC 7030 §2");

    public static readonly ImmutableArray<StepKind> All =
    [
        InstallIdentity, InstallCertificate, GivePassword, GiveFingerprint, PowerOn, ShowFingerprint, CompareFingerprint, TypePassword, Approve,
        CaCertsRequest, CaCertsResponse, CsrAttrsRequest, CsrAttrsResponse, SimpleEnrollRequest, SimpleEnrollResponse, SimpleReenrollRequest, SimpleReenrollResponse,
        FullCmcRequest, FullCmcResponse, ServerKeyGenRequest, ServerKeyGenResponse, Challenge, Pending, Refused, Redirect, ServiceUse, ServiceAccept,
    ];
}
