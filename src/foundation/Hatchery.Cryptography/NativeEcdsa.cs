using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>ECDSA over an EVP_PKEY: a public key's import does not pay .NET's order check, and operations are counted. Immutable, so that threads may share it.</summary>
internal sealed unsafe class NativeEcdsa : ECDsa
{
    // SEQUENCE of two INTEGERs of up to 66 bytes, each with a sign byte.
    private const int MaxDer = 3 + 2 * (3 + 66);

    private readonly NativeCurve _curve;
    private readonly EvpKey _key;
    private readonly byte[] _point;
    private readonly bool _isPrivate;
    private readonly HandlePool<EvpContext> _signers, _verifiers;

    /// <param name="key">Owned from here on.</param>
    /// <param name="point">Uncompressed; kept.</param>
    internal NativeEcdsa(NativeCurve curve, EvpKey key, byte[] point, bool isPrivate)
    {
        (_curve, _key, _point, _isPrivate) = (curve, key, point, isPrivate);
        KeySizeValue = curve.Bits;
        _signers = new(() => Context(LibCrypto.EVP_PKEY_sign_init));
        _verifiers = new(() => Context(LibCrypto.EVP_PKEY_verify_init));
    }

    public bool IsPrivate => _isPrivate;

    public override KeySizes[] LegalKeySizes => [new(_curve.Bits, _curve.Bits, 0)];

    public override byte[] SignHash(byte[] hash)
    {
        ArgumentNullException.ThrowIfNull(hash);
        return SignHashCore(hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    public override bool TrySignHash(ReadOnlySpan<byte> hash, Span<byte> destination, out int bytesWritten) =>
        TrySignHashCore(hash, destination, DSASignatureFormat.IeeeP1363FixedFieldConcatenation, out bytesWritten);

    public override bool VerifyHash(byte[] hash, byte[] signature)
    {
        ArgumentNullException.ThrowIfNull(hash);
        ArgumentNullException.ThrowIfNull(signature);
        return VerifyHashCore(hash, signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    public override bool VerifyHash(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> signature) =>
        VerifyHashCore(hash, signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    protected override byte[] SignHashCore(ReadOnlySpan<byte> hash, DSASignatureFormat signatureFormat)
    {
        Span<byte> signature = stackalloc byte[MaxDer];
        return TrySignHashCore(hash, signature, signatureFormat, out int length)
            ? signature[..length].ToArray() : throw new CryptographicException("The signature is too long.");
    }

    protected override bool TrySignHashCore(ReadOnlySpan<byte> hash, Span<byte> destination, DSASignatureFormat signatureFormat, out int bytesWritten)
    {
        Span<byte> der = stackalloc byte[MaxDer];
        der = der[..Sign(hash, der)];
        switch (signatureFormat)
        {
            case DSASignatureFormat.Rfc3279DerSequence:
                bytesWritten = der.TryCopyTo(destination) ? der.Length : 0;
                return bytesWritten != 0;
            case DSASignatureFormat.IeeeP1363FixedFieldConcatenation:
                bytesWritten = 0;
                if (destination.Length < 2 * _curve.Width)
                    return false;
                SignatureForms.ToP1363(der, destination[..(2 * _curve.Width)]);
                bytesWritten = 2 * _curve.Width;
                return true;
            default:
                throw new ArgumentOutOfRangeException(nameof(signatureFormat));
        }
    }

    protected override bool VerifyHashCore(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> signature, DSASignatureFormat signatureFormat)
    {
        ObjectDisposedException.ThrowIf(_key.IsClosed, this);
        Span<byte> der = stackalloc byte[MaxDer];
        scoped var encoded = signature;
        if (signatureFormat == DSASignatureFormat.IeeeP1363FixedFieldConcatenation)
        {
            if (signature.Length != 2 * _curve.Width)
                return false;
            encoded = der[..SignatureForms.ToDer(signature, der)];
        }
        OperationMeter.Count("verify " + _curve.Name);
        var context = _verifiers.Rent();
        int verdict;
        fixed (byte* h = hash, s = encoded)
            verdict = LibCrypto.EVP_PKEY_verify(context, s, (nuint)encoded.Length, h, (nuint)hash.Length);
        _verifiers.Return(context);
        if (verdict != 1)
            LibCrypto.ERR_clear_error();
        return verdict == 1;
    }

    private int Sign(ReadOnlySpan<byte> hash, Span<byte> der)
    {
        ObjectDisposedException.ThrowIf(_key.IsClosed, this);
        if (!_isPrivate)
            throw new CryptographicException("The key has no private part.");
        OperationMeter.Count("sign " + _curve.Name);
        var context = _signers.Rent();
        nuint length = (nuint)der.Length;
        int done;
        fixed (byte* h = hash, s = der)
            done = LibCrypto.EVP_PKEY_sign(context, s, ref length, h, (nuint)hash.Length);
        _signers.Return(context);
        return done == 1 ? (int)length : throw LibCrypto.Failure("The signature could not be made.");
    }

    private EvpContext Context(Func<EvpContext, int> init)
    {
        var context = NativeCurve.Made(LibCrypto.EVP_PKEY_CTX_new(_key, 0));
        return init(context) == 1 ? context : throw LibCrypto.Failure("The key cannot be used for signatures.");
    }

    public override ECParameters ExportParameters(bool includePrivateParameters)
    {
        ObjectDisposedException.ThrowIf(_key.IsClosed, this);
        int width = _curve.Width;
        var parameters = new ECParameters { Curve = _curve.Curve, Q = new ECPoint { X = _point[1..(1 + width)], Y = _point[(1 + width)..] } };
        if (!includePrivateParameters)
            return parameters;
        if (!_isPrivate)
            throw new CryptographicException("The key has no private part.");
        parameters.D = new byte[width];
        _curve.ScalarOf(_key, parameters.D);
        return parameters;
    }

    public override byte[] ExportSubjectPublicKeyInfo() => [.. _curve.SpkiPrefix, .. _point];

    public override bool TryExportSubjectPublicKeyInfo(Span<byte> destination, out int bytesWritten)
    {
        bytesWritten = 0;
        if (destination.Length < _curve.SpkiPrefix.Length + _point.Length)
            return false;
        _curve.SpkiPrefix.CopyTo(destination);
        _point.CopyTo(destination[_curve.SpkiPrefix.Length..]);
        bytesWritten = _curve.SpkiPrefix.Length + _point.Length;
        return true;
    }

    public override ECParameters ExportExplicitParameters(bool includePrivateParameters) =>
        throw new NotSupportedException("Curves are named, never explicit.");
    public override void ImportParameters(ECParameters parameters) => throw Immutable();
    public override void GenerateKey(ECCurve curve) => throw Immutable();

    private static NotSupportedException Immutable() => new("The key is immutable; SigningKeys makes another.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _signers.Dispose();
            _verifiers.Dispose();
            _key.Dispose();
        }
        base.Dispose(disposing);
    }
}
