using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>What goes into a certificate besides the key.</summary>
/// <param name="Subject">Null: the request's own.</param>
public sealed record CertificateProfile(X500DistinguishedName? Subject, X509KeyUsageFlags KeyUsage)
{
    /// <summary>A device's certificate (IEEE 802.1AR): the serial number in the subject, signatures only.</summary>
    /// <exception cref="PkiException">The serial number is empty, too long or cannot be written.</exception>
    public static CertificateProfile Device(string serialNumber) =>
        new(Named(serialNumber), X509KeyUsageFlags.DigitalSignature);

    /// <summary>PrintableString is what the standard asks for; serial numbers with other characters go as UTF-8.</summary>
    private static X500DistinguishedName Named(string serialNumber)
    {
        // ub-serial-number of RFC 5280, appendix A.1, is 64; devices have longer ones.
        if (serialNumber.Length is 0 or > 256)
            throw new PkiException("serialNumber", $"a serial number of {serialNumber.Length} characters; 1 to 256 are allowed.");
        try
        {
            var subject = new X500DistinguishedNameBuilder();
            subject.Add("2.5.4.5", serialNumber, serialNumber.AsSpan().ContainsAnyExcept(s_printable) ? UniversalTagNumber.UTF8String : UniversalTagNumber.PrintableString);
            return subject.Build();
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            throw new PkiException("serialNumber", "the serial number cannot be written in a certificate.", e);
        }
    }

    private static readonly System.Buffers.SearchValues<char> s_printable =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?");
}

/// <summary>A key that signs certificates, with its own chain. Randomness and signatures go through <see cref="Chance"/>, so a seeded run repeats.</summary>
public sealed class CertificateAuthority
{
    private readonly ECDsa _key;
    private readonly X509Certificate2 _certificate;

    /// <param name="chain">DER, the CA's own certificate first.</param>
    /// <exception cref="PkiException">The first certificate is not of this key, or no CA's.</exception>
    public CertificateAuthority(ECDsa key, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        (_key, Chain) = (key, chain);
        if (chain.IsDefaultOrEmpty)
            throw new PkiException("chain", "there is no certificate.");
        _certificate = CertificateChains.Load(chain[0], "certificate");
        if (!_certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo()))
            throw new PkiException("subjectPublicKeyInfo", "the certificate is not of this key.");
        if (_certificate.Extensions.OfType<X509BasicConstraintsExtension>().FirstOrDefault() is not { CertificateAuthority: true })
            throw new PkiException("basicConstraints", "not a certificate authority's certificate.");
    }

    /// <summary>DER, the CA's own certificate first.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Chain { get; }

    /// <summary>A self-signed root.</summary>
    /// <param name="subject">"CN=Device CA".</param>
    public static CertificateAuthority CreateRoot(string subject, ECDsa key, DateTimeOffset from, TimeSpan life, Chance chance)
    {
        var request = new CertificateRequest(new X500DistinguishedName(subject), new PublicKey(key), HashOf(key));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using var made = request.Create(request.SubjectName, Generator(key, chance), from, from + life, Serial(chance));
        return new CertificateAuthority(key, [made.RawData]);
    }

    /// <summary>An end entity's certificate, valid from five minutes before now, for clocks that are slow, and not longer than the CA's own.</summary>
    /// <returns>DER.</returns>
    /// <exception cref="PkiException">The CA's certificate is not valid now.</exception>
    public ReadOnlyMemory<byte> Issue(Pkcs10 request, CertificateProfile profile, DateTimeOffset now, TimeSpan life, Chance chance)
    {
        var certificate = new CertificateRequest(profile.Subject ?? request.Subject, PublicKey.CreateFromSubjectPublicKeyInfo(request.SubjectPublicKeyInfo.Span, out _), HashOf(_key));
        certificate.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        certificate.CertificateExtensions.Add(new X509KeyUsageExtension(profile.KeyUsage, true));
        certificate.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(certificate.PublicKey, false));
        certificate.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, true, false));
        DateTimeOffset begins = new(_certificate.NotBefore.ToUniversalTime()), ends = new(_certificate.NotAfter.ToUniversalTime());
        if (now < begins || now >= ends)
            throw new PkiException("validity", "the certificate authority's own certificate is not valid now.");
        var from = Later(begins, now.AddMinutes(-5));
        var until = life < ends - now ? now + life : ends;
        using var made = certificate.Create(_certificate.SubjectName, Generator(_key, chance), from, until, Serial(chance));
        return made.RawData;
    }

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    /// <summary>Unguessable, positive, 16 bytes.</summary>
    private static byte[] Serial(Chance chance)
    {
        byte[] serial = chance.Bytes(16, "CA.serialNumber");
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        return serial;
    }

    private static HashAlgorithmName HashOf(ECDsa key) => key.KeySize switch
    {
        <= 256 => HashAlgorithmName.SHA256,
        <= 384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA512,
    };

    private static X509SignatureGenerator Generator(ECDsa key, Chance chance) => X509SignatureGenerator.CreateForECDsa(chance.Signer(key, "CA.signature"));
}
