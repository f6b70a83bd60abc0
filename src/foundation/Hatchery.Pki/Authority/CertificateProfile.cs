using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>What goes into a certificate besides the key.</summary>
/// <param name="Subject">Null: the request's own.</param>
public sealed record CertificateProfile(X500DistinguishedName? Subject, X509KeyUsageFlags KeyUsage)
{
    /// <summary>99991231235959Z: "no well-defined end" (RFC 5280, section 4.1.2.5; IEEE 802.1AR, section 8.7).</summary>
    public static DateTimeOffset NoEnd { get; } = new(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);

    /// <summary>OIDs of extendedKeyUsage; empty: none is written.</summary>
    public ImmutableArray<string> Purposes { get; init; } = [];
    public ImmutableArray<GeneralName> AlternativeNames { get; init; } = [];
    /// <summary>OIDs of extensions that are taken from the request as they stand there. keyUsage and extendedKeyUsage are taken as far as the profile has them;
    /// basicConstraints and key identifiers never.</summary>
    public ImmutableArray<string> Accepts { get; init; } = [];
    /// <summary>Further ones.</summary>
    public ImmutableArray<CertificateExtension> Extensions { get; init; } = [];
    /// <summary>A certificate authority that may have so many below itself; null: no authority.</summary>
    public int? PathLength { get; init; }

    /// <summary>A device's certificate (IEEE 802.1AR): the serial number in the subject, signatures only.</summary>
    /// <exception cref="PkiException">The serial number is empty, too long or cannot be written.</exception>
    public static CertificateProfile Device(string serialNumber) => new(Named(serialNumber), X509KeyUsageFlags.DigitalSignature);

    /// <summary>An Initial Device Identifier (IEEE 802.1AR, section 8): issue it with <see cref="NoEnd"/>.</summary>
    /// <param name="hardwareType">OID that names the kind of hardware; with the serial number it makes the hardwareModuleName of RFC 4108. Null: none.</param>
    /// <inheritdoc cref="Device"/>
    public static CertificateProfile IDevId(string serialNumber, string? hardwareType = null) => Device(serialNumber) with
    {
        AlternativeNames = hardwareType is null ? [] : [GeneralName.Other("1.3.6.1.5.5.7.8.4", Der.Write(w =>
        {
            using (w.PushSequence())
            {
                w.WriteObjectIdentifier(hardwareType);
                w.WriteOctetString(System.Text.Encoding.UTF8.GetBytes(serialNumber));
            }
        }))],
    };

    /// <summary>A Locally significant Device Identifier: for TLS clients, subject and subjectAltName of the request unless given.</summary>
    public static CertificateProfile LDevId(X500DistinguishedName? subject = null) => new(subject, X509KeyUsageFlags.DigitalSignature)
    {
        Purposes = [Oids.ClientAuth],
        Accepts = [Oids.SubjectAltName],
    };

    /// <param name="hosts">DNS names or addresses.</param>
    public static CertificateProfile TlsServer(params ImmutableArray<string> hosts) =>
        new(new X500DistinguishedName(DirectoryName.FromText("CN=" + hosts[0].Replace(":", "\\:", StringComparison.Ordinal)).Span), X509KeyUsageFlags.DigitalSignature)
        {
            Purposes = [Oids.ServerAuth],
            AlternativeNames = [.. hosts.Select(h => System.Net.IPAddress.TryParse(h, out var address) ? GeneralName.Ip(address) : GeneralName.Dns(h))],
        };

    /// <summary>A registration authority (RFC 6402, section 2.10; RFC 7030, section 3.6.1), which is a TLS server and client too.</summary>
    /// <inheritdoc cref="TlsServer"/>
    public static CertificateProfile CmcRa(params ImmutableArray<string> hosts) => TlsServer(hosts) with { Purposes = [Oids.ServerAuth, Oids.ClientAuth, Oids.CmcRa] };

