using System.Security.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Est.Device;

/// <summary>Opens a generated key that came encrypted (RFC 7030, section 4.4.2), and verifies that a signer under the EST CA made it.</summary>
/// <param name="sealedKey">DER of EnvelopedData.</param>
/// <param name="generators">Anchors of the EST CA.</param>
/// <returns>PKCS#8.</returns>
/// <exception cref="PkiException">Not for our key, or not by such a signer.</exception>
public delegate SecretBytes KeyOpener(ReadOnlyMemory<byte> sealedKey, TrustStore generators, DateTimeOffset? at);

/// <summary>The ways to open one, and the attributes that ask for them.</summary>
public static class EncryptedKey
{
    /// <summary>With a symmetric key that the server has under this identifier.</summary>
    /// <param name="kek">16, 24 or 32 bytes.</param>
    public static EstDeviceOptions By(EstDeviceOptions options, ReadOnlyMemory<byte> identifier, SecretBytes kek) => options with
    {
        KeyGenAttributes = [RequestAttribute.DecryptKeyId(identifier)],
        OpenKey = (sealedKey, generators, at) => Read(EnvelopedData.Parse(sealedKey).Decrypt(identifier.Span, kek), generators, at),
    };

    /// <summary>With the private key of a certificate that the server knows under this identifier.</summary>
    public static EstDeviceOptions By(EstDeviceOptions options, ReadOnlyMemory<byte> identifier, ECDsa key) => options with
    {
        KeyGenAttributes = [RequestAttribute.AsymmetricDecryptKeyId(identifier)],
        OpenKey = (sealedKey, generators, at) => Read(EnvelopedData.Parse(sealedKey).Decrypt(key, identifier: identifier), generators, at),
    };

    /// <inheritdoc cref="By(EstDeviceOptions, ReadOnlyMemory{byte}, ECDsa)"/>
    public static EstDeviceOptions By(EstDeviceOptions options, ReadOnlyMemory<byte> identifier, RSA key) => options with
    {
        KeyGenAttributes = [RequestAttribute.AsymmetricDecryptKeyId(identifier)],
        OpenKey = (sealedKey, generators, at) => Read(EnvelopedData.Parse(sealedKey).Decrypt(key, identifier: identifier), generators, at),
    };

    private static SecretBytes Read(SecretBytes signed, TrustStore generators, DateTimeOffset? at)
    {
        using (signed)
            return KeyPackage.Open(signed, generators, new PathOptions { At = at });
    }
}
