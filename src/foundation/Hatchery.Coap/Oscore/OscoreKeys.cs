using System.Formats.Cbor;
using System.Security.Cryptography;

namespace Hatchery.Coap.Oscore;

/// <summary>Derivations of RFC 8613 section 3.2.1 and the AEAD under the derived keys.</summary>
internal sealed class OscoreKeys : IDisposable
{
    private readonly byte[] _commonIv;
    private readonly OscoreCipher _sender, _recipient;

    public OscoreKeys(OscoreParameters parameters)
    {
        Parameters = parameters;
        int idMax = OscoreCipher.NonceSize(parameters.Aead) - 6;
        if (parameters.SenderId.Length > idMax || parameters.RecipientId.Length > idMax)
            throw new ArgumentException($"An ID has more than {idMax} bytes.", nameof(parameters));
        if (parameters.SenderId.Span.SequenceEqual(parameters.RecipientId.Span))
            throw new ArgumentException("Sender ID and Recipient ID are equal: nonces would repeat.", nameof(parameters));
        byte[] sender = Derive(parameters.SenderId, "Key"), recipient = Derive(parameters.RecipientId, "Key");
        _commonIv = Derive(default, "IV");
        _sender = new OscoreCipher(parameters.Aead, sender);
        _recipient = new OscoreCipher(parameters.Aead, recipient);
        CryptographicOperations.ZeroMemory(sender);
        CryptographicOperations.ZeroMemory(recipient);
    }

    public OscoreParameters Parameters { get; }
    internal ReadOnlySpan<byte> CommonIv => _commonIv;

    internal byte[] Derive(ReadOnlyMemory<byte> id, string type)
    {
        int length = type == "IV" ? OscoreCipher.NonceSize(Parameters.Aead) : OscoreCipher.KeySize(Parameters.Aead);
        var hash = Parameters.Hkdf == OscoreHkdf.Sha512 ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256;
        var key = new byte[length];
        HKDF.DeriveKey(hash, Parameters.MasterSecret.Reveal(), key, Parameters.MasterSalt.Span, Info(id, type, length));
        return key;
    }

    /// <summary>[id, id_context / nil, alg_aead, type, L].</summary>
    internal byte[] Info(ReadOnlyMemory<byte> id, string type, int length)
    {
        var writer = new CborWriter(CborConformanceMode.Canonical);
        writer.WriteStartArray(5);
        writer.WriteByteString(id.Span);
        if (Parameters.IdContext is { } context)
            writer.WriteByteString(context.Span);
        else
            writer.WriteNull();
        writer.WriteInt32((int)Parameters.Aead);
        writer.WriteTextString(type);
        writer.WriteInt32(length);
        writer.WriteEndArray();
        return writer.Encode();
    }

    /// <summary>Section 5.2: common IV xor (length of ID_PIV, ID_PIV, Partial IV), each padded on the left.</summary>
    internal byte[] Nonce(ReadOnlySpan<byte> idPiv, ReadOnlySpan<byte> partialIv)
    {
        var nonce = new byte[_commonIv.Length];
        nonce[0] = (byte)idPiv.Length;
        idPiv.CopyTo(nonce.AsSpan(nonce.Length - 5 - idPiv.Length));
        partialIv.CopyTo(nonce.AsSpan(nonce.Length - partialIv.Length));
        for (int i = 0; i < nonce.Length; i++)
            nonce[i] ^= _commonIv[i];
        return nonce;
    }

    /// <summary>Section 5.4: Enc_structure around [1, [alg_aead], request_kid, request_piv, h''].</summary>
    internal byte[] Aad(ReadOnlySpan<byte> requestKid, ReadOnlySpan<byte> requestPiv)
    {
        var external = new CborWriter(CborConformanceMode.Canonical);
        external.WriteStartArray(5);
        external.WriteInt32(1);
        external.WriteStartArray(1);
        external.WriteInt32((int)Parameters.Aead);
        external.WriteEndArray();
        external.WriteByteString(requestKid);
        external.WriteByteString(requestPiv);
        external.WriteByteString([]);
        external.WriteEndArray();
        var writer = new CborWriter(CborConformanceMode.Canonical);
        writer.WriteStartArray(3);
        writer.WriteTextString("Encrypt0");
        writer.WriteByteString([]);
        writer.WriteByteString(external.Encode());
        writer.WriteEndArray();
        return writer.Encode();
    }

    public byte[] Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> aad) => _sender.Encrypt(nonce, plaintext, aad);

    /// <summary>Null: not authentic.</summary>
    public byte[]? Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> aad) => _recipient.Decrypt(nonce, ciphertext, aad);

    public void Dispose()
    {
        _sender.Dispose();
        _recipient.Dispose();
        CryptographicOperations.ZeroMemory(_commonIv);
    }
}

/// <summary>One AEAD key.</summary>
internal sealed class OscoreCipher : IDisposable
{
    private readonly AesCcm? _ccm;
    private readonly AesGcm? _gcm;
    private readonly ChaCha20Poly1305? _chacha;
    private readonly int _tag;

    public OscoreCipher(OscoreAead aead, byte[] key)
    {
        _tag = aead is OscoreAead.AesCcm16_64_128 or OscoreAead.AesCcm16_64_256 ? 8 : 16;
        switch (aead)
        {
            case OscoreAead.AesGcm128 or OscoreAead.AesGcm256:
                _gcm = new AesGcm(key, _tag);
                break;
            case OscoreAead.ChaCha20Poly1305:
                _chacha = new ChaCha20Poly1305(key);
                break;
            default:
                _ccm = new AesCcm(key);
                break;
        }
    }

    public static int NonceSize(OscoreAead aead) => aead is OscoreAead.AesGcm128 or OscoreAead.AesGcm256 or OscoreAead.ChaCha20Poly1305 ? 12 : 13;

    public static int KeySize(OscoreAead aead) => aead switch
    {
        OscoreAead.AesGcm128 or OscoreAead.AesCcm16_64_128 or OscoreAead.AesCcm16_128_128 => 16,
        OscoreAead.AesGcm256 or OscoreAead.AesCcm16_64_256 or OscoreAead.AesCcm16_128_256 or OscoreAead.ChaCha20Poly1305 => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(aead), aead, "This AEAD is not supported."),
    };

    public byte[] Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> aad)
    {
        var output = new byte[plaintext.Length + _tag];
        Span<byte> ciphertext = output.AsSpan(0, plaintext.Length), tag = output.AsSpan(plaintext.Length);
        _ccm?.Encrypt(nonce, plaintext, ciphertext, tag, aad);
        _gcm?.Encrypt(nonce, plaintext, ciphertext, tag, aad);
        _chacha?.Encrypt(nonce, plaintext, ciphertext, tag, aad);
        return output;
    }

    public byte[]? Decrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> input, ReadOnlySpan<byte> aad)
    {
        if (input.Length < _tag)
            return null;
        var output = new byte[input.Length - _tag];
        ReadOnlySpan<byte> ciphertext = input[..output.Length], tag = input[output.Length..];
        try
        {
            _ccm?.Decrypt(nonce, ciphertext, tag, output, aad);
            _gcm?.Decrypt(nonce, ciphertext, tag, output, aad);
            _chacha?.Decrypt(nonce, ciphertext, tag, output, aad);
            return output;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _ccm?.Dispose();
        _gcm?.Dispose();
        _chacha?.Dispose();
    }
}
