using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>An AlgorithmIdentifier of a signature: ECDSA, RSA with PKCS#1 v1.5 or PSS, Ed25519 (RFC 3279, 4055, 5758, 8410).</summary>
/// <param name="Oid">Of the signature; "1.2.840.113549.1.1.1" or an EC key's in CMS, where the digest stands apart.</param>
/// <param name="Hash">Default for Ed25519.</param>
/// <param name="PssSalt">Bytes; -1: not PSS.</param>
public sealed record SignatureAlgorithm(string Oid, HashAlgorithmName Hash, int PssSalt = -1)
{
    public static SignatureAlgorithm Ed25519 { get; } = new(Oids.Ed25519, default);

    public bool IsSha1 => Hash == HashAlgorithmName.SHA1;
    internal bool IsEcdsa => Oid is Oids.EcdsaWithSha1 or Oids.EcdsaWithSha256 or Oids.EcdsaWithSha384 or Oids.EcdsaWithSha512 or Oids.EcPublicKey;
    internal bool IsRsa => Oid is Oids.Sha1WithRsa or Oids.Sha256WithRsa or Oids.Sha384WithRsa or Oids.Sha512WithRsa or Oids.RsassaPss or Oids.RsaEncryption;

    public static SignatureAlgorithm Ecdsa(HashAlgorithmName hash) => new(EcdsaOid(hash), hash);

    /// <param name="pss">With MGF1 of the same hash, and a salt of its length.</param>
    public static SignatureAlgorithm Rsa(HashAlgorithmName hash, bool pss = false) =>
        pss ? new(Oids.RsassaPss, hash, HashLength(hash)) : new(RsaOid(hash), hash);

