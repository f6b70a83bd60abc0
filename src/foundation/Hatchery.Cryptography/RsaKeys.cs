using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Makes RSA keys of 2048 to 4096 bits that count their operations (<see cref="OperationMeter"/>). They are immutable and may be shared by threads.</summary>
public static class RsaKeys
{
    public const int MinBits = 2048, MaxBits = 4096;
    private const string RsaEncryption = "1.2.840.113549.1.1.1";

    /// <param name="subjectPublicKeyInfo">DER.</param>
    /// <exception cref="CryptographicException">No RSA key, of another size, with an exponent that is even, below 3 or over 32 bits, or something follows it.</exception>
    public static RSA ImportPublic(ReadOnlySpan<byte> subjectPublicKeyInfo) =>
        new CountedRsa(Public(subjectPublicKeyInfo) ?? throw new CryptographicException("Not a SubjectPublicKeyInfo of an RSA key of 2048 to 4096 bits."));

    /// <summary>Modulus (without leading zero) and exponent of a SubjectPublicKeyInfo; null if it is none of an RSA key that is taken here. Nothing is computed.</summary>
    public static (byte[] Modulus, byte[] Exponent)? Read(ReadOnlySpan<byte> subjectPublicKeyInfo) =>
        Public(subjectPublicKeyInfo) is { } key ? (key.Modulus!, key.Exponent!) : null;

    /// <summary>DER SubjectPublicKeyInfo (RFC 3279).</summary>
    /// <param name="modulus">Big endian.</param>
    /// <param name="exponent">Big endian.</param>
    public static byte[] ToSubjectPublicKeyInfo(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent)
    {
        var key = new AsnWriter(AsnEncodingRules.DER);
        using (key.PushSequence())
        {
            key.WriteIntegerUnsigned(Significant(modulus));
            key.WriteIntegerUnsigned(Significant(exponent));
        }
        var all = new AsnWriter(AsnEncodingRules.DER);
        using (all.PushSequence())
        {
            using (all.PushSequence())
            {
                all.WriteObjectIdentifier(RsaEncryption);
                all.WriteNull();
            }
            all.WriteBitString(key.Encode());
        }
        return all.Encode();

        static ReadOnlySpan<byte> Significant(ReadOnlySpan<byte> number) => number.TrimStart((byte)0) is { IsEmpty: false } some ? some : [0];
    }

    /// <param name="pkcs8">DER, unencrypted.</param>
    /// <exception cref="CryptographicException">No RSA key, of another size, or something follows it.</exception>
    public static RSA ImportPrivate(ReadOnlySpan<byte> pkcs8)
    {
        var platform = RSA.Create();
        try
        {
            platform.ImportPkcs8PrivateKey(pkcs8, out int read);
            if (read != pkcs8.Length || platform.KeySize is < MinBits or > MaxBits)
                throw new CryptographicException("Not an RSA key of 2048 to 4096 bits.");
            return new CountedRsa(platform);
        }
        catch
        {
            platform.Dispose();
            throw;
        }
    }

    /// <param name="bits">2048 to 4096; the exponent is 65537.</param>
    public static RSA Generate(int bits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, MinBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, MaxBits);
        OperationMeter.Count($"generate RSA-{bits}");
        return new CountedRsa(RSA.Create(bits));
    }

    private static RSAParameters? Public(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        try
        {
            var all = new AsnReader(subjectPublicKeyInfo.ToArray(), AsnEncodingRules.DER);
            var info = all.ReadSequence();
            all.ThrowIfNotEmpty();
            var algorithm = info.ReadSequence();
            if (algorithm.ReadObjectIdentifier() != RsaEncryption)
                return null;
            var key = new AsnReader(info.ReadBitString(out int unused), AsnEncodingRules.DER);
            info.ThrowIfNotEmpty();
            var numbers = key.ReadSequence();
            key.ThrowIfNotEmpty();
            var modulus = numbers.ReadIntegerBytes().Span;
            var exponent = numbers.ReadIntegerBytes().Span;
            numbers.ThrowIfNotEmpty();
            if (unused != 0 || (modulus[0] & 0x80) != 0 || (exponent[0] & 0x80) != 0)
                return null;
            modulus = modulus.TrimStart((byte)0);
            exponent = exponent.TrimStart((byte)0);
            bool fits = modulus.Length is >= MinBits / 8 and <= MaxBits / 8 && (modulus[0] & 0x80) != 0 && (modulus[^1] & 1) != 0
                && exponent.Length is >= 1 and <= 4 && (exponent[^1] & 1) != 0 && exponent is not [1];
            return fits ? new RSAParameters { Modulus = modulus.ToArray(), Exponent = exponent.ToArray() } : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    /// <summary>The platform's key, counting.</summary>
    private sealed class CountedRsa : RSA
    {
        private readonly RSA _key;
        private readonly string _name;

        public CountedRsa(RSA key)
        {
            (_key, _name) = (key, $"RSA-{key.KeySize}");
            KeySizeValue = key.KeySize;
            LegalKeySizesValue = [new KeySizes(key.KeySize, key.KeySize, 0)];
        }

        public CountedRsa(RSAParameters parameters) : this(Create(parameters)) { }

        public override byte[] SignHash(byte[] hash, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)
        {
            OperationMeter.Count("sign " + _name);
            return _key.SignHash(hash, hashAlgorithm, padding);
        }

        public override bool TrySignHash(ReadOnlySpan<byte> hash, Span<byte> destination, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding, out int bytesWritten)
        {
            OperationMeter.Count("sign " + _name);
            return _key.TrySignHash(hash, destination, hashAlgorithm, padding, out bytesWritten);
        }

        public override bool VerifyHash(byte[] hash, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)
        {
            OperationMeter.Count("verify " + _name);
            return _key.VerifyHash(hash, signature, hashAlgorithm, padding);
        }

        public override bool VerifyHash(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)
        {
            OperationMeter.Count("verify " + _name);
            return _key.VerifyHash(hash, signature, hashAlgorithm, padding);
        }

        public override byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)
        {
            OperationMeter.Count("decrypt " + _name);
            return _key.Decrypt(data, padding);
        }

        public override byte[] Encrypt(byte[] data, RSAEncryptionPadding padding)
        {
            OperationMeter.Count("encrypt " + _name);
            return _key.Encrypt(data, padding);
        }

        public override RSAParameters ExportParameters(bool includePrivateParameters) => _key.ExportParameters(includePrivateParameters);
        public override void ImportParameters(RSAParameters parameters) => throw new NotSupportedException("The key is immutable; RsaKeys makes another.");

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _key.Dispose();
            base.Dispose(disposing);
        }
    }
}
