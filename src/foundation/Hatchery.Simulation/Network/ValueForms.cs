using System.Text;

namespace Hatchery.Simulation;

/// <param name="Squeezed">To be looked for where separators are left out and letters are small.</param>
internal sealed record ValueForm(string Name, byte[] Bytes, bool Squeezed);

/// <summary>The forms in which a value may stand in captured bytes.</summary>
internal static class ValueForms
{
    private const int Shortest = 4;

    public static List<ValueForm> Of(ReadOnlySpan<byte> value)
    {
        var forms = new List<ValueForm>();
        if (value.IsEmpty)
            return forms;
        var raw = value.ToArray();
        var reversed = raw.Reverse().ToArray();
        forms.Add(new("raw", raw, false));
        if (!reversed.AsSpan().SequenceEqual(raw))
            forms.Add(new("reversed", reversed, false));
        Add(forms, "hex", Convert.ToHexStringLower(raw), true);
        for (int before = 0; before < 3; before++)
        {
            var padded = new byte[before + raw.Length];
            raw.CopyTo(padded, before);
            // Characters that also hold bits of what stands before or behind are left out.
            int first = (before * 8 + 5) / 6, end = padded.Length * 8 / 6;
            if (end <= first)
                continue;
            var text = Convert.ToBase64String(padded)[first..end];
            Add(forms, "base64", text, false);
            var url = text.Replace('+', '-').Replace('/', '_');
            if (url != text)
                Add(forms, "base64url", url, false);
        }
        return forms;
    }

    private static void Add(List<ValueForm> forms, string name, string text, bool squeezed)
    {
        if (text.Length >= Shortest)
            forms.Add(new(name, Encoding.ASCII.GetBytes(text), squeezed));
    }

    /// <summary>Without ':', '-', ' ' and '.', in lower case; beside it, where each byte stood.</summary>
    public static (byte[] Bytes, int[]? Origin) Squeeze(byte[] bytes)
    {
        var squeezed = new List<byte>(bytes.Length);
        var origin = new List<int>(bytes.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            byte b = bytes[i];
            if (b is (byte)':' or (byte)'-' or (byte)' ' or (byte)'.')
                continue;
            squeezed.Add(b is >= (byte)'A' and <= (byte)'Z' ? (byte)(b | 0x20) : b);
            origin.Add(i);
        }
        return ([.. squeezed], [.. origin]);
    }
}
