using System.Security.Cryptography;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.X9;
using Org.BouncyCastle.Crypto.EC;
using Org.BouncyCastle.Crypto.Parameters;

namespace Hatchery.Simulation;

/// <param name="Name">As operations are counted.</param>
/// <param name="Width">Of a coordinate or scalar, bytes.</param>
internal sealed record NamedCurve(string Name, int Width, ECDomainParameters Domain)
{
    public static NamedCurve Of(ECCurve curve)
    {
        var (name, oid) = (curve.Oid?.Value, curve.Oid?.FriendlyName) switch
        {
            ("1.2.840.10045.3.1.7", _) or (_, "nistP256" or "ECDSA_P256" or "ECDH_P256") => ("P-256", "1.2.840.10045.3.1.7"),
            ("1.3.132.0.34", _) or (_, "nistP384" or "ECDSA_P384" or "ECDH_P384") => ("P-384", "1.3.132.0.34"),
            ("1.3.132.0.35", _) or (_, "nistP521" or "ECDSA_P521" or "ECDH_P521") => ("P-521", "1.3.132.0.35"),
            ({ } other, var friendly) => (friendly ?? other, other),
            (_, { } friendly) => (friendly, ECNamedCurveTable.GetOid(friendly)?.Id ?? throw Unknown(friendly)),
            _ => throw Unknown("without a name"),
        };
        X9ECParameters x9 = CustomNamedCurves.GetByOid(new DerObjectIdentifier(oid)) ?? ECNamedCurveTable.GetByOid(new DerObjectIdentifier(oid)) ?? throw Unknown(name);
        return new NamedCurve(name, (x9.N.BitLength + 7) / 8, new ECDomainParameters(x9));
    }

    private static CryptographicException Unknown(string name) => new($"The curve {name} is not known here.");
}
