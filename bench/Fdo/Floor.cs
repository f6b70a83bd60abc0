using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Hatchery.Bench.Fdo;

/// <summary>What the server's public-key operations of one TO2 cost in bare OpenSSL, with kept objects: an ephemeral key, an agreement, two signatures, one verification.</summary>
internal static unsafe partial class Floor
{
    private const string Crypto = "libcrypto.so.3";
    [LibraryImport(Crypto, StringMarshalling = StringMarshalling.Utf8)] private static partial nint EVP_PKEY_Q_keygen(nint context, nint properties, string type, string curve);
    [LibraryImport(Crypto)] private static partial nint EVP_PKEY_CTX_new(nint key, nint engine);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_keygen_init(nint context);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_generate(nint context, nint* key);
    [LibraryImport(Crypto)] private static partial void EVP_PKEY_free(nint key);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_sign_init(nint context);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_sign(nint context, byte* signature, nuint* length, byte* digest, nuint digestLength);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_verify_init(nint context);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_verify(nint context, byte* signature, nuint length, byte* digest, nuint digestLength);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_derive_init(nint context);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_derive_set_peer_ex(nint context, nint peer, int validate);
    [LibraryImport(Crypto)] private static partial int EVP_PKEY_derive(nint context, byte* secret, nuint* length);

    public static double Microseconds(string curve)
    {
        string name = curve == "p384" ? "P-384" : "P-256";
        nint key = EVP_PKEY_Q_keygen(0, 0, "EC", name), peer = EVP_PKEY_Q_keygen(0, 0, "EC", name);
        byte* digest = stackalloc byte[48], signature = stackalloc byte[160], secret = stackalloc byte[66];
        nint sign = EVP_PKEY_CTX_new(key, 0), verify = EVP_PKEY_CTX_new(key, 0), derive = EVP_PKEY_CTX_new(key, 0), generate = EVP_PKEY_CTX_new(key, 0);
        Check(EVP_PKEY_sign_init(sign) & EVP_PKEY_verify_init(verify) & EVP_PKEY_derive_init(derive) & EVP_PKEY_keygen_init(generate));
        Check(EVP_PKEY_derive_set_peer_ex(derive, peer, 0));
        nuint digestLength = name == "P-384" ? 48u : 32u, length = 160;
        Check(EVP_PKEY_sign(sign, signature, &length, digest, digestLength));
        nuint signatureLength = length;
        double best = double.MaxValue;
        for (int batch = 0; batch < 20; batch++)
        {
            const int Rounds = 30;
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Rounds; i++)
            {
                nint made = 0;
                Check(EVP_PKEY_generate(generate, &made));
                EVP_PKEY_free(made);
                nuint size = 66;
                Check(EVP_PKEY_derive(derive, secret, &size));
                length = 160;
                Check(EVP_PKEY_sign(sign, signature, &length, digest, digestLength));
                signatureLength = length;
                length = 160;
                Check(EVP_PKEY_sign(sign, signature, &length, digest, digestLength));
                signatureLength = length;
                Check(EVP_PKEY_verify(verify, signature, signatureLength, digest, digestLength));
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / Rounds);
        }
        return best;
    }

    private static void Check(int result)
    {
        if (result != 1)
            throw new InvalidOperationException("libcrypto refused.");
    }
}
