using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>A certification request (RFC 2986) whose signature was verified with the key that it brings.</summary>
public sealed class Pkcs10
{
    private const int MaxBytes = 16384;

    private Pkcs10(X500DistinguishedName subject, ReadOnlyMemory<byte> spki, PublicKey key) => (Subject, SubjectPublicKeyInfo, Key) = (subject, spki, key);

    public X500DistinguishedName Subject { get; }
    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; }
    internal PublicKey Key { get; }

    /// <param name="der">DER, not PEM.</param>
    /// <exception cref="PkiException">Cannot be read, or the proof of possession fails.</exception>
    public static Pkcs10 Parse(ReadOnlyMemory<byte> der)
    {
        if (der.Length > MaxBytes)
            throw new PkiException("CertificationRequest", $"a request of {der.Length} bytes; {MaxBytes} are allowed.");
        try
        {
            var request = CertificateRequest.LoadSigningRequest(der.ToArray(), HashAlgorithmName.SHA256, out int consumed, CertificateRequestLoadOptions.Default);
            if (consumed != der.Length)
                throw new PkiException("CertificationRequest", "bytes follow behind its end.");
            return new Pkcs10(request.SubjectName, request.PublicKey.ExportSubjectPublicKeyInfo(), request.PublicKey);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or NotSupportedException or FormatException)
        {
            throw new PkiException("CertificationRequest", "cannot be read, or is not signed by the key that it brings.", e);
        }
    }
}
