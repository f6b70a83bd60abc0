using System.Collections.Immutable;

namespace Hatchery.Fdo.Owner;

/// <summary>What a device gave its owner in one TO2: a file, the output of a program.</summary>
/// <param name="Guid">That the device goes by since.</param>
public sealed record OwnerResult(Guid Guid, int Number, string Name, string Outcome, SecretBytes? Content, DateTimeOffset At)
{
    public static readonly Schema<OwnerResult> Schema = new Schema<OwnerResult>("fdo.result", 1, new(default, 0, "", "", null, default))
        .Plain("Guid", d => d.Guid, (d, v) => d with { Guid = v }, Lifetime.Factory, "a server's record")
        .Plain("Number", d => d.Number, (d, v) => d with { Number = v }, Lifetime.Factory, "a server's record")
        .Plain("Name", d => d.Name, (d, v) => d with { Name = v }, Lifetime.Factory, "a server's record")
        .Plain("Outcome", d => d.Outcome, (d, v) => d with { Outcome = v }, Lifetime.Factory, "a server's record")
        .Plain("Content", d => d.Content!, (d, v) => d with { Content = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("At", d => d.At, (d, v) => d with { At = v }, Lifetime.Factory, "a server's record")
        .Index("guid", d => d.Guid.ToString("N"));

    public static RecordKey Key(Guid guid, DateTimeOffset at, int number) => new($"{guid:N}-{at.UtcTicks:x16}-{number:D3}");
}

/// <summary>Writes and reads what devices gave.</summary>
public static class OwnerResults
{
    private const int Max = 1000;

    public static async ValueTask<ImmutableArray<OwnerResult>> OfAsync(IRecordStore store, Guid guid, Caller caller, CancellationToken cancel) =>
        [.. (await store.Begin(caller).FindAsync(OwnerResult.Schema, "guid", guid.ToString("N"), Max, cancel)).Select(r => r.Value)];

    /// <summary>In the unit of work that makes the onboarding durable: results without it, or it without them, there is not.</summary>
    internal static void Add(IUnitOfWork unit, To2Session session, Identifier subject, DateTimeOffset at)
    {
        foreach (string item in session.Imparted)
            unit.Report(new Fact.Imparted(subject, item, null));
        for (int i = 0; i < session.More.Results.Length; i++)
        {
            var result = session.More.Results[i];
            unit.Insert(OwnerResult.Schema, OwnerResult.Key(session.NewGuid, at, i), new OwnerResult(session.NewGuid, i, result.Name, result.Outcome, new SecretBytes(result.Content.Span), at));
        }
    }

    /// <summary>The end of a TO2 that left the credential as it was: the voucher stays, and answers TO2 again. False: it is no more.</summary>
    internal static async ValueTask<bool> KeepAsync(IUnitOfWork unit, To2Session session, DateTimeOffset at, CancellationToken cancel)
    {
        if (await unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(session.Voucher.Guid), cancel) is not { Value.AnswersTo2: true })
            return false;
        var subject = OwnerVoucher.Subject(session.Voucher.Guid);
        Add(unit, session, subject, at);
        unit.Report(new Fact.Administered(subject, "onboarded; its credential stays as it was", "TO2"));
        await unit.CommitAsync(cancel);
        return true;
    }
}
