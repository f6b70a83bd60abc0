using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>All that makes a Configurator, for another one: DPPEnvelopedData (DPP §6.4.6, RFC 5652 with a password, RFC 5958 inside).</summary>
/// <param name="CSign">Private scalar of the C-sign-key.</param>
/// <param name="PpKey">Private scalar of the ppKey, on the same curve.</param>
/// <param name="ConfigurationTemplate">A Configuration Object without Connector.</param>
/// <param name="ConnectorTemplate">Null: none.</param>
public sealed record ConfiguratorBackup(DppCurve Curve, SecretBytes CSign, SecretBytes PpKey, string ConfigurationTemplate, string? ConnectorTemplate)
{
    private const string Pbkdf2 = "1.2.840.113549.1.5.12", Package = "1.3.6.1.4.1.40808.1.2.2", Parameters = "1.3.6.1.4.1.40808.1.2.1", EcPublicKey = "1.2.840.10045.2.1";
    private const int MaxIterations = 100000, MaxLength = 16 * 1024;
    private static readonly string[] s_siv = ["1.2.840.113549.1.9.16.3.22", "1.2.840.113549.1.9.16.3.23", "1.2.840.113549.1.9.16.3.24"];
    private static readonly string[] s_prf = ["1.2.840.113549.2.9", "1.2.840.113549.2.10", "1.2.840.113549.2.11"];
    private static readonly Asn1Tag s_wrapper = new(TagClass.ContextSpecific, 3, true), s_zero = new(TagClass.ContextSpecific, 0, true);

    internal byte[] Seal(byte[] password, Chance chance)
    {
        byte[] salt = chance.Bytes(64, "Backup.salt"), cek = chance.Bytes(Curve.HashLength, "Backup.CEK");
        byte[] kek = Rfc2898DeriveBytes.Pbkdf2(password, salt, 1000, Curve.Hash, Curve.HashLength);
        byte[] encryptedKey, content;
        using (var siv = new AesSiv(kek))
            encryptedKey = siv.Seal(cek);
        using (var siv = new AesSiv(cek))
            content = siv.Seal(WritePackage());
        CryptographicOperations.ZeroMemory(kek);
        CryptographicOperations.ZeroMemory(cek);
        int size = Curve.HashLength == 32 ? 0 : Curve.HashLength == 48 ? 1 : 2;
        var asn = new AsnWriter(AsnEncodingRules.DER);
        using (asn.PushSequence())
        {
            asn.WriteInteger(3);
            using (asn.PushSetOf())
            using (asn.PushSequence(s_wrapper))
            using (asn.PushSequence())
            {
                asn.WriteInteger(0);
                // Tagged explicitly, as others write it.
                using (asn.PushSequence(s_zero))
                using (asn.PushSequence())
                {
                    asn.WriteObjectIdentifier(Pbkdf2);
                    using (asn.PushSequence())
                    {
                        asn.WriteOctetString(salt);
                        asn.WriteInteger(1000);
                        asn.WriteInteger(Curve.HashLength);
                        using (asn.PushSequence())
                            asn.WriteObjectIdentifier(s_prf[size]);
                    }
                }
                using (asn.PushSequence())
                    asn.WriteObjectIdentifier(s_siv[0]);
                asn.WriteOctetString(encryptedKey);
            }
            using (asn.PushSequence())
            {
                asn.WriteObjectIdentifier(Package);
                using (asn.PushSequence())
                    asn.WriteObjectIdentifier(s_siv[0]);
                asn.WriteOctetString(content, new Asn1Tag(TagClass.ContextSpecific, 0));
            }
        }
        return asn.Encode();
    }

    private byte[] WritePackage()
    {
        var asn = new AsnWriter(AsnEncodingRules.DER);
        using (asn.PushSequence())
        using (asn.PushSequence())
        {
            asn.WriteInteger(0);
            using (asn.PushSequence())
            {
                asn.WriteObjectIdentifier(EcPublicKey);
                asn.WriteObjectIdentifier(Curve.Curve.Oid.Value!);
            }
            asn.WriteOctetString(PrivateKey(Curve, CSign));
            using (asn.PushSequence(s_zero))
            using (asn.PushSetOf())
            using (asn.PushSequence())
            {
                asn.WriteObjectIdentifier(Parameters);
                using (asn.PushSetOf())
                using (asn.PushSequence())
                {
                    asn.WriteOctetString(PrivateKey(Curve, PpKey));
                    asn.WriteCharacterString(UniversalTagNumber.UTF8String, ConfigurationTemplate);
                    if (ConnectorTemplate is not null)
                        asn.WriteCharacterString(UniversalTagNumber.UTF8String, ConnectorTemplate);
                }
            }
        }
        return asn.Encode();
    }

    /// <summary>RFC 5915, with the curve and without the public key, as others write it.</summary>
    private static byte[] PrivateKey(DppCurve curve, SecretBytes scalar)
    {
        var asn = new AsnWriter(AsnEncodingRules.DER);
        using (asn.PushSequence())
        {
            asn.WriteInteger(1);
            asn.WriteOctetString(scalar.Reveal());
            using (asn.PushSequence(s_zero))
                asn.WriteObjectIdentifier(curve.Curve.Oid.Value!);
        }
        return asn.Encode();
    }

