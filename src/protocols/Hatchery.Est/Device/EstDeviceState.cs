using System.Collections.Immutable;

namespace Hatchery.Est.Device;

/// <summary>What an EST client must not lose: both trust anchor databases, its identities, and the key of a request that waits, perhaps for days.</summary>
/// <param name="Server">"host:port/label", the label may be missing.</param>
/// <param name="ImplicitAnchors">DER, of third parties.</param>
/// <param name="IdentityKey">PKCS#8 of the manufacturer's IDevID.</param>
/// <param name="IdentityChain">DER, leaf first.</param>
/// <param name="ImplicitOff">The CA of this server is known; third parties no longer count.</param>
/// <param name="ExplicitAnchors">DER, of the EST CA.</param>
/// <param name="Intermediates">DER, between anchors and certificates.</param>
/// <param name="PendingKey">PKCS#8 of the key of an outstanding request; a repeated request is for this key.</param>
/// <param name="PendingUntil">Not to be repeated before.</param>
/// <param name="Key">PKCS#8.</param>
/// <param name="Chain">DER, leaf first.</param>
/// <param name="Confirmed">A TLS handshake with the certificate has succeeded.</param>
/// <param name="PreviousKey">Kept until the new one is confirmed.</param>
public sealed record EstDeviceState(string Server, string SerialNumber, ImmutableArray<byte[]> ImplicitAnchors, SecretBytes? IdentityKey, ImmutableArray<byte[]> IdentityChain,
    string User, SecretText? Password, bool ImplicitOff, ImmutableArray<byte[]> ExplicitAnchors, ImmutableArray<byte[]> Intermediates, DateTimeOffset? AnchorsAt,
    SecretBytes? PendingKey, DateTimeOffset? PendingUntil, SecretBytes? Key, ImmutableArray<byte[]> Chain, bool Confirmed, SecretBytes? PreviousKey, ImmutableArray<byte[]> PreviousChain)
{
    /// <summary>Names of the identities, for the carrier (<see cref="ChannelSecurity.Certificates.IdentityItem"/>).</summary>
    public const string CertificateItem = "certificate", IdentityItem = "IDevID", PreviousItem = "previous certificate";

    public static readonly EstDeviceState Blank = new("", "", [], null, [], "", null, false, [], [], null, null, null, null, [], false, null, []);

    public static readonly Schema<EstDeviceState> Schema = new Schema<EstDeviceState>("est.device", 1, Blank)
        .Item("server", s => s.Server, (s, v) => s with { Server = v }, Lifetime.Factory, BeliefKind.ServiceEndpoint, About.Service)
        .Item("serial number", s => s.SerialNumber, (s, v) => s with { SerialNumber = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Item("Implicit trust anchors", s => s.ImplicitAnchors, (s, v) => s with { ImplicitAnchors = v }, Lifetime.Factory, BeliefKind.TrustAnchor, About.Service)
        .Item("IDevID key", s => s.IdentityKey!, (s, v) => s with { IdentityKey = v }, Lifetime.Factory, BeliefKind.KeyPair, About.Device, secret: true, bits: _ => 128)
        .Item("IDevID", s => s.IdentityChain, (s, v) => s with { IdentityChain = v }, Lifetime.Factory, BeliefKind.Certificate, About.Device)
        .Item("user name", s => s.User, (s, v) => s with { User = v }, Lifetime.Imparted, BeliefKind.Identifier, About.Device)
        .Item("password", s => s.Password!, (s, v) => s with { Password = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Domain, secret: true)
        .Plain("Implicit off", s => s.ImplicitOff, (s, v) => s with { ImplicitOff = v }, Lifetime.Imparted, "a switch, not knowledge")
        .Item("Explicit trust anchors", s => s.ExplicitAnchors, (s, v) => s with { ExplicitAnchors = v }, Lifetime.Imparted, BeliefKind.TrustAnchor, About.Domain)
        .Plain("intermediates", s => s.Intermediates, (s, v) => s with { Intermediates = v }, Lifetime.Imparted, "follow from the anchors")
        .Plain("anchors at", s => s.AnchorsAt, (s, v) => s with { AnchorsAt = v }, Lifetime.Imparted, "bookkeeping")
        .Plain("pending key", s => s.PendingKey!, (s, v) => s with { PendingKey = v }, Lifetime.Imparted, "nobody has certified it yet", secret: true)
        .Plain("pending until", s => s.PendingUntil, (s, v) => s with { PendingUntil = v }, Lifetime.Imparted, "bookkeeping")
        .Item("key", s => s.Key!, (s, v) => s with { Key = v }, Lifetime.Imparted, BeliefKind.KeyPair, About.Device, secret: true, bits: _ => 128)
        .Item("certificate", s => s.Chain, (s, v) => s with { Chain = v }, Lifetime.Imparted, BeliefKind.Certificate, About.Device)
        .Plain("confirmed", s => s.Confirmed, (s, v) => s with { Confirmed = v }, Lifetime.Imparted, "bookkeeping")
        .Plain("previous key", s => s.PreviousKey!, (s, v) => s with { PreviousKey = v }, Lifetime.Imparted, "goes when the new one is confirmed", secret: true)
        .Plain("previous certificate", s => s.PreviousChain, (s, v) => s with { PreviousChain = v }, Lifetime.Imparted, "goes when the new one is confirmed");

    /// <summary>The identity of a carrier's item: PKCS#8 and DER chain; null: there is none.</summary>
    public (SecretBytes Key, ImmutableArray<byte[]> Chain)? Identity(string item) => item switch
    {
        CertificateItem when Key is not null && !Chain.IsEmpty => (Key, Chain),
        IdentityItem when IdentityKey is not null && !IdentityChain.IsEmpty => (IdentityKey, IdentityChain),
        PreviousItem when PreviousKey is not null && !PreviousChain.IsEmpty => (PreviousKey, PreviousChain),
        _ => null,
    };
}
