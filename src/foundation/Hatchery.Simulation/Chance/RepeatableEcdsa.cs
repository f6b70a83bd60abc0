using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace Hatchery.Simulation;

/// <summary>An ECDSA key over the platform's that signs in a way of its own.</summary>
public abstract class DerivedEcdsa : ECDsa
{
    private readonly ECDsa _key;
    private readonly NamedCurve _curve;

    private protected DerivedEcdsa(ECParameters parameters)
    {
        _curve = NamedCurve.Of(parameters.Curve);
        _key = Create(parameters);
        KeySizeValue = _key.KeySize;
        LegalKeySizesValue = [new KeySizes(_key.KeySize, _key.KeySize, 0)];
    }

    private protected NamedCurve Curve => _curve;

    public override byte[] SignHash(byte[] hash)
    {
        OperationMeter.Count("sign " + _curve.Name);
        return Sign(hash);
    }

    public override bool VerifyHash(byte[] hash, byte[] signature)
    {
        OperationMeter.Count("verify " + _curve.Name);
        return _key.VerifyHash(hash, signature);
    }

    /// <summary>r, s, each of the curve's width.</summary>
    private protected abstract byte[] Sign(byte[] hash);

    private protected bool IsValid(byte[] hash, byte[] signature) => _key.VerifyHash(hash, signature);

    public override ECParameters ExportParameters(bool includePrivateParameters) => _key.ExportParameters(includePrivateParameters);
    public override ECParameters ExportExplicitParameters(bool includePrivateParameters) => _key.ExportExplicitParameters(includePrivateParameters);
    public override void ImportParameters(ECParameters parameters) => throw new NotSupportedException("This key is what it is.");
    public override void GenerateKey(ECCurve curve) => throw new NotSupportedException("This key is what it is.");
    protected override byte[] HashData(byte[] data, int offset, int count, HashAlgorithmName hashAlgorithm) =>
        CryptographicOperations.HashData(hashAlgorithm, data.AsSpan(offset, count));
    protected override byte[] HashData(Stream data, HashAlgorithmName hashAlgorithm) => CryptographicOperations.HashData(hashAlgorithm, data);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _key.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>Signs by RFC 6979; the hash inside is the one whose length the value to be signed has.</summary>
internal sealed class RepeatableEcdsa(ECParameters parameters) : DerivedEcdsa(parameters)
{
    private readonly byte[] _d = parameters.D ?? throw new CryptographicException("A seeded signature needs the private key.");

    private protected override byte[] Sign(byte[] hash)
    {
        IDigest digest = hash.Length switch
        {
            20 => new Sha1Digest(),
            28 => new Sha224Digest(),
            32 => new Sha256Digest(),
            48 => new Sha384Digest(),
            64 => new Sha512Digest(),
            _ => throw new CryptographicException($"No hash has {hash.Length} bytes."),
        };
        var signer = new ECDsaSigner(new HMacDsaKCalculator(digest));
        signer.Init(true, new ECPrivateKeyParameters(new Org.BouncyCastle.Math.BigInteger(1, _d), Curve.Domain));
        var rs = signer.GenerateSignature(hash);
        return [.. Fixed(rs[0]), .. Fixed(rs[1])];
    }

    private byte[] Fixed(Org.BouncyCastle.Math.BigInteger value)
    {
        var bytes = value.ToByteArrayUnsigned();
        return [.. new byte[Curve.Width - bytes.Length], .. bytes];
    }
}
