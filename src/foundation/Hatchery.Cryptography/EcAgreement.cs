using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>An ephemeral key of one elliptic-curve key agreement.</summary>
public sealed class EcAgreement : AgreementKey
{
    private readonly ECDiffieHellman _key;
    private readonly ECCurve _curve;
    private readonly int _width;
    private readonly string _name;

    private EcAgreement(ECDiffieHellman key, ECCurve curve)
    {
        (_key, _curve, _width, _name) = (key, curve, (key.KeySize + 7) / 8, "P-" + key.KeySize);
        var q = key.ExportParameters(false).Q;
        PublicPoint = (byte[])[4, .. q.X!, .. q.Y!];
    }

    public override ReadOnlyMemory<byte> PublicPoint { get; }

    public static EcAgreement Generate(ECCurve curve)
    {
        var key = new EcAgreement(ECDiffieHellman.Create(curve), curve);
        OperationMeter.Count("generate " + key._name);
        return key;
    }

    /// <param name="scalar">Big endian, of the curve's width.</param>
    public static EcAgreement FromPrivate(ECCurve curve, ReadOnlySpan<byte> scalar)
    {
        var parameters = new ECParameters { Curve = curve, D = scalar.ToArray() };
        try
        {
            return new EcAgreement(ECDiffieHellman.Create(parameters), curve);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(parameters.D);
        }
    }

    public override byte[] Agree(ReadOnlySpan<byte> peerPoint)
    {
        if (peerPoint.Length != 1 + 2 * _width || peerPoint[0] != 4)
            throw new CryptographicException("The peer's point is not an uncompressed point of this curve.");
        using var peer = ECDiffieHellman.Create(new ECParameters
        {
            Curve = _curve, Q = new ECPoint { X = peerPoint.Slice(1, _width).ToArray(), Y = peerPoint[(1 + _width)..].ToArray() },
        });
        using var publicKey = peer.PublicKey;
        OperationMeter.Count("agree " + _name);
        return _key.DeriveRawSecretAgreement(publicKey);
    }

    public override SecretBytes ExportScalar()
    {
        var parameters = _key.ExportParameters(true);
        var scalar = new SecretBytes(parameters.D);
        CryptographicOperations.ZeroMemory(parameters.D);
        return scalar;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _key.Dispose();
    }
}
