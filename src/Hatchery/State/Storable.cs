using System.Security.Cryptography;
using System.Text;

namespace Hatchery;

/// <summary>What every database of ours takes as text: well-formed Unicode without NUL, of a length that fits an index. The backends share it,
/// so that they accept and refuse the same.</summary>
public static class Storable
{
    /// <summary>Of a schema's name, a key, an index's name or value; bytes of UTF-8.</summary>
    public const int MaxBytes = 1024;

    public static bool Is(string text)
    {
        if (text.Length > MaxBytes)
            return false;
        bool plain = true;
        foreach (char c in text)
        {
            if (c == '\0')
                return false;
            plain &= c < 0x80;
        }
        return plain || (!HasLoneSurrogate(text) && Encoding.UTF8.GetByteCount(text) <= MaxBytes);
    }

    /// <summary>Throws <see cref="ArgumentException"/> for a write that some database could not take.</summary>
    public static void Check(RecordWrite write)
    {
        if (!Is(write.Schema) || !Is(write.Key))
            throw new ArgumentException($"A key of {write.Schema} has NUL, broken Unicode or more than {MaxBytes} bytes.", nameof(write));
        foreach (var (name, value) in write.Indexes)
            if (!Is(name) || !Is(value))
                throw new ArgumentException($"The index {name} of {write.Schema} has a value with NUL, broken Unicode or more than {MaxBytes} bytes.", nameof(write));
    }

    /// <summary>The text itself if it can be stored. Otherwise what can be of it and the SHA-256 of the whole: two names that differ stay different.</summary>
    public static string Name(string text)
    {
        if (Is(text))
            return text;
        var digest = SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(text.AsSpan()));
        return $"{Printable(text, 128)}~sha256:{Convert.ToHexStringLower(digest)}";
    }

    public static Identifier Name(Identifier identifier) => Is(identifier.Kind) && Is(identifier.Value) ? identifier
        : new(Name(identifier.Kind), Name(identifier.Value));

    /// <summary>At most so many UTF-16 units, broken Unicode and NUL replaced by U+FFFD: for sentences, never for names.</summary>
    public static string Printable(string text, int most)
    {
        if (text.Length <= most && !text.Contains('\0') && !HasLoneSurrogate(text))
            return text;
        var result = new StringBuilder(Math.Min(text.Length, most));
        foreach (var rune in text.EnumerateRunes())
        {
            if (result.Length + rune.Utf16SequenceLength > most)
                break;
            result.Append(rune.Value == 0 ? Rune.ReplacementChar.ToString() : rune.ToString());
        }
        return result.ToString();
    }

    private static bool HasLoneSurrogate(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return true;
            i++;
        }
        return false;
    }
}
