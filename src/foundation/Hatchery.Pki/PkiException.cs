namespace Hatchery.Pki;

/// <summary>A certificate, request or chain that cannot be used.</summary>
/// <param name="fieldName">The part at fault, in the standard's name.</param>
public sealed class PkiException(string fieldName, string sentence, Exception? inner = null) : Exception(sentence, inner)
{
    public string FieldName => fieldName;
}
