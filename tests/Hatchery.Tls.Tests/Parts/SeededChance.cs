using System.Security.Cryptography;
using System.Text;
using Hatchery.Cryptography;
using Org.BouncyCastle.Asn1.Nist;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Utilities;

namespace Hatchery.Tls.Tests;

/// <summary>The n-th draw of a name is a function of seed, name and n; signatures are those of RFC 6979.</summary>
internal sealed class SeededChance(int seed) : Chance
{
    private readonly Dictionary<string, int> _draws = [];

    /// <summary>How often each name was drawn.</summary>
    public IReadOnlyDictionary<string, int> Draws => _draws;

    public override void Fill(Span<byte> destination, string use)
    {
        int n = _draws[use] = _draws.GetValueOrDefault(use) + 1;
        byte[] key = SHA256.HashData(Encoding.UTF8.GetBytes($"{seed}/{use}/{n}"));
        HKDF.Expand(HashAlgorithmName.SHA256, key, destination, []);
    }

    public override AgreementKey NewAgreementKey(ECCurve curve, string use) => EcAgreement.FromPrivate(curve, Scalar(curve, use));

    public override ECDsa NewSigningKey(ECCurve curve, string use) => ECDsa.Create(new ECParameters { Curve = curve, D = Scalar(curve, use) });

    public override ECDsa Signer(ECDsa key, string use) => new Rfc6979Key(key);

    private byte[] Scalar(ECCurve curve, string use)
    {
        byte[] d = Bytes(curve.Oid.Value == ECCurve.NamedCurves.nistP384.Oid.Value ? 48 : 32, use);
        d[0] &= 0x7F;
        return d;
    }
}

internal sealed class Rfc6979Key(ECDsa key) : ECDsa
{
    public override byte[] SignHash(byte[] hash)
    {
        var parameters = key.ExportParameters(true);
        int width = parameters.D!.Length;
        var curve = NistNamedCurves.GetByName($"P-{width * 8}");
        var signer = new ECDsaSigner(new HMacDsaKCalculator(width == 32 ? new Sha256Digest() : new Sha384Digest()));
        signer.Init(true, new ECPrivateKeyParameters(new Org.BouncyCastle.Math.BigInteger(1, parameters.D), new ECDomainParameters(curve)));
        var signature = signer.GenerateSignature(hash);
        return [.. BigIntegers.AsUnsignedByteArray(width, signature[0]), .. BigIntegers.AsUnsignedByteArray(width, signature[1])];
    }

    public override bool VerifyHash(byte[] hash, byte[] signature) => key.VerifyHash(hash, signature);
    public override int KeySize => key.KeySize;
}
