using System.Security.Cryptography;

namespace Hatchery.Cryptography.Cose;

/// <summary>Algorithm identifiers of the IANA COSE registry, as far as they are implemented here.</summary>
public static class CoseAlgorithm
{
    public const int Es256 = -7, Es384 = -35, A128Gcm = 1, A192Gcm = 2, A256Gcm = 3;

    internal static readonly byte[] ProtectedEs256 = [0xA1, 0x01, 0x26];
    internal static readonly byte[] ProtectedEs384 = [0xA1, 0x01, 0x38, 0x22];

    /// <summary>ES256 for P-256, ES384 for P-384, 0 for other curves.</summary>
    public static int ForKey(ECDsa key) => key.KeySize switch { 256 => Es256, 384 => Es384, _ => 0 };

    internal static (int KeySize, int SignatureSize, HashAlgorithmName Hash) Signature(int algorithm) => algorithm switch
    {
        Es256 => (256, 64, HashAlgorithmName.SHA256),
        Es384 => (384, 96, HashAlgorithmName.SHA384),
        _ => default,
    };
}
