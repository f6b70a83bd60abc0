using System.Collections.Immutable;
using System.Net.Security;
using System.Text;
using Org.BouncyCastle.Tls;

namespace Hatchery.Tls;

/// <summary>What BouncyCastle's callbacks tell the engine, and what they ask of it.</summary>
internal sealed class Progress
{
    private readonly List<AgreementKey> _keys = [];
    private TlsFailure? _refusal;
    private bool _peerClosed;

    public Moment Now { get; set; }
    public TlsConnection? Connection { get; private set; }
    public TlsFailure? Failure { get; private set; }

    /// <summary>The sentence of our own that goes with an alert.</summary>
    public TlsFatalAlert Refuse(short alert, string sentence)
    {
        _refusal = new((byte)alert, false, sentence);
        return new TlsFatalAlert(alert, sentence);
    }

    public void AlertRaised(short level, short alert, string? message, Exception? cause)
    {
        if (level != AlertLevel.fatal)
            return;
        string sentence = _refusal is { } refusal && refusal.Alert == alert ? refusal.Sentence
            : _peerClosed ? "The peer closed the connection before the handshake was complete."
            : cause is null ? message ?? AlertDescription.GetText(alert)
            : cause.InnerException is { } inner ? $"{cause.Message}: {inner.Message}" : cause.Message;
        Failure ??= new((byte)alert, false, sentence);
    }

    public void AlertReceived(short level, short alert)
    {
        _peerClosed |= alert == AlertDescription.close_notify;
        if (level == AlertLevel.fatal)
            Failure ??= new((byte)alert, true, $"The peer sent the alert {AlertDescription.GetText(alert)}.");
    }

    public void Keep(AgreementKey key) => _keys.Add(key);

    public void ForgetKeys()
    {
        foreach (var key in _keys)
            key.Dispose();
        _keys.Clear();
    }

    public void Completed(TlsContext context)
    {
        var parameters = context.SecurityParameters;
        bool is13 = TlsUtilities.IsTlsV13(parameters.NegotiatedVersion);
        Connection = new TlsConnection(Exporter.From(context.Crypto, parameters, is13))
        {
            Version = is13 ? TlsVersions.Tls13 : TlsVersions.Tls12,
            CipherSuite = (TlsCipherSuite)parameters.CipherSuite,
            PeerChain = Encoded(parameters.PeerCertificate),
            TlsUnique = is13 ? default : context.ExportChannelBinding(ChannelBinding.tls_unique),
            ApplicationProtocol = parameters.ApplicationProtocol?.GetUtf8Decoding(),
            ServerName = parameters.ClientServerNames?.FirstOrDefault(n => n.NameType == NameType.host_name) is { } name
                ? Encoding.ASCII.GetString(name.NameData) : null,
            PskIdentity = parameters.PskIdentity,
            SrpUser = parameters.SrpIdentity is { } user ? Encoding.UTF8.GetString(user) : null,
        };
        ForgetKeys();
    }

    public static ImmutableArray<byte[]> Encoded(Certificate? chain) =>
        chain is null ? [] : [.. chain.GetCertificateList().Select(c => c.GetEncoded())];
}
