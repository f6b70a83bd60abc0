using System.Security.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Est.Device;

/// <summary>A key that the server made.</summary>
internal static class GeneratedKey
{
    /// <param name="bytes">DER of PrivateKeyInfo; of RSAPrivateKey, if that is tolerated.</param>
    /// <exception cref="EstException">Not a key.</exception>
    public static SignatureKey Read(ReadOnlySpan<byte> bytes, EstTolerance tolerance)
    {
        try
        {
            return PrivateKeys.FromPkcs8(bytes);
        }
        catch (PkiException e)
        {
            if (tolerance.Pkcs1Keys && Rsa(bytes) is { } rsa)
                return new SignatureKey(rsa);
            throw EstException.Of(e);
        }
    }

    private static RSA? Rsa(ReadOnlySpan<byte> bytes)
    {
        var rsa = RSA.Create();
        try
        {
            rsa.ImportRSAPrivateKey(bytes, out int read);
            if (read == bytes.Length)
                return rsa;
        }
        catch (CryptographicException)
        {
            // Neither form.
        }
        rsa.Dispose();
        return null;
    }

    /// <returns>PKCS#8.</returns>
    public static SecretBytes Secret(SignatureKey key)
    {
        byte[] pkcs8 = key.ExportPkcs8();
        var secret = new SecretBytes(pkcs8);
        CryptographicOperations.ZeroMemory(pkcs8);
        return secret;
    }
}
