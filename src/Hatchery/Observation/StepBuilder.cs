using System.Collections.Immutable;
using Located = Hatchery.CeremonyAssembler.Located;

namespace Hatchery;

/// <summary>Makes the steps of one ceremony: pairs what was sent with what was received, orders all, and hangs frames and changed beliefs on them.</summary>
internal static class StepBuilder
{
    public static ImmutableArray<Step> Build(IReadOnlyList<Located> observations, Method method)
    {
        var drafts = Pair(observations);
        var ordered = Order(drafts, observations);
        var changes = Changes(observations, drafts);
        // Every process counts its own tags.
        var frames = observations.Where(l => l.Observation is Observation.FrameCaptured { Way: Way.Sent, Tag.Value: not 0 })
            .ToLookup(l => (l.Process, ((Observation.FrameCaptured)l.Observation).Tag), l => (Observation.FrameCaptured)l.Observation);
        var steps = ImmutableArray.CreateBuilder<Step>(ordered.Count);
        foreach (var draft in ordered)
            steps.Add(draft.Finish(steps.Count + 1, method, frames, changes.TryGetValue(draft, out var c) ? c : []));
        return steps.MoveToImmutable();
    }

    private sealed class Draft(Located maker)
    {
        public List<Located> Sightings { get; } = [maker];
        public int Repetitions { get; set; }
        public Observation.Seen First => (Observation.Seen)Sightings[0].Observation;
        public bool HasReceiver => Sightings.Any(s => ((Observation.Seen)s.Observation).Way == Way.Received);

        public Step Finish(int number, Method method, ILookup<(int Process, Tag), Observation.FrameCaptured> frames, ImmutableArray<BeliefChange> changes)
        {
            var seen = Sightings.Select(s => (Observation.Seen)s.Observation).ToList();
            var maker = seen.FirstOrDefault(s => s.Way == Way.Sent);
            var receiver = seen.FirstOrDefault(s => s.Way == Way.Received);
            var first = maker ?? seen[0];
            var from = maker?.Here ?? first.Peer ?? Unknown(first.Kind.From);
            var to = receiver?.Here ?? (maker?.Peer) ?? Unknown(first.Kind.To);
            var hops = ImmutableArray.CreateBuilder<Hop>();
            var at = from;
            foreach (var leg in seen.Where(s => s.Way != Way.Received).DefaultIfEmpty(first))
            {
                int process = Sightings[seen.IndexOf(leg)].Process, next = seen.IndexOf(leg) + 1;
                var until = seen.Skip(next).FirstOrDefault(s => s.Way == Way.Forwarded)?.Here ?? to;
                var carried = leg.Frames.Where(t => t.Value != 0).SelectMany(t => frames[(process, t)]).ToList();
                hops.Add(new Hop(at, until, leg.Medium, carried.Count, carried.Sum(f => f.Bytes.Length), carried.Count(f => f.Repeats) + Repetitions));
                at = until;
            }
            return new Step(number, first.Kind, method.PhaseOf(first.Kind), from, to, first.At, receiver?.At, hops.ToImmutable(), first.Layers,
                first.Size, first.Digest, seen.Max(s => s.EntropyBits), changes);
        }

        private static Actor Unknown(Player player) => new(player, player.Name, player.UsuallyOperatedBy);
    }

    /// <summary>A received message belongs to the oldest sent one with the same bytes that nobody received yet. What a session sends again
    /// unchanged is a repetition. A human act is a step by itself.</summary>
    private static List<Draft> Pair(IReadOnlyList<Located> observations)
    {
        var drafts = new List<Draft>();
        var byBytes = new Dictionary<(StepKind, string), List<Draft>>();
        List<Draft> Same(Observation.Seen seen) =>
            byBytes.TryGetValue((seen.Kind, seen.Digest), out var list) ? list : byBytes[(seen.Kind, seen.Digest)] = [];
        var all = observations.Where(l => l.Observation is Observation.Seen).ToList();
        foreach (var located in all.Where(l => ((Observation.Seen)l.Observation).Way == Way.Sent || ((Observation.Seen)l.Observation).Medium.IsHuman))
        {
            var seen = (Observation.Seen)located.Observation;
            var same = Same(seen);
            if (!seen.Medium.IsHuman && same.FirstOrDefault(d => d.First.Session == seen.Session) is { } before)
            {
                before.Repetitions++;
                continue;
            }
            var draft = new Draft(located);
            drafts.Add(draft);
            if (!seen.Medium.IsHuman)
                same.Add(draft);
        }
        foreach (var located in all.Where(l => ((Observation.Seen)l.Observation).Way == Way.Forwarded))
        {
            if (Same((Observation.Seen)located.Observation).FirstOrDefault(d => !d.HasReceiver) is { } draft)
                draft.Sightings.Add(located);
            else
                Start(located);
        }
        foreach (var located in all.Where(l => l.Observation is Observation.Seen { Way: Way.Received, Medium.IsHuman: false }))
        {
            var seen = (Observation.Seen)located.Observation;
            var same = Same(seen);
            if (same.FirstOrDefault(d => !d.HasReceiver && d.First.Session != seen.Session) is { } draft)
                draft.Sightings.Add(located);
            else if (!same.Any(d => d.Sightings.Any(s => s.Observation.Session == seen.Session)))
                Start(located);
        }
        return drafts;

        void Start(Located located)
        {
            var draft = new Draft(located);
            drafts.Add(draft);
            Same((Observation.Seen)located.Observation).Add(draft);
        }
    }

