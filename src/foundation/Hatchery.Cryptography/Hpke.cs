using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>HPKE (RFC 9180), base mode, one message, DHKEM over an elliptic curve and AES-GCM. The suite follows from the curve's width: 32 bytes take
/// DHKEM(P-256), HKDF-SHA256 and AES-128-GCM; 48 and 66 bytes take P-384 with SHA-384, P-521 with SHA-512, and AES-256-GCM. A brainpool curve
/// takes the numbers of the NIST curve of its size (64 bytes: those of P-521).</summary>
public static class Hpke
{
    /// <summary>enc (an uncompressed point) and the ciphertext with its tag of 16 bytes.</summary>
    /// <exception cref="CryptographicException">The recipient's point is not on the curve.</exception>
    public static byte[] Seal(ECCurve curve, ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> info, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plain, AgreementKey ephemeral)
    {
        var suite = new Suite(UncompressedPoint.CoordinateLength(curve));
        var enc = ephemeral.PublicPoint.Span;
        var (key, nonce) = suite.Schedule(ephemeral.Agree(recipient), enc, recipient, info);
        byte[] result = new byte[enc.Length + plain.Length + 16];
        enc.CopyTo(result);
        using (var aes = new AesGcm(key, 16))
            aes.Encrypt(nonce, plain, result.AsSpan(enc.Length, plain.Length), result.AsSpan(enc.Length + plain.Length), associated);
        CryptographicOperations.ZeroMemory(key);
        return result;
    }

    /// <summary>Null: it does not open.</summary>
    public static byte[]? Open(ECCurve curve, AgreementKey recipient, ReadOnlySpan<byte> info, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> sealedBytes)
    {
        int width = UncompressedPoint.CoordinateLength(curve), length = 1 + 2 * width;
        if (sealedBytes.Length < length + 16)
            return null;
        var enc = sealedBytes[..length];
        var cipher = sealedBytes[length..];
        byte[] plain = new byte[cipher.Length - 16];
        try
        {
            var (key, nonce) = new Suite(width).Schedule(recipient.Agree(enc), enc, recipient.PublicPoint.Span, info);
            using var aes = new AesGcm(key, 16);
            aes.Decrypt(nonce, cipher[..plain.Length], cipher[plain.Length..], plain, associated);
            CryptographicOperations.ZeroMemory(key);
            return plain;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private readonly struct Suite
    {
        private readonly HashAlgorithmName _hash;
        private readonly int _keyLength, _secretLength;
        private readonly byte[] _kemId, _suiteId;

        public Suite(int width)
        {
            (byte kem, byte kdf, byte aead, _hash, _keyLength, _secretLength) = width switch
            {
                32 => ((byte)0x10, (byte)1, (byte)1, HashAlgorithmName.SHA256, 16, 32),
                48 => ((byte)0x11, (byte)2, (byte)2, HashAlgorithmName.SHA384, 32, 48),
                _ => ((byte)0x12, (byte)3, (byte)2, HashAlgorithmName.SHA512, 32, 64),
            };
            _kemId = [.. "KEM"u8, 0, kem];
            _suiteId = [.. "HPKE"u8, 0, kem, 0, kdf, 0, aead];
        }

        /// <summary>Key and nonce of the first message.</summary>
        public (byte[] Key, byte[] Nonce) Schedule(byte[] dh, ReadOnlySpan<byte> enc, ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> info)
        {
            byte[] eaePrk = Extract(_kemId, [], "eae_prk"u8, dh);
            byte[] shared = Expand(_kemId, eaePrk, "shared_secret"u8, [.. enc, .. recipient], _secretLength);
            byte[] context = [0, .. Extract(_suiteId, [], "psk_id_hash"u8, []), .. Extract(_suiteId, [], "info_hash"u8, info)];
            byte[] secret = Extract(_suiteId, shared, "secret"u8, []);
            byte[] key = Expand(_suiteId, secret, "key"u8, context, _keyLength), nonce = Expand(_suiteId, secret, "base_nonce"u8, context, 12);
            foreach (byte[] gone in (ReadOnlySpan<byte[]>)[dh, eaePrk, shared, secret])
                CryptographicOperations.ZeroMemory(gone);
            return (key, nonce);
        }

        private byte[] Extract(byte[] suite, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> label, ReadOnlySpan<byte> ikm)
        {
            byte[] labeled = [.. "HPKE-v1"u8, .. suite, .. label, .. ikm];
            byte[] prk = new byte[_secretLength];
            HKDF.Extract(_hash, labeled, salt, prk);
            CryptographicOperations.ZeroMemory(labeled);
            return prk;
        }

        private byte[] Expand(byte[] suite, byte[] prk, ReadOnlySpan<byte> label, ReadOnlySpan<byte> info, int length)
        {
            byte[] okm = new byte[length];
            HKDF.Expand(_hash, prk, okm, [(byte)(length >> 8), (byte)length, .. "HPKE-v1"u8, .. suite, .. label, .. info]);
            return okm;
        }
    }
}
