using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>A key that signs certificates, with its own chain. Keeps no records: <see cref="EmbeddedAuthority"/> does. Randomness and signatures go through
/// <see cref="Chance"/>, so a seeded run repeats.</summary>
public sealed class CertificateAuthority
{
    private static readonly TimeSpan s_slowClocks = TimeSpan.FromMinutes(5);
    private readonly CertificateExtension _identifier;

    /// <param name="chain">DER, the CA's own certificate first.</param>
    /// <exception cref="PkiException">The first certificate is not of this key, or no CA's.</exception>
    public CertificateAuthority(SignatureKey key, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        (Key, Chain) = (key, chain);
        if (chain.IsDefaultOrEmpty)
            throw new PkiException("chain", "there is no certificate.");
        Certificate = Certificate.Parse(chain[0]);
        if (!Certificate.Key.Encoded.Span.SequenceEqual(key.Public.Encoded.Span))
            throw new PkiException("subjectPublicKeyInfo", "the certificate is not of this key.");
        if (!Certificate.IsAuthority)
            throw new PkiException("basicConstraints", "not a certificate authority's certificate.");
        _identifier = CertificateExtension.AuthorityKeyIdentifier((Certificate.SubjectKeyIdentifier ?? key.Public.KeyIdentifier()).Span);
    }

    /// <summary>DER, the CA's own certificate first.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Chain { get; }
    public Certificate Certificate { get; }
    public SignatureKey Key { get; }

    /// <summary>A self-signed root.</summary>
    /// <param name="subject">"CN=Device CA".</param>
    /// <param name="pathLength">How many authorities may be below it.</param>
    public static CertificateAuthority CreateRoot(string subject, SignatureKey key, DateTimeOffset from, TimeSpan life, Chance chance, int pathLength = 0)
    {
        var name = DirectoryName.FromText(subject);
        var profile = CertificateProfile.Subordinate(subject, pathLength);
        var until = life < DateTimeOffset.MaxValue - from ? from + life : CertificateProfile.NoEnd;
        var der = Write(key, name, key.Public, name, profile.Compose(key.Public, null, false), from, until, NewSerial(chance), chance);
        return new CertificateAuthority(key, [der]);
    }

    /// <summary>An end entity's certificate, valid from five minutes before now, for clocks that are slow, and not longer than the CA's own.</summary>
    /// <returns>DER.</returns>
    /// <exception cref="PkiException">The CA's certificate is not valid now, or the request asks for what the profile has not.</exception>
    public ReadOnlyMemory<byte> Issue(Pkcs10 request, CertificateProfile profile, DateTimeOffset now, TimeSpan life, Chance chance) =>
        Issue(request.Key, profile.Subject?.RawData ?? request.SubjectName, profile, request, now, life < Certificate.NotAfter - now ? now + life : Certificate.NotAfter, NewSerial(chance), chance);

    /// <summary>As <see cref="Issue(Pkcs10, CertificateProfile, DateTimeOffset, TimeSpan, Chance)"/>, for any key.</summary>
    /// <param name="subject">DER of a Name.</param>
    /// <param name="request">Null: nothing is taken from a request.</param>
    /// <param name="until">Cut to the CA's own end; the profile of an IDevID gives <see cref="CertificateProfile.NoEnd"/>, which is not cut.</param>
    /// <param name="serial">From <see cref="NewSerial"/>.</param>
    public ReadOnlyMemory<byte> Issue(PublicKeyInfo key, ReadOnlyMemory<byte> subject, CertificateProfile profile, Pkcs10? request, DateTimeOffset now, DateTimeOffset until,
        ReadOnlyMemory<byte> serial, Chance chance)
    {
        if (now < Certificate.NotBefore || now >= Certificate.NotAfter)
            throw new PkiException("validity", "the certificate authority's own certificate is not valid now.");
        var from = now - s_slowClocks > Certificate.NotBefore ? now - s_slowClocks : Certificate.NotBefore;
        if (until > Certificate.NotAfter && until != CertificateProfile.NoEnd)
            until = Certificate.NotAfter;
        var extensions = profile.Compose(key, request, emptySubject: subject.Length <= 2);
        extensions.Insert(3, _identifier);
        return Write(Key, Certificate.Subject, key, subject, extensions, from, until, serial, chance);
    }

    /// <summary>A certificate for another root's key and name by this one: OldWithNew and NewWithOld of RFC 4210, section 4.4.</summary>
    /// <param name="other">Self-signed.</param>
    public ReadOnlyMemory<byte> Link(Certificate other, ReadOnlyMemory<byte> serial, Chance chance)
    {
        var from = other.NotBefore > Certificate.NotBefore ? other.NotBefore : Certificate.NotBefore;
        var until = other.NotAfter < Certificate.NotAfter ? other.NotAfter : Certificate.NotAfter;
        List<CertificateExtension> extensions = [.. other.Extensions.Where(e => e.Oid is Oids.BasicConstraints or Oids.KeyUsage or Oids.SubjectKeyIdentifier or Oids.NameConstraints), _identifier];
        return Write(Key, Certificate.Subject, other.Key, other.Subject, extensions, from, until, serial, chance);
    }

    private static ReadOnlyMemory<byte> Write(SignatureKey signer, ReadOnlyMemory<byte> issuer, PublicKeyInfo key, ReadOnlyMemory<byte> subject,
        List<CertificateExtension> extensions, DateTimeOffset from, DateTimeOffset until, ReadOnlyMemory<byte> serial, Chance chance)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, 1024);
        using (writer.PushSequence())
        {
            using (writer.PushSequence(Der.Context0))
                writer.WriteInteger(2);
            writer.WriteInteger(serial.Span);
            signer.Algorithm.Write(writer);
            writer.WriteEncodedValue(issuer.Span);
            using (writer.PushSequence())
            {
                Der.WriteTime(writer, from);
                Der.WriteTime(writer, until);
            }
            writer.WriteEncodedValue(subject.Span);
            writer.WriteEncodedValue(key.Encoded.Span);
            using (writer.PushSequence(Der.Context3))
            using (writer.PushSequence())
                foreach (var extension in extensions)
                    extension.Write(writer);
        }
        return signer.Frame(writer.Encode(), chance, "CA.signature");
    }

    /// <summary>Unguessable, positive, 20 bytes, the most that RFC 5280 allows: 158 bits are drawn.</summary>
    public static ReadOnlyMemory<byte> NewSerial(Chance chance)
    {
        byte[] serial = chance.Bytes(20, "CA.serialNumber");
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        return serial;
    }
}
