using System.Collections.Immutable;
using System.Text;
using Hatchery.Cryptography;

namespace Hatchery.Dpp.Device;

/// <summary>What the Enrollee keeps of one network.</summary>
public sealed record DppCredential
{
    public ReadOnlyMemory<byte> Ssid { get; init; }
    public DppAkm Akm { get; init; }
    public SecretText? Pass { get; init; }
    public SecretText? PskHex { get; init; }
    public string? PasswordIdentifier { get; init; }
    public string? Connector { get; init; }
    public int NetAccessKeyGroup { get; init; }
    /// <summary>The scalar, big endian, of the curve's width.</summary>
    public SecretBytes? NetAccessKey { get; init; }
    /// <summary>The group's number and the uncompressed point.</summary>
    public ReadOnlyMemory<byte> CSign { get; init; }
    /// <inheritdoc cref="CSign"/>
    public ReadOnlyMemory<byte> PpKey { get; init; }
    /// <summary>certs-only CMS.</summary>
    public ReadOnlyMemory<byte> Certificates { get; init; }
    public ImmutableArray<byte[]> EapAnchors { get; init; } = [];
    public string? EapServerName { get; init; }

    public static readonly Schema<DppCredential> Schema = new Schema<DppCredential>("dpp.credential", 1, new DppCredential())
        .Item("ssid", s => s.Ssid, (s, v) => s with { Ssid = v }, Lifetime.Imparted, BeliefKind.NetworkParameters, About.Network)
        .Plain("akm", s => (int)s.Akm, (s, v) => s with { Akm = (DppAkm)v }, Lifetime.Imparted, "how the other items are used")
        .Item("pass", s => s.Pass!, (s, v) => s with { Pass = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Network, secret: true)
        .Item("psk", s => s.PskHex!, (s, v) => s with { PskHex = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Network, secret: true, bits: _ => 256)
        .Item("password identifier", s => s.PasswordIdentifier!, (s, v) => s with { PasswordIdentifier = v }, Lifetime.Imparted, BeliefKind.Identifier, About.Network)
        .Item("Connector", s => s.Connector!, (s, v) => s with { Connector = v }, Lifetime.Imparted, BeliefKind.AccessPolicy, About.Network)
        .Plain("netAccessKey group", s => s.NetAccessKeyGroup, (s, v) => s with { NetAccessKeyGroup = v }, Lifetime.Imparted, "the curve of the key")
        .Item("netAccessKey", s => s.NetAccessKey!, (s, v) => s with { NetAccessKey = v }, Lifetime.Imparted, BeliefKind.KeyPair, About.Device, secret: true)
        .Item("C-sign-key", s => s.CSign, (s, v) => s with { CSign = v }, Lifetime.Imparted, BeliefKind.TrustAnchor, About.Network)
        .Item("ppKey", s => s.PpKey, (s, v) => s with { PpKey = v }, Lifetime.Imparted, BeliefKind.TrustAnchor, About.Owner)
        .Item("certificates", s => s.Certificates, (s, v) => s with { Certificates = v }, Lifetime.Imparted, BeliefKind.Certificate, About.Device)
        .Item("EAP trust anchors", s => s.EapAnchors, (s, v) => s with { EapAnchors = v }, Lifetime.Imparted, BeliefKind.TrustAnchor, About.Network)
        .Item("EAP server name", s => s.EapServerName!, (s, v) => s with { EapServerName = v }, Lifetime.Imparted, BeliefKind.NetworkParameters, About.Network);

    internal static DppCredential From(ConfigurationObject o, DppCurve curve, SecretBytes netAccessKey) => new()
    {
        Ssid = o.Ssid,
        Akm = o.Akm,
        Pass = o.Pass,
        PskHex = o.PskHex,
        PasswordIdentifier = o.PasswordIdentifier,
        Connector = o.SignedConnector,
        NetAccessKeyGroup = curve.IkeGroup,
        NetAccessKey = o.SignedConnector is null && o.Enterprise is null ? null : new SecretBytes(netAccessKey.Reveal()),
        CSign = o.CSign?.ToBytes() ?? [],
        PpKey = o.PpKey?.ToBytes() ?? [],
        Certificates = o.Enterprise?.CertificateBag ?? default,
        EapAnchors = o.Enterprise?.Anchors ?? [],
        EapServerName = o.Enterprise?.ServerName,
    };

    /// <summary>The netAccessKey; null: this credential has none.</summary>
    public AgreementKey? OpenNetAccessKey() => NetAccessKey is { } scalar && DppCurve.ByGroup(NetAccessKeyGroup) is { } curve ? EcAgreement.FromPrivate(curve.Curve, scalar.Reveal()) : null;

    public DppPublicKey? CSignKey => CSign.IsEmpty ? null : DppPublicKey.FromBytes(CSign.Span);
    public DppPublicKey? PrivacyKey => PpKey.IsEmpty ? null : DppPublicKey.FromBytes(PpKey.Span);

    public override string ToString() => $"credential for {Encoding.UTF8.GetString(Ssid.Span)}";
}
