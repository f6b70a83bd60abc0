using System.Security.Cryptography;

namespace Hatchery.Fdo.Tests;

/// <summary>The platform's randomness, for tests whose outcome does not depend on it.</summary>
public sealed class PlatformSigner : Chance
{
    public override void Fill(Span<byte> destination, string use) => RandomNumberGenerator.Fill(destination);
    public override AgreementKey NewAgreementKey(ECCurve curve, string use) => throw new NotSupportedException();
    public override ECDsa NewSigningKey(ECCurve curve, string use) => ECDsa.Create(curve);
}
