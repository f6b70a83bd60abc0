using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Tags of 16 bytes, but for <see cref="AesCcm8"/>, which has 8. AES-128 or AES-256 by the length of the key.</summary>
public enum AeadAlgorithm { AesGcm, AesCcm, AesCcm8 }

/// <summary>One AEAD key in one direction, its native context kept: a small record costs a tenth of what <see cref="AesCcm"/> takes. One thread at a time.
/// Some 700 bytes of native memory.</summary>
public sealed unsafe class AeadKey : IDisposable
{
    private readonly CipherContext _context;
    private readonly bool _isGcm, _seals;
    private readonly int _nonceLength;

    /// <param name="key">16 or 32 bytes.</param>
    /// <param name="seals">True: for <see cref="Seal"/>; false: for <see cref="TryOpen"/>.</param>
    /// <param name="nonceLength">Bytes: 12 for GCM, 7 to 13 for CCM.</param>
    public AeadKey(AeadAlgorithm algorithm, ReadOnlySpan<byte> key, bool seals, int nonceLength = 12)
    {
        if (key.Length is not (16 or 32))
            throw new ArgumentException("AES keys here have 16 or 32 bytes.", nameof(key));
        if (nonceLength is < 7 or > 13)
            throw new ArgumentOutOfRangeException(nameof(nonceLength));
        (_isGcm, _seals, _nonceLength, TagLength) = (algorithm == AeadAlgorithm.AesGcm, seals, nonceLength, algorithm == AeadAlgorithm.AesCcm8 ? 8 : 16);
        LibCrypto.Require();
        _context = AeadNative.EVP_CIPHER_CTX_new();
        if (_context.IsInvalid)
            throw LibCrypto.Failure("libcrypto is out of memory.");
        nint cipher = (_isGcm, key.Length) switch
        {
            (true, 16) => AeadNative.EVP_aes_128_gcm(),
            (true, _) => AeadNative.EVP_aes_256_gcm(),
            (false, 16) => AeadNative.EVP_aes_128_ccm(),
            _ => AeadNative.EVP_aes_256_ccm(),
        };
        nint context = _context.DangerousGetHandle();
        bool done;
        fixed (byte* k = key)
            done = AeadNative.EVP_CipherInit_ex(context, cipher, 0, null, null, seals ? 1 : 0) == 1
                && AeadNative.EVP_CIPHER_CTX_ctrl(context, AeadNative.SetNonceLength, nonceLength, null) == 1
                && (_isGcm || AeadNative.EVP_CIPHER_CTX_ctrl(context, AeadNative.SetTag, TagLength, null) == 1)
                && AeadNative.EVP_CipherInit_ex(context, 0, 0, k, null, seals ? 1 : 0) == 1;
        if (!done)
            throw LibCrypto.Failure("The cipher could not be set up.");
    }

    /// <summary>Bytes.</summary>
    public int TagLength { get; }

