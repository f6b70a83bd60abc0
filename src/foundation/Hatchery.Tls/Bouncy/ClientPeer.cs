using System.Net;
using System.Text;
using Org.BouncyCastle.Tls;

namespace Hatchery.Tls.Bouncy;

internal sealed class ClientPeer : AbstractTlsClient
{
    private readonly ChanceCrypto _crypto;
    private readonly TlsClientOptions _options;
    private readonly Progress _progress;
    private readonly int[] _suites;
    private readonly ProtocolVersion[] _versions;

    public ClientPeer(ChanceCrypto crypto, TlsClientOptions options, Progress progress) : base(crypto)
    {
        (_crypto, _options, _progress) = (crypto, options, progress);
        (_suites, _versions) = (Suites.ForClient(options), Suites.Versions(options.Versions, only12: options.Security is SrpSecurity));
    }

    protected override ProtocolVersion[] GetSupportedVersions() => _versions;
    protected override int[] GetSupportedCipherSuites() => _suites;
    protected override IList<int> GetSupportedGroups(IList<int> namedGroupRoles) => [.. Suites.Groups];
    protected override IList<SignatureAndHashAlgorithm> GetSupportedSignatureAlgorithms() => Suites.SignatureAlgorithms;
    protected override IList<ProtocolName>? GetProtocolNames() => Suites.Protocols(_options.ApplicationProtocols);
    protected override CertificateStatusRequest? GetCertificateStatusRequest() => null;
    protected override IList<ServerName>? GetSniServerNames() =>
        _options.ServerName is { Length: > 0 } name && !IPAddress.TryParse(name, out _)
            ? [new ServerName(NameType.host_name, Encoding.ASCII.GetBytes(name))] : null;

    public override int GetMaxHandshakeMessageSize() => _options.Limits.HandshakeMessage;
    public override int GetMaxCertificateChainLength() => _options.Limits.ChainLength;
    /// <summary>The chain is judged as a whole, or not at all: <see cref="CertificateTrust"/>.</summary>
    public override bool ShouldCheckSigAlgOfPeerCerts() => false;

    public override IDictionary<int, byte[]> GetClientExtensions()
    {
        var extensions = base.GetClientExtensions();
        if (_options.Security is SrpSecurity srp)
            TlsSrpUtilities.AddSrpExtension(extensions, Encoding.UTF8.GetBytes(srp.User));
        return extensions;
    }

    public override TlsPskIdentity? GetPskIdentity() =>
        _options.Security is ChannelSecurity.Psk psk ? new BasicTlsPskIdentity([.. psk.Identity], psk.Key.Reveal().ToArray()) : null;

    public override IList<TlsPskExternal>? GetExternalPsks() =>
        _options.Security is ChannelSecurity.Psk psk && _versions.Contains(ProtocolVersion.TLSv13)
            ? [new BasicTlsPskExternal([.. psk.Identity], _crypto.CreateSecret(psk.Key.Reveal().ToArray()), PrfAlgorithm.tls13_hkdf_sha256)] : null;

    public override TlsSrpIdentity? GetSrpIdentity() => _options.Security is SrpSecurity srp
        ? new BasicTlsSrpIdentity(Encoding.UTF8.GetBytes(srp.User), Encoding.UTF8.GetBytes(srp.Password.Reveal())) : null;

    public override TlsSrpConfigVerifier GetSrpConfigVerifier() => new DefaultTlsSrpConfigVerifier(SrpVerifier.Groups);

    public override TlsAuthentication GetAuthentication() => _options.Security is ChannelSecurity.Psk or SrpSecurity
        ? throw _progress.Refuse(AlertDescription.handshake_failure, "The server shows a certificate where a shared secret was to be proven.")
        : new Authentication(this);

    public override void NotifyAlertRaised(short alertLevel, short alertDescription, string message, Exception cause) =>
        _progress.AlertRaised(alertLevel, alertDescription, message, cause);
    public override void NotifyAlertReceived(short alertLevel, short alertDescription) => _progress.AlertReceived(alertLevel, alertDescription);

    public override void NotifyHandshakeComplete()
    {
        base.NotifyHandshakeComplete();
        _progress.Completed(m_context);
    }

    private sealed class Authentication(ClientPeer peer) : TlsAuthentication
    {
        public void NotifyServerCertificate(TlsServerCertificate serverCertificate)
        {
            var shown = Progress.Encoded(serverCertificate.Certificate);
            if (shown.IsEmpty)
                throw peer._progress.Refuse(AlertDescription.decode_error, "The server shows no certificate.");
            var refusal = peer._options.Security switch
            {
                ChannelSecurity.None => null,
                ChannelSecurity.Certificates wanted => CertificateTrust.JudgeServer(shown, wanted, peer._options.ServerName, peer._progress.Now),
                _ => (AlertDescription.internal_error, "This security knows no certificates."),
            };
            if (refusal is var (alert, sentence))
                throw peer._progress.Refuse(alert, sentence);
        }

        public TlsCredentials? GetClientCredentials(CertificateRequest certificateRequest) => peer._options.Identity is { } identity
            ? Credentials.For(identity, peer.m_context, peer._crypto, certificateRequest.SupportedSignatureAlgorithms, certificateRequest.GetCertificateRequestContext())
            : null;
    }
}
