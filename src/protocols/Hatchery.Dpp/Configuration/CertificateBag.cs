using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Pki;

namespace Hatchery.Dpp;

/// <summary>certs-only CMS in entCreds: which certificate in it is the device's (DPP §4.5.4).</summary>
internal static class CertificateBag
{
    public const int MaxLength = 32 * 1024;

    /// <exception cref="DppException">No certificate in it is for this key.</exception>
    public static void CheckLeaf(ReadOnlyMemory<byte> bag, DppCurve curve, ReadOnlyMemory<byte> point)
    {
        if (bag.Length > MaxLength)
            throw DppException.Malformed("certBag", $"has more than {MaxLength} bytes.");
        try
        {
            foreach (var der in CertsOnly.Parse(bag))
            {
                using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
                if (certificate.PublicKey.EncodedKeyValue.RawData.AsSpan().SequenceEqual(point.Span))
                    return;
            }
        }
        catch (Exception e) when (e is PkiException or CryptographicException)
        {
            throw DppException.Malformed("certBag", "is no certs-only CMS.", e);
        }
        throw DppException.Malformed("certBag", $"has no certificate for our key on {curve}.");
    }
}
