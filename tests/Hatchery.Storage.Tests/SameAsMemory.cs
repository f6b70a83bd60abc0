using System.Collections.Immutable;
using CsCheck;

namespace Hatchery.Storage.Tests;

/// <summary>Random batches go to a database and to the store in memory: the same ones conflict, and afterwards records, registry and audit log, with ids and chain, are equal.</summary>
internal static class SameAsMemory
{
    private static readonly Gen<Identifier> s_name = Gen.Int[0, 5].Select(i => Facts.Id($"{i}"));
    private static readonly Gen<ImmutableArray<Identifier>> s_names = s_name.Array[0, 3].Select(a => a.Distinct().ToImmutableArray());

    private static readonly Gen<Fact> s_fact = Gen.Frequency(
        (4, Gen.Select(s_name, s_names, s_names, (s, p, c) => (Fact)new Fact.Seen(s, "fdo", p, c))),
        (1, Gen.Select(s_name, Gen.Int[0, 2], (s, d) => (Fact)new Fact.Decided(s, d switch { 0 => new Decision.Admit("p"), 1 => new Decision.Hold(TimeSpan.FromSeconds(5)), _ => new Decision.Refuse("no") }, ["e"]))),
        (1, Gen.Select(s_name, s_name, (s, n) => (Fact)new Fact.Renamed(s, n))),
        (1, s_name.Select(s => (Fact)new Fact.OwnerChanged(s, "a", "b"))),
        (1, s_name.Select(s => (Fact)new Fact.Refused(s, "1", "f", "no"))));

    /// <summary>What a write expects is chosen near to what is there: 0 absent, 1 right, 2 a version too many.</summary>
    private static readonly Gen<(string Key, int Expect, bool Delete, string? Index, int Life)> s_write =
        Gen.Select(Gen.Int[0, 4].Select(i => $"k{i}"), Gen.Frequency((2, Gen.Const(0)), (6, Gen.Const(1)), (1, Gen.Const(2))), Gen.Int[0, 4].Select(i => i == 0),
            Gen.Int[0, 2].Select(i => i switch { 0 => "x", 1 => "y", _ => null }), Gen.Int[-3, 6]);

    private static readonly Gen<((string, int, bool, string?, int)[] Writes, Fact[] Facts, int Seconds)> s_batch = Gen.Select(s_write.Array[0, 3], s_fact.Array[0, 4], Gen.Int[0, 4]);

    public static async Task CheckAsync(IRecordBackend backend, Clock clock, string prefix, int batches)
    {
        var memory = new MemoryBackend(clock);
        int conflicts = 0, commits = 0;
        var all = new List<((string, int, bool, string?, int)[] Writes, Fact[] Facts, int Seconds)>();
        s_batch.Sample(all.Add, iter: batches, threads: 1);
        foreach (var (writes, facts, seconds) in all)
        {
            clock.Advance(TimeSpan.FromSeconds(seconds));
            var now = clock.GetUtcNow();
            var records = ImmutableArray.CreateBuilder<RecordWrite>();
            foreach (var (key, expect, delete, index, life) in writes.DistinctBy(w => w.Item1))
            {
                long there = (await memory.ReadAsync("s", key, default))?.Version ?? 0;
                long expected = expect == 0 ? 0 : there + expect - 1;
                records.Add(new("s", prefix + key, expected, delete && expected > 0 ? default : System.Text.Encoding.UTF8.GetBytes($"{{\"n\":{all.Count}}}"),
                    index is null ? [] : [("i", index)], life > 0 ? now.AddSeconds(life) : null));
            }
            var batch = new CommitBatch(records.ToImmutable(), [.. facts], now, "test", "::1");
            var (mine, theirs) = (await TryAsync(memory, batch), await TryAsync(backend, batch));
            Assert.Equal(mine, theirs);
            _ = mine ? commits++ : conflicts++;
            Assert.Equal(Show(await memory.ListAsync("s", null, 100, default)), Show(await backend.ListAsync("s", null, 100, default)));
            Assert.Equal(Show(await memory.FindAsync("s", "i", "x", 100, default)), Show(await backend.FindAsync("s", "i", "x", 100, default)));
        }
        Assert.True(commits > batches / 4 && conflicts > batches / 20, $"{commits} commits, {conflicts} conflicts: the batches try too little.");
        Assert.Equal(await memory.Registry.AuditAsync(0, 10_000, null, default), await backend.Registry.AuditAsync(0, 10_000, null, default));
        var (known, found) = (await memory.Registry.ListAsync(null, 1000, default), await backend.Registry.ListAsync(null, 1000, default));
        Assert.True(known.Length > 3);
        Assert.Equal(known.Select(Show), found.Select(Show));
        for (int i = 0; i < 6; i++)
            Assert.Equal((await memory.Registry.FindAsync(Facts.Id($"{i}"), default))?.Id, (await backend.Registry.FindAsync(Facts.Id($"{i}"), default))?.Id);
    }

    private static async Task<bool> TryAsync(IRecordBackend backend, CommitBatch batch)
    {
        try
        {
            await backend.CommitAsync(batch, default);
            return true;
        }
        catch (ConflictException)
        {
            return false;
        }
    }

    private static string Show(ImmutableArray<StoredDocument> documents) =>
        string.Join(' ', documents.Select(d => $"{d.Key}:{d.Version}:{System.Text.Encoding.UTF8.GetString(d.Json.Span)}"));

    private static string Show(RegisteredDevice d) => $"{d with { Identifiers = [] }} {string.Join(' ', d.Identifiers)}";
}
