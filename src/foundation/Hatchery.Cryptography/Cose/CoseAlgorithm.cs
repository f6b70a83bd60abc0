using System.Security.Cryptography;

namespace Hatchery.Cryptography.Cose;

/// <summary>Algorithm identifiers of the IANA COSE registry, as far as they are implemented here.</summary>
public static class CoseAlgorithm
{
    public const int Es256 = -7, Es384 = -35, A128Gcm = 1, A192Gcm = 2, A256Gcm = 3;
    public const int Ps256 = -37, Ps384 = -38, Rs256 = -257, Rs384 = -258;
    /// <summary>AES-CCM with a tag of 16 bytes: nonce of 13 bytes (30, 31) or 7 bytes (32, 33), key of 16 or 32.</summary>
    public const int AesCcm16_128_128 = 30, AesCcm16_128_256 = 31, AesCcm64_128_128 = 32, AesCcm64_128_256 = 33;

    internal static readonly byte[] ProtectedEs256 = [0xA1, 0x01, 0x26];
    internal static readonly byte[] ProtectedEs384 = [0xA1, 0x01, 0x38, 0x22];

    /// <summary>ES256 for P-256, ES384 for P-384, 0 for other curves.</summary>
    public static int ForKey(ECDsa key) => key.KeySize switch { 256 => Es256, 384 => Es384, _ => 0 };

    /// <summary>RSASSA-PKCS1-v1_5 (RFC 8812) and RSASSA-PSS with a salt as long as the hash (RFC 8230); null for other algorithms.</summary>
    internal static (HashAlgorithmName Hash, RSASignaturePadding Padding)? RsaSignature(int algorithm) => algorithm switch
    {
        Rs256 => (HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        Rs384 => (HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1),
        Ps256 => (HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
        Ps384 => (HashAlgorithmName.SHA384, RSASignaturePadding.Pss),
        _ => null,
    };

    /// <summary>{1: algorithm}.</summary>
    public static byte[] Protected(int algorithm)
    {
        var writer = new System.Formats.Cbor.CborWriter();
        writer.WriteStartMap(1);
        writer.WriteInt32(1);
        writer.WriteInt32(algorithm);
        writer.WriteEndMap();
        return writer.Encode();
    }

    internal static (int KeySize, int SignatureSize, HashAlgorithmName Hash) Signature(int algorithm) => algorithm switch
    {
        Es256 => (256, 64, HashAlgorithmName.SHA256),
        Es384 => (384, 96, HashAlgorithmName.SHA384),
        _ => default,
    };
}
