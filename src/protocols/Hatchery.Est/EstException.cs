using System.Collections.Immutable;
using System.Globalization;

namespace Hatchery.Est;

/// <summary>What a peer did wrong, with the HTTP status that tells it so (RFC 7030, section 4.2.3). The sentence is sent: it must help the client, and hold no secret.</summary>
public sealed class EstException(int status, string fieldName, string sentence, Exception? inner = null)
    : ProtocolException(status.ToString(CultureInfo.InvariantCulture), fieldName, sentence, inner)
{
    public int Status => status;
    /// <summary>With 503 and 429.</summary>
    public TimeSpan? RetryAfter { get; init; }
    /// <summary>Values of WWW-Authenticate, with 401.</summary>
    public ImmutableArray<string> Challenges { get; init; } = [];
    /// <summary>With 405.</summary>
    public string? Allow { get; init; }
    /// <summary>DER of a CMC Full PKI Response that says the same.</summary>
    public ReadOnlyMemory<byte> Cmc { get; init; }

    public static EstException Malformed(string field, string sentence, Exception? inner = null) => new(400, field, sentence, inner);
    public static EstException Forbidden(string field, string sentence) => new(403, field, sentence);
    public static EstException Of(Pki.PkiException fault, int status = 400) => new(status, fault.FieldName, $"{fault.FieldName}: {fault.Message}", fault);
}
