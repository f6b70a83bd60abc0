using System.Text;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;

namespace Hatchery.Tls.Bouncy;

internal class ServerPeer : AbstractTlsServer, TlsPskIdentityManager
{
    private readonly ChanceCrypto _crypto;
    private readonly TlsServerOptions _options;
    private readonly Progress _progress;
    private readonly int[] _suites;
    private readonly ProtocolVersion[] _versions;
    private TlsSrpLoginParameters? _srp;

    public ServerPeer(ChanceCrypto crypto, TlsServerOptions options, Progress progress) : base(crypto)
    {
        (_crypto, _options, _progress) = (crypto, options, progress);
        _suites = Suites.ForServer(options);
        _versions = Suites.Versions(_suites);
    }

    protected override ProtocolVersion[] GetSupportedVersions() => _versions;
    protected override int[] GetSupportedCipherSuites() => _suites;
    protected override bool PreferLocalCipherSuites() => true;
    protected override bool AllowCertificateStatus() => false;
    public override int[] GetSupportedGroups() => Suites.Groups;
    protected override IList<ProtocolName>? GetProtocolNames() => Suites.Protocols(_options.ApplicationProtocols);

    public override int GetMaxHandshakeMessageSize() => _options.Limits.HandshakeMessage;
    public override int GetMaxCertificateChainLength() => _options.Limits.ChainLength;
    public override bool ShouldCheckSigAlgOfPeerCerts() => false;

    /// <summary>The base class takes any curve that the client names.</summary>
    protected override int GetMaximumNegotiableCurveBits() =>
        m_context.SecurityParameters.ClientSupportedGroups is { } offered
            ? offered.Where(Suites.Groups.Contains).Select(NamedGroup.GetCurveBits).DefaultIfEmpty(0).Max() : NamedGroup.GetCurveBits(NamedGroup.secp256r1);

    protected override int SelectECDH(int minimumCurveBits)
    {
        foreach (int group in m_context.SecurityParameters.ClientSupportedGroups ?? Suites.Groups)
            if (Suites.Groups.Contains(group) && NamedGroup.GetCurveBits(group) >= minimumCurveBits)
                return group;
        return -1;
    }

    public override TlsCredentials? GetCredentials()
    {
        var parameters = m_context.SecurityParameters;
        bool is13 = TlsUtilities.IsTlsV13(m_context);
        // Asked for on TLS 1.3 only if no PSK was agreed.
        _progress.PskIdentity = null;
        if (!is13 && parameters.KeyExchangeAlgorithm is not (KeyExchangeAlgorithm.ECDHE_ECDSA or KeyExchangeAlgorithm.ECDHE_RSA))
            return null;
        if (_options.Identity is null)
            throw _progress.Refuse(AlertDescription.handshake_failure, "The client offers no key that is known here, and there is no certificate to show.");
        return Credentials.For(_options.Identity, m_context, _crypto, parameters.ClientSigAlgs, null)
            ?? throw _progress.Refuse(AlertDescription.handshake_failure, "The client takes no signature of the server's key.");
    }

    public override CertificateRequest? GetCertificateRequest()
    {
        if (_options.ClientCertificates == ClientCertificates.None)
            return null;
        if (TlsUtilities.IsTlsV13(m_context))
            return new CertificateRequest([], Suites.SignatureAlgorithms, null, null);
        return m_context.SecurityParameters.KeyExchangeAlgorithm is KeyExchangeAlgorithm.ECDHE_ECDSA
            ? new CertificateRequest([ClientCertificateType.ecdsa_sign, ClientCertificateType.rsa_sign], Suites.SignatureAlgorithms, null) : null;
    }

    public override void NotifyClientCertificate(Certificate clientCertificate)
    {
        var shown = Progress.Encoded(clientCertificate);
        if (shown.IsEmpty && _options.ClientCertificates == ClientCertificates.Require)
            throw _progress.Refuse(TlsUtilities.IsTlsV13(m_context) ? AlertDescription.certificate_required : AlertDescription.handshake_failure,
                "The client shows no certificate.");
        if (!shown.IsEmpty && !_options.ClientAnchors.IsDefaultOrEmpty
            && CertificateTrust.JudgeClient(shown, _options.ClientAnchors, _progress.Now) is var (alert, sentence))
            throw _progress.Refuse(alert, sentence);
    }

    public override TlsPskIdentityManager? GetPskIdentityManager() => _options.PskOf is null ? null : this;
    public byte[]? GetHint() => null;
    public byte[]? GetPsk(byte[] identity)
    {
        if (_options.PskOf?.Invoke(identity) is { } key)
            return key.Reveal().ToArray();
        throw _progress.Refuse(AlertDescription.unknown_psk_identity, "The client's PSK identity is not known.");
    }

    public override TlsPskExternal? GetExternalPsk(IList<PskIdentity> identities)
    {
        foreach (var offered in identities)
            if (_options.PskOf?.Invoke(offered.Identity) is { } key)
            {
                _progress.PskIdentity = offered.Identity;
                return new BasicTlsPskExternal(offered.Identity, _crypto.CreateSecret(key.Reveal().ToArray()), PrfAlgorithm.tls13_hkdf_sha256);
            }
        return null;
    }

    public override void ProcessClientExtensions(IDictionary<int, byte[]> clientExtensions)
    {
        base.ProcessClientExtensions(clientExtensions);
        if (_options.SrpVerifierOf is not { } lookup || clientExtensions is null || TlsSrpUtilities.GetSrpExtension(clientExtensions) is not { } user)
            return;
        if (lookup(Encoding.UTF8.GetString(user)) is not { } verifier)
            return;
        var config = new TlsSrpConfig();
        config.SetExplicitNG([verifier.Group.N, verifier.Group.G]);
        _srp = new TlsSrpLoginParameters(user, config, verifier.Value, verifier.Salt.ToArray());
    }

    public override TlsSrpLoginParameters GetSrpLoginParameters() =>
        _srp ?? throw _progress.Refuse(AlertDescription.unknown_psk_identity, "The client's SRP user is not known.");

    public override void NotifyAlertRaised(short alertLevel, short alertDescription, string message, Exception cause) =>
        _progress.AlertRaised(alertLevel, alertDescription, message, cause);
    public override void NotifyAlertReceived(short alertLevel, short alertDescription) => _progress.AlertReceived(alertLevel, alertDescription);

    public override void NotifyHandshakeComplete()
    {
        base.NotifyHandshakeComplete();
        _progress.Completed(m_context);
    }
}
