using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Pki;

/// <summary>A SubjectPublicKeyInfo: what kind of key it is, and signatures verified with it. The key is imported when first needed, once; threads may share it.</summary>
public sealed class PublicKeyInfo : IDisposable
{
    private const int MaxBytes = 4096;
    private readonly Lazy<AsymmetricAlgorithm?> _key;

    private PublicKeyInfo(ReadOnlyMemory<byte> encoded, string algorithm, string? curve, int bits, ReadOnlyMemory<byte> key)
    {
        (Encoded, Algorithm, Curve, Bits, RawKey) = (encoded, algorithm, curve, bits, key);
        _key = new(Import);
    }

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }
    /// <summary>OID: rsaEncryption, id-RSASSA-PSS, id-ecPublicKey, id-Ed25519, or one that is unknown here.</summary>
    public string Algorithm { get; }
    /// <summary>OID of the named curve; null for what is not elliptic.</summary>
    public string? Curve { get; }
    /// <summary>Of the modulus or the curve; 0 if unknown.</summary>
    public int Bits { get; }
    /// <summary>The contents of subjectPublicKey: an uncompressed point, an RSAPublicKey, 32 bytes of Ed25519.</summary>
    public ReadOnlyMemory<byte> RawKey { get; }
    public bool IsRsa => Algorithm is Oids.RsaEncryption or Oids.RsassaPss;

    /// <summary>The first method of RFC 5280, section 4.2.1.2: SHA-1 of the key's bits. An identifier, not protection.</summary>
    public byte[] KeyIdentifier() => SHA1.HashData(RawKey.Span);

    /// <exception cref="PkiException">Not a SubjectPublicKeyInfo, or an RSA key that no peer can have.</exception>
    public static PublicKeyInfo Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "subjectPublicKeyInfo", MaxBytes, all =>
    {
        var content = all.ReadSequence();
        var identifier = content.ReadSequence();
        string algorithm = identifier.ReadObjectIdentifier();
        string? curve = null;
        if (algorithm == Oids.EcPublicKey)
            curve = identifier.HasData && identifier.PeekTag() == Asn1Tag.ObjectIdentifier ? identifier.ReadObjectIdentifier()
                : throw new PkiException("subjectPublicKeyInfo", "an elliptic curve without a name.");
        var key = content.ReadBitString(out int unused);
        content.ThrowIfNotEmpty();
        if (unused != 0)
            throw new PkiException("subjectPublicKeyInfo", "the key is no whole number of bytes.");
        int bits = algorithm switch
        {
            Oids.EcPublicKey => curve switch { Oids.P256 => 256, Oids.P384 => 384, Oids.P521 => 521, _ => 0 },
            Oids.RsaEncryption or Oids.RsassaPss => (int)ReadRsa(key).Modulus.GetBitLength(),
            Oids.Ed25519 => key.Length == 32 ? 256 : throw new PkiException("subjectPublicKeyInfo", "an Ed25519 key that has not 32 bytes."),
            _ => 0,
        };
        return new PublicKeyInfo(encoded, algorithm, curve, bits, key);
    });

    internal (BigInteger Modulus, BigInteger Exponent) Rsa => ReadRsa(RawKey);

    private static (BigInteger Modulus, BigInteger Exponent) ReadRsa(ReadOnlyMemory<byte> key)
    {
        var content = Der.Open(key).ReadSequence();
        var (modulus, exponent) = (content.ReadInteger(), content.ReadInteger());
        content.ThrowIfNotEmpty();
        // The limit that OpenSSL has too: a verification with larger numbers is a way to keep a server busy.
        if (modulus.Sign <= 0 || exponent.Sign <= 0 || modulus.GetBitLength() > 16384 || exponent.GetBitLength() > 256)
            throw new PkiException("subjectPublicKeyInfo", "an RSA modulus or exponent out of range.");
        return (modulus, exponent);
    }

    /// <returns>False also where key and algorithm do not belong together, or the key is no key.</returns>
    public bool Verify(SignatureAlgorithm algorithm, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        if (Algorithm == Oids.Ed25519)
            return algorithm.Oid == Oids.Ed25519 && signature.Length == 64 && VerifyEd25519(signed, signature);
        if (algorithm.Hash == default)
            return false;
        try
        {
            switch (_key.Value)
            {
                case ECDsa ecdsa when algorithm.IsEcdsa:
                    return ecdsa.VerifyData(signed, signature, algorithm.Hash, DSASignatureFormat.Rfc3279DerSequence);
                case RSA rsa when algorithm.IsRsa && (Algorithm == Oids.RsaEncryption || algorithm.Oid == Oids.RsassaPss):
                    OperationMeter.Count($"verify RSA-{Bits}");
                    if (algorithm.PssSalt >= 0 && algorithm.PssSalt != SignatureAlgorithm.HashLength(algorithm.Hash))
                        return VerifyPss(algorithm, signed, signature);
                    return rsa.VerifyData(signed, signature, algorithm.Hash, algorithm.PssSalt >= 0 ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);
                default:
                    return false;
            }
        }
        catch (Exception e) when (e is CryptographicException or Org.BouncyCastle.Crypto.CryptoException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>The platform knows salts of the hash's length only; openssl's default is as long as fits.</summary>
    private bool VerifyPss(SignatureAlgorithm algorithm, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        var (modulus, exponent) = Rsa;
        var digest = Org.BouncyCastle.Security.DigestUtilities.GetDigest(SignatureAlgorithm.OidOf(algorithm.Hash));
        var verifier = new Org.BouncyCastle.Crypto.Signers.PssSigner(new Org.BouncyCastle.Crypto.Engines.RsaEngine(), digest, algorithm.PssSalt);
        verifier.Init(false, new Org.BouncyCastle.Crypto.Parameters.RsaKeyParameters(false, Number(modulus), Number(exponent)));
        verifier.BlockUpdate(signed);
        return verifier.VerifySignature(signature.ToArray());

        static Org.BouncyCastle.Math.BigInteger Number(BigInteger value) => new(1, value.ToByteArray(isUnsigned: true, isBigEndian: true));
    }

    private bool VerifyEd25519(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        OperationMeter.Count("verify Ed25519");
        return Org.BouncyCastle.Math.EC.Rfc8032.Ed25519.Verify(signature.ToArray(), 0, RawKey.ToArray(), 0, signed.ToArray(), 0, signed.Length);
    }

    /// <summary>Encrypts to an RSA key.</summary>
    /// <exception cref="PkiException">Not an RSA key.</exception>
    internal byte[] Encrypt(ReadOnlySpan<byte> plain, RSAEncryptionPadding padding)
    {
        if (_key.Value is not RSA rsa)
            throw new PkiException("subjectPublicKeyInfo", "not an RSA key.");
        OperationMeter.Count($"encrypt RSA-{Bits}");
        return rsa.Encrypt(plain, padding);
    }

    private AsymmetricAlgorithm? Import()
    {
        try
        {
            if (Algorithm == Oids.EcPublicKey)
                return SigningKeys.ImportPublic(Encoded.Span);
            if (!IsRsa)
                return null;
            var rsa = RSA.Create();
            rsa.ImportRSAPublicKey(RawKey.Span, out _);
            return rsa;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        if (_key.IsValueCreated)
            _key.Value?.Dispose();
    }
}
