using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>A key that signs: on P-256, P-384, or RSA of 2048 or 3072 bits together with the pkType that says how (FDO 1.1 §3.3.4).</summary>
public sealed class FdoPrivateKey : IDisposable
{
    private readonly ECDsa? _elliptic;
    private readonly RSA? _rsa;
    private byte[]? _spki;

    /// <exception cref="ArgumentException">Not on P-256 or P-384.</exception>
    public FdoPrivateKey(ECDsa key)
    {
        _elliptic = key;
        Type = key.KeySize switch
        {
            256 => PublicKeyType.Secp256R1,
            384 => PublicKeyType.Secp384R1,
            _ => throw new ArgumentException($"A curve of {key.KeySize} bits is none that FDO knows.", nameof(key)),
        };
        Algorithm = SignatureTypes.For(Type, key.KeySize);
    }

    /// <param name="type">RSA2048RESTR for 2048 bits and the exponent 65537, RSAPKCS or RSAPSS for 2048 or 3072 bits.</param>
    /// <exception cref="ArgumentException">Type and key do not fit.</exception>
    public FdoPrivateKey(RSA key, PublicKeyType type)
    {
        (_rsa, Type) = (key, type);
        if (!RsaTypes.Fits(key.ExportSubjectPublicKeyInfo(), type))
            throw new ArgumentException($"An RSA key of {key.KeySize} bits is none of type {type}.", nameof(key));
        Algorithm = SignatureTypes.For(type, key.KeySize);
    }

    public static implicit operator FdoPrivateKey(ECDsa key) => new(key);

    public PublicKeyType Type { get; }
    /// <summary>How it signs; also the COSE algorithm.</summary>
    public SignatureType Algorithm { get; }
    internal RSA? Rsa => _rsa;

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo => _spki ??= _elliptic?.ExportSubjectPublicKeyInfo() ?? _rsa!.ExportSubjectPublicKeyInfo();

    /// <param name="pkcs8">DER.</param>
    /// <param name="rsaType">How an RSA key is to be used; null: RSA2048RESTR for 2048 bits, RSAPKCS for 3072.</param>
    /// <exception cref="CryptographicException">No key of a supported kind.</exception>
    public static FdoPrivateKey Import(ReadOnlySpan<byte> pkcs8, PublicKeyType? rsaType = null)
    {
        ECDsa? elliptic = null;
        try
        {
            elliptic = SigningKeys.ImportPrivate(pkcs8);
        }
        catch (CryptographicException)
        {
        }
        try
        {
            if (elliptic is not null)
                return new FdoPrivateKey(elliptic);
            var rsa = RsaKeys.ImportPrivate(pkcs8);
            return new FdoPrivateKey(rsa, rsaType ?? RsaTypes.Usual(rsa.KeySize));
        }
        catch (ArgumentException e)
        {
            throw new CryptographicException("A key on P-256 or P-384, or RSA of 2048 or 3072 bits, is needed.", e);
        }
    }

    /// <summary>A new key pair.</summary>
    /// <param name="bits">Of an RSA key: 2048 or 3072.</param>
    public static FdoPrivateKey Generate(PublicKeyType type, Chance chance, string use, int? bits = null) => type switch
    {
        PublicKeyType.Secp256R1 => new(chance.NewSigningKey(ECCurve.NamedCurves.nistP256, use)),
        PublicKeyType.Secp384R1 => new(chance.NewSigningKey(ECCurve.NamedCurves.nistP384, use)),
        PublicKeyType.Rsa2048Restr => new(RsaKeys.Generate(2048), type),
        _ => new(RsaKeys.Generate(bits ?? 3072), type),
    };

    /// <summary>DER, unencrypted; to be zeroed.</summary>
    public byte[] ExportPkcs8() => _elliptic?.ExportPkcs8PrivateKey() ?? _rsa!.ExportPkcs8PrivateKey();

