using System.Buffers.Text;
using System.Text;

namespace Hatchery.EapNoob;

/// <summary>base64url without padding (RFC 4648 §5); one text for one value.</summary>
internal static class Base64Text
{
    public static string Encode(ReadOnlySpan<byte> value) => Base64Url.EncodeToString(value);

    /// <summary>False: of another length, with padding or white space, or with bits left over.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> value)
    {
        if (text.Length != Base64Url.GetEncodedLength(value.Length) || text.ContainsAnyExcept(s_alphabet))
            return false;
        return Base64Url.DecodeFromUtf8(text, value, out int consumed, out int length) == System.Buffers.OperationStatus.Done && consumed == text.Length && length == value.Length;
    }

    public static bool TryDecode(string text, Span<byte> value) => text.Length < 64 && TryDecode(Encoding.UTF8.GetBytes(text), value);

    private static readonly System.Buffers.SearchValues<byte> s_alphabet =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8);
}
