using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using Hatchery.Fdo.Owner.Modules;

namespace Hatchery.Fdo.Owner;

/// <summary>A ServiceInfo plan that an operator stored, for a device, a serial number, a profile of the policy, or all.</summary>
/// <param name="Target">"device:GUID", "serial:NUMBER", "profile:NAME" or "default".</param>
/// <param name="Steps">As <see cref="PlanText"/> reads them; may hold secrets.</param>
public sealed record StoredPlan(string Target, SecretText? Steps, DateTimeOffset At)
{
    public static readonly Schema<StoredPlan> Schema = new Schema<StoredPlan>("fdo.plan", 1, new("", null, default))
        .Plain("Target", d => d.Target, (d, v) => d with { Target = v }, Lifetime.Factory, "a server's record")
        .Plain("Steps", d => d.Steps!, (d, v) => d with { Steps = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("At", d => d.At, (d, v) => d with { At = v }, Lifetime.Factory, "a server's record");

    public static RecordKey Key(string target) => new(target);

    /// <exception cref="FormatException">None of the four forms.</exception>
    public static string Checked(string target)
    {
        if (target == "default")
            return target;
        int colon = target.IndexOf(':', StringComparison.Ordinal);
        string rest = colon > 0 ? target[(colon + 1)..] : "";
        if (rest.Length is 0 or > 200)
            throw new FormatException($"{target} is no target of a plan: default, device:GUID, serial:NUMBER or profile:NAME.");
        return target[..colon] switch
        {
            "device" when Guid.TryParse(rest, out var guid) => $"device:{guid:N}",
            "serial" or "profile" => target,
            _ => throw new FormatException($"{target} is no target of a plan: default, device:GUID, serial:NUMBER or profile:NAME."),
        };
    }
}

/// <summary>Plans as people write them: {"steps": [{"download": {"name": "a", "text": "…" or "base64": "…"}}, {"upload": {"name": "a"}},
/// {"command": {"command": "uname", "args": ["-a"], "mayFail": true, "output": true}}, {"wget": {"url": "https://…", "name": "a", "sha384": "hex", "mayFail": false}},
/// {"csr": {}}]}.</summary>
public static class PlanText
{
    private const int MaxSteps = 100;

    /// <param name="enrollment">Behind csr; null: there is none here.</param>
    /// <exception cref="FormatException">Says what is wrong and where.</exception>
    public static ImmutableArray<OwnerModule> Parse(string text, IDeviceEnrollment? enrollment)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 8 });
        }
        catch (JsonException e)
        {
            throw new FormatException($"The plan is no JSON: {e.Message}", e);
        }
        using (document)
        {
            var root = Only(document.RootElement, "the plan", "steps");
            if (!root.TryGetProperty("steps", out var steps) || steps.ValueKind != JsonValueKind.Array || steps.GetArrayLength() > MaxSteps)
                throw new FormatException($"steps: an array of at most {MaxSteps} is needed.");
            var modules = ImmutableArray.CreateBuilder<OwnerModule>();
            int number = 0;
            foreach (var step in steps.EnumerateArray())
                modules.Add(Step(step, $"step {number++}", enrollment));
            return modules.ToImmutable();
        }
    }

    private static OwnerModule Step(JsonElement step, string where, IDeviceEnrollment? enrollment)
    {
        if (step.ValueKind != JsonValueKind.Object || step.EnumerateObject().Count() != 1)
            throw new FormatException($"{where}: an object with one member, the module, is needed.");
        var use = step.EnumerateObject().First();
        where += $" ({use.Name})";
        switch (use.Name)
        {
            case "download":
                Only(use.Value, where, "name", "text", "base64");
                return new Download(Text(use.Value, "name", where), Content(use.Value, where));
            case "upload":
                Only(use.Value, where, "name", "maxBytes");
                return new Upload(Text(use.Value, "name", where), Number(use.Value, "maxBytes", where, 1 << 20));
            case "command":
                Only(use.Value, where, "command", "args", "mayFail", "output", "maxOutput");
                return new Command(Text(use.Value, "command", where), Texts(use.Value, "args", where), Flag(use.Value, "mayFail", where, false), Flag(use.Value, "output", where, true),
                    Number(use.Value, "maxOutput", where, 1 << 20));
            case "wget":
                Only(use.Value, where, "url", "name", "sha384", "mayFail");
                if (!Uri.TryCreate(Text(use.Value, "url", where), UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
                    throw new FormatException($"{where}: url is none of HTTP or HTTPS.");
                return new Wget(url, use.Value.TryGetProperty("name", out _) ? Text(use.Value, "name", where) : null, Hash(use.Value, where), Flag(use.Value, "mayFail", where, false));
            case "csr":
                Only(use.Value, where, "serverKeyGen");
                return new CertificateSigning(enrollment ?? throw new FormatException($"{where}: this owner certifies no devices."), Flag(use.Value, "serverKeyGen", where, false));
            default:
                throw new FormatException($"{where}: there is no module {use.Name}; download, upload, command, wget and csr are known.");
        }
    }

    /// <summary>Members that nobody reads are mistakes.</summary>
    private static JsonElement Only(JsonElement value, string where, params ReadOnlySpan<string> names)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw new FormatException($"{where}: an object is needed.");
        foreach (var member in value.EnumerateObject())
            if (!names.Contains(member.Name))
                throw new FormatException($"{where}: {member.Name} is not known.");
        return value;
    }

    private static string Text(JsonElement from, string name, string where) =>
        from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text
            : throw new FormatException($"{where}: {name} is missing.");

    private static ImmutableArray<string> Texts(JsonElement from, string name, string where)
    {
        if (!from.TryGetProperty(name, out var value))
            return [];
        return value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String) ? [.. value.EnumerateArray().Select(v => v.GetString()!)]
            : throw new FormatException($"{where}: {name} is no array of texts.");
    }

    private static bool Flag(JsonElement from, string name, string where, bool otherwise) => !from.TryGetProperty(name, out var value) ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw new FormatException($"{where}: {name} is neither true nor false.");

    private static int Number(JsonElement from, string name, string where, int otherwise) => !from.TryGetProperty(name, out var value) ? otherwise
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number is > 0 and <= ModuleResult.MaxOfSession ? number
            : throw new FormatException($"{where}: {name} is no number from 1 to {ModuleResult.MaxOfSession}.");

    private static byte[] Content(JsonElement from, string where)
    {
        bool hasText = from.TryGetProperty("text", out var text), hasBytes = from.TryGetProperty("base64", out var bytes);
        if (hasText == hasBytes)
            throw new FormatException($"{where}: one of text and base64 is needed.");
        if (hasText)
            return text.ValueKind == JsonValueKind.String ? System.Text.Encoding.UTF8.GetBytes(text.GetString()!) : throw new FormatException($"{where}: text is no text.");
        return bytes.ValueKind == JsonValueKind.String && bytes.TryGetBytesFromBase64(out var content) ? content : throw new FormatException($"{where}: base64 is none.");
    }

    private static byte[] Hash(JsonElement from, string where)
    {
        if (!from.TryGetProperty("sha384", out var value))
            return [];
        try
        {
            return value.ValueKind == JsonValueKind.String && Convert.FromHexString(value.GetString()!) is { Length: 48 } hash ? hash : throw new FormatException();
        }
        catch (FormatException)
        {
            throw new FormatException($"{where}: sha384 is no 96 hexadecimal digits.");
        }
    }
}

