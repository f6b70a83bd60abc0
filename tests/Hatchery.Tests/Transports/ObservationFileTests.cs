using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using CsCheck;
using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

public sealed class ObservationFileTests
{
    private static readonly Gen<ImmutableArray<string>> s_texts = Gen.String.Array[0, 3].Select(a => a.ToImmutableArray());
    private static readonly Gen<Identifier> s_name = Gen.Select(Gen.String, Gen.String, (k, v) => new Identifier(k, v));
    private static readonly Gen<ImmutableArray<Identifier>> s_names = s_name.Array[0, 3].Select(a => a.ToImmutableArray());
    private static readonly Gen<DateTimeOffset> s_time = Gen.Long[0, 3_000_000_000_000_000_000].Select(t => new DateTimeOffset(t, TimeSpan.Zero));
    private static readonly Gen<Moment> s_moment = Gen.Select(Gen.Long, s_time, Gen.Bool, (e, w, has) => new Moment(new TimeSpan(e), has ? w : null));
    private static readonly Gen<Actor> s_actor = Gen.Select(Gen.Bool, Gen.String, Gen.String, (d, i, o) => new Actor(d ? Sample.Device : Sample.Server, i, o));
    private static readonly Gen<Medium> s_medium = Gen.Select(Gen.String, Gen.Bool, Gen.Bool, (n, r, h) => new Medium(n, r, h));
    private static readonly Gen<Decision> s_decision = Gen.OneOf<Decision>(Gen.String.Select(p => (Decision)new Decision.Admit(p)),
        Gen.Long.Select(t => (Decision)new Decision.Hold(new TimeSpan(t))), Gen.String.Select(r => (Decision)new Decision.Refuse(r)));
    private static readonly Gen<Fact> s_fact = Gen.OneOf(
        Gen.Select(s_name, Gen.String, s_names, s_names, (s, p, a, b) => (Fact)new Fact.Seen(s, p, a, b)),
        Gen.Select(s_name, s_decision, s_texts, (s, d, e) => (Fact)new Fact.Decided(s, d, e)),
        Gen.Select(s_name, Gen.String, s_time, Gen.Bool, (s, i, t, has) => (Fact)new Fact.Imparted(s, i, has ? t : null)),
        Gen.Select(s_name, Gen.String, Gen.String, (s, f, t) => (Fact)new Fact.OwnerChanged(s, f, t)),
        Gen.Select(s_name, s_name, (s, n) => (Fact)new Fact.Renamed(s, n)),
        Gen.Select(s_name, Gen.String, Gen.String, Gen.String, (s, e, f, t) => (Fact)new Fact.Refused(s, e, f, t)),
        Gen.Select(s_name, Gen.String, Gen.String, (s, a, b) => (Fact)new Fact.Administered(s, a, b)));
    private static readonly Gen<ImmutableArray<Belief>> s_beliefs = Gen.Select(Gen.String, Gen.Enum<BeliefKind>(), Gen.Enum<About>(), Gen.Enum<Origin>(), Gen.Int.Nullable(),
        (i, k, a, o, b) => new Belief(i, k, a, o, "f", b)).Array[0, 3].Select(a => a.ToImmutableArray());
    private static readonly Gen<(long N, SessionId S, Moment At)> s_head = Gen.Select(Gen.Long, Gen.Guid, s_moment, (n, g, m) => (n, new SessionId(g), m));
    private static readonly Gen<Observation> s_observation = Gen.OneOf(
        Gen.Select(s_head, Gen.Enum<Way>(), s_actor, s_actor, s_medium, Gen.Enum<Protection>(), s_texts, Gen.Int, (h, w, a, p, m, l, c, i) =>
            (Observation)new Observation.Seen(h.N, h.S, h.At, i % 2 == 0 ? Sample.Hello : Sample.Typed, w, a, i % 3 == 0 ? null : p, m, [new Layer("x", l)],
                [new Tag(i)], c, i, "d", i)),
        Gen.Select(s_head, Gen.Guid, (h, g) => (Observation)new Observation.Linked(h.N, h.S, h.At, new SessionId(g))),
        Gen.Select(s_head, s_fact, (h, f) => (Observation)new Observation.FactReported(h.N, h.S, h.At, f)),
        Gen.Select(s_head, s_actor, s_beliefs, s_beliefs, (h, a, b, c) => (Observation)new Observation.BeliefsChanged(h.N, h.S, h.At, a, b, c)),
        Gen.Select(s_head, s_actor, Gen.Int, (h, a, n) => (Observation)new Observation.OperationsSpent(h.N, h.S, h.At, a, ImmutableDictionary<string, int>.Empty.Add("sign", n))),
        Gen.Select(s_head, Gen.Bool, Gen.String, Gen.String.Null(), (h, b, r, e) => (Observation)new Observation.Closed(h.N, h.S, h.At, new Outcome(b, r, e))),
        Gen.Select(s_head, Gen.Long, s_medium, Gen.String, Gen.Byte.Array, (h, t, m, f, b) =>
            (Observation)new Observation.FrameCaptured(h.N, h.S, h.At, new Tag(t), Way.Forwarded, m, f, "to", true, b)));