    /// <summary>A delegated OCSP responder, itself not looked up (RFC 6960, section 4.2.2.2).</summary>
    public static CertificateProfile OcspSigner(string subject) => new(new X500DistinguishedName(DirectoryName.FromText(subject).Span), X509KeyUsageFlags.DigitalSignature)
    {
        Purposes = [Oids.OcspSigning],
        Extensions = [new(Oids.OcspNoCheck, false, new byte[] { 5, 0 })],
    };

    /// <summary>A certificate authority below another.</summary>
    /// <param name="pathLength">How many may be below it.</param>
    public static CertificateProfile Subordinate(string subject, int pathLength = 0) =>
        new(new X500DistinguishedName(DirectoryName.FromText(subject).Span), X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign) { PathLength = pathLength };

    /// <summary>PrintableString is what the standard asks for; serial numbers with other characters go as UTF-8.</summary>
    private static X500DistinguishedName Named(string serialNumber)
    {
        // ub-serial-number of RFC 5280, appendix A.1, is 64; devices have longer ones.
        if (serialNumber.Length is 0 or > 256)
            throw new PkiException("serialNumber", $"a serial number of {serialNumber.Length} characters; 1 to 256 are allowed.");
        try
        {
            var subject = new X500DistinguishedNameBuilder();
            subject.Add(Oids.SerialNumber, serialNumber, Der.IsPrintable(serialNumber) ? System.Formats.Asn1.UniversalTagNumber.PrintableString : System.Formats.Asn1.UniversalTagNumber.UTF8String);
            return subject.Build();
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            throw new PkiException("serialNumber", "the serial number cannot be written in a certificate.", e);
        }
    }

    /// <summary>The extensions of a certificate of this profile, but for the authority's key identifier.</summary>
    /// <param name="request">Null: nothing is taken from a request.</param>
    /// <exception cref="PkiException">The request asks for purposes that the profile has not.</exception>
    internal List<CertificateExtension> Compose(PublicKeyInfo key, Pkcs10? request, bool emptySubject)
    {
        var composed = new List<CertificateExtension>(8)
        {
            CertificateExtension.BasicConstraints(PathLength is not null, PathLength),
            CertificateExtension.KeyUsage(Usage(request)),
            CertificateExtension.SubjectKeyIdentifier(key.KeyIdentifier()),
        };
        if (AskedPurposes(request) is { IsEmpty: false } purposes)
            composed.Add(CertificateExtension.ExtendedKeyUsage(purposes.AsSpan()));
        if (!AlternativeNames.IsEmpty)
            composed.Add(CertificateExtension.SubjectAltName(AlternativeNames, emptySubject));
        composed.AddRange(Extensions);
        foreach (var asked in request?.Extensions ?? [])
            if (Accepts.Contains(asked.Oid) && composed.All(c => c.Oid != asked.Oid) && asked.Oid is not (Oids.AuthorityKeyIdentifier or Oids.ExtendedKeyUsage))
                composed.Add(asked.Oid == Oids.SubjectAltName ? asked with { Critical = emptySubject } : asked);
        return composed;
    }

    private X509KeyUsageFlags Usage(Pkcs10? request)
    {
        if (!Accepts.Contains(Oids.KeyUsage) || request?.FindExtension(Oids.KeyUsage) is not { } asked)
            return KeyUsage;
        var usage = asked.Read("keyUsage", Certificate.ReadUsage) & KeyUsage;
        return usage != 0 ? usage : throw new PkiException("keyUsage", $"the request asks for none of the uses of the profile: {KeyUsage}.");
    }

    private ImmutableArray<string> AskedPurposes(Pkcs10? request)
    {
        if (!Accepts.Contains(Oids.ExtendedKeyUsage) || request?.FindExtension(Oids.ExtendedKeyUsage) is not { } asked)
            return Purposes;
        var purposes = asked.Read("extendedKeyUsage", Certificate.ReadPurposes);
        return purposes.All(Purposes.Contains) ? purposes : throw new PkiException("extendedKeyUsage", $"the profile's purposes are {string.Join(", ", Purposes)}.");
    }
}
