using System.Collections.Immutable;
using System.Text;

namespace Hatchery.Lab;

public enum Form { Raw, HexLower, HexUpper, Base64, Base64Url, Text, GuidText, Reversed }

/// <param name="Frame">Index of the captured frame in which it begins.</param>
public sealed record Hit(string Item, Form Form, int Frame, CapturedFrame Captured);

/// <summary>Looks for what a device holds in what a listener heard, in every form in which protocols write identifiers, also across frames of one flow.</summary>
public static class ListenerSearch
{
    /// <summary>Fewer bytes occur by chance.</summary>
    public const int LeastBytes = 4;

    public static ImmutableArray<Hit> Find(ImmutableArray<CapturedFrame> frames, IEnumerable<HeldItem> items)
    {
        var flows = frames.Select((f, i) => (Frame: f, Index: i)).Where(f => !f.Frame.Repeats).GroupBy(f => (f.Frame.Medium, f.Frame.Flow))
            .OrderBy(g => g.First().Index).Select(g => new Stream([.. g])).ToList();
        var hits = new List<Hit>();
        foreach (var item in items)
            foreach (var (form, pattern) in Patterns(item.Bytes.Span))
                foreach (var flow in flows)
                    hits.AddRange(flow.Find(item.Item, form, pattern));
        // A base64 text may match in several alignments, and text that is hex in raw form too: one hit per place.
        return [.. hits.GroupBy(h => (h.Item, h.Frame)).Select(g => g.First()).OrderBy(h => h.Item, StringComparer.Ordinal).ThenBy(h => h.Frame)];
    }

    private static IEnumerable<(Form, byte[])> Patterns(ReadOnlySpan<byte> value)
    {
        var patterns = new List<(Form, byte[])>();
        if (value.Length < LeastBytes)
            return patterns;
        var raw = value.ToArray();
        patterns.Add((Form.Raw, raw));
        patterns.Add((Form.HexLower, Encoding.ASCII.GetBytes(Convert.ToHexStringLower(raw))));
        patterns.Add((Form.HexUpper, Encoding.ASCII.GetBytes(Convert.ToHexString(raw))));
        for (int shift = 0; shift < 3; shift++)
            if (Base64(raw, shift) is { Length: >= 8 } base64)
            {
                patterns.Add((Form.Base64, Encoding.ASCII.GetBytes(base64)));
                patterns.Add((Form.Base64Url, Encoding.ASCII.GetBytes(base64.Replace('+', '-').Replace('/', '_'))));
            }
        if (raw.Length == 16)
        {
            string guid = new Guid(raw, bigEndian: true).ToString();
            patterns.Add((Form.GuidText, Encoding.ASCII.GetBytes(guid)));
            patterns.Add((Form.GuidText, Encoding.ASCII.GetBytes(guid.ToUpperInvariant())));
            patterns.Add((Form.Raw, new Guid(raw, bigEndian: true).ToByteArray()));
        }
        if (raw.Length is 6 or 8)
        {
            patterns.Add((Form.Text, Encoding.ASCII.GetBytes(BitConverter.ToString(raw))));
            patterns.Add((Form.Text, Encoding.ASCII.GetBytes(BitConverter.ToString(raw).Replace('-', ':'))));
            patterns.Add((Form.Text, Encoding.ASCII.GetBytes(BitConverter.ToString(raw).Replace('-', ':').ToLowerInvariant())));
        }
        var reversed = value.ToArray();
        Array.Reverse(reversed);
        patterns.Add((Form.Reversed, reversed));
        return patterns.DistinctBy(p => Convert.ToHexString(p.Item2));
    }

    /// <summary>Those characters of the base64 text that depend on the value alone when so many bytes stand before it and any after it.</summary>
    private static string Base64(byte[] value, int shift)
    {
        var padded = new byte[shift + value.Length];
        value.CopyTo(padded, shift);
        int start = (shift * 8 + 5) / 6, end = padded.Length * 8 / 6;
        return end > start ? Convert.ToBase64String(padded)[start..end] : "";
    }

    private sealed class Stream
    {
        private readonly byte[] _bytes;
        private readonly List<(int Offset, int Index, CapturedFrame Frame)> _starts = [];

        public Stream(List<(CapturedFrame Frame, int Index)> frames)
        {
            _bytes = new byte[frames.Sum(f => f.Frame.Payload.Length)];
            int at = 0;
            foreach (var (frame, index) in frames)
            {
                _starts.Add((at, index, frame));
                frame.Payload.CopyTo(_bytes.AsMemory(at));
                at += frame.Payload.Length;
            }
        }

        public IEnumerable<Hit> Find(string item, Form form, byte[] pattern)
        {
            for (int from = 0; from + pattern.Length <= _bytes.Length;)
            {
                int at = _bytes.AsSpan(from).IndexOf(pattern);
                if (at < 0)
                    yield break;
                var start = _starts.FindLast(s => s.Offset <= from + at);
                yield return new Hit(item, form, start.Index, start.Frame);
                from += at + pattern.Length;
            }
        }
    }
}
