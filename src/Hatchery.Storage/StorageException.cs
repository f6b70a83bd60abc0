namespace Hatchery.Storage;

/// <summary>The database cannot do what was asked: not there, in use, newer than the program, full, gone. Nothing of the unit of work was
/// written, except where the sentence says that it is not known.</summary>
/// <param name="isTransient">Trying again later may help.</param>
public sealed class StorageException(string sentence, Exception? inner = null, bool isTransient = false) : Exception(sentence, inner)
{
    public bool IsTransient => isTransient;
}
