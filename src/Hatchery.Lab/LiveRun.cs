using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>Runs made of what real processes observed (their observation files), for <c>demo</c> and <c>survey --live</c>.</summary>
public static class LiveRun
{
    /// <summary>One run for each ceremony that the observations of all processes add up to.</summary>
    /// <param name="processes">Each process's observations, in its own order.</param>
    public static ImmutableArray<LabRun> From(IReadOnlyList<Protocol> protocols, params IReadOnlyList<IReadOnlyList<Observation>> processes)
    {
        var ceremonies = new CeremonyAssembler(protocols).Assemble(processes);
        var observations = processes.Select(p => p.ToImmutableArray()).ToImmutableArray();
        var count = new Dictionary<string, int>();
        return [.. ceremonies.Select(c => Run(c, observations, count))];
    }

    private static LabRun Run(Ceremony ceremony, ImmutableArray<ImmutableArray<Observation>> processes, Dictionary<string, int> count)
    {
        int number = count[ceremony.Method.Id] = count.GetValueOrDefault(ceremony.Method.Id) + 1;
        var mine = processes.Select(p => Of(ceremony, p)).ToImmutableArray();
        var frames = mine.SelectMany(p => p).OfType<Observation.FrameCaptured>().Where(f => f.Way == Way.Sent).Select(f => Frame(f, mine)).ToImmutableArray();
        var scenario = ceremony.Purpose == Purpose.FirstSetup ? Scenario.FirstSetup : Scenario.Again;
        var result = ceremony.Outcome.Succeeded ? Result.Works : Result.Refused;
        return new LabRun($"{ceremony.Method.Id}-live-{Words.Number(number)}", ceremony.Protocol, ceremony.Method, LabConditions.Plain("live"), scenario, null, [ceremony], mine, frames,
            [], [], new NetworkStatistics(frames.Length, frames.Sum(f => (long)f.Size), 0, frames.Count(f => f.Repeats)), Episodes(ceremony), new LabOutcome(result, ceremony.Outcome.Reason))
        {
            IsLive = true,
            WhyNoFrames = frames.IsEmpty ? "the processes did not capture" : null,
        };
    }

    /// <summary>Of the sessions that the ceremony's steps were seen in, and of those linked to them.</summary>
    private static ImmutableArray<Observation> Of(Ceremony ceremony, ImmutableArray<Observation> process)
    {
        var keys = ceremony.Steps.Where(s => s.Digest.Length > 0).Select(s => (s.Kind, s.Digest)).ToHashSet();
        var sessions = process.OfType<Observation.Seen>().Where(s => keys.Contains((s.Kind, s.Digest))).Select(s => s.Session).ToHashSet();
        foreach (var linked in process.OfType<Observation.Linked>())
            if (sessions.Contains(linked.Session) || sessions.Contains(linked.Other))
            {
                sessions.Add(linked.Session);
                sessions.Add(linked.Other);
            }
        return [.. process.Where(o => sessions.Contains(o.Session))];
    }

    private static CapturedFrame Frame(Observation.FrameCaptured frame, ImmutableArray<ImmutableArray<Observation>> processes)
    {
        var sender = processes.SelectMany(p => p).OfType<Observation.Seen>().FirstOrDefault(s => s.Session == frame.Session && s.Way == Way.Sent)?.Here.Instance ?? "";
        return new CapturedFrame(frame.At.Elapsed, frame.Medium.Name, $"{frame.From} > {frame.To}", sender, frame.To, frame.Bytes, frame.Bytes.Length, frame.Repeats, frame.Tag);
    }

    private static ImmutableArray<TimeSpan> Episodes(Ceremony ceremony) =>
        Field.OfDevice(ceremony).Select(s => s.Sent.Elapsed).Take(1).ToImmutableArray();
}
