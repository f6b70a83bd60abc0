using System.Formats.Cbor;
using System.Security.Cryptography;

namespace Hatchery.Cryptography.Cose;

/// <summary>COSE_Encrypt0 (RFC 9052 section 5.2) with AES-GCM (IV of 12 bytes) or AES-CCM (IV of 7 or 13): IV in unprotected label 5,
/// tag of 16 bytes behind the ciphertext.</summary>
public sealed class CoseEncrypt0
{
    public const ulong Tag = 16;
    public const int GcmIvSize = 12, GcmTagSize = 16;

    private CoseEncrypt0(ReadOnlyMemory<byte> raw, ReadOnlyMemory<byte> @protected, int algorithm, ReadOnlyMemory<byte> iv, ReadOnlyMemory<byte> ciphertext) =>
        (Raw, Protected, Algorithm, Iv, Ciphertext) = (raw, @protected, algorithm, iv, ciphertext);

    public ReadOnlyMemory<byte> Raw { get; }
    /// <summary>The content of the byte string.</summary>
    public ReadOnlyMemory<byte> Protected { get; }
    /// <summary>From the protected header; 0 if it names none.</summary>
    public int Algorithm { get; }
    public ReadOnlyMemory<byte> Iv { get; }
    /// <summary>With the tag behind it.</summary>
    public ReadOnlyMemory<byte> Ciphertext { get; }

    /// <param name="untagged">Accept the array without tag 16.</param>
    public static CoseEncrypt0 Parse(ReadOnlyMemory<byte> bytes, CborFault fault, string field = "COSE_Encrypt0", bool untagged = false)
    {
        var reader = new BoundedCborReader(bytes, fault);
        if (!reader.TryTag(field, Tag) && !untagged)
            throw reader.Wrong(field, "tag 16 of a COSE_Encrypt0 is missing.");
        reader.StartArray(field);
        var @protected = reader.Bytes($"{field}.protected");
        var unprotected = CoseHeaders.Parse(reader, $"{field}.unprotected");
        var ciphertext = reader.Bytes($"{field}.ciphertext");
        reader.EndArray(field);
        reader.End(field);
        if (!unprotected.TryGet(CoseHeaders.Iv, out var iv))
            throw reader.Wrong($"{field}.unprotected", "the IV (label 5) is missing.");
        return new CoseEncrypt0(bytes, @protected, CoseHead.Algorithm(@protected, fault, field),
            new BoundedCborReader(iv, fault, 1).Bytes($"{field}.IV"), ciphertext);
    }

    /// <param name="algorithm">A128GCM, A192GCM or A256GCM, as fits the key.</param>
    /// <param name="ivUse">The name under which the IV is drawn.</param>
    public static CoseEncrypt0 Encrypt(int algorithm, AesGcm key, ReadOnlySpan<byte> plaintext, Chance chance, string ivUse)
    {
        var @protected = new byte[] { 0xA1, 0x01, (byte)algorithm };
        var iv = new byte[GcmIvSize];
        chance.Fill(iv, ivUse);
        var ciphertext = new byte[plaintext.Length + GcmTagSize];
        Span<byte> associated = stackalloc byte[AssociatedSize(@protected.Length)];
        Associated(@protected, associated);
        key.Encrypt(iv, plaintext, ciphertext.AsSpan(0, plaintext.Length), ciphertext.AsSpan(plaintext.Length), associated);
        return Assemble(@protected, algorithm, iv, ciphertext);
    }

    /// <param name="algorithm">One of the AES-CCM algorithms with a tag of 16 bytes, as fits the key.</param>
    /// <param name="iv">7 or 13 bytes, as the algorithm says; never twice under one key.</param>
    public static CoseEncrypt0 Encrypt(int algorithm, AesCcm key, ReadOnlySpan<byte> plaintext, byte[] iv)
    {
        var @protected = CoseAlgorithm.Protected(algorithm);
        var ciphertext = new byte[plaintext.Length + GcmTagSize];
        Span<byte> associated = stackalloc byte[AssociatedSize(@protected.Length)];
        Associated(@protected, associated);
        key.Encrypt(iv, plaintext, ciphertext.AsSpan(0, plaintext.Length), ciphertext.AsSpan(plaintext.Length), associated);
        return Assemble(@protected, algorithm, iv, ciphertext);
    }

    private static CoseEncrypt0 Assemble(byte[] @protected, int algorithm, byte[] iv, byte[] ciphertext)
    {
        var writer = CborPool.Writer(ciphertext.Length + 32);
        writer.WriteTag((CborTag)Tag);
        writer.WriteStartArray(3);
        writer.WriteByteString(@protected);
        writer.WriteStartMap(1);
        writer.WriteInt32(CoseHeaders.Iv);
        writer.WriteByteString(iv);
        writer.WriteEndMap();
        writer.WriteByteString(ciphertext);
        writer.WriteEndArray();
        return new CoseEncrypt0(writer.Finish(), @protected, algorithm, iv, ciphertext);
    }

    /// <summary>The plaintext; null if algorithm or lengths do not fit or the tag does not match.</summary>
    public byte[]? Decrypt(int algorithm, AesGcm key)
    {
        if (Algorithm != algorithm || Iv.Length != GcmIvSize || Ciphertext.Length < GcmTagSize || Protected.Length > 64)
            return null;
        int length = Ciphertext.Length - GcmTagSize;
        var plaintext = new byte[length];
        Span<byte> associated = stackalloc byte[AssociatedSize(Protected.Length)];
        Associated(Protected.Span, associated);
        try
        {
            key.Decrypt(Iv.Span, Ciphertext.Span[..length], Ciphertext.Span[length..], plaintext, associated);
            return plaintext;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    /// <inheritdoc cref="Decrypt(int, AesGcm)"/>
    /// <param name="ivSize">7 or 13.</param>
    public byte[]? Decrypt(int algorithm, AesCcm key, int ivSize)
    {
        if (Algorithm != algorithm || Iv.Length != ivSize || Ciphertext.Length < GcmTagSize || Protected.Length > 64)
            return null;
        int length = Ciphertext.Length - GcmTagSize;
        var plaintext = new byte[length];
        Span<byte> associated = stackalloc byte[AssociatedSize(Protected.Length)];
        Associated(Protected.Span, associated);
        try
        {
            key.Decrypt(Iv.Span, Ciphertext.Span[..length], Ciphertext.Span[length..], plaintext, associated);
            return plaintext;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    private static int AssociatedSize(int protectedLength) => 10 + CoseHead.Size(protectedLength) + protectedLength + 1;

    /// <summary>Enc_structure: ["Encrypt0", protected, h''].</summary>
    private static void Associated(ReadOnlySpan<byte> @protected, Span<byte> into)
    {
        into[0] = 0x83;
        into[1] = 0x68;
        "Encrypt0"u8.CopyTo(into[2..]);
        int at = 10 + CoseHead.WriteBytes(into[10..], @protected);
        into[at] = 0x40;
    }
}
