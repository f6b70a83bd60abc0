namespace Hatchery.Dpp;

/// <summary>DPP Status (DPP §8.1).</summary>
public enum DppStatus : byte
{
    Ok = 0, NotCompatible = 1, AuthFailure = 2, UnwrapFailure = 3, BadGroup = 4, ConfigureFailure = 5, ResponsePending = 6, InvalidConnector = 7, NoMatch = 8,
    ConfigRejected = 9, NoAp = 10, ConfigurePending = 11, CsrNeeded = 12, CsrBad = 13, NewKeyNeeded = 14,
}

/// <summary>What a peer did wrong. Most of it is answered with silence or a closed connection, as the standard wants it.</summary>
/// <param name="error">The name of a <see cref="DppStatus"/>, or what the standard leaves without a number.</param>
public sealed class DppException(string error, string fieldName, string sentence, Exception? inner = null) : ProtocolException(error, fieldName, sentence, inner)
{
    public DppException(DppStatus status, string fieldName, string sentence) : this(status.ToString(), fieldName, sentence) { }

    internal static DppException Malformed(string field, string sentence, Exception? inner = null) => new("MALFORMED", field, $"{field}: {sentence}", inner);
    internal static DppException Unwrap(string message) => new(DppStatus.UnwrapFailure, "Wrapped Data", $"{message}: the wrapped data does not open.");
}
