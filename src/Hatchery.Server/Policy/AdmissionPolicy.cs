using System.Collections.Immutable;

namespace Hatchery.Server.Policy;

/// <summary>A device that waits for an operator, or about whom one has decided.</summary>
/// <param name="Verdict">"waiting", "admit" or "refuse".</param>
public sealed record HeldDevice(string Subject, string Protocol, ImmutableArray<string> Identifiers, string Verdict, string Profile, DateTimeOffset Since)
{
    public static readonly Schema<HeldDevice> Schema = new Schema<HeldDevice>("server.held", 1, new("", "", [], "waiting", "", default))
        .Plain("Subject", h => h.Subject, (h, v) => h with { Subject = v }, Lifetime.Factory, "a server's record")
        .Plain("Protocol", h => h.Protocol, (h, v) => h with { Protocol = v }, Lifetime.Factory, "a server's record")
        .Plain("Identifiers", h => h.Identifiers, (h, v) => h with { Identifiers = v }, Lifetime.Factory, "a server's record")
        .Plain("Verdict", h => h.Verdict, (h, v) => h with { Verdict = v }, Lifetime.Factory, "a server's record")
        .Plain("Profile", h => h.Profile, (h, v) => h with { Profile = v }, Lifetime.Factory, "a server's record")
        .Plain("Since", h => h.Since, (h, v) => h with { Since = v }, Lifetime.Factory, "a server's record")
        .Index("verdict", h => h.Verdict);
}

/// <summary>The one admission policy: configured rules in order, then what operators decided, then the configured default, which is to refuse.</summary>
public sealed class AdmissionPolicy(AdmissionOptions options, IRecordStore store, Func<Moment> now) : IAdmission
{
    private static readonly TimeSpan s_askAgain = TimeSpan.FromSeconds(30);

    public async ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel)
    {
        foreach (var rule in options.Rules)
            if (Matches(rule, request))
            {
                if (rule.Action == "admit")
                    return new Decision.Admit(rule.Profile);
                if (rule.Action == "refuse")
                    return new Decision.Refuse($"a rule refuses {(rule.Kind.Length > 0 ? $"{rule.Kind} {rule.Value}" : "all")}");
                return await HoldAsync(request, cancel);
            }
        if (options.AcceptAnyone)
            return new Decision.Admit("default");
        return options.HoldUnknown ? await HoldAsync(request, cancel) : new Decision.Refuse("no rule admits this device");
    }

    public static void Check(AdmissionOptions options)
    {
        for (int i = 0; i < options.Rules.Count; i++)
            if (options.Rules[i].Action is not ("admit" or "hold" or "refuse"))
                throw new ConfigurationFault($"admission:rules:{i}:action", $"{options.Rules[i].Action}; it is admit, hold or refuse.");
    }

    private static bool Matches(AdmissionRuleOptions rule, AdmissionRequest request)
    {
        if ((rule.Protocol.Length > 0 && rule.Protocol != request.Protocol.Id) || (rule.Method.Length > 0 && rule.Method != request.Method))
            return false;
        if (rule.Kind.Length == 0)
            return true;
        var candidates = rule.Claimed ? request.Proven.AddRange(request.Claimed) : request.Proven;
        return candidates.Any(i => i.Kind == rule.Kind && (rule.Value.EndsWith('*')
            ? i.Value.StartsWith(rule.Value[..^1], StringComparison.Ordinal) : i.Value == rule.Value));
    }

    /// <summary>Held by its first proven identifier; a device that only claims cannot be approved.</summary>
    private async ValueTask<Decision> HoldAsync(AdmissionRequest request, CancellationToken cancel)
    {
        if (request.Proven.IsEmpty)
            return new Decision.Refuse("the device has proven nothing that an operator could decide on");
        string subject = request.Proven[0].ToString();
        var unit = store.Begin(Caller.Local("admission", now()));
        if (await unit.GetAsync(HeldDevice.Schema, new(subject), cancel) is { Value: var held })
            return held.Verdict switch
            {
                "admit" => new Decision.Admit(held.Profile),
                "refuse" => new Decision.Refuse("an operator refused this device"),
                _ => new Decision.Hold(s_askAgain),
            };
        unit.Insert(HeldDevice.Schema, new(subject), new HeldDevice(subject, request.Protocol.Id, [.. request.Proven.Concat(request.Claimed).Select(i => i.ToString())],
            "waiting", "", now().Wall!.Value));
        try
        {
            await unit.CommitAsync(cancel);
        }
        catch (ConflictException)
        {
            // Another request of the same device came first.
        }
        return new Decision.Hold(s_askAgain);
    }
}
