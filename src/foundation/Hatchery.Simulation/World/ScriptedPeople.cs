namespace Hatchery.Simulation;

/// <summary>What a person does when asked.</summary>
/// <param name="After">Virtual time until the answer.</param>
/// <param name="Answer">Null: never answers.</param>
public sealed record HumanReaction(TimeSpan After, HumanAnswer? Answer)
{
    public static readonly HumanReaction Absent = new(TimeSpan.Zero, null);
    public static HumanReaction Confirms(HumanPrompt prompt, TimeSpan after) => new(after, new HumanAnswer(prompt.Kind, prompt.Who, null, true));
    public static HumanReaction Declines(HumanPrompt prompt, TimeSpan after) => new(after, new HumanAnswer(prompt.Kind, prompt.Who, null, false));
    public static HumanReaction Enters(HumanPrompt prompt, string value, TimeSpan after) => new(after, new HumanAnswer(prompt.Kind, prompt.Who, new SecretText(value), true));
}

/// <summary>People with a script. Without one for a kind of step nobody answers it.</summary>
public sealed class ScriptedPeople
{
    private readonly Dictionary<StepKind, Func<HumanPrompt, int, HumanReaction>> _scripts = [];
    private readonly Dictionary<StepKind, int> _asked = [];
    private readonly List<HumanPrompt> _shown = [];

    /// <summary>All that was shown, in order: what a person carries from one device to another.</summary>
    public IReadOnlyList<HumanPrompt> Shown => _shown;
    /// <summary>Called when something is shown.</summary>
    public event Action<HumanPrompt>? Sees;

    /// <param name="reaction">Given the prompt and how often this kind was asked before.</param>
    public ScriptedPeople On(StepKind kind, Func<HumanPrompt, int, HumanReaction> reaction)
    {
        _scripts[kind] = reaction;
        return this;
    }

    /// <summary>The value shown last for this kind; null if there was none.</summary>
    public SecretText? LastShown(StepKind kind) => _shown.LastOrDefault(p => p.Kind == kind)?.Value;

    public void Show(HumanPrompt prompt)
    {
        _shown.Add(prompt);
        Sees?.Invoke(prompt);
    }

    internal HumanReaction React(HumanPrompt prompt)
    {
        int before = _asked.GetValueOrDefault(prompt.Kind);
        _asked[prompt.Kind] = before + 1;
        return _scripts.TryGetValue(prompt.Kind, out var script) ? script(prompt, before) : HumanReaction.Absent;
    }
}
