using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Text;

namespace Hatchery.Fdo;

/// <summary>Certificates as fdo.csr carries them: base64 of one certificate, or of a CMS SignedData that signs nothing and holds certificates (RFC 5652, certs-only).</summary>
internal static class CertsOnly
{
    private const string SignedData = "1.2.840.113549.1.7.2", Data = "1.2.840.113549.1.7.1";
    private const int MaxText = 1 << 17, MaxCertificates = 32;
    private static readonly Asn1Tag s_context0 = new(TagClass.ContextSpecific, 0, true);

    public static string Encode(IEnumerable<ReadOnlyMemory<byte>> certificates)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(SignedData);
            using (writer.PushSequence(s_context0))
            using (writer.PushSequence())
            {
                writer.WriteInteger(1);
                using (writer.PushSetOf())
                {
                }
                using (writer.PushSequence())
                    writer.WriteObjectIdentifier(Data);
                using (writer.PushSetOf(s_context0))
                    foreach (var certificate in certificates)
                        writer.WriteEncodedValue(certificate.Span);
                using (writer.PushSetOf())
                {
                }
            }
        }
        return Convert.ToBase64String(writer.Encode());
    }

    /// <summary>DER certificates, as they stand. Takes both forms, with or without PEM lines.</summary>
    /// <exception cref="FdoException">101.</exception>
    public static ImmutableArray<ReadOnlyMemory<byte>> Decode(string text, string field)
    {
        var der = FromBase64(text, field);
        try
        {
            var all = new AsnReader(der, AsnEncodingRules.BER);
            var outer = all.ReadSequence();
            all.ThrowIfNotEmpty();
            if (outer.PeekTag() != Asn1Tag.ObjectIdentifier)
                return CertificateKey.SubjectPublicKeyInfo(der) is not null ? [der] : throw FdoException.Invalid(field, "no certificate.");
            if (outer.ReadObjectIdentifier() != SignedData)
                throw FdoException.Invalid(field, "no SignedData.");
            var signed = outer.ReadSequence(s_context0).ReadSequence();
            signed.ReadInteger();
            signed.ReadSetOf();
            signed.ReadSequence();
            var certificates = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
            if (signed.HasData && signed.PeekTag() == s_context0)
                for (var set = signed.ReadSetOf(s_context0); set.HasData;)
                {
                    if (certificates.Count == MaxCertificates)
                        throw FdoException.Invalid(field, $"more than {MaxCertificates} certificates.");
                    certificates.Add(set.ReadEncodedValue());
                }
            return certificates.Count > 0 && certificates.All(c => CertificateKey.SubjectPublicKeyInfo(c) is not null) ? certificates.ToImmutable()
                : throw FdoException.Invalid(field, "no certificates.");
        }
        catch (AsnContentException e)
        {
            throw FdoException.Invalid(field, "neither a certificate nor a SignedData.", e);
        }
    }

    /// <summary>Base64 with line breaks and PEM lines allowed.</summary>
    /// <exception cref="FdoException">101.</exception>
    public static byte[] FromBase64(string text, string field)
    {
        if (text.Length > MaxText)
            throw FdoException.Invalid(field, $"{text.Length} characters are too many.");
        var body = new StringBuilder(text.Length);
        foreach (var line in text.AsSpan().EnumerateLines())
            if (!line.StartsWith("-----"))
                body.Append(line.Trim());
        try
        {
            return Convert.FromBase64String(body.ToString());
        }
        catch (FormatException e)
        {
            throw FdoException.Invalid(field, "no base64.", e);
        }
    }

    /// <summary>The two parts of a serverkeygen-res: multipart/mixed with the boundary "fdo", first the private key (PKCS#8), then the certificates, both in base64.</summary>
    public static string Multipart(ReadOnlySpan<byte> pkcs8, IEnumerable<ReadOnlyMemory<byte>> certificates) =>
        $"--fdo\r\nContent-Type: application/pkcs8\r\nContent-Transfer-Encoding: base64\r\n\r\n{Convert.ToBase64String(pkcs8)}\r\n"
        + $"--fdo\r\nContent-Type: application/pkcs7-mime; smime-type=certs-only\r\nContent-Transfer-Encoding: base64\r\n\r\n{Encode(certificates)}\r\n--fdo--\r\n";

    /// <summary>Bodies of a multipart/mixed, by their Content-Type without parameters.</summary>
    /// <exception cref="FdoException">101.</exception>
    public static ImmutableDictionary<string, string> Parts(string text, string field)
    {
        if (text.Length > MaxText)
            throw FdoException.Invalid(field, $"{text.Length} characters are too many.");
        var parts = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string part in text.Split("--fdo", 8).Skip(1))
        {
            int end = part.IndexOf("\r\n\r\n", StringComparison.Ordinal), skip = 4;
            if (end < 0)
                (end, skip) = (part.IndexOf("\n\n", StringComparison.Ordinal), 2);
            if (part.StartsWith("--", StringComparison.Ordinal) || end < 0)
                continue;
            foreach (var line in part.AsSpan(0, end).EnumerateLines())
                if (line.StartsWith("Content-Type:", StringComparison.OrdinalIgnoreCase))
                    parts[line["Content-Type:".Length..].ToString().Split(';')[0].Trim()] = part[(end + skip)..];
        }
        return parts.ToImmutable();
    }
}
