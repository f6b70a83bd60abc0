using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Makes key objects that count their operations (<see cref="OperationMeter"/>). Import once and keep: an import costs more than a signature.</summary>
public static class SigningKeys
{
    /// <param name="subjectPublicKeyInfo">DER. Throws <see cref="CryptographicException"/> for what is no EC key of a supported curve, or no point on it.</param>
    public static ECDsa ImportPublic(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(subjectPublicKeyInfo, out _);
        return key;
    }

    /// <param name="pkcs8">DER, unencrypted.</param>
    public static ECDsa ImportPrivate(ReadOnlySpan<byte> pkcs8)
    {
        var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(pkcs8, out _);
        return key;
    }
}
