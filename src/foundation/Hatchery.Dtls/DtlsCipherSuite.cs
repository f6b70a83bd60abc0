using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dtls;

/// <summary>Values as on the wire (IANA), but for two that no registry has: Thread's EC-JPAKE and OCF's anonymous one.</summary>
public enum DtlsCipherSuite : ushort
{
    PskAes128Ccm8 = 0xC0A8,
    PskAes128Ccm = 0xC0A4,
    PskAes128CbcSha256 = 0x00AE,
    PskAes128GcmSha256 = 0x00A8,
    PskAes256GcmSha384 = 0x00A9,
    EcdhePskAes128CbcSha256 = 0xC037,
    EcdhePskAes128GcmSha256 = 0xD001,
    EcdhePskAes128Ccm8Sha256 = 0xD003,
    EcdhePskAes128CcmSha256 = 0xD005,
    EcdheEcdsaAes128Ccm8 = 0xC0AE,
    EcdheEcdsaAes128Ccm = 0xC0AC,
    EcdheEcdsaAes128GcmSha256 = 0xC02B,
    EcdheEcdsaAes256GcmSha384 = 0xC02C,
    EcdheEcdsaAes128CbcSha256 = 0xC023,
    /// <summary>draft-cragie-tls-ecjpake-01 with the code point that Thread uses. Both sides need <see cref="DtlsOptions.Password"/>.</summary>
    EcjpakeAes128Ccm8 = 0xC0FF,
    /// <summary>OCF's Just Works, unauthenticated: offered or taken only where <see cref="DtlsOptions.Suites"/> names it.</summary>
    EcdhAnonAes128CbcSha256 = 0xFF00,
}

internal enum KeyExchange { Psk, EcdhePsk, EcdheEcdsa, EcdhAnon, Ecjpake }

internal sealed record SuiteInfo(DtlsCipherSuite Id, KeyExchange KeyExchange, AeadAlgorithm? Aead, int KeyLength, HashAlgorithmName Hash)
{
    public bool IsCbc => Aead is null;
    public bool HasCertificates => KeyExchange == KeyExchange.EcdheEcdsa;
    public bool HasPsk => KeyExchange is KeyExchange.Psk or KeyExchange.EcdhePsk;
    public bool HasCurve => KeyExchange != KeyExchange.Psk;
    public bool HasEphemeral => KeyExchange is KeyExchange.EcdhePsk or KeyExchange.EcdheEcdsa or KeyExchange.EcdhAnon;
    /// <summary>The private suites are for one use: a session that anybody or a password made is not resumed.</summary>
    public bool IsResumable => KeyExchange is not (KeyExchange.EcdhAnon or KeyExchange.Ecjpake);
    public int HashLength => Hash == HashAlgorithmName.SHA384 ? 48 : 32;
    /// <summary>client_MAC, server_MAC, client_key, server_key, client_IV, server_IV.</summary>
    public int KeyBlockLength => IsCbc ? 2 * (32 + KeyLength) : 2 * (KeyLength + 4);

    private static readonly HashAlgorithmName s_256 = HashAlgorithmName.SHA256, s_384 = HashAlgorithmName.SHA384;

    /// <summary>In the order of our preference.</summary>
    public static readonly SuiteInfo[] All =
    [
        new(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, KeyExchange.EcdheEcdsa, AeadAlgorithm.AesGcm, 16, s_256),
        new(DtlsCipherSuite.EcdheEcdsaAes256GcmSha384, KeyExchange.EcdheEcdsa, AeadAlgorithm.AesGcm, 32, s_384),
        new(DtlsCipherSuite.EcdheEcdsaAes128Ccm, KeyExchange.EcdheEcdsa, AeadAlgorithm.AesCcm, 16, s_256),
        new(DtlsCipherSuite.EcdheEcdsaAes128Ccm8, KeyExchange.EcdheEcdsa, AeadAlgorithm.AesCcm8, 16, s_256),
        new(DtlsCipherSuite.EcdheEcdsaAes128CbcSha256, KeyExchange.EcdheEcdsa, null, 16, s_256),
        new(DtlsCipherSuite.EcdhePskAes128GcmSha256, KeyExchange.EcdhePsk, AeadAlgorithm.AesGcm, 16, s_256),
        new(DtlsCipherSuite.EcdhePskAes128CcmSha256, KeyExchange.EcdhePsk, AeadAlgorithm.AesCcm, 16, s_256),
        new(DtlsCipherSuite.EcdhePskAes128Ccm8Sha256, KeyExchange.EcdhePsk, AeadAlgorithm.AesCcm8, 16, s_256),
        new(DtlsCipherSuite.EcdhePskAes128CbcSha256, KeyExchange.EcdhePsk, null, 16, s_256),
        new(DtlsCipherSuite.PskAes128GcmSha256, KeyExchange.Psk, AeadAlgorithm.AesGcm, 16, s_256),
        new(DtlsCipherSuite.PskAes256GcmSha384, KeyExchange.Psk, AeadAlgorithm.AesGcm, 32, s_384),
        new(DtlsCipherSuite.PskAes128Ccm, KeyExchange.Psk, AeadAlgorithm.AesCcm, 16, s_256),
        new(DtlsCipherSuite.PskAes128Ccm8, KeyExchange.Psk, AeadAlgorithm.AesCcm8, 16, s_256),
        new(DtlsCipherSuite.PskAes128CbcSha256, KeyExchange.Psk, null, 16, s_256),
        new(DtlsCipherSuite.EcjpakeAes128Ccm8, KeyExchange.Ecjpake, AeadAlgorithm.AesCcm8, 16, s_256),
        new(DtlsCipherSuite.EcdhAnonAes128CbcSha256, KeyExchange.EcdhAnon, null, 16, s_256),
    ];

    public static SuiteInfo? Find(int id) => Array.Find(All, s => (int)s.Id == id);
}
