using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>What became of one item of the device towards a listener.</summary>
/// <param name="Setup">The n-th setup of the run, from 0; -1: factory and sale.</param>
/// <param name="Step">The message that carried it; null: bytes that no step accounts for.</param>
/// <param name="BeforeAuthentication">Before anybody had proven anything to anybody in this setup.</param>
public sealed record Disclosure(HeldItem Item, Hit Hit, int Setup, Step? Step, bool BeforeAuthentication);

public static class Listener
{
    /// <summary>Every item that was found, in the order of frames; the first of each item, setup and message.</summary>
    public static ImmutableArray<Disclosure> Of(LabRun run, IEnumerable<HeldItem> items)
    {
        var list = items.ToList();
        var byName = list.GroupBy(i => i.Item).ToDictionary(g => g.Key, g => g.First());
        var found = new List<Disclosure>();
        foreach (var hit in ListenerSearch.Find(run.Frames, list).OrderBy(h => h.Frame))
        {
            var step = StepOf(run, hit.Captured);
            int setup = SetupOf(run, step, hit.Captured.At);
            if (found.Any(f => f.Item.Item == hit.Item && f.Setup == setup && f.Step == step))
                continue;
            found.Add(new Disclosure(byName[hit.Item], hit, setup, step, setup >= 0 && hit.Captured.At < FirstProof(run, setup)));
        }
        return [.. found];
    }

    /// <summary>By the ceremony of the step; bytes of no step by the time at which the device was switched on.</summary>
    private static int SetupOf(LabRun run, Step? step, TimeSpan at)
    {
        if (step is { Phase: <= Phase.Sale })
            return -1;
        for (int i = 0; step is not null && i < run.Ceremonies.Length; i++)
            if (run.Ceremonies[i].Steps.Contains(step))
                return i;
        return run.Episodes.Count(e => e <= at) - 1;
    }

    /// <summary>By the tag that ran from the message to its frames; else the last message of that sender that was under way.</summary>
    public static Step? StepOf(LabRun run, CapturedFrame frame)
    {
        var steps = run.Ceremonies.SelectMany(c => c.Steps).Where(s => s.Kind.Act == Act.Message && s.From.Instance == frame.From).ToList();
        if (frame.Tag != default)
        {
            var seen = run.Observations.SelectMany(p => p).OfType<Observation.Seen>()
                .FirstOrDefault(s => s.Way == Way.Sent && s.Here.Instance == frame.From && s.Frames.Contains(frame.Tag));
            if (seen is not null && steps.FirstOrDefault(s => s.Kind == seen.Kind && s.Digest == seen.Digest) is { } exact)
                return exact;
        }
        return steps.LastOrDefault(s => s.Sent.Elapsed <= frame.At && (s.Received is not { } received || received.Elapsed >= frame.At));
    }

    /// <summary>When a role first reported a proven identifier or a decision in this setup.</summary>
    private static TimeSpan FirstProof(LabRun run, int setup)
    {
        if (setup >= run.Episodes.Length)
            return TimeSpan.MaxValue;
        var (from, to) = (run.Episodes[setup], setup + 1 < run.Episodes.Length ? run.Episodes[setup + 1] : TimeSpan.MaxValue);
        return run.Observations.SelectMany(p => p).OfType<Observation.FactReported>()
            .Where(f => f.At.Elapsed >= from && f.At.Elapsed < to && f.Fact is Fact.Seen { Proven.IsDefaultOrEmpty: false } or Fact.Decided)
            .Select(f => f.At.Elapsed).DefaultIfEmpty(TimeSpan.MaxValue).Min();
    }
}
