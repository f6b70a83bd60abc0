using System.Text;

namespace Hatchery.Coap;

/// <summary>A request on its way through a <see cref="CoapApp"/>.</summary>
public sealed class CoapContext
{
    private readonly IReadOnlyDictionary<string, string> _values;

    internal CoapContext(CoapRequest request, object? peer, IReadOnlyDictionary<string, string> values, Moment now, CancellationToken cancel) =>
        (Request, Peer, _values, Now, Cancel) = (request, peer, values, now, cancel);

    public CoapRequest Request { get; }
    /// <summary>The engine's path: a UDP address, a DTLS session.</summary>
    public object? Peer { get; }
    public Moment Now { get; }
    /// <summary>Cancelled when the host ends.</summary>
    public CancellationToken Cancel { get; }
    /// <summary>What stands at "{name}" of the route.</summary>
    public string this[string name] => _values[name];
    public ReadOnlyMemory<byte> Payload => Request.Payload;
    /// <summary>As <see cref="CoapOptions.Query"/>.</summary>
    public string? Query(string name) => Request.Options.Query(name);
}

public delegate ValueTask<CoapResponse> CoapHandler(CoapContext context);

/// <summary>Common responses.</summary>
public static class CoapResults
{
    public static CoapResponse Content(ReadOnlyMemory<byte> payload, int format, uint? maxAge = null)
    {
        var options = CoapOptions.Empty.Add(CoapOptionNumber.ContentFormat, (ulong)format);
        return new() { Code = CoapCode.Content, Options = maxAge is { } age ? options.Add(CoapOptionNumber.MaxAge, age) : options, Payload = payload };
    }

    public static CoapResponse Text(string text) => Content(Encoding.UTF8.GetBytes(text), ContentFormat.TextPlain);
    public static CoapResponse Changed(ReadOnlyMemory<byte> payload = default, int? format = null) => new()
    {
        Code = CoapCode.Changed,
        Options = format is { } f ? CoapOptions.Empty.Add(CoapOptionNumber.ContentFormat, (ulong)f) : default,
        Payload = payload,
    };
    public static CoapResponse Deleted() => Status(CoapCode.Deleted);

    /// <param name="location">As <see cref="CoapOptions.LocationPath"/> will show it; null: that of the request.</param>
    public static CoapResponse Created(string? location = null)
    {
        var options = CoapOptions.Empty;
        foreach (string segment in (location ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries))
            options = options.Add(CoapOptionNumber.LocationPath, segment);
        return new() { Code = CoapCode.Created, Options = options };
    }

    /// <param name="diagnostic">For people; goes to the peer.</param>
    public static CoapResponse Status(CoapCode code, string diagnostic = "") => new() { Code = code, Payload = Encoding.UTF8.GetBytes(diagnostic) };
}

/// <summary>Resources by path and method, in the manner of minimal APIs. "/.well-known/core" is answered from the routes unless it is mapped.
/// Not to be changed once requests arrive.</summary>
public sealed class CoapApp
{
    private readonly RouteNode _root = new();
    private readonly List<CoapRoute> _routes = [];

    public IReadOnlyList<CoapRoute> Routes => _routes;

    public CoapRoute MapGet(string path, CoapHandler handler) => Map(CoapCode.Get, path, handler);
    public CoapRoute MapPost(string path, CoapHandler handler) => Map(CoapCode.Post, path, handler);
    public CoapRoute MapPut(string path, CoapHandler handler) => Map(CoapCode.Put, path, handler);
    public CoapRoute MapDelete(string path, CoapHandler handler) => Map(CoapCode.Delete, path, handler);
    public CoapRoute MapFetch(string path, CoapHandler handler) => Map(CoapCode.Fetch, path, handler);
    public CoapRoute MapPatch(string path, CoapHandler handler) => Map(CoapCode.Patch, path, handler);
    public CoapRoute MapIPatch(string path, CoapHandler handler) => Map(CoapCode.IPatch, path, handler);

    public CoapRoute MapGet(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.Get, path, Sync(handler));
    public CoapRoute MapPost(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.Post, path, Sync(handler));
    public CoapRoute MapPut(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.Put, path, Sync(handler));
    public CoapRoute MapDelete(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.Delete, path, Sync(handler));
    public CoapRoute MapFetch(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.Fetch, path, Sync(handler));
    public CoapRoute MapPatch(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.Patch, path, Sync(handler));
    public CoapRoute MapIPatch(string path, Func<CoapContext, CoapResponse> handler) => Map(CoapCode.IPatch, path, Sync(handler));

