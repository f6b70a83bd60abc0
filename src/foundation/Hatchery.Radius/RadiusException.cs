namespace Hatchery.Radius;

/// <summary>What a packet of RADIUS, EAP or EAPOL broke. Almost everything of the kind is silently discarded (RFC 2865 §3, RFC 3748 §4); the exception says why, for a log.</summary>
/// <param name="cause">Error-Cause of RFC 5176 §3.6 where an answer names one ("202 Invalid EAP Packet (Ignored)"), else "discarded".</param>
public sealed class RadiusException(string cause, string fieldName, string sentence, Exception? inner = null) : ProtocolException(cause, fieldName, sentence, inner)
{
    internal static RadiusException Discard(string fieldName, string sentence) => new("discarded", fieldName, sentence);

    internal static RadiusException InvalidEap(string fieldName, string sentence) => new("202 Invalid EAP Packet (Ignored)", fieldName, sentence);
}
