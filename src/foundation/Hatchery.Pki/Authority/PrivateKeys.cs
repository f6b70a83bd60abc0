using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;

namespace Hatchery.Pki;

/// <summary>Private keys from PKCS#8, PEM and PKCS#12, as key objects that count.</summary>
public static class PrivateKeys
{
    /// <param name="pkcs8">DER, unencrypted: P-256, P-384, P-521 or RSA.</param>
    /// <exception cref="PkiException">Another kind of key, or none.</exception>
    public static SignatureKey FromPkcs8(ReadOnlySpan<byte> pkcs8)
    {
        try
        {
            return new SignatureKey(SigningKeys.ImportPrivate(pkcs8));
        }
        catch (CryptographicException)
        {
            // Not an elliptic-curve key.
        }
        var rsa = RSA.Create();
        try
        {
            rsa.ImportPkcs8PrivateKey(pkcs8, out int read);
            return read == pkcs8.Length ? new SignatureKey(rsa) : throw new PkiException("privateKey", "bytes follow behind the private key.");
        }
        catch (Exception e) when (e is CryptographicException or PlatformNotSupportedException)
        {
            rsa.Dispose();
            throw new PkiException("privateKey", "not a private key of RSA, P-256, P-384 or P-521.", e);
        }
    }

    /// <summary>A key and its certificates from PEM text: blocks PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY or ENCRYPTED PRIVATE KEY, and CERTIFICATE.</summary>
    /// <param name="password">For an encrypted key.</param>
    /// <returns>The certificate of the key first, then its issuers as far as they are there.</returns>
    /// <exception cref="PkiException">No key, or no certificate of it.</exception>
    public static (SignatureKey Key, System.Collections.Immutable.ImmutableArray<ReadOnlyMemory<byte>> Chain) FromPem(string pem, SecretText? password = null)
    {
        var certificates = PemFile.ReadAll(pem, "CERTIFICATE").Select(c => (ReadOnlyMemory<byte>)c);
        try
        {
            var key = KeyFromPem(pem, password) ?? throw new PkiException("privateKey", "no private key was found.");
            return (key, Order(key, certificates));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new PkiException("privateKey", "the private key cannot be read, or the password is wrong.", e);
        }
    }

    private static SignatureKey? KeyFromPem(string pem, SecretText? password)
    {
        foreach (string label in new[] { "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY" })
        {
            if (PemFile.ReadAll(pem, label) is not [var der, ..])
                continue;
            try
            {
                return label switch
                {
                    "PRIVATE KEY" => FromPkcs8(der),
                    "EC PRIVATE KEY" => new SignatureKey(SigningKeys.FromPem(pem)),
                    "RSA PRIVATE KEY" => new SignatureKey(Rsa(r => r.ImportRSAPrivateKey(der, out _))),
                    _ => Decrypted(der, password ?? throw new PkiException("privateKey", "the private key is encrypted and there is no password.")),
                };
            }
            finally
            {
                CryptographicOperations.ZeroMemory(der);
            }
        }
        return null;
    }

    private static RSA Rsa(Action<RSA> import)
    {
        var rsa = RSA.Create();
        import(rsa);
        return rsa;
    }

    private static SignatureKey Decrypted(byte[] der, SecretText password)
    {
        try
        {
            using var key = ECDsa.Create();
            key.ImportEncryptedPkcs8PrivateKey(password.Reveal(), der, out _);
            return FromExported(key.ExportPkcs8PrivateKey());
        }
        catch (CryptographicException)
        {
            return new SignatureKey(Rsa(r => r.ImportEncryptedPkcs8PrivateKey(password.Reveal(), der, out _)));
        }
    }

    private static SignatureKey FromExported(byte[] pkcs8)
    {
        try
        {
            return FromPkcs8(pkcs8);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pkcs8);
        }
    }

    /// <inheritdoc cref="FromPem"/>
    /// <param name="pkcs12">With one private key.</param>
    public static (SignatureKey Key, System.Collections.Immutable.ImmutableArray<ReadOnlyMemory<byte>> Chain) FromPkcs12(ReadOnlySpan<byte> pkcs12, SecretText? password)
    {
        try
        {
            var all = X509CertificateLoader.LoadPkcs12Collection(pkcs12, password?.Reveal(), X509KeyStorageFlags.EphemeralKeySet | X509KeyStorageFlags.Exportable);
            var owner = all.Where(c => c.HasPrivateKey).ToList() is [var one] ? one : throw new PkiException("privateKey", "not exactly one private key.");
            using var ecdsa = owner.GetECDsaPrivateKey();
            using var rsa = owner.GetRSAPrivateKey();
            var key = FromExported((ecdsa as AsymmetricAlgorithm ?? rsa)?.ExportPkcs8PrivateKey() ?? throw new PkiException("privateKey", "neither an RSA nor an elliptic-curve key."));
            var chain = Order(key, all.Select(c => (ReadOnlyMemory<byte>)c.RawData));
            foreach (var certificate in all)
                certificate.Dispose();
            return (key, chain);
        }
        catch (CryptographicException e)
        {
            throw new PkiException("PKCS#12", "cannot be read, or the password is wrong.", e);
        }
    }

    /// <summary>From the key's own certificate up, each signed by the next.</summary>
    private static System.Collections.Immutable.ImmutableArray<ReadOnlyMemory<byte>> Order(SignatureKey key, IEnumerable<ReadOnlyMemory<byte>> certificates)
    {
        var left = Certificate.ParseAll(certificates).ToList();
        var at = left.Find(c => c.Key.Encoded.Span.SequenceEqual(key.Public.Encoded.Span)) ?? throw new PkiException("certificate", "there is no certificate of the private key.");
        var chain = new List<Certificate>();
        for (; at is not null; at = left.Find(c => DirectoryName.AreEqual(c.Subject, chain[^1].Issuer) && chain[^1].IsSignedBy(c.Key)))
        {
            chain.Add(at);
            left.Remove(at);
        }
        return [.. chain.Select(c => c.Encoded)];
    }
}
