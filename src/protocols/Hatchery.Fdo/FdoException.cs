using System.Globalization;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>EMErrorCode of an error message (FDO 1.1 §5.1.1).</summary>
public enum FdoErrorCode
{
    InvalidJwtToken = 1,
    InvalidOwnershipVoucher = 2,
    InvalidOwnerSignBody = 3,
    InvalidIpAddress = 4,
    InvalidGuid = 5,
    ResourceNotFound = 6,
    MessageBodyError = 100,
    InvalidMessageError = 101,
    CredReuseError = 102,
    InternalServerError = 500,
}

/// <summary>What a peer did wrong, with the error number of FDO 1.1 §5.1.1 that tells it so.</summary>
public sealed class FdoException(FdoErrorCode code, string fieldName, string sentence, Exception? inner = null)
    : ProtocolException(((int)code).ToString(CultureInfo.InvariantCulture), fieldName, sentence, inner)
{
    public FdoErrorCode Code => code;

    /// <summary>100: the body is no CBOR or of the wrong shape.</summary>
    public static readonly CborFault Body = static (field, sentence, inner) => new FdoException(FdoErrorCode.MessageBodyError, field, sentence, inner);
    /// <summary>101: well-formed, but a nonce, signature, hash, index or order is wrong.</summary>
    public static readonly CborFault Content = static (field, sentence, inner) => new FdoException(FdoErrorCode.InvalidMessageError, field, sentence, inner);
    /// <summary>2: an ownership voucher.</summary>
    public static readonly CborFault Voucher = static (field, sentence, inner) => new FdoException(FdoErrorCode.InvalidOwnershipVoucher, field, sentence, inner);

    /// <summary>101.</summary>
    public static FdoException Invalid(string field, string sentence, Exception? inner = null) => new(FdoErrorCode.InvalidMessageError, field, $"{field}: {sentence}", inner);
}
