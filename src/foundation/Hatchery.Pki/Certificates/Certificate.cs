using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>A certificate, read (RFC 5280). Nothing is verified by reading it. Immutable, and threads may share it.</summary>
public sealed class Certificate
{
    public const int MaxBytes = 16384;
    private readonly ReadOnlyMemory<byte> _signed, _signature;
    private readonly SignatureAlgorithm? _algorithm;

    private Certificate(ReadOnlyMemory<byte> encoded, AsnReader all)
    {
        Encoded = encoded;
        var outer = all.ReadSequence();
        _signed = outer.PeekEncodedValue();
        var content = outer.ReadSequence();
        var algorithm = outer.ReadEncodedValue();
        _signature = outer.ReadBitString(out _);
        outer.ThrowIfNotEmpty();
        if (content.PeekTag() == Der.Context0)
            content.ReadEncodedValue();
        SerialNumber = content.ReadIntegerBytes();
        if (!content.ReadEncodedValue().Span.SequenceEqual(algorithm.Span))
            throw new PkiException("signatureAlgorithm", "the two signature algorithms differ.");
        Issuer = content.ReadEncodedValue();
        var validity = content.ReadSequence();
        (NotBefore, NotAfter) = (Der.ReadTime(validity), Der.ReadTime(validity));
        Subject = content.ReadEncodedValue();
        Key = PublicKeyInfo.Parse(content.ReadEncodedValue());
        // Unique identifiers, which nobody uses.
        while (content.HasData && content.PeekTag() is { TagClass: TagClass.ContextSpecific, TagValue: 1 or 2 })
            content.ReadEncodedValue();
        Extensions = content.HasData ? CertificateExtension.ReadAll(content.ReadSequence(Der.Context3).ReadSequence()) : [];
        content.ThrowIfNotEmpty();
        DirectoryName.Read(Subject, "subject");
        DirectoryName.Read(Issuer, "issuer");
        _algorithm = TryAlgorithm(algorithm);
        ReadExtensions();
    }

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }
    /// <summary>Big endian, as encoded.</summary>
    public ReadOnlyMemory<byte> SerialNumber { get; }
    /// <summary>DER of a Name; see <see cref="DirectoryName"/>.</summary>
    public ReadOnlyMemory<byte> Subject { get; }
    /// <inheritdoc cref="Subject"/>
    public ReadOnlyMemory<byte> Issuer { get; }
    public DateTimeOffset NotBefore { get; }
    /// <summary>The last second in which it is valid. 99991231235959Z: no end (IEEE 802.1AR).</summary>
    public DateTimeOffset NotAfter { get; }
    public PublicKeyInfo Key { get; }
    public ImmutableArray<CertificateExtension> Extensions { get; }

    public bool IsAuthority { get; private set; }
    /// <summary>Null: no limit.</summary>
    public int? PathLength { get; private set; }
    /// <summary>Null: no keyUsage, all uses.</summary>
    public X509KeyUsageFlags? KeyUsage { get; private set; }
    /// <summary>OIDs; empty: no extendedKeyUsage, all purposes.</summary>
    public ImmutableArray<string> Purposes { get; private set; } = [];
    public ImmutableArray<GeneralName> AlternativeNames { get; private set; } = [];
    public ReadOnlyMemory<byte>? SubjectKeyIdentifier { get; private set; }
    public ReadOnlyMemory<byte>? AuthorityKeyIdentifier { get; private set; }

    public bool IsSelfIssued => DirectoryName.AreEqual(Subject, Issuer);
    public string SubjectText => DirectoryName.ToText(Subject);
    public string IssuerText => DirectoryName.ToText(Issuer);
    /// <summary>Hex in lower case, without leading zeros.</summary>
    public string SerialText => SerialOf(SerialNumber.Span);
    /// <summary>32 bytes over the whole certificate.</summary>
    public byte[] Sha256() => SHA256.HashData(Encoded.Span);

    /// <param name="encoded">DER, up to 16 KiB.</param>
    /// <exception cref="PkiException">Not a certificate.</exception>
    public static Certificate Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "Certificate", MaxBytes, all => new Certificate(all.PeekEncodedValue(), all));

    public static ImmutableArray<Certificate> ParseAll(IEnumerable<ReadOnlyMemory<byte>> encoded) => [.. encoded.Select(Parse)];

    public CertificateExtension? Find(string oid)
    {
        foreach (var extension in Extensions)
            if (extension.Oid == oid)
                return extension;
        return null;
    }

    /// <summary>Whether extendedKeyUsage is absent, or names the purpose or any.</summary>
    public bool Allows(string purpose) => Purposes.IsEmpty || Purposes.Contains(purpose) || Purposes.Contains(Oids.AnyExtendedKeyUsage);

    /// <summary>Whether extendedKeyUsage names this very purpose, as id-kp-cmcRA must be.</summary>
    public bool Names(string purpose) => Purposes.Contains(purpose);

    /// <summary>Whether this key made the certificate's signature. Names, validity and the right to issue are not looked at.</summary>
    /// <param name="policy">Null: any algorithm that is known here.</param>
    public bool IsSignedBy(PublicKeyInfo key, KeyPolicy? policy = null) =>
        _algorithm is not null && (policy is null || policy.Sha1 || !_algorithm.IsSha1) && key.Verify(_algorithm, _signed.Span, _signature.Span);

    public bool Equals(Certificate? other) => other is not null && Encoded.Span.SequenceEqual(other.Encoded.Span);
    public override bool Equals(object? obj) => Equals(obj as Certificate);
    public override int GetHashCode() => HashCode.Combine(SerialNumber.Length, Encoded.Length, Encoded.Span[^1]);
    public override string ToString() => $"{SubjectText}, serial number {SerialText}";

    internal static string SerialOf(ReadOnlySpan<byte> serial)
    {
        string hex = Convert.ToHexStringLower(serial).TrimStart('0');
        return hex.Length == 0 ? "0" : hex;
    }

    private static SignatureAlgorithm? TryAlgorithm(ReadOnlyMemory<byte> encoded)
    {
        try
        {
            return SignatureAlgorithm.Parse(encoded);
        }
        catch (PkiException)
        {
            // A certificate of an algorithm that we do not know can be shown and kept; it verifies under no key.
            return null;
        }
    }

    private void ReadExtensions()
    {
        foreach (var extension in Extensions)
            switch (extension.Oid)
            {
                case Oids.BasicConstraints:
                    (IsAuthority, PathLength) = extension.Read("basicConstraints", ReadConstraints);
                    break;
                case Oids.KeyUsage:
                    KeyUsage = extension.Read("keyUsage", ReadUsage);
                    break;
                case Oids.ExtendedKeyUsage:
                    Purposes = extension.Read("extendedKeyUsage", ReadPurposes);
                    break;
                case Oids.SubjectAltName:
                    AlternativeNames = GeneralName.ParseAll(extension.Value);
                    break;
                case Oids.SubjectKeyIdentifier:
                    SubjectKeyIdentifier = extension.Read<ReadOnlyMemory<byte>>("subjectKeyIdentifier", r => r.ReadOctetString());
                    break;
                case Oids.AuthorityKeyIdentifier:
                    AuthorityKeyIdentifier = extension.Read("authorityKeyIdentifier", ReadAuthority);
                    break;
            }
    }

    private static (bool, int?) ReadConstraints(AsnReader all)
    {
        var content = all.ReadSequence();
        bool ca = content.HasData && content.PeekTag() == Asn1Tag.Boolean && content.ReadBoolean();
        int? length = null;
        if (content.HasData)
            length = content.TryReadInt32(out int given) && given >= 0 ? given : throw new PkiException("basicConstraints", "a path length that is no count.");
        content.ThrowIfNotEmpty();
        return (ca, length);
    }

    internal static X509KeyUsageFlags ReadUsage(AsnReader all)
    {
        var bits = all.ReadBitString(out _);
        int usage = bits.Length > 0 ? bits[0] : 0;
        return (X509KeyUsageFlags)(usage | (bits.Length > 1 ? (bits[1] & 0x80) << 8 : 0));
    }

    internal static ImmutableArray<string> ReadPurposes(AsnReader all)
    {
        var purposes = ImmutableArray.CreateBuilder<string>();
        for (var content = all.ReadSequence(); content.HasData;)
            purposes.Add(purposes.Count < 64 ? content.ReadObjectIdentifier() : throw new PkiException("extendedKeyUsage", "more than 64 purposes."));
        return purposes.Count > 0 ? purposes.ToImmutable() : throw new PkiException("extendedKeyUsage", "no purpose.");
    }

    internal static ReadOnlyMemory<byte>? ReadAuthority(AsnReader all)
    {
        var content = all.ReadSequence();
        var tag = new Asn1Tag(TagClass.ContextSpecific, 0);
        ReadOnlyMemory<byte>? identifier = content.HasData && content.PeekTag() == tag ? content.ReadOctetString(tag) : default(ReadOnlyMemory<byte>?);
        while (content.HasData)
            content.ReadEncodedValue();
        return identifier;
    }
}
