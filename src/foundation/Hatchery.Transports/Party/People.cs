namespace Hatchery.Transports;

/// <summary>The people around a party.</summary>
public interface IPeople
{
    ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel);

    /// <summary>Null: nobody answers.</summary>
    ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel);
}

/// <summary>A device without display, keys or anybody near it: what it shows is not seen, what it asks is not answered.</summary>
public sealed class NoPeople : IPeople
{
    public ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel) => default;
    public ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel) => new((HumanAnswer?)null);
}

/// <summary>One person at a terminal. Control characters in what a peer may have chosen are not passed on.</summary>
public sealed class ConsolePeople(TextReader input, TextWriter output) : IPeople
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Task<string?>? _line;

    public async ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            await output.WriteLineAsync(Sentence(prompt).AsMemory(), cancel);
            await output.FlushAsync(cancel);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            bool yesOrNo = prompt.Kind.Act is Act.Confirm or Act.Compare;
            var hint = yesOrNo ? " [y/N] " : prompt.Kind.Act is Act.Press ? " [Enter] " : ": ";
            await output.WriteAsync((Sentence(prompt) + hint).AsMemory(), cancel);
            await output.FlushAsync(cancel);
            if (await ReadAsync(cancel) is not { } line)
                return null;
            line = line.Trim();
            return yesOrNo
                ? new HumanAnswer(prompt.Kind, prompt.Who, null, line is "y" or "Y" or "yes")
                : new HumanAnswer(prompt.Kind, prompt.Who, line.Length == 0 ? null : new SecretText(line), true);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>A terminal's read cannot be taken back: what was still being read when a question was given up answers the next one.</summary>
    private async Task<string?> ReadAsync(CancellationToken cancel)
    {
        _line ??= Task.Run(input.ReadLine, CancellationToken.None);
        var line = await _line.WaitAsync(cancel);
        _line = null;
        return line;
    }

    private static string Sentence(HumanPrompt prompt)
    {
        var text = prompt.Value is { } value ? $"{prompt.Text} {value.Reveal()}" : prompt.Text;
        return string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));
    }
}

/// <summary>What a party cannot do or know by itself.</summary>
public interface INeeds
{
    /// <summary>What it throws reaches the party as <see cref="Supply.Failed"/>.</summary>
    ValueTask<Supply> AnswerAsync(Need need, CancellationToken cancel);
}

/// <summary>Surroundings that can answer nothing.</summary>
public sealed class NoNeeds : INeeds
{
    public ValueTask<Supply> AnswerAsync(Need need, CancellationToken cancel) => new(new Supply.Failed(need.Ticket, "Nothing here can answer that."));
}
