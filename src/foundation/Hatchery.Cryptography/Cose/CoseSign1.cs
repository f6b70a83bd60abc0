using System.Formats.Cbor;
using System.Security.Cryptography;

namespace Hatchery.Cryptography.Cose;

/// <summary>COSE_Sign1 (RFC 9052 section 4.2). Keeps the bytes it came from; the signature is checked over these.</summary>
public sealed class CoseSign1
{
    public const ulong Tag = 18;

    private CoseSign1(ReadOnlyMemory<byte> raw, ReadOnlyMemory<byte> @protected, int algorithm, CoseHeaders unprotected, ReadOnlyMemory<byte> payload,
        ReadOnlyMemory<byte> signature) => (Raw, Protected, Algorithm, Unprotected, Payload, Signature) = (raw, @protected, algorithm, unprotected, payload, signature);

    /// <summary>As received, or as made (then tagged).</summary>
    public ReadOnlyMemory<byte> Raw { get; }
    /// <summary>The content of the byte string.</summary>
    public ReadOnlyMemory<byte> Protected { get; }
    /// <summary>From the protected header; 0 if it names none.</summary>
    public int Algorithm { get; }
    public CoseHeaders Unprotected { get; }
    public ReadOnlyMemory<byte> Payload { get; }
    public ReadOnlyMemory<byte> Signature { get; }

    /// <param name="untagged">Accept the array without tag 18.</param>
    public static CoseSign1 Parse(ReadOnlyMemory<byte> bytes, CborFault fault, string field = "COSE_Sign1", bool untagged = false)
    {
        var reader = new BoundedCborReader(bytes, fault);
        var result = Parse(reader, field, untagged);
        reader.End(field);
        return result;
    }

    /// <inheritdoc cref="Parse(ReadOnlyMemory{byte}, CborFault, string, bool)"/>
    public static CoseSign1 Parse(BoundedCborReader reader, string field, bool untagged = false)
    {
        int start = reader.Position;
        if (!reader.TryTag(field, Tag) && !untagged)
            throw reader.Wrong(field, "tag 18 of a COSE_Sign1 is missing.");
        reader.StartArray(field);
        var @protected = reader.Bytes($"{field}.protected");
        var unprotected = CoseHeaders.Parse(reader, $"{field}.unprotected");
        var payload = reader.Bytes($"{field}.payload");
        var signature = reader.Bytes($"{field}.signature");
        reader.EndArray(field);
        return new CoseSign1(reader.Since(start), @protected, CoseHead.Algorithm(@protected, reader.Fault, field), unprotected, payload, signature);
    }

    /// <summary>Signs with ES256 or ES384, by the key's curve.</summary>
    /// <param name="use">The name under which <see cref="Chance.Signer(ECDsa, string)"/> knows the signature.</param>
    public static CoseSign1 Sign(ReadOnlyMemory<byte> payload, CoseHeaders unprotected, ECDsa key, Chance chance, string use)
    {
        int algorithm = CoseAlgorithm.ForKey(key);
        var @protected = algorithm switch
        {
            CoseAlgorithm.Es256 => CoseAlgorithm.ProtectedEs256,
            CoseAlgorithm.Es384 => CoseAlgorithm.ProtectedEs384,
            _ => throw new ArgumentException($"COSE signs with P-256 and P-384 here; this key has {key.KeySize} bits.", nameof(key)),
        };
        var signature = chance.Signer(key, use).SignData(ToBeSigned(@protected, payload.Span), CoseAlgorithm.Signature(algorithm).Hash);
        return Assemble(@protected, algorithm, unprotected, payload, signature);
    }

    /// <param name="algorithm">RS256, RS384, PS256 or PS384.</param>
    /// <inheritdoc cref="Sign(ReadOnlyMemory{byte}, CoseHeaders, ECDsa, Chance, string)"/>
    public static CoseSign1 Sign(ReadOnlyMemory<byte> payload, CoseHeaders unprotected, RSA key, int algorithm, Chance chance, string use)
    {
        var (hash, padding) = CoseAlgorithm.RsaSignature(algorithm) ?? throw new ArgumentException($"{algorithm} is no signature by RSA.", nameof(algorithm));
        var @protected = CoseAlgorithm.Protected(algorithm);
        var signature = chance.Signer(key, use).SignData(ToBeSigned(@protected, payload.Span), hash, padding);
        return Assemble(@protected, algorithm, unprotected, payload, signature);
    }

    private static CoseSign1 Assemble(byte[] @protected, int algorithm, CoseHeaders unprotected, ReadOnlyMemory<byte> payload, byte[] signature)
    {
        var writer = CborPool.Writer(payload.Length + signature.Length + 256);
        writer.WriteTag((CborTag)Tag);
        writer.WriteStartArray(4);
        writer.WriteByteString(@protected);
        unprotected.Write(writer);
        writer.WriteByteString(payload.Span);
        writer.WriteByteString(signature);
        writer.WriteEndArray();
        return new CoseSign1(writer.Finish(), @protected, algorithm, unprotected, payload, signature);
    }

    /// <summary>False also where algorithm, curve and length of the signature do not fit together.</summary>
    public bool Verify(ECDsa key)
    {
        var (keySize, signatureSize, hash) = CoseAlgorithm.Signature(Algorithm);
        return keySize != 0 && key.KeySize == keySize && Signature.Length == signatureSize
            && key.VerifyData(ToBeSigned(Protected.Span, Payload.Span), Signature.Span, hash);
    }

    /// <summary>By the algorithm that the protected header names; which ones a key may be used with the caller decides.</summary>
    public bool Verify(RSA key) => CoseAlgorithm.RsaSignature(Algorithm) is { } scheme && Signature.Length == (key.KeySize + 7) / 8
        && key.VerifyData(ToBeSigned(Protected.Span, Payload.Span), Signature.Span, scheme.Hash, scheme.Padding);

    /// <summary>Sig_structure: ["Signature1", protected, h'', payload].</summary>
    public static byte[] ToBeSigned(ReadOnlySpan<byte> @protected, ReadOnlySpan<byte> payload)
    {
        var context = "Signature1"u8;
        var result = new byte[2 + context.Length + CoseHead.Size(@protected.Length) + @protected.Length + 1 + CoseHead.Size(payload.Length) + payload.Length];
        result[0] = 0x84;
        result[1] = 0x6A;
        context.CopyTo(result.AsSpan(2));
        int at = 2 + context.Length;
        at += CoseHead.WriteBytes(result.AsSpan(at), @protected);
        result[at++] = 0x40;
        CoseHead.WriteBytes(result.AsSpan(at), payload);
        return result;
    }
}
