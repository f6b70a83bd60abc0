namespace Hatchery.Dtls;

/// <summary>AlertDescription of RFC 5246, section 7.2, and of the extensions' documents.</summary>
public enum DtlsAlert : byte
{
    CloseNotify = 0,
    UnexpectedMessage = 10,
    BadRecordMac = 20,
    RecordOverflow = 22,
    HandshakeFailure = 40,
    BadCertificate = 42,
    UnsupportedCertificate = 43,
    CertificateRevoked = 44,
    CertificateExpired = 45,
    CertificateUnknown = 46,
    IllegalParameter = 47,
    UnknownCa = 48,
    AccessDenied = 49,
    DecodeError = 50,
    DecryptError = 51,
    ProtocolVersion = 70,
    InsufficientSecurity = 71,
    InternalError = 80,
    InappropriateFallback = 86,
    UserCanceled = 90,
    NoRenegotiation = 100,
    UnsupportedExtension = 110,
    UnrecognizedName = 112,
    UnknownPskIdentity = 115,
    NoApplicationProtocol = 120,
}

/// <summary>Why a session is no more.</summary>
/// <param name="Alert">Null: none was exchanged (a timeout).</param>
/// <param name="FromPeer">The peer sent the alert; else we did.</param>
/// <param name="Sentence">For a log; no secrets.</param>
public sealed record DtlsFailure(DtlsAlert? Alert, bool FromPeer, string Sentence);

/// <summary>What a peer sent breaks a rule. Engines catch it and answer with the alert; parsers used by themselves throw it.</summary>
public sealed class DtlsException(DtlsAlert alert, string fieldName, string sentence, Exception? inner = null)
    : ProtocolException(alert.ToString(), fieldName, sentence, inner)
{
    public DtlsAlert Alert => alert;
}
