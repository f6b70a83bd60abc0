using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>An ephemeral key of one elliptic-curve key agreement on P-256, P-384 or P-521.</summary>
public sealed unsafe class EcAgreement : AgreementKey
{
    private readonly NativeCurve _curve;
    private readonly EvpKey _key;
    private byte[]? _point;

    private EcAgreement(NativeCurve curve, EvpKey key) => (_curve, _key) = (curve, key);

    /// <summary>Computed when first asked for: one who only agrees does not pay for it.</summary>
    public override ReadOnlyMemory<byte> PublicPoint => _point ??= _curve.PointOf(_key);

    /// <exception cref="CryptographicException">Another curve.</exception>
    public static EcAgreement Generate(ECCurve curve)
    {
        var native = NativeCurve.Of(curve);
        OperationMeter.Count("generate " + native.Name);
        return new EcAgreement(native, native.Generate());
    }

    /// <param name="scalar">Big endian, of the curve's width.</param>
    /// <exception cref="CryptographicException">Another curve, or not a private key of it.</exception>
    public static EcAgreement FromPrivate(ECCurve curve, ReadOnlySpan<byte> scalar)
    {
        var native = NativeCurve.Of(curve);
        return new EcAgreement(native, native.FromScalar(scalar, []));
    }

    public override byte[] Agree(ReadOnlySpan<byte> peerPoint)
    {
        ObjectDisposedException.ThrowIf(_key.IsClosed, this);
        OperationMeter.Count("agree " + _curve.Name);
        var peer = _curve.RentPeer(peerPoint);
        byte[] x = new byte[_curve.Width];
        nuint length = (nuint)x.Length;
        bool done;
        // The context holds the peer's key: it is gone before the next agreement puts another point into it.
        using (var context = NativeCurve.Made(LibCrypto.EVP_PKEY_CTX_new(_key, 0)))
            fixed (byte* p = x)
            {
                done = LibCrypto.EVP_PKEY_derive_init(context) == 1 && LibCrypto.EVP_PKEY_derive_set_peer_ex(context, peer, 0) == 1
                    && LibCrypto.EVP_PKEY_derive(context, p, ref length) == 1 && length == (nuint)x.Length;
            }
        _curve.ReturnPeer(peer);
        return done ? x : throw LibCrypto.Failure("The key agreement failed.");
    }

    public override SecretBytes ExportScalar()
    {
        Span<byte> scalar = stackalloc byte[_curve.Width];
        try
        {
            _curve.ScalarOf(_key, scalar);
            return new SecretBytes(scalar);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(scalar);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _key.Dispose();
    }
}
