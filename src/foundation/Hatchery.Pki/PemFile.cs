using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>Text with PEM blocks (RFC 7468), read strictly: the label asked for, whole blocks, base64 and nothing else inside. Text between blocks is ignored.</summary>
public static class PemFile
{
    private const string Begin = "-----BEGIN ", End = "-----END ", Dashes = "-----";

    /// <summary>The only block of this label.</summary>
    /// <param name="label">"CERTIFICATE", "PRIVATE KEY", "OWNERSHIP VOUCHER".</param>
    /// <exception cref="PkiException">None, several, or a block that is broken; the sentence names the line.</exception>
    public static byte[] Read(string text, string label)
    {
        var all = ReadAll(text, label);
        return all.Length switch
        {
            1 => all[0],
            0 => throw new PkiException(label, $"no block {label} was found."),
            _ => throw new PkiException(label, $"{all.Length} blocks {label} were found; one is expected."),
        };
    }

    /// <summary>All blocks of this label, in order; possibly none. Blocks of other labels are checked for their frame and passed over.</summary>
    /// <exception cref="PkiException">A block is broken; the sentence names the line.</exception>
    public static ImmutableArray<byte[]> ReadAll(string text, string label)
    {
        var found = ImmutableArray.CreateBuilder<byte[]>();
        string? open = null;
        int number = 0, start = 0;
        var body = new System.Text.StringBuilder();
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            number++;
            var line = raw.TrimEnd();
            if (Label(line, Begin) is { } begins)
            {
                if (open is not null)
                    throw new PkiException(open, $"line {number}: a block begins within the block {open} of line {start}.");
                (open, start) = (begins, number);
                body.Clear();
            }
            else if (Label(line, End) is { } ends)
            {
                if (ends != open)
                    throw new PkiException(ends, $"line {number}: the end of a block {ends} that did not begin.");
                if (open == label)
                    found.Add(Decode(body.ToString(), label, start));
                open = null;
            }
            else if (open == label)
            {
                if (line.ContainsAnyExcept(s_base64))
                    throw new PkiException(label, $"line {number}: not base64.");
                body.Append(line);
            }
        }
        return open is null ? found.ToImmutable() : throw new PkiException(open, $"line {start}: the block {open} does not end.");
    }

    private static readonly System.Buffers.SearchValues<char> s_base64 =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");

    /// <summary>One block, lines of 64 characters, each ended by a line feed.</summary>
    public static string Write(string label, ReadOnlySpan<byte> der) => PemEncoding.WriteString(label, der) + "\n";

    private static string? Label(ReadOnlySpan<char> line, string prefix) =>
        line.Length > prefix.Length + Dashes.Length && line.StartsWith(prefix) && line.EndsWith(Dashes) ? line[prefix.Length..^Dashes.Length].ToString() : null;

    private static byte[] Decode(string body, string label, int start)
    {
        try
        {
            byte[] bytes = Convert.FromBase64String(body);
            return bytes.Length > 0 ? bytes : throw new PkiException(label, $"line {start}: the block {label} is empty.");
        }
        catch (FormatException e)
        {
            throw new PkiException(label, $"line {start}: the base64 of the block {label} is broken.", e);
        }
    }
}
