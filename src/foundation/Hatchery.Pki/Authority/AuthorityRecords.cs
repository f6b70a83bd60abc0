using System.Collections.Immutable;

namespace Hatchery.Pki;

/// <summary>Why a certificate was revoked (RFC 5280, section 5.3.1).</summary>
public enum RevocationReason
{
    Unspecified = 0, KeyCompromise = 1, CaCompromise = 2, AffiliationChanged = 3, Superseded = 4, CessationOfOperation = 5, CertificateHold = 6,
    RemoveFromCrl = 8, PrivilegeWithdrawn = 9, AaCompromise = 10,
}

/// <summary>What a named authority consists of: which of its keys signs, which roots it publishes. Small, because it is read with every issue.</summary>
/// <param name="Issuer">Key of the <see cref="AuthorityKeyRecord"/> that signs.</param>
/// <param name="Roots">Keys of the published roots, the newest last.</param>
/// <param name="Keys">Keys of all published authorities between.</param>
/// <param name="Next">The issuer that signs from the end of the soak on; null: no rollover is under way.</param>
internal sealed record AuthorityRecord(string Name, string Issuer, ImmutableArray<string> Roots, ImmutableArray<string> Keys, string? Next)
{
    public static readonly Schema<AuthorityRecord> Schema = new Schema<AuthorityRecord>("pki.authority", 1, new("", "", [], [], null))
        .Plain("name", s => s.Name, (s, v) => s with { Name = v }, Lifetime.Factory, "a name of ours")
        .Plain("issuer", s => s.Issuer, (s, v) => s with { Issuer = v }, Lifetime.Factory, "a reference")
        .Plain("roots", s => s.Roots, (s, v) => s with { Roots = v }, Lifetime.Factory, "references")
        .Plain("keys", s => s.Keys, (s, v) => s with { Keys = v }, Lifetime.Factory, "references")
        .Plain("next", s => s.Next, (s, v) => s with { Next = v }, Lifetime.Factory, "a reference");
}

/// <summary>A root or an issuing authority.</summary>
/// <param name="Chain">DER; the authority's own certificate first.</param>
/// <param name="Pkcs8">Null: the key is elsewhere (a root that is kept offline).</param>
/// <param name="Links">DER of the certificates between this root and the one before: OldWithNew and NewWithOld.</param>
internal sealed record AuthorityKeyRecord(ImmutableArray<byte[]> Chain, SecretBytes? Pkcs8, ImmutableArray<byte[]> Links)
{
    public static readonly Schema<AuthorityKeyRecord> Schema = new Schema<AuthorityKeyRecord>("pki.authority-key", 1, new([], null, []))
        .Item("chain", s => s.Chain, (s, v) => s with { Chain = v }, Lifetime.Factory, BeliefKind.Certificate, About.Domain)
        .Item("pkcs8", s => s.Pkcs8, (s, v) => s with { Pkcs8 = v }, Lifetime.Factory, BeliefKind.KeyPair, About.Domain, secret: true)
        .Item("links", s => s.Links, (s, v) => s with { Links = v }, Lifetime.Factory, BeliefKind.Certificate, About.Domain);
}

/// <summary>A certificate that an authority issued. Its key is issuer key identifier and serial number, so a serial number is never issued twice.</summary>
/// <param name="Authority">The name of the authority.</param>
/// <param name="Device">"kind:value" of the device; null: unknown, or not a device's.</param>
/// <param name="Profile">The name of the profile that it was issued under.</param>
/// <param name="SupersededBy">Hex of the serial number of the certificate that renewed it.</param>
public sealed record IssuedCertificate(string Authority, string Issuer, ReadOnlyMemory<byte> Encoded, string? Device, string Profile, DateTimeOffset Issued,
    DateTimeOffset NotAfter, DateTimeOffset? Revoked, RevocationReason Reason, string? SupersededBy)
{
    public static Schema<IssuedCertificate> Schema { get; } = new Schema<IssuedCertificate>("pki.issued", 1, new("", "", default, null, "", default, default, null, default, null))
        .Plain("authority", s => s.Authority, (s, v) => s with { Authority = v }, Lifetime.Imparted, "a name of ours")
        .Plain("issuer", s => s.Issuer, (s, v) => s with { Issuer = v }, Lifetime.Imparted, "the issuer's key identifier")
        .Plain("certificate", s => s.Encoded, (s, v) => s with { Encoded = v }, Lifetime.Imparted, "the authority's copy of what the device holds")
        .Plain("device", s => s.Device, (s, v) => s with { Device = v }, Lifetime.Imparted, "an identifier of the registry")
        .Plain("profile", s => s.Profile, (s, v) => s with { Profile = v }, Lifetime.Imparted, "a name of ours")
        .Plain("issued", s => s.Issued, (s, v) => s with { Issued = v }, Lifetime.Imparted, "bookkeeping")
        .Plain("notAfter", s => s.NotAfter, (s, v) => s with { NotAfter = v }, Lifetime.Imparted, "bookkeeping")
        .Plain("revoked", s => s.Revoked, (s, v) => s with { Revoked = v }, Lifetime.Imparted, "bookkeeping")
        .Plain("reason", s => (int)s.Reason, (s, v) => s with { Reason = (RevocationReason)v }, Lifetime.Imparted, "bookkeeping")
        .Plain("supersededBy", s => s.SupersededBy, (s, v) => s with { SupersededBy = v }, Lifetime.Imparted, "bookkeeping")
        .Index("subject", s => SubjectIndex(s.Certificate.Subject))
        .Index("serial", s => s.Certificate.SerialText)
        .Index("key", s => KeyIndex(s.Certificate.Key.Encoded.Span))
        .Index("device", s => s.Device)
        .Index("revoked", s => s.Revoked is null ? null : s.Issuer);

    public Certificate Certificate => field ??= Certificate.Parse(Encoded);

    /// <summary>For the index "subject": equal for names that are equal.</summary>
    public static string SubjectIndex(ReadOnlyMemory<byte> subject) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(DirectoryName.Canonical(subject))).AsSpan(0, 16));

    /// <summary>For the index "key".</summary>
    /// <param name="subjectPublicKeyInfo">DER.</param>
    public static string KeyIndex(ReadOnlySpan<byte> subjectPublicKeyInfo) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(subjectPublicKeyInfo));

    /// <param name="issuer">Hex of the issuer's key identifier.</param>
    public static RecordKey KeyOf(string issuer, ReadOnlySpan<byte> serial) => new($"{issuer}/{Certificate.SerialOf(serial)}");
}

/// <summary>The last revocation list of one issuer.</summary>
internal sealed record RevocationListRecord(long Number, ReadOnlyMemory<byte> Encoded, DateTimeOffset ThisUpdate, DateTimeOffset NextUpdate)
{
    public static readonly Schema<RevocationListRecord> Schema = new Schema<RevocationListRecord>("pki.crl", 1, new(0, default, default, default))
        .Plain("number", s => s.Number, (s, v) => s with { Number = v }, Lifetime.Imparted, "a counter")
        .Plain("crl", s => s.Encoded, (s, v) => s with { Encoded = v }, Lifetime.Imparted, "published")
        .Plain("thisUpdate", s => s.ThisUpdate, (s, v) => s with { ThisUpdate = v }, Lifetime.Imparted, "published")
        .Plain("nextUpdate", s => s.NextUpdate, (s, v) => s with { NextUpdate = v }, Lifetime.Imparted, "published");
}
