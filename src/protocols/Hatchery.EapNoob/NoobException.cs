using System.Globalization;

namespace Hatchery.EapNoob;

/// <summary>ErrorCode of an error message (RFC 9140 §3.6).</summary>
public enum NoobErrorCode
{
    InvalidNai = 1001,
    InvalidMessageStructure = 1002,
    InvalidData = 1003,
    UnexpectedMessageType = 1004,
    InvalidEcdheKey = 1005,
    UnwantedPeer = 2001,
    /// <summary>Needs a reset by the user.</summary>
    StateMismatch = 2002,
    UnrecognizedNoobId = 2003,
    UnexpectedPeerId = 2004,
    NoCommonVersion = 3001,
    NoCommonCryptosuite = 3002,
    NoCommonDirection = 3003,
    HmacFailure = 4001,
    ApplicationError = 5001,
    InvalidServerInfo = 5002,
    InvalidServerUrl = 5003,
    InvalidPeerInfo = 5004,
}

/// <summary>What a peer, a server or an OOB message did wrong, with the error code of RFC 9140 §3.6 that tells it so.</summary>
public sealed class NoobException(NoobErrorCode code, string fieldName, string sentence, Exception? inner = null)
    : ProtocolException(((int)code).ToString(CultureInfo.InvariantCulture), fieldName, sentence, inner)
{
    public NoobErrorCode Code => code;

    /// <summary>1002.</summary>
    internal static NoobException Structure(string field, string sentence, Exception? inner = null) => new(NoobErrorCode.InvalidMessageStructure, field, $"{field}: {sentence}", inner);
    /// <summary>1003.</summary>
    internal static NoobException Invalid(string field, string sentence, Exception? inner = null) => new(NoobErrorCode.InvalidData, field, $"{field}: {sentence}", inner);
}
