namespace Hatchery.Cryptography.Cose;

/// <summary>Makes the exception for input that cannot be read, so that a protocol's parsers throw that protocol's own type and no other.</summary>
/// <param name="field">The field at fault, in the standard's name.</param>
/// <param name="sentence">What is wrong with it; no secrets.</param>
public delegate Exception CborFault(string field, string sentence, Exception? inner);

/// <summary>What COSE parsing throws where the caller names no fault of its own.</summary>
public sealed class CoseException(string fieldName, string sentence, Exception? inner = null) : Exception(sentence, inner)
{
    public string FieldName => fieldName;

    public static readonly CborFault Fault = static (field, sentence, inner) => new CoseException(field, sentence, inner);
}
