using System.Collections.Immutable;

namespace Hatchery.Fdo.Device;

/// <summary>What the device does next on its way to an owner.</summary>
internal abstract record RouteStep
{
    public sealed record AskRendezvous(Destination To) : RouteStep;
    /// <param name="Redirect">Null: a directive with RVBypass.</param>
    public sealed record AskOwner(Destination To, To1d? Redirect) : RouteStep;
    public sealed record Wait(TimeSpan Delay) : RouteStep;
    public sealed record GiveUp(string Reason) : RouteStep;
}

/// <summary>The order in which a device tries directives, servers and owners, and how long it waits between (FDO 1.1 §3.7).</summary>
internal sealed class DeviceRoute(RendezvousPlan plan, RendezvousAbilities abilities, DeviceOptions options, Chance chance)
{
    private int _attempt, _target, _round = 1;
    private Queue<RouteStep.AskOwner> _owners = new();
    private string _lastError = "no directive of the rendezvous information can be followed";

    /// <param name="error">Why what was tried last failed; null: nothing was tried.</param>
    public RouteStep Next(string? error)
    {
        if (error is not null)
            _lastError = error;
        if (_owners.TryDequeue(out var owner))
            return owner;
        while (_attempt < plan.Attempts.Length)
        {
            var attempt = plan.Attempts[_attempt];
            if (_target < attempt.Targets.Length)
            {
                var target = attempt.Targets[_target++];
                return attempt.Bypass ? new RouteStep.AskOwner(target.To(FdoPlayers.Owner), null) : new RouteStep.AskRendezvous(target.To(FdoPlayers.Rendezvous));
            }
            (_attempt, _target) = (_attempt + 1, 0);
            if (attempt.Delay is { } delay && (_attempt < plan.Attempts.Length || !IsLastRound))
                return new RouteStep.Wait(RendezvousInterpreter.Jitter(delay, chance));
        }
        if (IsLastRound)
            return new RouteStep.GiveUp(_lastError);
        _round++;
        bool waited = plan.Attempts.Length > 0 && plan.Attempts[^1].Delay is not null;
        (_attempt, _target) = (0, 0);
        return waited ? Next(null) : new RouteStep.Wait(RendezvousInterpreter.Jitter(options.RoundDelay, chance));
    }

    /// <summary>TO1 succeeded: the owner's addresses come next, in order, DNS before IP.</summary>
    public RouteStep Redirected(To1d redirect)
    {
        _owners = new Queue<RouteStep.AskOwner>();
        foreach (var entry in redirect.Addresses)
            if (abilities.Schemes.Contains(entry.Scheme) && entry.EffectivePort > 0)
                foreach (string host in new[] { entry.Dns, entry.Address?.ToString() }.OfType<string>().Where(h => h.Length > 0))
                    _owners.Enqueue(new RouteStep.AskOwner(new Destination(entry.Scheme, host, entry.EffectivePort, new ChannelSecurity.None(), FdoPlayers.Owner), redirect));
        return Next(_owners.Count == 0 ? "the redirect names no address that can be reached from here" : null);
    }

    private bool IsLastRound => options.Rounds is { } rounds && _round >= rounds;
}
