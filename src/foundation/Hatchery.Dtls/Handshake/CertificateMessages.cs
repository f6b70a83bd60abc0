using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dtls;

/// <summary>Certificate: a list of DER certificates, or one SubjectPublicKeyInfo (RFC 7250, section 3).</summary>
internal static class CertificateMessage
{
    public static byte[] Encode(DtlsIdentity? identity, CertificateForm form)
    {
        var writer = new WireWriter();
        if (identity is null)
            return writer.U24(0).ToArray();
        if (form == CertificateForm.RawKey)
            return writer.Vector24(identity.PublicKey.Span).ToArray();
        writer.U24(identity.Chain.Sum(c => 3 + c.Length));
        foreach (byte[] certificate in identity.Chain)
            writer.Vector24(certificate);
        return writer.ToArray();
    }

    /// <summary>Null: the list is empty.</summary>
    public static DtlsPeerCredential? Parse(ReadOnlySpan<byte> body, CertificateForm form, int longestChain)
    {
        var reader = new WireReader(body, "Certificate");
        var list = reader.Vector24("certificate_list");
        reader.End();
        if (list.IsEmpty)
            return null;
        if (form == CertificateForm.RawKey)
            return new() { PublicKey = list.ToArray() };
        var chain = ImmutableArray.CreateBuilder<byte[]>();
        var entries = new WireReader(list, "Certificate");
        while (!entries.IsEmpty)
        {
            if (chain.Count == longestChain)
                throw new DtlsException(DtlsAlert.BadCertificate, "Certificate.certificate_list", $"The chain has more than {longestChain} certificates.");
            chain.Add(entries.Vector24("certificate").ToArray());
        }
        try
        {
            return new() { Chain = chain.ToImmutable(), PublicKey = LeafKeys.SubjectPublicKeyInfo(chain[0]) };
        }
        catch (CryptographicException e)
        {
            throw new DtlsException(DtlsAlert.BadCertificate, "Certificate.certificate_list", "The first entry is no certificate.", e);
        }
    }

    /// <summary>Verifies SignatureAndHashAlgorithm and signature as they end ServerKeyExchange and make CertificateVerify.</summary>
    /// <param name="signed">What the signature is over.</param>
    public static void Verify(ref WireReader reader, DtlsPeerCredential peer, IReadOnlyCollection<DtlsSignatureScheme> allowed, ReadOnlySpan<byte> signed, string field)
    {
        var scheme = (DtlsSignatureScheme)reader.U16("algorithm");
        var signature = reader.Vector16("signature");
        reader.End();
        if (!allowed.Contains(scheme))
            throw new DtlsException(DtlsAlert.IllegalParameter, field, $"The signature's algorithm {(int)scheme:x4} was not offered.");
        ECDsa key;
        try
        {
            key = SigningKeys.ImportPublic(peer.PublicKey.Span);
        }
        catch (CryptographicException e)
        {
            throw new DtlsException(DtlsAlert.UnsupportedCertificate, "Certificate", "The peer's key is not an EC key of a supported curve.", e);
        }
        using (key)
        {
            if (!key.VerifyHash(Hash(scheme, signed), signature, DSASignatureFormat.Rfc3279DerSequence))
                throw new DtlsException(DtlsAlert.DecryptError, field, "The peer's signature does not hold.");
        }
    }

    public static byte[] Hash(DtlsSignatureScheme scheme, ReadOnlySpan<byte> signed) => scheme switch
    {
        DtlsSignatureScheme.EcdsaSha256 => SHA256.HashData(signed),
        DtlsSignatureScheme.EcdsaSha384 => SHA384.HashData(signed),
        _ => SHA512.HashData(signed),
    };
}

/// <summary>CertificateRequest (RFC 5246, section 7.4.4): ecdsa_sign, schemes, and no names of authorities.</summary>
internal static class CertificateRequestMessage
{
    private const byte EcdsaSign = 64;

    public static byte[] Encode(IEnumerable<DtlsSignatureScheme> schemes) =>
        new WireWriter().Vector8([EcdsaSign]).Bytes(HelloExtensions.Encode16(schemes.Select(s => (ushort)s))).U16(0).ToArray();

    /// <summary>Whether ECDSA will do, and the schemes.</summary>
    public static (bool Ecdsa, DtlsSignatureScheme[] Schemes) Parse(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body, "CertificateRequest");
        bool ecdsa = reader.Vector8("certificate_types").Contains(EcdsaSign);
        var list = reader.Vector16("supported_signature_algorithms");
        reader.Vector16("certificate_authorities");
        reader.End();
        if (list.Length % 2 != 0)
            throw new DtlsException(DtlsAlert.DecodeError, "CertificateRequest.supported_signature_algorithms", "The list is of odd length.");
        var schemes = new DtlsSignatureScheme[list.Length / 2];
        for (int i = 0; i < schemes.Length; i++)
            schemes[i] = (DtlsSignatureScheme)(list[2 * i] << 8 | list[2 * i + 1]);
        return (ecdsa, schemes);
    }
}

/// <summary>ECParameters and point as ServerKeyExchange carries them (RFC 8422, section 5.4).</summary>
internal static class EcdhParameters
{
    private const byte NamedCurve = 3;

    public static ECCurve Curve(DtlsGroup group) => group switch
    {
        DtlsGroup.P256 => ECCurve.NamedCurves.nistP256,
        DtlsGroup.P384 => ECCurve.NamedCurves.nistP384,
        DtlsGroup.P521 => ECCurve.NamedCurves.nistP521,
        _ => X25519Agreement.Curve,
    };

    public static void Write(WireWriter writer, DtlsGroup group, ReadOnlySpan<byte> point) => writer.U8(NamedCurve).U16((int)group).Vector8(point);

    public static DtlsGroup ReadGroup(ref WireReader reader, IReadOnlyCollection<DtlsGroup> allowed)
    {
        byte type = reader.U8("curve_type");
        var group = (DtlsGroup)reader.U16("namedcurve");
        return type == NamedCurve && allowed.Contains(group) ? group
            : throw new DtlsException(DtlsAlert.IllegalParameter, "ServerKeyExchange.namedcurve", $"The server chose curve {(int)group}, which was not offered.");
    }

    /// <exception cref="DtlsException">The point is not one of the curve (illegal_parameter).</exception>
    public static byte[] Agree(AgreementKey key, ReadOnlySpan<byte> point, string field)
    {
        try
        {
            return key.Agree(point);
        }
        catch (CryptographicException e)
        {
            throw new DtlsException(DtlsAlert.IllegalParameter, field, "The peer's point is not on the curve, or of small order.", e);
        }
    }
}
