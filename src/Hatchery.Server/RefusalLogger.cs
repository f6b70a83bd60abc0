using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Hatchery.Server;

/// <summary>One log line per refusal, naming the field; a peer that floods gets a line a second, and a count.</summary>
internal sealed class RefusalLogger(ILogger log, Observatory observatory, TimeProvider time)
{
    private const int PerSecond = 10, MaxRemotes = 10_000;
    private readonly ConcurrentDictionary<string, (long Second, int Count)> _remotes = new();

    public void Refused(Caller caller, StepKind? kind, ProtocolException fault)
    {
        observatory.Refused(fault.Error);
        string remote = caller.Remote ?? "local";
        // The port changes with every connection of the same peer.
        int colon = remote.LastIndexOf(':');
        if (colon > 0)
            remote = remote[..colon];
        if (_remotes.Count > MaxRemotes)
            _remotes.Clear();
        long second = time.GetUtcNow().ToUnixTimeSeconds();
        var (_, count) = _remotes.AddOrUpdate(remote, (second, 1), (_, old) => old.Second == second ? (second, old.Count + 1) : (second, 1));
        if (count < PerSecond)
            log.LogWarning("refused {Remote}: {Kind}, error {Error}, {Field}: {Sentence}", remote, kind?.Name ?? "unparsed", fault.Error, fault.FieldName, fault.Message);
        else if (count == PerSecond)
            log.LogWarning("refused {Remote}: more than {Count} requests this second; the rest is not logged", remote, PerSecond);
    }

    public void Failed(string what, Exception fault) => log.LogError(fault, "{What} failed", what);
}
