using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>The protocols of the survey, one line each.</summary>
public static class LabMethods
{
    public static ImmutableArray<ILabProtocol> All =>
    [
        new Protocols.FdoLab(),
        new Protocols.EapNoobLab(),
    ];

    /// <param name="ids">Ids of protocols or of methods; empty: all. Throws <see cref="ArgumentException"/> for an id that is neither.</param>
    public static ImmutableArray<ILabProtocol> Only(IReadOnlyCollection<string> ids) => Only(All, ids);

    internal static ImmutableArray<ILabProtocol> Only(ImmutableArray<ILabProtocol> all, IReadOnlyCollection<string> ids)
    {
        foreach (string id in ids)
            if (!all.Any(p => p.Protocol.Id == id || p.Methods.Any(m => m.Id == id)))
                throw new ArgumentException($"There is no protocol or method {id}; there are {string.Join(", ", all.SelectMany(p => p.Methods.Select(m => m.Id).Prepend(p.Protocol.Id)))}.");
        if (ids.Count == 0)
            return all;
        return [.. all.Where(p => ids.Contains(p.Protocol.Id) || p.Methods.Any(m => ids.Contains(m.Id)))
            .Select(p => ids.Contains(p.Protocol.Id) ? p : new Narrowed(p, [.. p.Methods.Where(m => ids.Contains(m.Id))]))];
    }

    private sealed class Narrowed(ILabProtocol whole, ImmutableArray<Method> methods) : ILabProtocol
    {
        public Protocol Protocol => whole.Protocol;
        public ImmutableArray<Method> Methods => methods;
        public string WhyNotRun(Method method) => whole.Methods.Contains(method) ? "not asked for" : whole.WhyNotRun(method);
        public LabRun Run(LabTask task) => whole.Run(task);
        public ImmutableArray<AttackPrediction> Predictions => whole.Predictions;
        public ImmutableArray<DraftClaim> Claims => whole.Claims;
    }
}
