namespace Hatchery.Coap;

/// <summary>What a peer did wrong in CoAP, link format or OSCORE.</summary>
/// <param name="error">The response code that answers it ("4.02"); "format" where RFC 7252 section 3 calls it a message format error, which is not answered by a response.</param>
public sealed class CoapException(string error, string fieldName, string sentence, Exception? inner = null) : ProtocolException(error, fieldName, sentence, inner)
{
    internal static CoapException Format(string field, string sentence) => new("format", field, sentence);
}
