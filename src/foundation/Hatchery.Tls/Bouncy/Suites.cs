using System.Collections.Immutable;
using System.Net.Security;
using System.Text;
using Org.BouncyCastle.Tls;
using static System.Net.Security.TlsCipherSuite;

namespace Hatchery.Tls.Bouncy;

/// <summary>Which suites, groups and signature algorithms fit which credentials. All suites but those of RFC 4279 and 6655 without ECDHE are forward secret.</summary>
internal static class Suites
{
    private static readonly TlsCipherSuite[] s_sha256Of13 = [TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_CCM_SHA256];
    private static readonly TlsCipherSuite[] s_all13 = [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_CCM_SHA256];
    private static readonly TlsCipherSuite[] s_ecdsa =
    [
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_CCM, TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
    ];
    /// <summary>For a client only: our own keys are on elliptic curves.</summary>
    private static readonly TlsCipherSuite[] s_rsa =
        [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256];
    private static readonly TlsCipherSuite[] s_psk =
    [
        TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256,
        TLS_PSK_WITH_AES_128_GCM_SHA256, TLS_PSK_WITH_AES_128_CCM, TLS_PSK_WITH_AES_128_CCM_8,
    ];
    private static readonly TlsCipherSuite[] s_srp = [TLS_SRP_SHA_WITH_AES_128_CBC_SHA, TLS_SRP_SHA_WITH_AES_256_CBC_SHA];

    public static readonly int[] Groups = [NamedGroup.secp256r1, NamedGroup.secp384r1];

    public static IList<SignatureAndHashAlgorithm> SignatureAlgorithms =>
    [
        SignatureAndHashAlgorithm.GetInstance(HashAlgorithm.sha256, SignatureAlgorithm.ecdsa), SignatureAndHashAlgorithm.GetInstance(HashAlgorithm.sha384, SignatureAlgorithm.ecdsa),
        SignatureAndHashAlgorithm.rsa_pss_rsae_sha256, SignatureAndHashAlgorithm.rsa_pss_rsae_sha384, SignatureAndHashAlgorithm.rsa_pss_rsae_sha512,
        SignatureAndHashAlgorithm.GetInstance(HashAlgorithm.sha256, SignatureAlgorithm.rsa), SignatureAndHashAlgorithm.GetInstance(HashAlgorithm.sha384, SignatureAlgorithm.rsa),
        SignatureAndHashAlgorithm.GetInstance(HashAlgorithm.sha512, SignatureAlgorithm.rsa),
    ];

    public static ProtocolVersion[] Versions(TlsVersions versions, bool only12) => (only12 ? versions & TlsVersions.Tls12 : versions) switch
    {
        TlsVersions.All => ProtocolVersion.TLSv13.DownTo(ProtocolVersion.TLSv12),
        TlsVersions.Tls13 => ProtocolVersion.TLSv13.Only(),
        TlsVersions.Tls12 => ProtocolVersion.TLSv12.Only(),
        _ => throw new ArgumentException("No version fits the credentials.", nameof(versions)),
    };

    public static int[] ForClient(TlsClientOptions options) => Choose(options, options.Security switch
    {
        ChannelSecurity.Psk => (s_sha256Of13, s_psk),
        SrpSecurity => ([], s_srp),
        _ => (s_all13, [.. s_ecdsa, .. s_rsa]),
    });

    /// <summary>An external PSK is bound to SHA-256 (RFC 8446, section 4.2.11), and a server picks the suite before it knows whether one is used.</summary>
    public static int[] ForServer(TlsServerOptions options) => Choose(options,
        (options.PskOf is not null ? s_sha256Of13 : options.Identity is not null ? s_all13 : [],
        [.. options.Identity is not null ? s_ecdsa : [], .. options.PskOf is not null ? s_psk : [], .. options.SrpVerifierOf is not null ? s_srp : []]));

    private static int[] Choose(TlsOptions options, (TlsCipherSuite[] Tls13, TlsCipherSuite[] Tls12) fitting)
    {
        TlsCipherSuite[] all =
            [.. (options.Versions & TlsVersions.Tls13) != 0 ? fitting.Tls13 : [], .. (options.Versions & TlsVersions.Tls12) != 0 ? fitting.Tls12 : []];
        TlsCipherSuite[] chosen = options.CipherSuites.IsDefaultOrEmpty ? all : [.. options.CipherSuites.Where(all.Contains)];
        return chosen.Length > 0 ? [.. chosen.Select(s => (int)s)]
            : throw new ArgumentException("No cipher suite fits the credentials and versions given.", nameof(options));
    }

    public static IList<ProtocolName>? Protocols(ImmutableArray<string> names) =>
        names.IsDefaultOrEmpty ? null : [.. names.Select(n => ProtocolName.AsRawBytes(Encoding.ASCII.GetBytes(n)))];
}
