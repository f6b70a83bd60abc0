using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Pki;

/// <summary>Proofs by a shared secret: identityProof and popLinkWitness, in both versions (RFC 5272, sections 6.2 and 6.3; RFC 6402, section 2.3).</summary>
public static class CmcProofs
{
    /// <summary>identityProofV2 with SHA-256 and HMAC-SHA-256.</summary>
    /// <param name="requestSequence">DER of the field reqSequence, with tag and length.</param>
    /// <param name="identity">Of the control identification; null: there is none.</param>
    public static ReadOnlyMemory<byte> IdentityProof(SecretText secret, string? identity, ReadOnlySpan<byte> requestSequence) =>
        Witness(Key(HashAlgorithmName.SHA256, secret, identity), requestSequence);

    /// <summary>popLinkWitnessV2 with SHA-256 and HMAC-SHA-256.</summary>
    /// <param name="random">Of popLinkRandom: 64 bytes and more.</param>
    public static ReadOnlyMemory<byte> PopLinkWitness(SecretText secret, ReadOnlySpan<byte> random) => Witness(Key(HashAlgorithmName.SHA256, secret, null), random);

    private static ReadOnlyMemory<byte> Witness(byte[] key, ReadOnlySpan<byte> over)
    {
        byte[] mac = HMACSHA256.HashData(key, over);
        CryptographicOperations.ZeroMemory(key);
        return Der.Write(w =>
        {
            using (w.PushSequence())
            {
                using (w.PushSequence())
                    w.WriteObjectIdentifier(Oids.Sha256);
                using (w.PushSequence())
                    w.WriteObjectIdentifier(Oids.HmacSha256);
                w.WriteOctetString(mac);
            }
        });
    }

    private static byte[] Key(HashAlgorithmName hash, SecretText secret, string? identity)
    {
        byte[] input = Encoding.UTF8.GetBytes(secret.Reveal() + identity);
        try
        {
            return CryptographicOperations.HashData(hash, input);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
        }
    }

    /// <summary>Version 2 of either proof.</summary>
    /// <param name="value">DER of the control's value.</param>
    /// <param name="identity">Null for popLinkWitnessV2, and where there is no identification.</param>
    /// <exception cref="PkiException">Cannot be read, or of algorithms that are unknown here.</exception>
    public static bool VerifyV2(ReadOnlyMemory<byte> value, SecretText secret, string? identity, ReadOnlySpan<byte> over)
    {
        var (hash, mac, witness) = Der.Read(value, "witness", 1024, all =>
        {
            var content = all.ReadSequence();
            var read = (content.ReadSequence().ReadObjectIdentifier(), content.ReadSequence().ReadObjectIdentifier(), content.ReadOctetString());
            content.ThrowIfNotEmpty();
            return read;
        }, AsnEncodingRules.BER);
        byte[] key = Key(SignatureAlgorithm.HashOf(hash), secret, identity);
        byte[] expected = mac switch
        {
            Oids.HmacSha256 => HMACSHA256.HashData(key, over),
            Oids.HmacSha384 => HMACSHA384.HashData(key, over),
            Oids.HmacSha512 => HMACSHA512.HashData(key, over),
            Oids.HmacSha1 => HMACSHA1.HashData(key, over),
            _ => throw new PkiException("macAlgorithm", $"the algorithm {mac} is unknown here."),
        };
        CryptographicOperations.ZeroMemory(key);
        return CryptographicOperations.FixedTimeEquals(expected, witness);
    }

    /// <summary>Version 1 of either proof: HMAC-SHA-1 under SHA-1 of the secret.</summary>
    /// <inheritdoc cref="VerifyV2"/>
    public static bool VerifyV1(ReadOnlyMemory<byte> value, SecretText secret, ReadOnlySpan<byte> over)
    {
        byte[] witness = CmcControls.ReadOctets(value, "witness");
        byte[] key = Key(HashAlgorithmName.SHA1, secret, null);
        byte[] expected = HMACSHA1.HashData(key, over);
        CryptographicOperations.ZeroMemory(key);
        return CryptographicOperations.FixedTimeEquals(expected, witness);
    }
}