    private static CoapHandler Sync(Func<CoapContext, CoapResponse> handler) => context => new(handler(context));

    /// <param name="path">Segments: text, "{name}" for one of any text, "{*name}" at the end for all that is left, joined by slashes.</param>
    public CoapRoute Map(CoapCode method, string path, CoapHandler handler)
    {
        var route = new CoapRoute(method, path, handler);
        _root.Add(RouteNode.Split(path), 0, route);
        _routes.Add(route);
        return route;
    }

    /// <summary>The route and the values of its names. Null with 4.04, or 4.05 where the path has other methods.</summary>
    internal CoapRoute? Find(CoapRequest request, out Dictionary<string, string> values, out CoapCode error)
    {
        values = s_none;
        var segments = new List<ReadOnlyMemory<byte>>(4);
        foreach (var option in request.Options)
            if (option.Number == CoapOptionNumber.UriPath)
                segments.Add(option.Value);
        if (segments is [{ Length: 0 }])
            segments.Clear();
        bool known = false;
        var route = _root.Find(segments, 0, request.Method, ref values, ref known);
        error = known ? CoapCode.MethodNotAllowed : CoapCode.NotFound;
        return route;
    }

    private static readonly Dictionary<string, string> s_none = [];

    /// <summary>Runs the handler. Never throws but for cancellation: a <see cref="CoapException"/> with a response code becomes that, anything else 5.00.</summary>
    /// <param name="failed">Takes what a handler threw and no peer is to see.</param>
    public async ValueTask<(CoapResponse Response, CoapRoute? Route)> HandleAsync(CoapRequest request, object? peer, Moment now, Action<Exception>? failed = null, CancellationToken cancel = default)
    {
        var route = Find(request, out var values, out var error);
        if (route is null)
        {
            return error == CoapCode.NotFound && request.Method == CoapCode.Get && request.Path == WellKnown.Path
                ? (WellKnown.Answer(this, request), null) : (CoapResults.Status(error), null);
        }
        try
        {
            return (await route.Handler(new CoapContext(request, peer, values, now, cancel)).ConfigureAwait(true), route);
        }
        catch (CoapException e) when (e.Error is ['4' or '5', '.', _, _])
        {
            return (CoapResults.Status(new CoapCode(e.Error[0] - '0', int.Parse(e.Error.AsSpan(2), System.Globalization.CultureInfo.InvariantCulture)), e.Message), route);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
        {
            failed?.Invoke(e);
            return (CoapResults.Status(CoapCode.InternalServerError), route);
        }
    }
}

/// <summary>One method of one path.</summary>
public sealed class CoapRoute
{
    internal CoapRoute(CoapCode method, string path, CoapHandler handler) => (Method, Path, Handler, Link) = (method, path, handler, new CoreLink(path));

    public CoapCode Method { get; }
    public string Path { get; }
    public CoapHandler Handler { get; }
    /// <summary>As listed in "/.well-known/core"; not listed if the path has a name in it or <see cref="Hidden"/> was called.</summary>
    public CoreLink Link { get; private set; }
    public bool IsListed { get; private set; } = true;
    public bool IsObservable { get; private set; }

    public CoapRoute Hidden()
    {
        IsListed = false;
        return this;
    }

    /// <summary>An attribute of the link: "rt", "if", "ct", "sz", "title".</summary>
    public CoapRoute With(string attribute, string? value)
    {
        Link = Link.With(attribute, value);
        return this;
    }

    /// <summary>Clients may observe it; the host is told of changes by its <c>Changed</c>.</summary>
    public CoapRoute Observable()
    {
        IsObservable = true;
        return With("obs", null);
    }
}

internal static class WellKnown
{
    public const string Path = "/.well-known/core";

    /// <summary>Of several queries all must match. To a group, no links at all is no answer (RFC 6690 section 4.1).</summary>
    public static CoapResponse Answer(CoapApp app, CoapRequest request)
    {
        var links = app.Routes.Where(r => r.IsListed && !r.Path.Contains('{', StringComparison.Ordinal)).GroupBy(r => r.Path)
            .Select(g => g.Skip(1).Aggregate(g.First().Link, (link, r) => link with { Attributes = link.Attributes.AddRange(r.Link.Attributes) }))
            .Where(link => request.Options.UriQuery.All(link.Matches)).ToArray();
        return links.Length == 0 && request.IsMulticast ? CoapResults.Status(CoapCode.NotFound)
            : CoapResults.Content(Encoding.UTF8.GetBytes(CoreLink.Format(links)), ContentFormat.LinkFormat);
    }
}
