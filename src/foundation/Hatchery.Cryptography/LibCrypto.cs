using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>The part of OpenSSL 3's libcrypto that .NET does not offer or offers slowly. An EVP_PKEY may be shared by threads for reading, an
/// EVP_PKEY_CTX may not (<see cref="HandlePool{T}"/>).</summary>
internal static unsafe partial class LibCrypto
{
    internal const string File = "libcrypto.so.3";

    private const int InitLoadConfig = 0x40, InitNoAtExit = 0x80000;
    private static readonly Lazy<bool> s_ready = new(() => Load(File));

    /// <summary>Before the first call of anything else here.</summary>
    /// <exception cref="PlatformNotSupportedException">There is no OpenSSL 3 on this system.</exception>
    internal static void Require() => _ = s_ready.Value;

    /// <remarks>.NET's own code and finalizers may still use the library while the process ends: it must not clean up at exit.</remarks>
    internal static bool Load(string file)
    {
        if (!NativeLibrary.TryLoad(file, out _))
            throw new PlatformNotSupportedException($"{file} (OpenSSL 3) is not installed; on Debian and Ubuntu it is in the package libssl3.");
        return OPENSSL_init_crypto(InitLoadConfig | InitNoAtExit, 0) == 1
            ? true : throw new PlatformNotSupportedException($"{file} could not be initialized.");
    }

    /// <summary>Empties the thread's queue of errors, which says nothing that a peer or a log should know.</summary>
    internal static CryptographicException Failure(string sentence)
    {
        ERR_clear_error();
        return new CryptographicException(sentence);
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct Param
    {
        public byte* Key;
        public uint Type;
        public void* Data;
        public nuint Size;
        public nuint ReturnSize;
    }

    internal const uint UnsignedInteger = 2, Utf8String = 4, OctetString = 5;
    internal const int SelectParameters = 0x84, SelectPublicKey = 0x86, SelectKeyPair = 0x87;

    [LibraryImport(File)] private static partial int OPENSSL_init_crypto(ulong options, nint settings);
    [LibraryImport(File)] internal static partial void ERR_clear_error();

    [LibraryImport(File)] internal static partial void EVP_PKEY_free(nint key);
    [LibraryImport(File)] internal static partial EvpKey EVP_PKEY_dup(EvpKey key);
    [LibraryImport(File)] internal static partial int EVP_PKEY_set1_encoded_public_key(EvpKey key, byte* point, nuint length);
    [LibraryImport(File)] internal static partial int EVP_PKEY_get_octet_string_param(EvpKey key, byte* name, byte* into, nuint max, out nuint length);
    [LibraryImport(File)] internal static partial int EVP_PKEY_get_bn_param(EvpKey key, byte* name, ref nint number);

    [LibraryImport(File)] internal static partial EvpContext EVP_PKEY_CTX_new(EvpKey key, nint engine);
    [LibraryImport(File)] internal static partial EvpContext EVP_PKEY_CTX_new_from_name(nint library, byte* name, nint properties);
    [LibraryImport(File)] internal static partial void EVP_PKEY_CTX_free(nint context);
    [LibraryImport(File)] internal static partial int EVP_PKEY_fromdata_init(EvpContext context);
    [LibraryImport(File)] internal static partial int EVP_PKEY_fromdata(EvpContext context, ref nint key, int selection, Param* parameters);
    [LibraryImport(File)] internal static partial int EVP_PKEY_keygen_init(EvpContext context);
    [LibraryImport(File)] internal static partial int EVP_PKEY_CTX_set_group_name(EvpContext context, byte* name);
    // Generates into the object that the argument points at, unless it is null: set it to 0 before every call.
    [LibraryImport(File)] internal static partial int EVP_PKEY_generate(EvpContext context, ref nint key);
    [LibraryImport(File)] internal static partial int EVP_PKEY_sign_init(EvpContext context);
    [LibraryImport(File)] internal static partial int EVP_PKEY_sign(EvpContext context, byte* signature, ref nuint length, byte* hash, nuint hashLength);
    [LibraryImport(File)] internal static partial int EVP_PKEY_verify_init(EvpContext context);
    [LibraryImport(File)] internal static partial int EVP_PKEY_verify(EvpContext context, byte* signature, nuint length, byte* hash, nuint hashLength);
    [LibraryImport(File)] internal static partial int EVP_PKEY_derive_init(EvpContext context);
    [LibraryImport(File)] internal static partial int EVP_PKEY_derive_set_peer_ex(EvpContext context, EvpKey peer, int validate);
    [LibraryImport(File)] internal static partial int EVP_PKEY_derive(EvpContext context, byte* secret, ref nuint length);

    internal const int X25519 = 1034;

    [LibraryImport(File)] internal static partial EvpKey EVP_PKEY_new_raw_private_key(int type, nint engine, byte* key, nuint length);
    [LibraryImport(File)] internal static partial EvpKey EVP_PKEY_new_raw_public_key(int type, nint engine, byte* key, nuint length);
    [LibraryImport(File)] internal static partial int EVP_PKEY_get_raw_public_key(EvpKey key, byte* into, ref nuint length);
    [LibraryImport(File)] internal static partial int EVP_PKEY_get_raw_private_key(EvpKey key, byte* into, ref nuint length);

    [LibraryImport(File)] internal static partial int BN_bn2binpad(nint number, byte* into, int length);
    [LibraryImport(File)] internal static partial void BN_clear_free(nint number);
    [LibraryImport(File)] internal static partial nint BN_new();
    [LibraryImport(File)] internal static partial nint BN_bin2bn(byte* from, int length, nint into);
    [LibraryImport(File)] internal static partial void BN_set_flags(nint number, int flags);
    [LibraryImport(File)] internal static partial nint BN_CTX_new();
    [LibraryImport(File)] internal static partial void BN_CTX_free(nint context);
    [LibraryImport(File)] internal static partial nint BN_MONT_CTX_new();
    [LibraryImport(File)] internal static partial int BN_MONT_CTX_set(nint montgomery, nint modulus, nint context);
    [LibraryImport(File)] internal static partial void BN_MONT_CTX_free(nint montgomery);
    [LibraryImport(File)] internal static partial int BN_mod_exp_mont_consttime(nint result, nint number, nint exponent, nint modulus, nint context, nint montgomery);
    [LibraryImport(File)] internal static partial nint BN_get_rfc3526_prime_2048(nint into);
    [LibraryImport(File)] internal static partial nint BN_get_rfc3526_prime_3072(nint into);
    [LibraryImport(File)] internal static partial nint EC_GROUP_new_by_curve_name(int nid);
    [LibraryImport(File)] internal static partial nint EC_POINT_new(nint group);
    [LibraryImport(File)] internal static partial void EC_POINT_free(nint point);
    [LibraryImport(File)] internal static partial int EC_POINT_mul(nint group, nint result, nint scalar, nint point, nint pointScalar, nint context);
    [LibraryImport(File)] internal static partial nuint EC_POINT_point2oct(nint group, nint point, int form, byte* into, nuint length, nint context);
    [LibraryImport(File)] internal static partial int EC_POINT_oct2point(nint group, nint point, byte* from, nuint length, nint context);
    [LibraryImport(File)] internal static partial int EC_POINT_add(nint group, nint result, nint a, nint b, nint context);
    [LibraryImport(File)] internal static partial int EC_POINT_invert(nint group, nint point, nint context);
    [LibraryImport(File)] internal static partial int EC_POINT_is_at_infinity(nint group, nint point);
    [LibraryImport(File)] internal static partial void EC_POINT_clear_free(nint point);
}
