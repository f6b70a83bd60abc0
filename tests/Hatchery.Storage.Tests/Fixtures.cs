using System.Collections.Immutable;
using System.Security.Cryptography;

// File modes, and where Debian has PostgreSQL.
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Hatchery.Storage.Tests;

/// <summary>A record as protocols have them: text, a number, a secret, an index.</summary>
public sealed record Gadget(string Name, string? Owner = null, int Count = 0, SecretText? Pin = null)
{
    public static readonly Schema<Gadget> Schema = new Schema<Gadget>("test.gadget", 2, new Gadget(""))
        .Plain("name", g => g.Name, (g, v) => g with { Name = v }, Lifetime.Factory, "a test's")
        .Plain("owner", g => g.Owner!, (g, v) => g with { Owner = v }, Lifetime.Imparted, "a test's")
        .Plain("count", g => g.Count, (g, v) => g with { Count = v }, Lifetime.Imparted, "a test's")
        .Plain("pin", g => g.Pin!, (g, v) => g with { Pin = v }, Lifetime.Factory, "a test's", secret: true)
        .Index("owner", g => g.Owner)
        .Upgrades(OldGadget.Schema, old => new Gadget(old.Label, Count: 1));
}

public sealed record OldGadget(string Label)
{
    public static readonly Schema<OldGadget> Schema = new Schema<OldGadget>("test.gadget", 1, new OldGadget(""))
        .Plain("label", g => g.Label, (g, v) => g with { Label = v }, Lifetime.Factory, "a test's");
}

public sealed record Talk(int Round, string Secret) : ISessionState<Talk>
{
    public byte[] Write() => [(byte)Round, .. System.Text.Encoding.UTF8.GetBytes(Secret)];
    public static Talk Read(ReadOnlyMemory<byte> bytes) => new(bytes.Span[0], System.Text.Encoding.UTF8.GetString(bytes.Span[1..]));
}

/// <summary>Wall time is set by the test. A timer fires at once, and moves the time to when it was due, if the test says so; otherwise it is the system's.</summary>
public sealed class Clock : TimeProvider
{
    private long _ticks = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero).Ticks;
    public bool Leaps { get; set; }
    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);
    public override long GetTimestamp() => Interlocked.Read(ref _ticks);
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (!Leaps || dueTime == Timeout.InfiniteTimeSpan)
            return base.CreateTimer(callback, state, dueTime, period);
        Advance(dueTime);
        return base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}

public sealed class SystemDraws : Chance
{
    public override void Fill(Span<byte> destination, string use) => RandomNumberGenerator.Fill(destination);
    public override AgreementKey NewAgreementKey(ECCurve curve, string use) => throw new InvalidOperationException("Storage agrees on no keys.");
    public override ECDsa NewSigningKey(ECCurve curve, string use) => throw new InvalidOperationException("Storage signs nothing.");
}

/// <summary>A directory that goes with the test.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hs-").FullName;
    public string File(string name) => System.IO.Path.Combine(Path, name);
    public void Dispose() => Directory.Delete(Path, recursive: true);
}

public static class Facts
{
    public static Identifier Id(string value) => new("serial", value);
    public static Fact.Seen Seen(string subject, string[] proven, params string[] claimed) => new(Id(subject), "fdo", [.. proven.Select(Id)], [.. claimed.Select(Id)]);
    public static Fact Admitted(string subject, string profile) => new Fact.Decided(Id(subject), new Decision.Admit(profile), ["a voucher"]);
    public static ImmutableArray<Fact> One(Fact fact) => [fact];
}
