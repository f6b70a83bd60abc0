using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>A key of one key agreement by X25519 (RFC 7748 §5). Public keys and results are u-coordinates of 32 bytes, little endian.</summary>
public sealed unsafe class X25519Agreement : AgreementKey
{
    /// <summary>Of private key, public key and result, in bytes.</summary>
    public const int Length = 32;

    private readonly EvpKey _key;
    private byte[]? _public;

    private X25519Agreement(EvpKey key) => _key = key;

    /// <summary>The u-coordinate. Computed when the key is made.</summary>
    public override ReadOnlyMemory<byte> PublicPoint => _public ??= Public();

    /// <param name="use">As <see cref="Chance.Fill"/>: any 32 bytes are a private key.</param>
    public static X25519Agreement Generate(Chance chance, string use)
    {
        Span<byte> scalar = stackalloc byte[Length];
        chance.Fill(scalar, use);
        OperationMeter.Count("generate X25519");
        var key = FromPrivate(scalar);
        CryptographicOperations.ZeroMemory(scalar);
        return key;
    }

    /// <param name="scalar">32 bytes; clamped when used.</param>
    /// <exception cref="CryptographicException">Of another length.</exception>
    public static X25519Agreement FromPrivate(ReadOnlySpan<byte> scalar)
    {
        if (scalar.Length != Length)
            throw new CryptographicException($"A private key of X25519 has {Length} bytes, not {scalar.Length}.");
        LibCrypto.Require();
        fixed (byte* p = scalar)
            return new X25519Agreement(NativeCurve.Made(LibCrypto.EVP_PKEY_new_raw_private_key(LibCrypto.X25519, 0, p, Length)));
    }

    /// <summary>The shared u-coordinate, 32 bytes.</summary>
    /// <exception cref="CryptographicException">Not 32 bytes, or a point of small order: the result would be zero whatever our key is (RFC 7748 §6.1).</exception>
    public override byte[] Agree(ReadOnlySpan<byte> peerPoint)
    {
        ObjectDisposedException.ThrowIf(_key.IsClosed, this);
        if (peerPoint.Length != Length)
            throw new CryptographicException($"A public key of X25519 has {Length} bytes, not {peerPoint.Length}.");
        OperationMeter.Count("agree X25519");
        byte[] shared = new byte[Length];
        nuint length = Length;
        fixed (byte* p = peerPoint, into = shared)
        {
            using var peer = NativeCurve.Made(LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.X25519, 0, p, Length));
            using var context = NativeCurve.Made(LibCrypto.EVP_PKEY_CTX_new(_key, 0));
            if (LibCrypto.EVP_PKEY_derive_init(context) != 1 || LibCrypto.EVP_PKEY_derive_set_peer_ex(context, peer, 0) != 1
                || LibCrypto.EVP_PKEY_derive(context, into, ref length) != 1 || length != Length)
                throw LibCrypto.Failure("The peer's point is of small order.");
        }
        return shared;
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

    private byte[] Public()
    {
        byte[] point = new byte[Length];
        nuint length = Length;
        fixed (byte* p = point)
            if (LibCrypto.EVP_PKEY_get_raw_public_key(_key, p, ref length) != 1)
                throw LibCrypto.Failure("The public key could not be read.");
        return point;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _key.Dispose();
    }
}