    /// <summary>Each process's own order holds; between processes, pairing decides; clocks decide only what is left.</summary>
    private static List<Draft> Order(List<Draft> drafts, IReadOnlyList<Located> observations)
    {
        var waits = drafts.ToDictionary(d => d, _ => 0);
        var next = drafts.ToDictionary(d => d, _ => new List<Draft>());
        foreach (var process in drafts.SelectMany(d => d.Sightings.Select(s => (s.Process, s.Observation.Number, Draft: d))).GroupBy(s => s.Process))
        {
            Draft? last = null;
            foreach (var (_, _, draft) in process.OrderBy(s => s.Number))
            {
                if (last is not null && last != draft)
                {
                    next[last].Add(draft);
                    waits[draft]++;
                }
                last = draft;
            }
        }
        var ordered = new List<Draft>(drafts.Count);
        var left = new HashSet<Draft>(drafts);
        TimeSpan Time(Draft d) => CeremonyAssembler.Absolute(d.First.At);
        while (left.Count > 0)
        {
            // Where observations contradict each other (an interleaved repetition), the clock breaks the circle.
            var ready = left.Where(d => waits[d] <= 0).ToList();
            var take = (ready.Count > 0 ? ready : [.. left]).OrderBy(Time).ThenBy(d => d.Sightings[0].Process).ThenBy(d => d.First.Number).First();
            left.Remove(take);
            ordered.Add(take);
            foreach (var draft in next[take])
                waits[draft]--;
        }
        return ordered;
    }

    /// <summary>A change belongs to what its process received last before it.</summary>
    private static Dictionary<Draft, ImmutableArray<BeliefChange>> Changes(IReadOnlyList<Located> observations, List<Draft> drafts)
    {
        var result = new Dictionary<Draft, ImmutableArray<BeliefChange>>();
        foreach (var located in observations)
        {
            if (located.Observation is not Observation.BeliefsChanged changed)
                continue;
            var difference = BeliefDifference.Between(changed.Before, changed.After);
            if (difference.IsEmpty)
                continue;
            var cause = drafts.SelectMany(d => d.Sightings.Select(s => (Draft: d, s)))
                .Where(x => x.s.Process == located.Process && x.s.Observation.Session == changed.Session && x.s.Observation.Number < changed.Number
                    && ((Observation.Seen)x.s.Observation).Way == Way.Received)
                .OrderByDescending(x => x.s.Observation.Number).Select(x => x.Draft).FirstOrDefault();
            if (cause is not null)
                result[cause] = (result.TryGetValue(cause, out var before) ? before : []).AddRange(difference);
        }
        return result;
    }
}

/// <summary>What a ceremony changed in what a device believes.</summary>
public static class BeliefDifference
{
    public static ImmutableArray<BeliefChange> Between(ImmutableArray<Belief> before, ImmutableArray<Belief> after)
    {
        var had = before.ToDictionary(b => b.Item);
        var has = after.ToDictionary(b => b.Item);
        var changes = ImmutableArray.CreateBuilder<BeliefChange>();
        foreach (var belief in after)
            if (!had.TryGetValue(belief.Item, out var old))
                changes.Add(new(Change.Added, belief));
            else if (old.Fingerprint != belief.Fingerprint)
                changes.Add(new(Change.Replaced, belief));
        foreach (var belief in before)
            if (!has.ContainsKey(belief.Item))
                changes.Add(new(Change.Removed, belief));
        return changes.ToImmutable();
    }
}