    /// <summary>Everything a record holds, arrays member by member.</summary>
    private static string Show(object? value) => value switch
    {
        null => "null",
        string s => JsonSerializer.Serialize(s),
        StepKind k => k.Name,
        ReadOnlyMemory<byte> b => Convert.ToHexString(b.Span),
        System.Collections.IEnumerable all => $"[{string.Join(",", all.Cast<object?>().Select(Show))}]",
        Moment or SessionId or Tag or Enum or DateTimeOffset or TimeSpan or ValueType => value.ToString()! + (value is Moment m ? m.Elapsed.Ticks + "/" + m.Wall?.Ticks : ""),
        _ => $"{value.GetType().Name}({string.Join(",", value.GetType().GetProperties().Where(p => p.Name != "IsHuman" || p.DeclaringType == typeof(Medium)).OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => Show(p.GetValue(value))))})",
    };

    private static async Task<List<Observation>> ReadAsync(byte[] bytes, params Protocol[] protocols)
    {
        var all = new List<Observation>();
        await foreach (var one in ObservationFile.ReadAsync(new MemoryStream(bytes), protocols, TestContext.Current.CancellationToken))
            all.Add(one);
        return all;
    }

    private static byte[] Write(IEnumerable<Observation> observations)
    {
        using var stream = new MemoryStream();
        using (var writer = new ObservationFileWriter(stream, [Sample.Protocol], leaveOpen: true))
            foreach (var one in observations)
                writer.Add(one);
        return stream.ToArray();
    }

    [Fact]
    public async Task What_is_written_is_read_again() => await s_observation.Array[0, 10].SampleAsync(async written =>
    {
        var read = await ReadAsync(Write(written), Sample.Protocol);
        Assert.Equal(written.Select(Show), read.Select(Show));
        Assert.All(written.Zip(read), pair => Assert.Equal(pair.First.At, pair.Second.At));
    });

    [Fact]
    public async Task A_line_cut_off_is_left_out_and_a_line_that_is_no_observation_is_named()
    {
        var whole = Write([new Observation.Linked(1, default, default, default), new Observation.Linked(2, default, default, default)]);
        Assert.Single(await ReadAsync(whole[..^1]));
        var bad = await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync([.. whole, .. "{\"type\":\"seen\"}\n"u8]));
        Assert.StartsWith("Line 3", bad.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kind_that_no_protocol_has_is_named()
    {
        var seen = Write([new Observation.Seen(1, default, default, Sample.Hello, Way.Sent, new Actor(Sample.Device, "d", "o"), null, Medium.Tcp, [], [], [], 1, "", 0)]);
        Assert.Contains("Hello", (await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(seen))).Message, StringComparison.Ordinal);
    }
}