    /// <param name="encoded">AlgorithmIdentifier.</param>
    /// <exception cref="PkiException">Unknown, or with parameters that it does not have.</exception>
    public static SignatureAlgorithm Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "signatureAlgorithm", 512, all =>
    {
        var content = all.ReadSequence();
        string oid = content.ReadObjectIdentifier();
        ReadOnlyMemory<byte>? parameters = content.HasData ? content.ReadEncodedValue() : default(ReadOnlyMemory<byte>?);
        content.ThrowIfNotEmpty();
        return Of(oid, parameters);
    }, AsnEncodingRules.BER);

    private static SignatureAlgorithm Of(string oid, ReadOnlyMemory<byte>? parameters)
    {
        if (oid == Oids.RsassaPss)
            return parameters is { } pss ? Pss(pss) : throw new PkiException("signatureAlgorithm", "RSASSA-PSS without its parameters.");
        SignatureAlgorithm found = oid switch
        {
            Oids.EcdsaWithSha256 => new(oid, HashAlgorithmName.SHA256),
            Oids.EcdsaWithSha384 => new(oid, HashAlgorithmName.SHA384),
            Oids.EcdsaWithSha512 => new(oid, HashAlgorithmName.SHA512),
            Oids.EcdsaWithSha1 => new(oid, HashAlgorithmName.SHA1),
            Oids.Sha256WithRsa => new(oid, HashAlgorithmName.SHA256),
            Oids.Sha384WithRsa => new(oid, HashAlgorithmName.SHA384),
            Oids.Sha512WithRsa => new(oid, HashAlgorithmName.SHA512),
            Oids.Sha1WithRsa => new(oid, HashAlgorithmName.SHA1),
            Oids.Ed25519 => Ed25519,
            // CMS names the key's algorithm where the digest stands apart (RFC 5754, section 3).
            Oids.RsaEncryption or Oids.EcPublicKey => new(oid, default),
            _ => throw new PkiException("signatureAlgorithm", $"the algorithm {oid} is unknown here."),
        };
        // NULL or nothing; some write NULL where nothing belongs.
        if (parameters is { } given && !given.Span.SequenceEqual("\x05\0"u8) && oid != Oids.EcPublicKey)
            throw new PkiException("signatureAlgorithm", "parameters that the algorithm does not have.");
        return found;
    }

    /// <summary>RFC 4055, section 3.1; the mask's hash must be the signature's.</summary>
    private static SignatureAlgorithm Pss(ReadOnlyMemory<byte> encoded)
    {
        var content = Der.Open(encoded, AsnEncodingRules.BER).ReadSequence();
        var hash = HashAlgorithmName.SHA1;
        var mask = HashAlgorithmName.SHA1;
        int salt = 20;
        if (content.HasData && content.PeekTag() == Der.Context0)
            hash = ReadHash(content.ReadSequence(Der.Context0));
        if (content.HasData && content.PeekTag() == Der.Context1)
        {
            var function = content.ReadSequence(Der.Context1).ReadSequence();
            if (function.ReadObjectIdentifier() != Oids.Mgf1)
                throw new PkiException("signatureAlgorithm", "RSASSA-PSS with a mask other than MGF1.");
            mask = ReadHash(function);
        }
        if (content.HasData && content.PeekTag() == Der.Context2 && !content.ReadSequence(Der.Context2).TryReadInt32(out salt))
            salt = -1;
        if (content.HasData && content.PeekTag() == Der.Context3 && (!content.ReadSequence(Der.Context3).TryReadInt32(out int trailer) || trailer != 1))
            throw new PkiException("signatureAlgorithm", "RSASSA-PSS with an unknown trailer.");
        content.ThrowIfNotEmpty();
        if (hash != mask || salt is < 0 or > 512)
            throw new PkiException("signatureAlgorithm", "RSASSA-PSS with a mask of another hash, or a salt of unusable length.");
        return new(Oids.RsassaPss, hash, salt);
    }

    private static HashAlgorithmName ReadHash(AsnReader within) => HashOf(within.ReadSequence().ReadObjectIdentifier());

    public ReadOnlyMemory<byte> Encode() => Der.Write(Write);

    internal void Write(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oid);
            if (Oid == Oids.RsassaPss)
                WritePss(writer);
            else if (IsRsa)
                writer.WriteNull();
        }
    }

    private void WritePss(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            using (writer.PushSequence(Der.Context0))
                WriteHash(writer, Hash);
            using (writer.PushSequence(Der.Context1))
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Oids.Mgf1);
                WriteHash(writer, Hash);
            }
            using (writer.PushSequence(Der.Context2))
                writer.WriteInteger(PssSalt);
        }
    }

    /// <summary>With NULL, as RFC 4055 writes it for RSA.</summary>
    private static void WriteHash(AsnWriter writer, HashAlgorithmName hash)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(OidOf(hash));
            writer.WriteNull();
        }
    }

    internal static HashAlgorithmName HashOf(string oid) => oid switch
    {
        Oids.Sha1 => HashAlgorithmName.SHA1,
        Oids.Sha256 => HashAlgorithmName.SHA256,
        Oids.Sha384 => HashAlgorithmName.SHA384,
        Oids.Sha512 => HashAlgorithmName.SHA512,
        _ => throw new PkiException("digestAlgorithm", $"the digest {oid} is unknown here."),
    };

    internal static string OidOf(HashAlgorithmName hash) =>
        hash == HashAlgorithmName.SHA1 ? Oids.Sha1 : hash == HashAlgorithmName.SHA384 ? Oids.Sha384 : hash == HashAlgorithmName.SHA512 ? Oids.Sha512 : Oids.Sha256;

    internal static int HashLength(HashAlgorithmName hash) =>
        hash == HashAlgorithmName.SHA1 ? 20 : hash == HashAlgorithmName.SHA384 ? 48 : hash == HashAlgorithmName.SHA512 ? 64 : 32;

    private static string EcdsaOid(HashAlgorithmName hash) =>
        hash == HashAlgorithmName.SHA384 ? Oids.EcdsaWithSha384 : hash == HashAlgorithmName.SHA512 ? Oids.EcdsaWithSha512 : Oids.EcdsaWithSha256;

    private static string RsaOid(HashAlgorithmName hash) =>
        hash == HashAlgorithmName.SHA384 ? Oids.Sha384WithRsa : hash == HashAlgorithmName.SHA512 ? Oids.Sha512WithRsa : Oids.Sha256WithRsa;
}
