using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>An ephemeral key on Curve25519 (RFC 7748). Here a point is 32 bytes, without a form byte.</summary>
public sealed unsafe partial class X25519Agreement : AgreementKey
{
    private const int KeyType = 1034;
    /// <summary>Of private key, public key and result, in bytes.</summary>
    public const int Length = 32;

    /// <summary>How <see cref="Chance.NewAgreementKey"/> is asked for one: the object identifier of RFC 8410.</summary>
    public static readonly ECCurve Curve = ECCurve.CreateFromValue("1.3.101.110");

    private readonly EvpKey _key;
    private readonly byte[] _public = new byte[Length];

    private X25519Agreement(EvpKey key)
    {
        _key = key;
        nuint length = Length;
        fixed (byte* p = _public)
        {
            if (EVP_PKEY_get_raw_public_key(key, p, ref length) != 1 || length != Length)
                throw LibCrypto.Failure("The public key could not be computed.");
        }
    }

    public static bool IsCurve(ECCurve curve) => curve.IsNamed && curve.Oid.Value == Curve.Oid.Value;

    public static X25519Agreement Generate(Chance chance, string use)
    {
        Span<byte> scalar = stackalloc byte[Length];
        chance.Fill(scalar, use);
        OperationMeter.Count("generate X25519");
        var key = FromPrivate(scalar);
        CryptographicOperations.ZeroMemory(scalar);
        return key;
    }

    public static X25519Agreement Generate()
    {
        Span<byte> scalar = stackalloc byte[Length];
        RandomNumberGenerator.Fill(scalar);
        OperationMeter.Count("generate X25519");
        try
        {
            return FromPrivate(scalar);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(scalar);
        }
    }

    /// <param name="scalar">32 bytes, little endian, not yet clamped.</param>
    public static X25519Agreement FromPrivate(ReadOnlySpan<byte> scalar)
    {
        if (scalar.Length != Length)
            throw new CryptographicException("A private key of X25519 has 32 bytes.");
        LibCrypto.Require();
        fixed (byte* s = scalar)
            return new(NativeCurve.Made(EVP_PKEY_new_raw_private_key(KeyType, 0, s, Length)));
    }

    public override SecretBytes ExportScalar()
    {
        Span<byte> scalar = stackalloc byte[Length];
        nuint length = Length;
        fixed (byte* p = scalar)
            if (LibCrypto.EVP_PKEY_get_raw_private_key(_key, p, ref length) != 1)
                throw LibCrypto.Failure("The private key could not be read.");
        var exported = new SecretBytes(scalar);
        CryptographicOperations.ZeroMemory(scalar);
        return exported;
    }

    public override ReadOnlyMemory<byte> PublicPoint => _public;

    /// <inheritdoc/>
    /// <exception cref="CryptographicException">Not 32 bytes, or of small order: the shared secret would be zero.</exception>
    public override byte[] Agree(ReadOnlySpan<byte> peerPoint)
    {
        ObjectDisposedException.ThrowIf(_key.IsClosed, this);
        if (peerPoint.Length != Length)
            throw new CryptographicException("A public key of X25519 has 32 bytes.");
        OperationMeter.Count("agree X25519");
        byte[] secret = new byte[Length];
        nuint length = Length;
        bool done;
        fixed (byte* p = peerPoint, s = secret)
        {
            using var peer = NativeCurve.Made(EVP_PKEY_new_raw_public_key(KeyType, 0, p, Length));
            using var context = NativeCurve.Made(LibCrypto.EVP_PKEY_CTX_new(_key, 0));
            done = LibCrypto.EVP_PKEY_derive_init(context) == 1 && LibCrypto.EVP_PKEY_derive_set_peer_ex(context, peer, 0) == 1
                && LibCrypto.EVP_PKEY_derive(context, s, ref length) == 1 && length == Length;
        }
        return done ? secret : throw LibCrypto.Failure("The key agreement failed: the peer's point is of small order.");
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _key.Dispose();
    }

    [LibraryImport(LibCrypto.File)] private static partial EvpKey EVP_PKEY_new_raw_private_key(int type, nint engine, byte* key, nuint length);
    [LibraryImport(LibCrypto.File)] private static partial EvpKey EVP_PKEY_new_raw_public_key(int type, nint engine, byte* key, nuint length);
    [LibraryImport(LibCrypto.File)] private static partial int EVP_PKEY_get_raw_public_key(EvpKey key, byte* into, ref nuint length);
}