    public CoseSign1 Sign(ReadOnlyMemory<byte> payload, CoseHeaders unprotected, Chance chance, string use) =>
        _elliptic is not null ? CoseSign1.Sign(payload, unprotected, _elliptic, chance, use) : CoseSign1.Sign(payload, unprotected, _rsa!, (int)Algorithm, chance, use);

    public void Dispose()
    {
        _elliptic?.Dispose();
        _rsa?.Dispose();
    }

    public override string ToString() => $"[{Type} private key]";
}

/// <summary>Which signatures go with which keys (FDO 1.1 §3.3.5).</summary>
public static class SignatureTypes
{
    /// <param name="keySize">In bits: RSA of 2048 signs with SHA-256, of 3072 with SHA-384.</param>
    public static SignatureType For(PublicKeyType type, int keySize) => type switch
    {
        PublicKeyType.Secp256R1 => SignatureType.Es256,
        PublicKeyType.Secp384R1 => SignatureType.Es384,
        PublicKeyType.Rsa2048Restr => SignatureType.Rs256,
        PublicKeyType.RsaPkcs => keySize > 2048 ? SignatureType.Rs384 : SignatureType.Rs256,
        _ => keySize > 2048 ? SignatureType.Ps384 : SignatureType.Ps256,
    };

    /// <summary>Whether a device with this key may sign so. The certificate of an RSA key does not say which padding goes with it: the device does.</summary>
    public static bool Fits(ReadOnlyMemory<byte> deviceKey, SignatureType signature) => FdoPublicKey.TypeOf(deviceKey) switch
    {
        PublicKeyType.Secp256R1 => signature == SignatureType.Es256,
        PublicKeyType.Secp384R1 => signature == SignatureType.Es384,
        PublicKeyType.Rsa2048Restr => signature is SignatureType.Rs256 or SignatureType.Ps256,
        PublicKeyType.RsaPkcs => signature is SignatureType.Rs384 or SignatureType.Ps384,
        _ => false,
    };

    /// <summary>Whether the attestation key signed this.</summary>
    /// <param name="deviceKey">SubjectPublicKeyInfo, DER.</param>
    public static bool Verify(CoseSign1 signed, ReadOnlyMemory<byte> deviceKey)
    {
        var signature = (SignatureType)signed.Algorithm;
        if (!Fits(deviceKey, signature))
            return false;
        try
        {
            if (signature is SignatureType.Es256 or SignatureType.Es384)
            {
                using var elliptic = SigningKeys.ImportPublic(deviceKey.Span);
                return signed.Verify(elliptic);
            }
            using var rsa = RsaKeys.ImportPublic(deviceKey.Span);
            return signed.Verify(rsa);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}

/// <summary>The pkTypes of RSA keys.</summary>
internal static class RsaTypes
{
    private static readonly byte[] s_65537 = [1, 0, 1];

    public static bool IsRsa(PublicKeyType type) => type is PublicKeyType.Rsa2048Restr or PublicKeyType.RsaPkcs or PublicKeyType.RsaPss;

    /// <summary>The type of a key of which nothing but its size is known.</summary>
    public static PublicKeyType Usual(int bits) => bits == 2048 ? PublicKeyType.Rsa2048Restr : PublicKeyType.RsaPkcs;

    /// <summary>Null: no RSA key of 2048 or 3072 bits.</summary>
    public static int? Bits(ReadOnlySpan<byte> spki) => RsaKeys.Read(spki) is { Modulus.Length: 256 or 384 } key ? key.Modulus.Length * 8 : null;

    public static bool Fits(ReadOnlySpan<byte> spki, PublicKeyType type) => RsaKeys.Read(spki) is { } key && type switch
    {
        PublicKeyType.Rsa2048Restr => key.Modulus.Length == 256 && key.Exponent.AsSpan().SequenceEqual(s_65537),
        PublicKeyType.RsaPkcs or PublicKeyType.RsaPss => key.Modulus.Length is 256 or 384,
        _ => false,
    };
}
