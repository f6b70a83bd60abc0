using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Fdo;

namespace Hatchery.Server.Roles;

/// <summary>The RSA keys of FDO's roles: one for each type, because a key signs in one way only.</summary>
internal static class FdoRsa
{
    public static readonly ImmutableArray<(string Name, int Bits, PublicKeyType Type)> Types =
        [("rsa2048restr", 2048, PublicKeyType.Rsa2048Restr), ("rsapkcs", 3072, PublicKeyType.RsaPkcs), ("rsapss", 3072, PublicKeyType.RsaPss)];

    /// <summary>A self-signed certificate, DER: all that X5CHAIN needs.</summary>
    public static ReadOnlyMemory<byte> SelfSigned(string subject, RSA key, DateTimeOffset now, TimeSpan life, Chance chance)
    {
        var name = new X500DistinguishedName(subject);
        var request = new CertificateRequest(name, new PublicKey(key), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        byte[] serial = chance.Bytes(16, "CA.serialNumber");
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        using var made = request.Create(name, X509SignatureGenerator.CreateForRSA(key, RSASignaturePadding.Pkcs1), now.AddMinutes(-5), now + life, serial);
        return made.RawData;
    }
}
