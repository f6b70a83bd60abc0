using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace Hatchery.AspNetCore;

/// <summary>Finds the role of a path: the exact path, else the longest prefix. Paths are compared as bytes are.</summary>
internal sealed class RoleTable
{
    private readonly FrozenDictionary<string, Entry> _exact;
    private readonly Entry[] _prefixes;

    /// <summary>Of one path: the role of each method.</summary>
    internal sealed class Entry(string path)
    {
        private readonly Dictionary<string, IHttpRole> _byMethod = new(StringComparer.Ordinal);
        private (string Method, IHttpRole Role)? _only;

        public string Path => path;
        public string Allow => string.Join(", ", _byMethod.Keys.Order(StringComparer.Ordinal));

        public void Add(string method, IHttpRole role)
        {
            if (!_byMethod.TryAdd(method, role))
                throw new InvalidOperationException($"Two roles want {method} {path}.");
            _only = _byMethod.Count == 1 ? (method, role) : null;
        }

        public bool TryGet(string method, [NotNullWhen(true)] out IHttpRole? role)
        {
            if (_only is { } only && only.Method == method)
            {
                role = only.Role;
                return true;
            }
            return _byMethod.TryGetValue(method, out role);
        }
    }

    /// <exception cref="InvalidOperationException">Two roles want the same route, or a route is none.</exception>
    public RoleTable(IEnumerable<IHttpRole> roles)
    {
        var entries = new Dictionary<string, Entry>(StringComparer.Ordinal);
        foreach (var role in roles)
            foreach (var route in role.Routes)
            {
                int space = route.IndexOf(' ', StringComparison.Ordinal);
                if (space <= 0 || space + 1 >= route.Length || route[space + 1] != '/')
                    throw new InvalidOperationException($"\"{route}\" is no method and path.");
                var path = route[(space + 1)..];
                if (!entries.TryGetValue(path, out var entry))
                    entries[path] = entry = new Entry(path);
                entry.Add(route[..space], role);
            }
        _exact = entries.Values.Where(e => !e.Path.EndsWith('/')).ToFrozenDictionary(e => e.Path, StringComparer.Ordinal);
        _prefixes = [.. entries.Values.Where(e => e.Path.EndsWith('/')).OrderByDescending(e => e.Path.Length)];
    }

    public Entry? Find(string path)
    {
        if (_exact.TryGetValue(path, out var exact))
            return exact;
        foreach (var prefix in _prefixes)
            if (path.StartsWith(prefix.Path, StringComparison.Ordinal))
                return prefix;
        return null;
    }
}
