using System.Text;

namespace Hatchery.Coap;

/// <summary>A segment of the paths. Text goes before a name, a name before all that is left.</summary>
internal sealed class RouteNode
{
    private readonly List<(byte[] Text, RouteNode Node)> _texts = [];
    private readonly List<CoapRoute> _routes = [];
    private (string Name, RouteNode Node)? _name;
    private (string Name, RouteNode Node)? _rest;

    public static string[] Split(string path) => path.Trim('/') is { Length: > 0 } text ? text.Split('/') : [];

    public void Add(string[] segments, int at, CoapRoute route)
    {
        if (at == segments.Length)
        {
            if (_routes.Exists(r => r.Method == route.Method))
                throw new ArgumentException($"{route.Method} {route.Path} is mapped already.", nameof(route));
            _routes.Add(route);
            return;
        }
        Child(segments[at], at == segments.Length - 1).Add(segments, at + 1, route);
    }

    private RouteNode Child(string segment, bool isLast)
    {
        if (segment is ['{', '*', .., '}'])
        {
            if (!isLast)
                throw new ArgumentException("What takes all that is left stands at the end.", nameof(segment));
            return Named(ref _rest, segment[2..^1]);
        }
        if (segment is ['{', .., '}'])
            return Named(ref _name, segment[1..^1]);
        var text = Encoding.UTF8.GetBytes(segment);
        foreach (var (known, node) in _texts)
            if (known.AsSpan().SequenceEqual(text))
                return node;
        var added = new RouteNode();
        _texts.Add((text, added));
        return added;
    }

    private static RouteNode Named(ref (string Name, RouteNode Node)? child, string name)
    {
        child ??= (name, new RouteNode());
        return child.Value.Name == name ? child.Value.Node : throw new ArgumentException($"The segment is named {child.Value.Name} by another route.", nameof(name));
    }

    public CoapRoute? Find(List<ReadOnlyMemory<byte>> segments, int at, CoapCode method, ref Dictionary<string, string> values, ref bool known)
    {
        if (at == segments.Count)
        {
            known |= _routes.Count > 0;
            foreach (var route in _routes)
                if (route.Method == method)
                    return route;
        }
        else
        {
            foreach (var (text, node) in _texts)
                if (segments[at].Span.SequenceEqual(text))
                    return node.Find(segments, at + 1, method, ref values, ref known) ?? ByName(segments, at, method, ref values, ref known);
            if (ByName(segments, at, method, ref values, ref known) is { } found)
                return found;
        }
        return null;
    }

    private CoapRoute? ByName(List<ReadOnlyMemory<byte>> segments, int at, CoapCode method, ref Dictionary<string, string> values, ref bool known)
    {
        if (_name is var (name, node) && node.Find(segments, at + 1, method, ref values, ref known) is { } found)
        {
            Note(ref values, name, Encoding.UTF8.GetString(segments[at].Span));
            return found;
        }
        if (_rest is not var (rest, last))
            return null;
        known |= last._routes.Count > 0;
        if (last._routes.Find(r => r.Method == method) is not { } route)
            return null;
        Note(ref values, rest, string.Join('/', segments.Skip(at).Select(s => Encoding.UTF8.GetString(s.Span))));
        return route;
    }

    private static void Note(ref Dictionary<string, string> values, string name, string value)
    {
        if (values.Count == 0)
            values = [];
        values[name] = value;
    }
}