    /// <exception cref="DppException"/>
    internal static ConfiguratorBackup Open(ReadOnlyMemory<byte> der, byte[] password)
    {
        if (der.Length > MaxLength)
            throw DppException.Malformed("DPPEnvelopedData", "is too long.");
        try
        {
            return Read(der, password);
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException or OverflowException)
        {
            throw DppException.Malformed("DPPEnvelopedData", "is not of its form.", e);
        }
    }

    private static ConfiguratorBackup Read(ReadOnlyMemory<byte> der, byte[] password)
    {
        var enveloped = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        enveloped.ReadInteger();
        var recipient = enveloped.ReadSetOf().ReadSequence(s_wrapper);
        // A sequence inside the tag, or the tag in place of the sequence's.
        if (recipient.PeekTag() == Asn1Tag.Sequence)
            recipient = recipient.ReadSequence();
        recipient.ReadInteger();
        var derivation = recipient.ReadSequence(s_zero);
        if (derivation.PeekTag() == Asn1Tag.Sequence)
            derivation = derivation.ReadSequence();
        Expect(derivation, Pbkdf2);
        var parameters = derivation.ReadSequence();
        byte[] salt = parameters.ReadOctetString();
        var iterations = parameters.ReadInteger();
        if (iterations < 1 || iterations > MaxIterations)
            throw DppException.Malformed("iterationCount", "is out of bounds.");
        if (parameters.PeekTag() == Asn1Tag.Integer)
            parameters.ReadInteger();
        int size = Array.IndexOf(s_prf, parameters.ReadSequence().ReadObjectIdentifier());
        if (size < 0)
            throw DppException.Malformed("prf", "is not known.");
        var (hash, length) = size switch { 0 => (HashAlgorithmName.SHA256, 32), 1 => (HashAlgorithmName.SHA384, 48), _ => (HashAlgorithmName.SHA512, 64) };
        ExpectSiv(recipient.ReadSequence());
        byte[] kek = Rfc2898DeriveBytes.Pbkdf2(password, salt, (int)iterations, hash, length);
        byte[] cek = Opened(kek, recipient.ReadOctetString());
        var content = enveloped.ReadSequence();
        Expect(content, Package);
        ExpectSiv(content.ReadSequence());
        return ReadPackage(Opened(cek, content.ReadOctetString(new Asn1Tag(TagClass.ContextSpecific, 0))));
    }

    private static byte[] Opened(byte[] key, byte[] sealedBytes)
    {
        using var siv = new AesSiv(key);
        return siv.TryOpen(sealedBytes, out byte[] plain) ? plain : throw DppException.Unwrap("DPPEnvelopedData");
    }

    private static ConfiguratorBackup ReadPackage(byte[] package)
    {
        var key = new AsnReader(package, AsnEncodingRules.DER).ReadSequence().ReadSequence();
        if (key.ReadInteger() > BigInteger.One)
            throw DppException.Malformed("OneAsymmetricKey", "has an unknown version.");
        var algorithm = key.ReadSequence();
        Expect(algorithm, EcPublicKey);
        string oid = algorithm.ReadObjectIdentifier();
        var curve = DppCurve.All.FirstOrDefault(c => c.Curve.Oid.Value == oid) ?? throw DppException.Malformed("OneAsymmetricKey", "is on a curve that is not known.");
        var csign = Scalar(curve, key.ReadOctetString());
        var attribute = key.ReadSequence(s_zero);
        // As others write it: a SET inside the tag. As RFC 5958 has it: the tag in place of the SET's.
        var one = (attribute.PeekTag() == Asn1Tag.SetOf ? attribute.ReadSetOf() : attribute).ReadSequence();
        Expect(one, Parameters);
        var values = one.ReadSetOf().ReadSequence();
        var pp = Scalar(curve, values.ReadOctetString());
        string configuration = values.ReadCharacterString(UniversalTagNumber.UTF8String);
        return new ConfiguratorBackup(curve, csign, pp, configuration, values.HasData ? values.ReadCharacterString(UniversalTagNumber.UTF8String) : null);
    }

    private static SecretBytes Scalar(DppCurve curve, byte[] privateKey)
    {
        var key = new AsnReader(privateKey, AsnEncodingRules.DER).ReadSequence();
        key.ReadInteger();
        byte[] scalar = key.ReadOctetString();
        return scalar.Length == curve.Width ? new SecretBytes(scalar) : throw DppException.Malformed("ECPrivateKey", "has another length than the curve's.");
    }

    private static void Expect(AsnReader reader, string oid)
    {
        if (reader.ReadObjectIdentifier() != oid)
            throw DppException.Malformed("DPPEnvelopedData", $"is not with {oid}.");
    }

    private static void ExpectSiv(AsnReader reader)
    {
        if (!s_siv.Contains(reader.ReadObjectIdentifier()))
            throw DppException.Malformed("DPPEnvelopedData", "is not under AES-SIV.");
    }
}