/// <summary>Gives each device the plan that was stored for it: by GUID, else by serial number, else by profile, else the default, else the one given here.
/// Plans are read once per version and shared by sessions; a session whose plan is changed meanwhile begins again.</summary>
public sealed class StoredPlanner(IRecordStore store, IDeviceEnrollment? enrollment, IServiceInfoPlanner otherwise, Func<Moment> now) : IServiceInfoPlanner
{
    private const int MaxKept = 256;
    private readonly ConcurrentDictionary<string, ServiceInfoPlan> _plans = new();

    public async ValueTask<ServiceInfoPlan> PlanAsync(Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel)
    {
        var unit = store.Begin(Caller.Local("fdo.plans", now()));
        foreach (string target in (string[])[$"device:{oldGuid:N}", $"serial:{serial}", $"profile:{profile}", "default"])
            if (await unit.GetAsync(StoredPlan.Schema, StoredPlan.Key(target), cancel) is { } found)
                return Plan(found);
        return await otherwise.PlanAsync(newGuid, oldGuid, serial, profile, cancel);
    }

    public async ValueTask<ServiceInfoPlan?> ResumeAsync(string name, Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel)
    {
        if (_plans.TryGetValue(name, out var known))
            return known;
        int at = name.LastIndexOf('@');
        if (at < 0)
            return await otherwise.ResumeAsync(name, newGuid, oldGuid, serial, profile, cancel);
        // Another process began this session.
        return await store.Begin(Caller.Local("fdo.plans", now())).GetAsync(StoredPlan.Schema, StoredPlan.Key(name[..at]), cancel) is { } found && Plan(found) is var plan && plan.Name == name ? plan : null;
    }

    private ServiceInfoPlan Plan(Stored<StoredPlan> stored)
    {
        // With the moment of its making: what was deleted and stored anew counts from 1 again.
        string name = $"{stored.Key}@{stored.Version}.{stored.Value.At.UtcTicks:x}";
        if (_plans.TryGetValue(name, out var known))
            return known;
        try
        {
            known = new ServiceInfoPlan(name, PlanText.Parse(stored.Value.Steps!.Reveal(), enrollment));
        }
        catch (FormatException e)
        {
            throw new FdoException(FdoErrorCode.InternalServerError, "ServiceInfo", "The plan for this device cannot be read.", e);
        }
        if (_plans.Count >= MaxKept)
            _plans.Clear();
        return _plans[name] = known;
    }

    /// <summary>Stores a plan, or removes it.</summary>
    /// <param name="steps">Null: remove.</param>
    /// <exception cref="FormatException">The target or a step is wrong.</exception>
    /// <exception cref="ConflictException">Somebody else changed it at the same time.</exception>
    public async ValueTask SetAsync(string target, string? steps, Caller caller, CancellationToken cancel)
    {
        target = StoredPlan.Checked(target);
        if (steps is not null)
            PlanText.Parse(steps, enrollment);
        var unit = store.Begin(caller);
        var present = await unit.GetAsync(StoredPlan.Schema, StoredPlan.Key(target), cancel);
        if (steps is not null && present is null)
            unit.Insert(StoredPlan.Schema, StoredPlan.Key(target), new StoredPlan(target, new SecretText(steps), caller.Wall));
        else if (steps is not null)
            unit.Replace(StoredPlan.Schema, present!.Key, new StoredPlan(target, new SecretText(steps), caller.Wall), present.Version);
        else if (present is not null)
            unit.Delete(StoredPlan.Schema, present.Key, present.Version);
        unit.Report(new Fact.Administered(new Identifier("fdo.plan", target), steps is null ? "plan removed" : "plan stored", caller.Listener));
        await unit.CommitAsync(cancel);
    }

    public async ValueTask<ImmutableArray<StoredPlan>> ListAsync(Caller caller, CancellationToken cancel) =>
        [.. (await store.Begin(caller).ListAsync(StoredPlan.Schema, null, 1000, cancel)).Select(p => p.Value)];
}