    /// <param name="into">Ciphertext and tag: as long as the plaintext and <see cref="TagLength"/> more; may begin where the plaintext does.</param>
    public void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext, Span<byte> into)
    {
        Check(nonce, seals: true);
        if (into.Length != plaintext.Length + TagLength)
            throw new ArgumentException("Ciphertext and tag do not fit exactly.", nameof(into));
        nint context = _context.DangerousGetHandle();
        bool done;
        byte none = 0;
        fixed (byte* n = nonce, a = associated, p = plaintext, o = into)
        {
            byte* input = p is null ? &none : p;
            done = AeadNative.EVP_CipherInit_ex(context, 0, 0, null, n, 1) == 1
                && (_isGcm || AeadNative.EVP_CipherUpdate(context, null, out _, null, plaintext.Length) == 1)
                && (associated.IsEmpty || AeadNative.EVP_CipherUpdate(context, null, out _, a, associated.Length) == 1)
                && (_isGcm && plaintext.IsEmpty || AeadNative.EVP_CipherUpdate(context, o, out _, input, plaintext.Length) == 1)
                && AeadNative.EVP_CipherFinal_ex(context, o + plaintext.Length, out _) == 1
                && AeadNative.EVP_CIPHER_CTX_ctrl(context, AeadNative.GetTag, TagLength, o + plaintext.Length) == 1;
        }
        GC.KeepAlive(_context);
        if (!done)
            throw LibCrypto.Failure("The record could not be sealed.");
    }

    /// <summary>False: not sealed by this key with this nonce and associated data; then <paramref name="plaintext"/> holds zeros.</summary>
    /// <param name="plaintext">As long as the input without its tag; may begin where the input does.</param>
    public bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertextAndTag, Span<byte> plaintext)
    {
        Check(nonce, seals: false);
        int length = ciphertextAndTag.Length - TagLength;
        if (length < 0)
            return false;
        if (plaintext.Length != length)
            throw new ArgumentException("The plaintext does not fit exactly.", nameof(plaintext));
        nint context = _context.DangerousGetHandle();
        bool done;
        byte none = 0;
        fixed (byte* n = nonce, a = associated, c = ciphertextAndTag, p = plaintext)
        {
            byte* output = p is null ? &none : p;
            if (_isGcm)
                done = AeadNative.EVP_CipherInit_ex(context, 0, 0, null, n, 0) == 1
                    && (associated.IsEmpty || AeadNative.EVP_CipherUpdate(context, null, out _, a, associated.Length) == 1)
                    && (length == 0 || AeadNative.EVP_CipherUpdate(context, output, out _, c, length) == 1)
                    && AeadNative.EVP_CIPHER_CTX_ctrl(context, AeadNative.SetTag, TagLength, c + length) == 1
                    && AeadNative.EVP_CipherFinal_ex(context, &none, out _) == 1;
            else
                // The tag comes first, and the last update is the verdict.
                done = AeadNative.EVP_CIPHER_CTX_ctrl(context, AeadNative.SetTag, TagLength, c + length) == 1
                    && AeadNative.EVP_CipherInit_ex(context, 0, 0, null, n, 0) == 1
                    && AeadNative.EVP_CipherUpdate(context, null, out _, null, length) == 1
                    && (associated.IsEmpty || AeadNative.EVP_CipherUpdate(context, null, out _, a, associated.Length) == 1)
                    && AeadNative.EVP_CipherUpdate(context, output, out _, c, length) == 1;
        }
        GC.KeepAlive(_context);
        if (done)
            return true;
        plaintext.Clear();
        LibCrypto.ERR_clear_error();
        return false;
    }

    private void Check(ReadOnlySpan<byte> nonce, bool seals)
    {
        ObjectDisposedException.ThrowIf(_context.IsClosed, this);
        if (nonce.Length != _nonceLength)
            throw new ArgumentException($"The nonce has {_nonceLength} bytes.", nameof(nonce));
        if (seals != _seals)
            throw new InvalidOperationException("The key works in the other direction.");
    }

    public void Dispose() => _context.Dispose();
}

internal sealed class CipherContext : SafeHandle
{
    public CipherContext() : base(0, true) { }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        // Clears the key.
        AeadNative.EVP_CIPHER_CTX_free(handle);
        return true;
    }
}

internal static unsafe partial class AeadNative
{
    internal const int SetNonceLength = 9, GetTag = 0x10, SetTag = 0x11;

    [LibraryImport(LibCrypto.File)] internal static partial CipherContext EVP_CIPHER_CTX_new();
    [LibraryImport(LibCrypto.File)] internal static partial void EVP_CIPHER_CTX_free(nint context);
    [LibraryImport(LibCrypto.File)] internal static partial nint EVP_aes_128_ccm();
    [LibraryImport(LibCrypto.File)] internal static partial nint EVP_aes_256_ccm();
    [LibraryImport(LibCrypto.File)] internal static partial nint EVP_aes_128_gcm();
    [LibraryImport(LibCrypto.File)] internal static partial nint EVP_aes_256_gcm();
    [LibraryImport(LibCrypto.File)] internal static partial int EVP_CipherInit_ex(nint context, nint cipher, nint engine, byte* key, byte* nonce, int encrypts);
    [LibraryImport(LibCrypto.File)] internal static partial int EVP_CIPHER_CTX_ctrl(nint context, int type, int argument, byte* pointer);
    [LibraryImport(LibCrypto.File)] internal static partial int EVP_CipherUpdate(nint context, byte* into, out int written, byte* from, int length);
    [LibraryImport(LibCrypto.File)] internal static partial int EVP_CipherFinal_ex(nint context, byte* into, out int written);
}
