using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>A certification request (RFC 2986). <see cref="Parse"/> verifies its signature with the key that it brings, the proof of possession;
/// <see cref="ParseUnproven"/> does not, for EST's server-side key generation. Attributes are those of RFC 2985, 4108, 6402 and 7030.</summary>
public sealed class Pkcs10
{
    private const int MaxBytes = 16384;
    private readonly ReadOnlyMemory<byte> _signed, _signature;

    private Pkcs10(ReadOnlyMemory<byte> encoded, AsnReader all)
    {
        Encoded = encoded;
        var outer = all.ReadSequence();
        _signed = outer.PeekEncodedValue();
        var content = outer.ReadSequence();
        if (!content.TryReadInt32(out int version) || version != 0)
            throw new PkiException("version", "the version of the request is not 0.");
        SubjectName = content.ReadEncodedValue();
        DirectoryName.Read(SubjectName, "subject");
        SubjectPublicKeyInfo = content.ReadEncodedValue();
        // Must be there even when empty; some leave it out.
        Attributes = content.HasData ? ReadAttributes(content.ReadSetOf(skipSortOrderValidation: true, Der.Context0)) : [];
        content.ThrowIfNotEmpty();
        Algorithm = outer.ReadEncodedValue();
        _signature = outer.ReadBitString(out _);
        outer.ThrowIfNotEmpty();
        Interpret();
    }

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }
    public X500DistinguishedName Subject => new(SubjectName.Span);
    /// <summary>DER of a Name; see <see cref="DirectoryName"/>.</summary>
    public ReadOnlyMemory<byte> SubjectName { get; }
    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; }
    /// <summary>DER of the AlgorithmIdentifier.</summary>
    public ReadOnlyMemory<byte> Algorithm { get; }
    /// <summary>Each type once.</summary>
    public ImmutableArray<RequestAttribute> Attributes { get; }
    /// <summary>Of extensionRequest; each type once.</summary>
    public ImmutableArray<CertificateExtension> Extensions { get; private set; } = [];
    /// <summary>Of the extension subjectAltName.</summary>
    public ImmutableArray<GeneralName> AlternativeNames { get; private set; } = [];
    /// <summary>For EST the base64 of the channel binding; up to 255 characters.</summary>
    public string? ChallengePassword { get; private set; }
    public ChangeSubjectName? ChangeSubjectName { get; private set; }
    /// <summary>OIDs of algorithms that the requester can decrypt, best first; parameters are left out.</summary>
    public ImmutableArray<string> SmimeCapabilities { get; private set; } = [];
    /// <summary>Names the symmetric key to encrypt a generated key with (RFC 7030, section 4.4.1.1).</summary>
    public ReadOnlyMemory<byte>? DecryptKeyIdentifier { get; private set; }
    /// <summary>Names the public key to encrypt a generated key to (RFC 7030, section 4.4.1.2).</summary>
    public ReadOnlyMemory<byte>? AsymmetricDecryptKeyIdentifier { get; private set; }

    /// <summary>The key that was proven, or merely brought where the request is unproven.</summary>
    /// <exception cref="PkiException">Not a key.</exception>
    public PublicKeyInfo Key => field ??= PublicKeyInfo.Parse(SubjectPublicKeyInfo);

    /// <param name="der">DER, not PEM; up to 16 KiB.</param>
    /// <param name="policy">Null: <see cref="KeyPolicy.Default"/>.</param>
    /// <exception cref="PkiException">Cannot be read, its key is not allowed, or (field "signature") the proof of possession fails.</exception>
    public static Pkcs10 Parse(ReadOnlyMemory<byte> der, KeyPolicy? policy = null)
    {
        policy ??= KeyPolicy.Default;
        var request = ParseUnproven(der);
        policy.Check(request.Key);
        var algorithm = SignatureAlgorithm.Parse(request.Algorithm);
        policy.Check(algorithm);
        if (!request.Key.Verify(algorithm, request._signed.Span, request._signature.Span))
            throw new PkiException("signature", "the request is not signed by the key that it brings.");
        return request;
    }

    /// <summary>Key and signature are not looked at.</summary>
    /// <exception cref="PkiException">Cannot be read.</exception>
    public static Pkcs10 ParseUnproven(ReadOnlyMemory<byte> der) =>
        Der.Read(der, "CertificationRequest", MaxBytes, all => new Pkcs10(all.PeekEncodedValue(), all));

    public RequestAttribute? Find(string oid)
    {
        foreach (var attribute in Attributes)
            if (attribute.Oid == oid)
                return attribute;
        return null;
    }

    public CertificateExtension? FindExtension(string oid)
    {
        foreach (var extension in Extensions)
            if (extension.Oid == oid)
                return extension;
        return null;
    }

    private static ImmutableArray<RequestAttribute> ReadAttributes(AsnReader set)
    {
        var found = ImmutableArray.CreateBuilder<RequestAttribute>();
        while (set.HasData)
        {
            var attribute = RequestAttribute.Read(set);
            if (found.Count == 32)
                throw new PkiException("attributes", "more than 32 attributes.");
            foreach (var other in found)
                if (other.Oid == attribute.Oid)
                    throw new PkiException("attributes", $"the attribute {attribute.Oid} stands twice.");
            found.Add(attribute);
        }
        return found.ToImmutable();
    }

    private void Interpret()
    {
        foreach (var attribute in Attributes)
            switch (attribute.Oid)
            {
                case Oids.ExtensionRequest:
                    Extensions = Der.Read(attribute.Single("extensionRequest"), "extensionRequest", MaxBytes, r => CertificateExtension.ReadAll(r.ReadSequence()));
                    if (FindExtension(Oids.SubjectAltName) is { } names)
                        AlternativeNames = GeneralName.ParseAll(names.Value);
                    break;
                case Oids.ChallengePassword:
                    ChallengePassword = Text(attribute.Single("challengePassword"));
                    break;
                case Oids.ChangeSubjectName:
                    ChangeSubjectName = ChangeSubjectName.Parse(attribute.Single("changeSubjectName"));
                    break;
                case Oids.SmimeCapabilities:
                    SmimeCapabilities = Der.Read(attribute.Single("smimeCapabilities"), "smimeCapabilities", MaxBytes, ReadCapabilities);
                    break;
                case Oids.DecryptKeyId:
                    DecryptKeyIdentifier = Octets(attribute.Single("decryptKeyID"), "decryptKeyID");
                    break;
                case Oids.AsymmetricDecryptKeyId:
                    AsymmetricDecryptKeyIdentifier = Octets(attribute.Single("asymmDecryptKeyID"), "asymmDecryptKeyID");
                    break;
            }
    }

    /// <summary>Bytes that are no text of their type stand for the characters of their values: a password that nobody can have made matches none.</summary>
    private static string Text(ReadOnlyMemory<byte> value)
    {
        if (value.Length > 4 + 4 * 255)
            throw new PkiException("challengePassword", "more than 255 characters.");
        string text;
        try
        {
            text = Der.ReadText(Der.Open(value));
        }
        catch (AsnContentException)
        {
            text = System.Text.Encoding.Latin1.GetString(Der.Open(value).PeekContentBytes().Span);
        }
        return text.Length <= 255 ? text : throw new PkiException("challengePassword", "more than 255 characters.");
    }

    private static ReadOnlyMemory<byte>? Octets(ReadOnlyMemory<byte> value, string field) => Der.Read<ReadOnlyMemory<byte>>(value, field, 512, r => r.ReadOctetString());

    private static ImmutableArray<string> ReadCapabilities(AsnReader all)
    {
        var oids = ImmutableArray.CreateBuilder<string>();
        for (var content = all.ReadSequence(); content.HasData;)
            oids.Add(oids.Count < 64 ? content.ReadSequence().ReadObjectIdentifier() : throw new PkiException("smimeCapabilities", "more than 64 capabilities."));
        return oids.ToImmutable();
    }
}
