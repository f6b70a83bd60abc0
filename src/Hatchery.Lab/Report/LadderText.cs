using System.Globalization;
using System.Text;

namespace Hatchery.Lab;

/// <summary>A ceremony for a terminal: who to whom, message, bytes, protection, and what the device believes from then on. Lines of at most 100 columns.</summary>
public static class LadderText
{
    private const int Width = 100;

    public static string Render(Ceremony ceremony)
    {
        var text = new StringBuilder();
        string verdict = ceremony.Outcome.Succeeded ? "completed" : "not completed";
        Line(text, $"{ceremony.Protocol.Name}, {ceremony.Method.Name}: {verdict} ({ceremony.Outcome.Reason})");
        Phase? phase = null;
        int name = Math.Clamp(ceremony.Steps.Select(s => s.Kind.Name.Length).DefaultIfEmpty(10).Max(), 10, 26);
        int actor = Math.Clamp(ceremony.Steps.SelectMany(s => new[] { s.From.Instance.Length, s.To.Instance.Length }).DefaultIfEmpty(8).Max(), 8, 18);
        foreach (var step in ceremony.Steps)
        {
            if (step.Phase != phase)
                Line(text, $"-- {Words.Plain(step.Phase)} --");
            phase = step.Phase;
            string arrow = step.Kind.Act == Act.Message ? "->" : "~>";
            string size = step.Kind.Act == Act.Message ? string.Create(CultureInfo.InvariantCulture, $"{step.Size} B") : Words.Plain(step.Kind.Act);
            string protection = step.Kind.Act != Act.Message ? step.EntropyBits > 0 ? $"{Words.Number(step.EntropyBits)} bits" : "" : Words.Plain(step.Readable);
            Line(text, $"{step.Number,3}  {Fit(step.From.Instance, actor)} {arrow} {Fit(step.To.Instance, actor)}  {Fit(step.Kind.Name, name)} {size,9}  {protection}");
            foreach (var change in step.Changes)
                Line(text, $"       {(change.Change switch { Change.Added => "believes", Change.Replaced => "now believes another", _ => "forgets" })} {change.Belief.Item}"
                    + $" ({Words.Plain(change.Belief.Kind)} about {Words.Plain(change.Belief.About)})");
        }
        return text.ToString();
    }

    private static string Fit(string text, int width) => text.Length <= width ? text.PadRight(width) : string.Concat(text.AsSpan(0, width - 1), "…");

    /// <summary>Names come from peers: what would move the cursor is shown as a question mark.</summary>
    private static void Line(StringBuilder into, string line)
    {
        line = line.TrimEnd();
        if (line.Length > Width)
            line = string.Concat(line.AsSpan(0, Width - 1), "…");
        foreach (char c in line)
            into.Append(char.IsControl(c) ? '?' : c);
        into.Append('\n');
    }
}
