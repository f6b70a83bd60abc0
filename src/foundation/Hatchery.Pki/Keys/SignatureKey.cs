using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>A private key that signs certificates, requests and CMS, with the algorithm that it uses. The key stays the caller's: not disposed here.</summary>
public sealed class SignatureKey
{
    private readonly ECDsa? _ecdsa;
    private readonly RSA? _rsa;

    /// <summary>ECDSA with the hash of the curve's strength.</summary>
    public SignatureKey(ECDsa key) : this(key, HashOf(key.KeySize)) { }

    public SignatureKey(ECDsa key, HashAlgorithmName hash)
    {
        (_ecdsa, Algorithm) = (key, SignatureAlgorithm.Ecdsa(hash));
        Public = PublicKeyInfo.Parse(key.ExportSubjectPublicKeyInfo());
    }

    /// <param name="hash">Null: SHA-256.</param>
    public SignatureKey(RSA key, HashAlgorithmName? hash = null, bool pss = false)
    {
        (_rsa, Algorithm) = (key, SignatureAlgorithm.Rsa(hash ?? HashAlgorithmName.SHA256, pss));
        Public = PublicKeyInfo.Parse(key.ExportSubjectPublicKeyInfo());
    }

    public static implicit operator SignatureKey(ECDsa key) => new(key);
    public static implicit operator SignatureKey(RSA key) => new(key);

    public SignatureAlgorithm Algorithm { get; }
    public PublicKeyInfo Public { get; }

    /// <summary>Unencrypted PKCS#8; the caller clears it.</summary>
    /// <exception cref="CryptographicException">The key does not leave where it is.</exception>
    public byte[] ExportPkcs8()
    {
        if (_rsa is not null)
            return _rsa.ExportPkcs8PrivateKey();
        using var key = Cryptography.SigningKeys.ToBcl(_ecdsa!);
        return key.ExportPkcs8PrivateKey();
    }

    /// <param name="use">For <see cref="Chance.Signer(ECDsa, string)"/>.</param>
    public byte[] Sign(ReadOnlySpan<byte> content, Chance chance, string use)
    {
        if (_ecdsa is not null)
            return chance.Signer(_ecdsa, use).SignData(content, Algorithm.Hash, DSASignatureFormat.Rfc3279DerSequence);
        OperationMeter.Count($"sign RSA-{Public.Bits}");
        return chance.Signer(_rsa!, use).SignData(content, Algorithm.Hash, Algorithm.PssSalt >= 0 ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);
    }

    /// <summary>SEQUENCE of the content, the algorithm and the signature over the content: the frame of certificates, requests and lists.</summary>
    internal ReadOnlyMemory<byte> Frame(ReadOnlySpan<byte> content, Chance chance, string use)
    {
        byte[] signature = Sign(content, chance, use);
        var writer = new AsnWriter(AsnEncodingRules.DER, content.Length + signature.Length + 64);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(content);
            Algorithm.Write(writer);
            writer.WriteBitString(signature);
        }
        return writer.Encode();
    }

    private static HashAlgorithmName HashOf(int bits) => bits switch
    {
        <= 256 => HashAlgorithmName.SHA256,
        <= 384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA512,
    };
}
