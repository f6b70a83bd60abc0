using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Production's randomness: the operating system's, and libcrypto's for keys.</summary>
public sealed class SystemChance : Chance
{
    public override void Fill(Span<byte> destination, string use) => RandomNumberGenerator.Fill(destination);
    public override AgreementKey NewAgreementKey(ECCurve curve, string use) =>
        X25519Agreement.IsCurve(curve) ? X25519Agreement.Generate() : EcAgreement.Generate(curve);
    public override ECDsa NewSigningKey(ECCurve curve, string use) => SigningKeys.Generate(curve);
}
