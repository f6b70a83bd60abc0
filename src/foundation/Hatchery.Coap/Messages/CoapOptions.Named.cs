using System.Text;

namespace Hatchery.Coap;

// The options by their names.
public readonly partial struct CoapOptions
{
    /// <summary>RFC 7252 section 12.3; null: absent.</summary>
    public int? ContentFormat => (int?)UInt(CoapOptionNumber.ContentFormat);
    public int? Accept => (int?)UInt(CoapOptionNumber.Accept);
    /// <summary>Seconds; null: absent, which means 60.</summary>
    public uint? MaxAge => (uint?)UInt(CoapOptionNumber.MaxAge);
    /// <summary>Request: 0 registers, 1 cancels. Notification: 24 bits of sequence.</summary>
    public uint? Observe => (uint?)UInt(CoapOptionNumber.Observe);
    public Block? Block1 => Block.From(UInt(CoapOptionNumber.Block1));
    public Block? Block2 => Block.From(UInt(CoapOptionNumber.Block2));
    public uint? Size1 => (uint?)UInt(CoapOptionNumber.Size1);
    public uint? Size2 => (uint?)UInt(CoapOptionNumber.Size2);
    /// <summary>RFC 7967: bits 1, 3 and 4 (values 2, 8, 16) say that responses of class 2, 4 and 5 are not wanted.</summary>
    public uint? NoResponse => (uint?)UInt(CoapOptionNumber.NoResponse);
    public ReadOnlyMemory<byte>? ETag => TryGet(CoapOptionNumber.ETag, out var value) && value.Length is >= 1 and <= 8 ? value : null;
    public ReadOnlyMemory<byte>? Echo => TryGet(CoapOptionNumber.Echo, out var value) && value.Length is >= 1 and <= 40 ? value : null;

    /// <summary>"/a/b"; "/" if there is none. Segments are not percent-encoded, so that one with a slash in it looks like two.</summary>
    public string UriPath => Join(CoapOptionNumber.UriPath);
    public string LocationPath => Join(CoapOptionNumber.LocationPath);
    public IEnumerable<string> UriQuery => Texts(CoapOptionNumber.UriQuery);

    /// <summary>The value behind "name=" in the query; empty for "name" alone; null if there is none.</summary>
    public string? Query(string name)
    {
        foreach (string item in UriQuery)
        {
            if (!item.StartsWith(name, StringComparison.Ordinal))
                continue;
            if (item.Length == name.Length)
                return "";
            if (item[name.Length] == '=')
                return item[(name.Length + 1)..];
        }
        return null;
    }

    private string Join(ushort number)
    {
        var text = new StringBuilder();
        foreach (string segment in Texts(number))
            text.Append('/').Append(segment);
        return text.Length == 0 ? "/" : text.ToString();
    }

    /// <param name="pathAndQuery">"/a/b?x=1&amp;y", percent-encoded where needed; a full URI's path and query as RFC 7252 section 6.4 decomposes them.</param>
    public static CoapOptions ForPath(string pathAndQuery) => Empty.AddPath(pathAndQuery);

    /// <inheritdoc cref="ForPath"/>
    public CoapOptions AddPath(string pathAndQuery)
    {
        var options = this;
        int query = pathAndQuery.IndexOf('?', StringComparison.Ordinal);
        string path = query < 0 ? pathAndQuery : pathAndQuery[..query];
        if (path.StartsWith('/'))
            path = path[1..];
        if (path.Length > 0)
            foreach (string segment in path.Split('/'))
                options = options.Add(CoapOptionNumber.UriPath, Uri.UnescapeDataString(segment));
        if (query >= 0)
            foreach (string item in pathAndQuery[(query + 1)..].Split('&'))
                options = options.Add(CoapOptionNumber.UriQuery, Uri.UnescapeDataString(item));
        return options;
    }
}

/// <summary>A Block1 or Block2 value (RFC 7959 section 2.2).</summary>
/// <param name="Number">0 to 1048575, in units of <see cref="Size"/>.</param>
/// <param name="Exponent">SZX: blocks of 2^(SZX+4) bytes, 0 to 6; 7 (BERT, streams only): any number of blocks of 1024 bytes.</param>
public readonly record struct Block(int Number, bool More, int Exponent)
{
    public const int Bert = 7, MaxNumber = 0xfffff;

    /// <summary>Of one block, in bytes; the unit of <see cref="Number"/>.</summary>
    public int Size => 1 << (Math.Min(Exponent, 6) + 4);
    public long Offset => (long)Number * Size;
    public uint Value => (uint)(Number << 4 | (More ? 8 : 0) | Exponent);

    internal static Block? From(ulong? value) => value is { } v and <= 0xffffff ? new Block((int)(v >> 4), (v & 8) != 0, (int)(v & 7)) : null;

    /// <summary>The largest SZX whose blocks are no larger than so many bytes.</summary>
    internal static int ExponentFor(int bytes) => Math.Clamp(System.Numerics.BitOperations.Log2((uint)Math.Max(16, bytes)) - 4, 0, 6);
}
