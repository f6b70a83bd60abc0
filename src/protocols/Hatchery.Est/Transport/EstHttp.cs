namespace Hatchery.Est.Transport;

/// <summary>EST over HTTP (RFC 7030, section 3.2): /.well-known/est[/label]/operation.</summary>
public static class EstHttp
{
    public const string Prefix = "/.well-known/est/";
    /// <summary>Bytes of a request's body.</summary>
    public const int MaxRequest = 64 * 1024;

    /// <param name="label">Empty: none.</param>
    public static string Path(EstOperation operation, string label) => Prefix + (label.Length == 0 ? "" : Uri.EscapeDataString(label) + "/") + operation.Name();

    /// <summary>A label is one segment of a path and no operation's name.</summary>
    public static bool IsLabel(string label) => label.Length is > 0 and <= 64 && !label.Contains('/', StringComparison.Ordinal) && EstOperations.Of(label) is null && label is not ("." or "..");

    /// <summary>Null: names no operation.</summary>
    internal static (EstOperation Operation, string Label)? Parse(string path)
    {
        if (!path.StartsWith(Prefix, StringComparison.Ordinal))
            return null;
        var rest = path.AsSpan(Prefix.Length);
        int query = rest.IndexOf('?');
        if (query >= 0)
            rest = rest[..query];
        int slash = rest.LastIndexOf('/');
        if (EstOperations.Of(rest[(slash + 1)..]) is not { } operation)
            return null;
        string label = slash < 0 ? "" : rest[..slash].ToString();
        return label.Length == 0 && slash < 0 || IsLabel(label) ? (operation, label) : null;
    }

    internal static string Method(EstOperation operation) => operation.IsFetch() ? "GET" : "POST";
}
