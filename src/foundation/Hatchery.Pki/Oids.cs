namespace Hatchery.Pki;

/// <summary>Object identifiers, by the names of the documents that define them.</summary>
public static class Oids
{
    // Keys: RFC 3279, 4055, 5480, 8410.
    public const string RsaEncryption = "1.2.840.113549.1.1.1", RsaEsOaep = "1.2.840.113549.1.1.7", Mgf1 = "1.2.840.113549.1.1.8", RsassaPss = "1.2.840.113549.1.1.10";
    public const string EcPublicKey = "1.2.840.10045.2.1", Ed25519 = "1.3.101.112";
    public const string P256 = "1.2.840.10045.3.1.7", P384 = "1.3.132.0.34", P521 = "1.3.132.0.35";
    // Signatures.
    public const string Sha1WithRsa = "1.2.840.113549.1.1.5", Sha256WithRsa = "1.2.840.113549.1.1.11", Sha384WithRsa = "1.2.840.113549.1.1.12", Sha512WithRsa = "1.2.840.113549.1.1.13";
    public const string EcdsaWithSha1 = "1.2.840.10045.4.1", EcdsaWithSha256 = "1.2.840.10045.4.3.2", EcdsaWithSha384 = "1.2.840.10045.4.3.3", EcdsaWithSha512 = "1.2.840.10045.4.3.4";
    // Digests and MACs.
    public const string Sha1 = "1.3.14.3.2.26", Sha256 = "2.16.840.1.101.3.4.2.1", Sha384 = "2.16.840.1.101.3.4.2.2", Sha512 = "2.16.840.1.101.3.4.2.3";
    public const string HmacSha1 = "1.3.6.1.5.5.8.1.2", HmacSha256 = "1.2.840.113549.2.9", HmacSha384 = "1.2.840.113549.2.10", HmacSha512 = "1.2.840.113549.2.11";
    // Attributes of requests: RFC 2985, 4108, 6402, 7030, 9908.
    public const string ChallengePassword = "1.2.840.113549.1.9.7", ExtensionRequest = "1.2.840.113549.1.9.14", SmimeCapabilities = "1.2.840.113549.1.9.15";
    public const string DecryptKeyId = "1.2.840.113549.1.9.16.2.37", AsymmetricDecryptKeyId = "1.2.840.113549.1.9.16.2.54";
    public const string CertificationRequestInfoTemplate = "1.2.840.113549.1.9.16.2.61", ExtensionRequestTemplate = "1.2.840.113549.1.9.16.2.62";
    public const string ChangeSubjectName = "1.3.6.1.5.5.7.7.36";
    // Extensions: RFC 5280, 6960.
    public const string SubjectKeyIdentifier = "2.5.29.14", KeyUsage = "2.5.29.15", SubjectAltName = "2.5.29.17", BasicConstraints = "2.5.29.19", CrlNumber = "2.5.29.20";
    public const string CrlReason = "2.5.29.21", NameConstraints = "2.5.29.30", CrlDistributionPoints = "2.5.29.31", CertificatePolicies = "2.5.29.32", AuthorityKeyIdentifier = "2.5.29.35";
    public const string ExtendedKeyUsage = "2.5.29.37", AuthorityInfoAccess = "1.3.6.1.5.5.7.1.1", OcspNoCheck = "1.3.6.1.5.5.7.48.1.5", OcspNonce = "1.3.6.1.5.5.7.48.1.2", OcspBasic = "1.3.6.1.5.5.7.48.1.1";
    // Purposes.
    public const string AnyExtendedKeyUsage = "2.5.29.37.0", ServerAuth = "1.3.6.1.5.5.7.3.1", ClientAuth = "1.3.6.1.5.5.7.3.2", OcspSigning = "1.3.6.1.5.5.7.3.9", CmcCa = "1.3.6.1.5.5.7.3.27", CmcRa = "1.3.6.1.5.5.7.3.28";
    // Names.
    public const string CommonName = "2.5.4.3", SerialNumber = "2.5.4.5";
    // CMS: RFC 5652, 5958, 5753, 3565, 5084.
    public const string Data = "1.2.840.113549.1.7.1", SignedData = "1.2.840.113549.1.7.2", EnvelopedData = "1.2.840.113549.1.7.3", AuthEnvelopedData = "1.2.840.113549.1.9.16.1.23";
    public const string ContentType = "1.2.840.113549.1.9.3", MessageDigest = "1.2.840.113549.1.9.4", SigningTime = "1.2.840.113549.1.9.5";
    public const string KeyPackage = "2.16.840.1.101.2.1.2.78.5", PkiData = "1.3.6.1.5.5.7.12.2", PkiResponse = "1.3.6.1.5.5.7.12.3";
    public const string Aes128Wrap = "2.16.840.1.101.3.4.1.5", Aes192Wrap = "2.16.840.1.101.3.4.1.25", Aes256Wrap = "2.16.840.1.101.3.4.1.45";
    public const string Aes128Cbc = "2.16.840.1.101.3.4.1.2", Aes192Cbc = "2.16.840.1.101.3.4.1.22", Aes256Cbc = "2.16.840.1.101.3.4.1.42";
    public const string Aes128Gcm = "2.16.840.1.101.3.4.1.6", Aes192Gcm = "2.16.840.1.101.3.4.1.26", Aes256Gcm = "2.16.840.1.101.3.4.1.46";
    public const string EcdhSha256Kdf = "1.3.132.1.11.1", EcdhSha384Kdf = "1.3.132.1.11.2", EcdhSha512Kdf = "1.3.132.1.11.3";
}
